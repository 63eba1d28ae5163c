// The ledger in real directories: whatever happens to its files, no line is lost, doubled or torn, and the chain holds. On a
// full disk: ledger-full-disk.test.ts.
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { SyscallError } from '../../src/errors.ts';
import { Ledger, type LedgerOptions } from '../../src/rotation/ledger.ts';
import type { LedgerEntry, LedgerEvent } from '../../src/rotation/ledger-entry.ts';
import { ledgerFiles } from '../../src/rotation/ledger-file.ts';
import { readChain } from './chain.ts';

const { watch, watched } = await vi.hoisted(() => import('./watched-fs.ts'));
vi.mock('node:fs/promises', async (load) => watched(await load(), ['open']));

const root = mkdtempSync(join(tmpdir(), 'ledger-'));
afterAll(() => rmSync(root, { recursive: true }));

let dir = '';
let path = '';
let notices: string[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(root, 'dir-'));
  path = join(dir, 'pcap.ledger.jsonl');
  notices = [];
});
afterEach(() => {
  vi.useRealTimers();
});

function openLedger(options: Partial<LedgerOptions> = {}): Ledger {
  return Ledger.open({
    directory: dir,
    series: 'pcap',
    fileMode: 0o640,
    notice: (text) => notices.push(text),
    ...options,
  });
}

/** A line of about 160 bytes that says `n`. */
const line = (n: number): LedgerEvent => ({ type: 'step', byMs: n });

/** What the lines of `line()` say, in order, over all files of a chain that holds. */
const numbers = (entries: readonly LedgerEntry[] = readChain(dir, 'pcap')): number[] =>
  entries.flatMap((entry) => (entry.type === 'step' ? [entry.byMs] : []));
const types = (): string[] => readChain(dir, 'pcap').map(({ type }) => type);
const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

async function appendAll(ledger: Ledger, from: number, to: number, sync = false): Promise<void> {
  for (let n = from; n < to; n++) await ledger.append(line(n), sync);
}

describe('lines', () => {
  test('each has its time and the hash of the line before, and is there when append resolves', async () => {
    const ledger = openLedger();
    expect(ledger.past).toEqual([]);
    const before = Date.now();
    await ledger.append(line(0));
    const [first] = readChain(dir, 'pcap');
    expect(first).toEqual({ type: 'step', byMs: 0, time: expect.any(String), prev: '0'.repeat(64) });
    expect(first?.time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(Date.parse(first?.time ?? '')).toBeGreaterThanOrEqual(before);
    await ledger.append(line(1), true);
    expect(numbers()).toEqual([0, 1]);
    expect(statSync(path).mode & 0o777).toBe(0o640 & ~process.umask());
    await ledger.close();
  });

  test('stand in the order in which they were added, waited for or not', async () => {
    const ledger = openLedger();
    const appended: Promise<void>[] = [];
    for (let n = 0; n < 100; n++) {
      if (n % 3 === 0) ledger.note(line(n));
      else appended.push(ledger.append(line(n), n % 10 === 0));
    }
    await Promise.all(appended);
    await ledger.close();
    expect(numbers()).toEqual(upTo(100));
  });

  test('have the time at which they were added, not that at which there was room', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.parse('2026-03-01T12:00:00Z') });
    const ledger = openLedger();
    ledger.note(line(0));
    vi.setSystemTime(Date.parse('2026-03-01T13:00:00Z'));
    await ledger.append(line(1));
    await ledger.close();
    expect(readChain(dir, 'pcap').map(({ time }) => time)).toEqual([
      '2026-03-01T12:00:00.000Z',
      '2026-03-01T13:00:00.000Z',
    ]);
  });

  test('no line, no file', async () => {
    await openLedger().close();
    expect(readdirSync(dir)).toEqual([]);
  });
});

describe('rotation', () => {
  test('the chain goes over all files, each behind the first begins with where it comes from', async () => {
    const ledger = openLedger({ size: '1K', maxFiles: 1000 });
    await appendAll(ledger, 0, 60);
    await ledger.close();
    expect(numbers()).toEqual(upTo(60));
    const files = ledgerFiles(dir, 'pcap');
    expect(files.length).toBeGreaterThan(6);
    for (const [index, file] of files.entries()) {
      const [first = ''] = readFileSync(join(dir, file), 'utf8').split('\n');
      if (index > 0 && first !== '') expect(JSON.parse(first)).toMatchObject({ type: 'carry', from: files[index - 1] });
      // A line more than the limit at most.
      expect(statSync(join(dir, file)).size).toBeLessThan(1024 + 300);
    }
  });

  test('over restarts, whatever is in the current file at the time', async () => {
    for (let n = 0; n < 30; n++) {
      const ledger = openLedger({ size: '1K', maxFiles: 1000 });
      expect(numbers(ledger.past).slice(-3)).toEqual(upTo(n).slice(-3));
      await ledger.append(line(n));
      await ledger.close();
    }
    expect(numbers()).toEqual(upTo(30));
  });

  test('a smaller limit at a restart: the file that is there is rotated first', async () => {
    const ledger = openLedger();
    await appendAll(ledger, 0, 20);
    await ledger.close();
    const smaller = openLedger({ size: '1K', maxFiles: 1000 });
    await smaller.append(line(20));
    await smaller.close();
    expect(ledgerFiles(dir, 'pcap')).toHaveLength(2);
    expect(numbers()).toEqual(upTo(21));
    expect(types().slice(-2)).toEqual(['carry', 'step']);
  });

  test('names stay in the order of the chain when the clock is set back, and within a second', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.parse('2026-03-01T12:00:00Z') });
    const ledger = openLedger({ size: '1K', maxFiles: 1000 });
    await appendAll(ledger, 0, 20);
    vi.setSystemTime(Date.parse('2026-03-01T10:00:00Z'));
    await appendAll(ledger, 20, 40);
    await ledger.close();
    const again = openLedger({ size: '1K', maxFiles: 1000 });
    await appendAll(again, 40, 60);
    vi.setSystemTime(Date.parse('2026-03-01T14:00:00Z'));
    await appendAll(again, 60, 80);
    await again.close();
    expect(numbers()).toEqual(upTo(80));
    const files = ledgerFiles(dir, 'pcap');
    expect(files.slice(0, 3)).toEqual([
      'pcap.ledger-20260301120000.jsonl',
      'pcap.ledger-20260301120000-2.jsonl',
      'pcap.ledger-20260301120000-3.jsonl',
    ]);
    expect(files).toContain('pcap.ledger-20260301140000.jsonl');
    expect(files.join()).not.toContain('20260301100000');
  });

  test('the oldest files go, by the chain and not by mtime', async () => {
    const ledger = openLedger({ size: '1K', maxFiles: 3 });
    await appendAll(ledger, 0, 40);
    const [, , newest = ''] = ledgerFiles(dir, 'pcap');
    utimesSync(join(dir, newest), 0, 0); // it was rotated while the clock stood at 1970
    for (let n = 40; ledgerFiles(dir, 'pcap')[1] !== newest; n++) await ledger.append(line(n));
    await ledger.close();
    expect(ledgerFiles(dir, 'pcap').slice(0, -1)).toHaveLength(3);
    expect(readdirSync(dir)).toEqual(ledgerFiles(dir, 'pcap').sort());
  });

  test('as many files as are to stay, over restarts', async () => {
    for (let n = 0; n < 8; n++) {
      const ledger = openLedger({ size: '1K', maxFiles: 2 });
      await appendAll(ledger, n * 10, n * 10 + 10);
      await ledger.close();
    }
    expect(ledgerFiles(dir, 'pcap').filter((file) => file !== 'pcap.ledger.jsonl')).toHaveLength(2);
    expect(openLedger().past.length).toBeGreaterThan(10);
  });

  test('files of other series, and what only looks alike, stay', async () => {
    const foreign = [
      'other.ledger-20200101000000.jsonl',
      'pcap.ledger-2020.jsonl',
      'pcap.ledger.history',
      'pcap-1.ledger.jsonl',
    ];
    for (const name of foreign) writeFileSync(join(dir, name), 'mine');
    const ledger = openLedger({ size: '1K', maxFiles: 1 });
    await appendAll(ledger, 0, 60);
    await ledger.close();
    for (const name of foreign) expect(readFileSync(join(dir, name), 'utf8')).toBe('mine');
  });
});

describe('what a crash leaves', () => {
  test.each([
    ['a piece of a line', (text: string) => text.slice(0, -20)],
    ['a line without its line feed', (text: string) => text.slice(0, -1)],
    ['a last line that is no JSON', (text: string) => `${text.slice(0, -20)}\n`],
    ['zeros', (text: string) => text + '\0'.repeat(100)],
    ['nothing but a piece', (text: string) => text.slice(0, 30)],
  ])('%s: it is cut off, and said in the next line', async (_, damage) => {
    const ledger = openLedger();
    await appendAll(ledger, 0, 3);
    await ledger.close();
    const text = readFileSync(path, 'utf8');
    const damaged = damage(text);
    const whole = text.split('\n').filter((each) => each !== '' && damaged.includes(`${each}\n`));
    const torn = damaged.length - whole.join('\n').length - (whole.length > 0 ? 1 : 0);
    writeFileSync(path, damaged);
    const next = openLedger();
    expect(next.past).toHaveLength(whole.length);
    await next.append(line(9));
    await next.close();
    expect(numbers()).toEqual([...upTo(whole.length), 9]);
    expect(readChain(dir, 'pcap').at(-2)).toMatchObject({ type: 'torn', bytes: torn });
  });

  test('a rotation without its carry line, and one without a file behind it', async () => {
    const ledger = openLedger();
    await appendAll(ledger, 0, 3);
    await ledger.close();
    renameSync(path, join(dir, 'pcap.ledger-20260101000000.jsonl'));
    const second = openLedger();
    await appendAll(second, 3, 5);
    await second.close();
    renameSync(path, join(dir, 'pcap.ledger-20260102000000.jsonl'));
    writeFileSync(path, '');
    const third = openLedger();
    expect(numbers(third.past)).toEqual(upTo(5));
    await appendAll(third, 5, 7);
    await third.close();
    expect(numbers()).toEqual(upTo(7));
    expect(types()).toEqual([...['step', 'step', 'step'], 'carry', 'step', 'step', 'carry', 'step', 'step']);
    expect(readChain(dir, 'pcap').filter(({ type }) => type === 'carry')).toMatchObject([
      { from: 'pcap.ledger-20260101000000.jsonl' },
      { from: 'pcap.ledger-20260102000000.jsonl' },
    ]);
  });

  test('a line that is no entry of ours is no reason to stop, nor to break the chain', async () => {
    const ledger = openLedger();
    await ledger.append(line(0));
    await ledger.close();
    appendFileSync(path, '{"type":"of the future"}\n');
    const next = openLedger();
    await next.append(line(1));
    await next.close();
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    expect(lines).toHaveLength(3);
    expect(numbers(next.past)).toEqual([0]);
  });
});

describe('someone else at its files', () => {
  test.each([
    ['removed', () => rmSync(path)],
    ['moved away', () => renameSync(path, join(dir, 'old'))],
    [
      'moved away with an empty one in its place',
      () => {
        renameSync(path, join(dir, 'old'));
        writeFileSync(path, '');
      },
    ],
    ['emptied', () => truncateSync(path)],
  ])('the file was %s: a new one carries the chain on', async (_, meddle) => {
    const ledger = openLedger();
    await appendAll(ledger, 0, 3, true);
    const last = readChain(dir, 'pcap').at(-1);
    meddle();
    await appendAll(ledger, 3, 6, true);
    await ledger.close();
    const lines = readFileSync(path, 'utf8')
      .trimEnd()
      .split('\n')
      .map((text) => JSON.parse(text) as LedgerEntry);
    expect(lines.map(({ type }) => type)).toEqual(['carry', 'step', 'step', 'step']);
    expect(numbers(lines)).toEqual([3, 4, 5]);
    expect(lines[0]?.prev).not.toBe(last?.prev);
    if (existsSync(join(dir, 'old'))) {
      renameSync(path, join(dir, 'new'));
      renameSync(join(dir, 'old'), join(dir, 'pcap.ledger-20260101000000.jsonl'));
      renameSync(join(dir, 'new'), path);
      expect(numbers()).toEqual(upTo(6));
    }
  });

  test('its directory was removed: it is made again', async () => {
    const ledger = openLedger();
    await appendAll(ledger, 0, 3, true);
    rmSync(dir, { recursive: true });
    await appendAll(ledger, 3, 6, true);
    await ledger.close();
    expect(statSync(dir).mode & 0o777).toBe(0o750 & ~process.umask());
    expect(
      readFileSync(path, 'utf8')
        .split('\n')
        .map((text) => (text === '' ? '' : JSON.parse(text).type)),
    ).toEqual([...['carry', 'step', 'step', 'step'], '']);
  });

  test('the file was removed while a line was being written: it is written again, and nothing is said', async () => {
    const ledger = openLedger();
    await ledger.append(line(0));
    const appended = ledger.append(line(1));
    for (let step = 0; step < 10; step++) await Promise.resolve(); // the write has begun, its callback can't have come
    rmSync(path);
    await appended;
    await ledger.close();
    expect(readFileSync(path, 'utf8')).toMatch(/^{"type":"carry".*\n{"type":"step","byMs":1.*\n$/);
    expect(notices).toEqual([]);
  });

  test('the file was removed between a line and its sync: the line is written again', async () => {
    const ledger = openLedger();
    await ledger.append(line(0), true);
    watch.fail = { call: 'open', code: 'ENOENT' };
    const appended = ledger.append(line(1), true);
    await vi.waitUntil(() => notices.length > 0);
    rmSync(path);
    watch.fail = undefined;
    await appended;
    await ledger.append(line(2), true);
    await ledger.close();
    expect(readFileSync(path, 'utf8')).toMatch(
      /^{"type":"carry".*\n{"type":"step","byMs":1.*\n{"type":"step","byMs":2.*\n$/,
    );
  });

  test('something else stands in its place: lines wait until it has gone', async () => {
    mkdirSync(path);
    expect(() => openLedger()).toThrow(SyscallError);
    rmSync(path, { recursive: true });
    const ledger = openLedger();
    mkdirSync(path);
    const appended = ledger.append(line(0));
    await vi.waitUntil(() => notices.length > 0);
    rmSync(path, { recursive: true });
    await appended;
    await ledger.close();
    expect(numbers()).toEqual([0]);
    expect(notices).toEqual([expect.stringMatching(/: lines of the ledger wait$/)]);
  });
});
