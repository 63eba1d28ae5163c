// One run, judged right: with a real tcpdump, and with impostors that miscount, fail or are interrupted. Needs root, and
// fails without it.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Lab } from '../../bench/lab.ts';
import { type Contestant, DISCARD, measure } from '../../bench/run.ts';

const BOUND_MS = 30_000;
const settings = { packets: 1000, ringMemory: 2 ** 20, snaplen: 96, pin: false };
const never = new AbortController().signal;

let lab: Lab;
let directory: string;

beforeAll(() => {
  lab = Lab.create();
  directory = mkdtempSync(join(tmpdir(), 'tsnetpcap-run-'));
});

afterAll(() => {
  lab?.remove();
  if (directory !== undefined) rmSync(directory, { recursive: true });
});

const tcpdump: Contestant = {
  name: 'tcpdump',
  argv: (file, { snaplen }) => ['tcpdump', '-i', 'cap0', '-s', String(snaplen), '-Z', 'root', '-w', file],
};

/** Says that it listens, and these statistics when it is told to stop. */
function impostor(...statistics: string[]): Contestant {
  const trap = `trap 'printf "%s\\n" "$@" >&2; exit 0' TERM`;
  const script = `${trap}; echo listening on nothing >&2; while :; do sleep 0.1; done`;
  return { name: 'impostor', argv: () => ['sh', '-c', script, 'sh', ...statistics] };
}

function processesInside(): string {
  return execFileSync('ip', ['netns', 'pids', lab.name], { encoding: 'utf8' });
}

test.each([0, 1000])(
  'a capture of %i packets adds up and leaves nothing behind',
  { timeout: BOUND_MS },
  async (packets) => {
    const run = await measure(lab, tcpdump, join(directory, 'a.pcap'), { ...settings, packets }, never);
    const counts = { offered: packets, received: packets, written: packets, dropped: 0 };
    expect(run).toMatchObject({ program: 'tcpdump', ...counts, flaw: undefined });
    expect(run.userSec + run.systemSec).toBeGreaterThanOrEqual(0); // NaN is not
    expect(run.captureSec).toBeGreaterThanOrEqual(0);
    expect(run.captureSec).toBeLessThanOrEqual(run.userSec + run.systemSec + 0.02); // both in ticks of 10 ms
    expect(run.maxRssKib).toBeGreaterThan(1000);
    expect(readdirSync(directory)).toEqual([]);
    expect(existsSync(join(tmpdir(), `${lab.name}.usage`))).toBe(false);
    expect(processesInside()).toBe('');
  },
);

test('a run whose packets do not add up is void', { timeout: BOUND_MS }, async () => {
  const deaf = impostor('999 packets captured', '999 packets received by filter', '0 packets dropped by kernel');
  expect(await measure(lab, deaf, DISCARD, settings, never)).toMatchObject({ flaw: 'received 999 of 1000' });
  const loser = impostor('990 packets captured', '1000 packets received by filter', '9 packets dropped by kernel');
  expect(await measure(lab, loser, DISCARD, settings, never)).toMatchObject({
    flaw: '990 written and 9 dropped of 1000',
  });
  const mute = await measure(lab, impostor(), DISCARD, settings, never);
  expect(mute.flaw).toBe('received NaN of 1000');
});

test('a program that does not start is an error with its words', async () => {
  const broken: Contestant = { name: 'broken', argv: () => ['sh', '-c', 'echo no such device >&2; exit 1'] };
  await expect(measure(lab, broken, DISCARD, settings, never)).rejects.toThrow('ended at once: no such device');
});

test('an interrupt ends the capture', { timeout: BOUND_MS }, async () => {
  const file = join(directory, 'b.pcap');
  const interrupt = new AbortController();
  const run = measure(lab, tcpdump, file, settings, interrupt.signal);
  const rejected = expect(run).rejects.toThrow('aborted');
  await expect.poll(() => existsSync(file), { timeout: 10_000 }).toBe(true);
  interrupt.abort();
  await rejected;
  expect(processesInside()).toBe('');
  expect(existsSync(file)).toBe(false);
});
