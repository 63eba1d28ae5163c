// An interface that is not there: at the start, or because it is removed, made again, set down or renamed while it is
// captured. Live, in a lab of each test's own; needs root, and fails without it.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  constants,
  createReadStream,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { readSequence } from '../../bench/frames.ts';
import { Lab } from '../../bench/lab.ts';
import { offer } from '../../bench/offer.ts';
import { libc } from '../../src/native/libc.ts';
import type { LedgerEntry } from '../../src/rotation/ledger-entry.ts';
import { PROGRAM, Program } from '../program.ts';
import { expectReadable, readSavefile, type SavefileRecord } from '../savefile.ts';

const GONE = 'tsnetpcap: cap0: the interface disappeared, waiting for it\n';
const DOWN = 'tsnetpcap: cap0: the interface went down\n';
const BACK = /tsnetpcap: cap0: back after \d+\.\d s\n/g;

let root: string;
let home: string;
let lab: Lab;
let running: Program[];

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'tsnetpcap-absence-'));
});
afterAll(() => rmSync(root, { recursive: true }));

beforeEach(() => {
  home = mkdtempSync(join(root, 'home-'));
  lab = Lab.create();
  running = [];
});

afterEach(async () => {
  for (const program of running) await program.kill();
  lab.remove();
});

/** Into a series in `home`, one file a day. */
async function capture(...options: readonly string[]): Promise<Program> {
  const program = await Program.capture(lab, [
    '-i',
    'cap0',
    '--rotate',
    '1d',
    '-w',
    join(home, 'p-%s.pcap'),
    ...options,
  ]);
  running.push(program);
  return program;
}

function start(...options: readonly string[]): Program {
  const program = new Program(lab, [process.execPath, PROGRAM, '-w', join(home, 'p-%s.pcap'), ...options]);
  running.push(program);
  return program;
}

/** How often it has said so. */
const times = (program: Program, text: string | RegExp): number => program.stderr.split(text).length - 1;
const back = (program: Program, count: number): Promise<void> => program.until(() => times(program, BACK) === count);
const savefiles = (): string[] =>
  readdirSync(home)
    .filter((name) => name.includes('.pcap'))
    .sort();
const bytes = (): number => savefiles().reduce((total, name) => total + statSync(join(home, name)).size, 0);
const records = (): SavefileRecord[] => savefiles().flatMap((name) => [...readSavefile(join(home, name)).records]);
const numbers = (found: readonly SavefileRecord[]): number[] => found.map(({ packet }) => readSequence('udp4', packet));
const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

function ledger(): LedgerEntry[] {
  return readFileSync(join(home, 'p.ledger.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

/** The reasons of the gaps; each ends after it began, and none begins before the one before it has ended. */
function gaps(): string[] {
  let lastMs = 0;
  return ledger().flatMap((entry) => {
    if (entry.type !== 'gap') return [];
    expect(entry.device).toBe('cap0');
    expect(entry.fromMs).toBeGreaterThanOrEqual(lastMs);
    expect(entry.toMs).toBeGreaterThan(entry.fromMs);
    lastMs = entry.toMs;
    return [entry.reason];
  });
}

/** Of a link; '' for one that is gone, as the descriptor of a file is that the program had open for a moment. */
function target(link: string): string {
  try {
    return readlinkSync(link);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

/** The sockets it has open, and those of them that are mapped. */
function sockets(program: Program): { open: number; mapped: number } {
  const proc = `/proc/${program.process.pid}`;
  const open = readdirSync(`${proc}/fd`).filter((fd) => target(`${proc}/fd/${fd}`).startsWith('socket:'));
  return { open: open.length, mapped: readFileSync(`${proc}/maps`, 'utf8').split('socket:').length - 1 };
}

test('deleted and made again 20 times under load: each time it is back, and every packet from then on is there', async () => {
  const [rounds, after, loadLength, afterLength] = [20, 500, 64, 128];
  const program = await capture('--rotate', '5s');
  const before = sockets(program);
  expect(before.mapped).toBe(1);
  const tookMs: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    const had = bytes();
    const load = offer(lab, { count: 10_000_000, rate: 100_000, send: true, length: loadLength });
    const over = expect(load, 'the load lasts until the interface goes').rejects.toThrow();
    await program.until(() => bytes() > had + 1_000_000);
    lab.disconnect();
    await over;
    await program.until(() => times(program, GONE) === round);
    lab.connect();
    const connectedMs = performance.now();
    await back(program, round);
    tookMs.push(performance.now() - connectedMs);
    expect(await offer(lab, { count: after, send: true, length: afterLength })).toBe(after);
  }
  expect(sockets(program)).toEqual(before);
  const { captured, received, dropped } = await program.stop();
  expect(received).toBe(captured + dropped);
  process.stdout.write(
    `back ${Math.min(...tookMs).toFixed()} to ${Math.max(...tookMs).toFixed()} ms after it was made again, ` +
      `${received} packets received, ${dropped} dropped\n`,
  );
  expect(program.stderr.replaceAll(DOWN, '').replaceAll(GONE, '').replaceAll(BACK, '').split('\n').length).toBe(
    'listening captured received dropped end'.split(' ').length,
  );
  expect(gaps()).toEqual(new Array(rounds).fill('removed'));
  const all = records();
  expect(all.length).toBe(captured);
  expect(numbers(all.filter(({ len }) => len === afterLength))).toEqual(new Array(rounds).fill(upTo(after)).flat());
  expect(ledger().at(-1)).toMatchObject({ type: 'stop', received, written: captured, dropped, unread: 0 });
  for (const name of savefiles()) expectReadable(join(home, name), readSavefile(join(home, name)).records.length);
}, 180_000);

test('what it had brought before it was removed is written, also while it is away', async () => {
  const program = await capture();
  expect(await offer(lab, { count: 2000 })).toBe(2000);
  lab.disconnect();
  await program.says(/disappeared/);
  await program.until(() => bytes() > 2000 * 128);
  expect(await program.stop()).toEqual({ captured: 2000, received: 2000, dropped: 0 });
});

test('set down and up: it goes on by itself, said once each', async () => {
  const program = await capture('--exit-on-down');
  for (let round = 1; round <= 3; round++) {
    lab.link('set', 'cap0', 'down');
    await program.until(() => times(program, DOWN) === round);
    lab.link('set', 'cap0', 'up');
    await back(program, round);
    expect(await offer(lab, { count: 100 })).toBe(100);
  }
  expect(await program.stop()).toEqual({ captured: 300, received: 300, dropped: 0 });
  expect(gaps()).toEqual(['down', 'down', 'down']);
  expect(program.stderr).not.toContain('disappeared');
});

test('--exit-on-down: the gap lasts until the end', async () => {
  const program = await capture('--exit-on-down');
  expect(await offer(lab, { count: 100 })).toBe(100);
  lab.disconnect();
  expect(await program.exit()).toBe(1);
  expect(program.stderr.split('\n').at(-2)).toBe('tsnetpcap: cap0: the interface disappeared');
  expect(program.statistics()).toEqual({ captured: 100, received: 100, dropped: 0 });
  expect(gaps()).toEqual(['removed']);
  expect(ledger().at(-1)).toMatchObject({ type: 'stop', received: 100, written: 100 });
  expectReadable(join(home, savefiles()[0] ?? ''), 100);
});

test.each<[string, () => void]>([
  ['removed', () => lab.disconnect()],
  ['renamed', () => lab.link('set', 'cap0', 'name', 'other0')],
  [
    'removed and made again under the same number',
    () => {
      const index = Number(/^(\d+): cap0/.exec(lab.exec(['ip', '-o', 'link', 'show', 'cap0']))?.[1]);
      lab.disconnect();
      lab.link('add', 'cap0', 'index', String(index), 'type', 'veth', 'peer', 'name', 'gen0');
    },
  ],
])('set down, and then %s: one gap', async (_, remove) => {
  const program = await capture();
  expect(await offer(lab, { count: 100 })).toBe(100);
  lab.link('set', 'cap0', 'down');
  await program.says(/went down/);
  remove();
  await program.says(/disappeared/);
  expect(program.stderr.replace(/^.*\n/, '')).toBe(DOWN + GONE);
  if (lab.exec(['ip', 'link']).includes('gen0')) lab.disconnect();
  lab.connect();
  await back(program, 1);
  expect(await offer(lab, { count: 100 })).toBe(100);
  expect(await program.stop()).toEqual({ captured: 200, received: 200, dropped: 0 });
  expect(gaps()).toEqual(['removed']);
});

test('renamed and named back: it goes on with the same interface, and leaves it alone meanwhile', async () => {
  const program = await capture();
  const rename = (from: string, to: string): void => {
    lab.link('set', from, 'down');
    lab.link('set', from, 'name', to);
    lab.link('set', to, 'up');
  };
  rename('cap0', 'other0');
  await program.says(/disappeared/);
  expect(lab.exec(['ip', '-d', 'link', 'show', 'other0'])).toContain('promiscuity 0');
  rename('other0', 'cap0');
  await back(program, 1);
  expect(lab.exec(['ip', '-d', 'link', 'show', 'cap0'])).toContain('promiscuity 1');
  expect(await offer(lab, { count: 100 })).toBe(100);
  expect(await program.stop()).toEqual({ captured: 100, received: 100, dropped: 0 });
  expect(gaps()).toEqual(['removed']);
});

test('one of the same name but another link type is said, and not taken', async () => {
  const program = await capture();
  lab.disconnect();
  await program.says(/disappeared/);
  lab.exec(['ip', 'tuntap', 'add', 'cap0', 'mode', 'tun']);
  lab.link('set', 'cap0', 'up');
  await program.says(
    /tsnetpcap: cap0: the interface has another link type \(ARPHRD 65534 instead of 1\), waiting for one as before\n/,
  );
  lab.link('delete', 'cap0');
  lab.connect();
  await back(program, 1);
  expect(times(program, 'another link type')).toBe(1);
  expect(await offer(lab, { count: 100 })).toBe(100);
  expect(await program.stop()).toEqual({ captured: 100, received: 100, dropped: 0 });
  expect(gaps()).toEqual(['removed']);
});

test('while it is away, files are completed on time, signals are heard, and SIGTERM ends it', async () => {
  const program = await capture('--rotate', '1s');
  lab.disconnect();
  await program.says(/disappeared/);
  const complete = (): string[] => savefiles().filter((name) => name.endsWith('.pcap'));
  const had = complete().length;
  await program.until(() => complete().length >= had + 2);
  program.signal('SIGUSR1');
  await program.says(/0 packets captured, 0 packets received/);
  expect(await program.stop()).toEqual({ captured: 0, received: 0, dropped: 0 });
  expect(gaps()).toEqual(['removed']);
  expect(complete()).toEqual(savefiles());
  expect(program.stderr).not.toContain('back');
});

const F_SETFL = 4;
const fcntl = libc.func('int fcntl(int fd, int command, int flags)');

test('what the next one brings comes behind what the output has not taken yet', async () => {
  const [fifo, copy] = [join(home, 'fifo'), join(home, 'copy.pcap')];
  execFileSync('mkfifo', [fifo]);
  const readFd = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
  const writeFd = openSync(fifo, 'w');
  const program = await Program.capture(lab, ['-i', 'cap0', '-w', '-'], { stdout: writeFd });
  running.push(program);
  expect(fcntl(writeFd, F_SETFL, constants.O_NONBLOCK)).toBe(0); // for both: it is one open file
  closeSync(writeFd);
  expect(await offer(lab, { count: 5000, send: true })).toBe(5000); // ten times what the pipe holds
  lab.disconnect();
  await program.says(/disappeared/);
  lab.connect();
  await back(program, 1);
  expect(await offer(lab, { count: 100, send: true })).toBe(100);
  const chunks: Buffer[] = [];
  const read = createReadStream(fifo).on('data', (chunk) => chunks.push(Buffer.from(chunk)));
  closeSync(readFd);
  const ended = once(read, 'close');
  expect(await program.stop()).toEqual({ captured: 5100, received: 5100, dropped: 0 });
  await ended;
  writeFileSync(copy, Buffer.concat(chunks));
  expect(numbers(readSavefile(copy).records)).toEqual([...upTo(5000), ...upTo(100)]);
});

test.each<[string, () => void, () => void]>([
  ['not there', () => lab.disconnect(), () => lab.connect()],
  ['not up', () => lab.link('set', 'cap0', 'down'), () => lab.link('set', 'cap0', 'up')],
])('--wait-for-interface begins when the interface is there: at first it is %s', async (_, remove, bring) => {
  remove();
  const program = start('-i', 'cap0', '--wait-for-interface');
  await program.says(/^tsnetpcap: cap0: waiting for the interface\n$/);
  expect(savefiles()).toEqual([]);
  bring();
  await program.says(/listening on cap0, link-type EN10MB/);
  expect(await offer(lab, { count: 100 })).toBe(100);
  expect(await program.stop()).toEqual({ captured: 100, received: 100, dropped: 0 });
  expect(gaps()).toEqual([]);
});

test.each(['SIGTERM', 'SIGINT'] as const)('%s ends --wait-for-interface: exit code 0, no file', async (signal) => {
  lab.disconnect();
  const program = start('-i', 'cap0', '--wait-for-interface');
  await program.says(/waiting/);
  program.signal('SIGHUP');
  program.signal('SIGUSR1');
  await program.until(() => times(program, 'cap0: waiting for the interface\n') === 2);
  program.signal(signal);
  expect(await program.exit()).toBe(0);
  expect(times(program, '\n')).toBe(2);
  expect(readdirSync(home)).toEqual([]);
});

test('--wait-for-interface begins at once with an interface that is there, and with any', async () => {
  for (const device of ['cap0', 'any']) {
    const program = start('-i', device, '--wait-for-interface');
    await program.says(/^tsnetpcap: listening on /m);
    await program.stop();
  }
});

test.each([
  ['3', '-i 3: --wait-for-interface needs the name of an interface, not its number in -D'],
  ['sixteen-letters0', '-i sixteen-letters0: the name of an interface has 1 to 15 bytes'],
])('--wait-for-interface -i %s: exit code 2', async (device, said) => {
  const program = start('-i', device, '--wait-for-interface');
  expect(await program.exit()).toBe(2);
  expect(program.stderr).toBe(`tsnetpcap: ${said}\n`);
});

test.each([
  ['not there', () => lab.disconnect(), /^tsnetpcap: cap0: .*No such device/i],
  ['not up', () => lab.link('set', 'cap0', 'down'), /^tsnetpcap: cap0: .*not up/i],
])('without --wait-for-interface, one that is %s is an error', async (_, remove, said) => {
  remove();
  const program = start('-i', 'cap0');
  expect(await program.exit()).toBe(1);
  expect(program.stderr).toMatch(said);
  expect(readdirSync(home)).toEqual([]);
});
