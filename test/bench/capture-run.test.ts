// One run, judged right, with impostors that miscount or are interrupted; contestants.test.ts has the real programs. Needs
// root, and fails without it.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CaptureRun, DISCARD, measureCapture } from '../../bench/capture-run.ts';
import type { Measured } from '../../bench/cell.ts';
import { type Contestant, tcpdump } from '../../bench/contestants.ts';
import { Lab } from '../../bench/lab.ts';

const run: CaptureRun = { file: DISCARD, offer: { count: 1000 }, snaplen: 96, ringMemory: 2 ** 20 };
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

/** Processes of tcpdump in the lab; a generator stays there. */
function capturing(): string[] {
  const pids = execFileSync('ip', ['netns', 'pids', lab.name], { encoding: 'utf8' }).split('\n').filter(Boolean);
  return pids.filter((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'tcpdump\n');
}

/** Says that it listens, and these statistics when it is told to stop. */
function impostor(...statistics: string[]): Contestant {
  const trap = `trap 'printf "%s\\n" "$@" >&2; exit 0' TERM`;
  const script = `${trap}; echo listening on nothing >&2; while :; do sleep 0.1; done`;
  return { ...tcpdump, name: 'impostor', argv: () => ['sh', '-c', script, 'sh', ...statistics] };
}

function measure(contestant: Contestant, changes: Partial<CaptureRun> = {}): Promise<Measured> {
  const bench = { lab, program: '', signal: new AbortController().signal };
  return measureCapture(bench, contestant, { ...run, ...changes }, 0);
}

test('without packets there is no cost of one, and nothing is left behind', async () => {
  const { flaw, values } = await measure(tcpdump, { file: join(directory, 'a.pcap'), offer: undefined });
  expect(flaw).toBeUndefined();
  expect(values).toMatchObject({ offered: 0, received: 0, written: 0, dropped: 0 });
  expect(Object.keys(values)).not.toContain('cpuPerMillion');
  expect(values['captureSec']).toBeLessThanOrEqual(values['cpuSec'] ?? 0);
  expect(readdirSync(directory)).toEqual([]);
  expect(capturing()).toEqual([]);
});

test.each([
  ['received 999 of 1000', ['999 packets captured', '999 packets received by filter', '0 packets dropped by kernel']],
  [
    '990 written and 9 dropped of 1000',
    ['990 packets captured', '1000 packets received by filter', '9 packets dropped by kernel'],
  ],
  ['received NaN of 1000', []],
])('a run whose packets do not add up is void: %s', async (flaw, statistics) => {
  const measured = await measure(impostor(...statistics));
  expect(measured.flaw).toBe(flaw);
  expect(JSON.parse(JSON.stringify(measured))).toEqual(measured); // no NaN in it
});

test('a file that has less than the program says makes it void', async () => {
  const liar: Contestant = {
    ...tcpdump,
    counts: (said, offered) => ({ ...tcpdump.counts(said, offered), captured: offered + 1 }),
  };
  const { flaw } = await measure(liar, { file: join(directory, 'b.pcap') });
  expect(flaw).toBe('says 1001, the file has 1000');
});

test('an interrupt ends the capture', async () => {
  const file = join(directory, 'c.pcap');
  const interrupt = new AbortController();
  const measured = measureCapture({ lab, program: '', signal: interrupt.signal }, tcpdump, { ...run, file }, 0);
  const rejected = expect(measured).rejects.toThrow('aborted');
  await expect.poll(() => existsSync(file), { timeout: 10_000 }).toBe(true);
  interrupt.abort();
  await rejected;
  expect(capturing()).toEqual([]);
  expect(existsSync(file)).toBe(false);
});
