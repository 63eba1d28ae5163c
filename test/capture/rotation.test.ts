// Series of savefiles from a real capture: cut by packet time, published in a ring, on time without packets, and over
// restarts. Live, in a lab; needs root, and fails without it. Instants that can't be waited for: test/savefile/series.
import { execFileSync } from 'node:child_process';
import {
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { readSequence } from '../../bench/frames.ts';
import { Lab } from '../../bench/lab.ts';
import { offer } from '../../bench/offer.ts';
import { Program } from '../program.ts';
import { expectReadable, readSavefile, type SavefileRecord, savefilesIn } from '../savefile.ts';

const PATTERN = 'p-%Y%m%d%H%M%S.pcap';
const EMPTY_FILE = 24;

let lab: Lab;
let root: string;
/** Of the test, for its savefiles. */
let home: string;

beforeAll(() => {
  lab = Lab.create();
  root = mkdtempSync(join(tmpdir(), 'tsnetpcap-rotation-'));
});

afterAll(() => {
  lab?.remove();
  if (root !== undefined) rmSync(root, { recursive: true });
});

beforeEach(() => {
  home = mkdtempSync(join(root, 'home-'));
});

const list = (): string[] => savefilesIn(home);
const complete = (): string[] => list().filter((name) => name.endsWith('.pcap'));
const records = (name: string): readonly SavefileRecord[] => readSavefile(join(home, name)).records;
const numbers = (found: readonly SavefileRecord[]): number[] => found.map(({ packet }) => readSequence('udp4', packet));
const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);
const nowSec = (): number => Math.floor(Date.now() / 1000);

/** What date(1) makes of the seconds from `first` to `last`, as the names of a series. */
function namesBetween(tz: string, first: number, last: number): string[] {
  return Array.from({ length: last - first + 1 }, (_, n) =>
    execFileSync('date', ['-d', `@${first + n}`, '+p-%Y%m%d%H%M%S.pcap'], { encoding: 'utf8', env: { TZ: tz } }).trim(),
  );
}

/** Looks at the directory every few milliseconds and keeps a link to every complete file, evicted or not. */
class Watcher {
  readonly kept: string = mkdtempSync(join(root, 'kept-'));
  mostComplete = 0;
  mostOpen = 0;
  readonly #seen = new Set<string>();
  readonly #timer = setInterval(() => this.#look(), 5);

  #look(): void {
    const names = list();
    const found = names.filter((name) => name.endsWith('.pcap'));
    this.mostComplete = Math.max(this.mostComplete, found.length);
    this.mostOpen = Math.max(this.mostOpen, names.length - found.length);
    for (const name of found.filter((each) => !this.#seen.has(each))) {
      this.#seen.add(name);
      if (lstatSync(join(home, name)).isFile()) linkSync(join(home, name), join(this.kept, name));
    }
  }

  /** The last files that were completed are seen, too. */
  end(): void {
    clearInterval(this.#timer);
    this.#look();
  }
}

test('a ring of seconds under load: every packet once, in its own second, and never a fourth complete file', async () => {
  const count = 200_000;
  const options = ['--rotate', '1s', '--ring', '3', '-s', '64', '-w', join(home, PATTERN)];
  const watcher = new Watcher();
  const program = await Program.capture(lab, ['-i', 'cap0', ...options], { env: { TZ: 'UTC0' } });
  try {
    expect(await offer(lab, { count, send: true, rate: 20_000 })).toBe(count);
    expect(await program.stop()).toEqual({ captured: count, received: count, dropped: 0 });
    expect(program.stderr).not.toContain('late');
  } finally {
    await program.kill();
    watcher.end();
  }
  // One that is written to, and for a moment the one before it that is being completed.
  expect(watcher.mostOpen).toBeLessThanOrEqual(2);
  expect(watcher.mostComplete).toBe(3);
  home = watcher.kept;
  const names = complete();
  expect(names.length).toBeGreaterThanOrEqual(10);
  const all: number[] = [];
  for (const name of names) {
    const [, year, month, day, hour, minute, second] = /^p-(....)(..)(..)(..)(..)(..)\.pcap$/.exec(name) ?? [];
    const startSec = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`) / 1000;
    const found = records(name);
    expect([name, found.filter(({ sec }) => sec !== startSec).length]).toEqual([name, 0]);
    for (const number of numbers(found)) all.push(number);
  }
  expect(all.length).toBe(count);
  expect(all.findIndex((number, index) => number !== index)).toBe(-1);
  expectReadable(join(home, names[1] ?? ''), records(names[1] ?? '').length);
});

test('the hour of a zone with odd minutes and seconds: cut exactly there, names as date(1) prints them', async () => {
  const firstSec = nowSec();
  const boundarySec = firstSec + 4;
  const eastSec = (3600 - (boundarySec % 3600)) % 3600;
  const two = (value: number): string => String(value).padStart(2, '0');
  const tz = `LAB-00:${two(Math.floor(eastSec / 60))}:${two(eastSec % 60)}`;
  const count = 12_000;
  const program = await Program.capture(lab, ['-i', 'cap0', '--rotate', '1h', '-w', join(home, PATTERN)], {
    env: { TZ: tz },
  });
  try {
    const lastSec = nowSec();
    expect(await offer(lab, { count, send: true, rate: 2000 })).toBe(count);
    expect(await program.stop()).toEqual({ captured: count, received: count, dropped: 0 });
    const [first = '', second = '', ...others] = list();
    expect(others).toEqual([]);
    expect(namesBetween(tz, firstSec, lastSec)).toContain(first);
    expect([second]).toEqual(namesBetween(tz, boundarySec, boundarySec));
    expect(second).toMatch(/0000\.pcap$/);
    const [before, after] = [records(first), records(second)];
    expect(numbers([...before, ...after])).toEqual(upTo(count));
    expect(before.at(-1)?.sec).toBe(boundarySec - 1);
    expect(after[0]?.sec).toBe(boundarySec);
  } finally {
    await program.kill();
  }
});

test('without a packet, files are closed and published by the clock, while the capture goes on', async () => {
  const program = await Program.capture(lab, ['-i', 'cap0', '--rotate', '1s', '-w', join(home, PATTERN)]);
  try {
    await program.until(() => complete().length >= 2);
    expect(program.ended).toBe(false);
    for (const name of complete()) expect([name, statSync(join(home, name)).size]).toEqual([name, EMPTY_FILE]);
    const published = lstatSync(join(home, complete().at(-1) ?? '')).ctimeMs % 1000;
    process.stdout.write(`an idle file was published ${published.toFixed()} ms behind its second\n`);
    expect(await program.stop()).toEqual({ captured: 0, received: 0, dropped: 0 });
    expect(list()).toEqual(complete());
    for (const name of complete()) expectReadable(join(home, name), 0);
  } finally {
    await program.kill();
  }
});

test('SIGHUP completes the file at once; the next one begins with the next packet', async () => {
  const program = await Program.capture(lab, ['-i', 'cap0', '--rotate', '1d', '--utc', '-w', join(home, PATTERN)]);
  try {
    expect(await offer(lab, { count: 100, send: true })).toBe(100);
    program.signal('SIGHUP');
    await program.until(() => complete().length === 1);
    const [first = ''] = complete();
    expect(await offer(lab, { count: 50, send: true })).toBe(50);
    expect(await program.stop()).toEqual({ captured: 150, received: 150, dropped: 0 });
    const [second = '', ...others] = complete().filter((name) => name !== first);
    expect(others).toEqual([]);
    // Packets that were still in the kernel when the signal came belong into the second file.
    expect([...numbers(records(first)), ...numbers(records(second))]).toEqual([...upTo(100), ...upTo(50)]);
    const [named = ''] = namesBetween('UTC0', records(second)[0]?.sec ?? 0, records(second)[0]?.sec ?? 0);
    expect(second).toBe(named === first ? named.replace('.pcap', '-1.pcap') : named);
  } finally {
    await program.kill();
  }
});

test('restarts rebuild the ring from the directory, and touch nothing that is not of the series', async () => {
  const savefile = readFileSync(await emptySavefile());
  const outside = join(root, 'outside.pcap');
  writeFileSync(outside, savefile);
  writeFileSync(join(home, 'p-20190101000000.pcap'), savefile);
  writeFileSync(join(home, 'p-20180101000000.pcap'), 'not a savefile');
  writeFileSync(join(home, 'other-20180101000000.pcap'), savefile);
  symlinkSync(outside, join(home, 'p-20180102000000.pcap'));
  mkdirSync(join(home, 'p-20180103000000.pcap'));
  const foreign = [
    'other-20180101000000.pcap',
    'p-20180101000000.pcap',
    'p-20180102000000.pcap',
    'p-20180103000000.pcap',
  ];
  const own = (): string[] => complete().filter((name) => !foreign.includes(name));
  const watcher = new Watcher();
  let previous = own();
  try {
    for (let start = 1; start <= 3; start++) {
      const options = ['--ring', '2', '--rotate', '1d', '-w', join(home, PATTERN)];
      const program = await Program.capture(lab, ['-i', 'cap0', ...options]);
      try {
        await program.stop();
      } finally {
        await program.kill();
      }
      const added = own().filter((name) => !previous.includes(name));
      expect([start, added.length]).toEqual([start, 1]);
      expect(own().sort()).toEqual([...previous.slice(-1), ...added].sort());
      previous = [...previous.slice(-1), ...added];
    }
  } finally {
    watcher.end();
  }
  expect(watcher).toMatchObject({ mostComplete: foreign.length + 2, mostOpen: 1 });
  expect(complete().filter((name) => foreign.includes(name))).toEqual(foreign);
  expect(readFileSync(join(home, 'p-20180101000000.pcap'), 'latin1')).toBe('not a savefile');
  expect(readlinkSync(join(home, 'p-20180102000000.pcap'))).toBe(outside);
  expect(readFileSync(outside)).toEqual(savefile);
});

async function emptySavefile(): Promise<string> {
  const path = join(root, 'empty.pcap');
  const program = await Program.capture(lab, ['-i', 'cap0', '-w', path]);
  try {
    await program.stop();
  } finally {
    await program.kill();
  }
  return path;
}

test('a name that exists is never overwritten: not by a restart, and not after a SIGKILL', async () => {
  // Without a conversion every start asks for the same name.
  const start = (): Promise<Program> => Program.capture(lab, ['-i', 'cap0', '--ring', '9', '-w', join(home, 'p.pcap')]);
  const first = await start();
  try {
    expect(await offer(lab, { count: 100 })).toBe(100);
    await first.stop();
  } finally {
    await first.kill();
  }
  const bytes = readFileSync(join(home, 'p.pcap'));
  const killed = await start();
  try {
    expect(list()).toEqual(['p-1.pcap.part', 'p.pcap']);
  } finally {
    await killed.kill();
  }
  for (const expected of [
    ['p-1.pcap', 'p-2.pcap', 'p.pcap'],
    ['p-1.pcap', 'p-2.pcap', 'p-3.pcap', 'p.pcap'],
  ]) {
    const next = await start();
    try {
      await next.stop();
    } finally {
      await next.kill();
    }
    expect(list()).toEqual(expected);
  }
  expect(readFileSync(join(home, 'p.pcap')).equals(bytes)).toBe(true);
  expect(readSavefile(join(home, 'p-1.pcap')).records).toEqual([]);
});

test.each([
  ['local time', [], 'LAB-05:45'],
  ['UTC', ['--utc'], 'UTC0'],
])('names in %s', async (_, options, tz) => {
  const firstSec = nowSec();
  const program = await Program.capture(lab, ['-i', 'cap0', '--rotate', '1d', '-w', join(home, PATTERN), ...options], {
    env: { TZ: 'LAB-05:45' },
  });
  try {
    const lastSec = nowSec();
    await program.stop();
    const [only = '', ...others] = list();
    expect(others).toEqual([]);
    expect(namesBetween(tz, firstSec, lastSec)).toContain(only);
  } finally {
    await program.kill();
  }
});
