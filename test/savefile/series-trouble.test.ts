// A series on a disk that is full, or whose directory goes: what is in its files, what is counted, and what the ledger says
// of both agree at every moment.
import { readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { SyscallError } from '../../src/errors.ts';
import type { LedgerEntry } from '../../src/rotation/ledger-entry.ts';
import { savefileChunks, scanSavefile } from '../../src/rotation/savefile-scan.ts';
import type { Series } from '../../src/savefile/series.ts';
import { readChain } from '../rotation/chain.ts';
import { LAST, until } from '../rotation/rings.ts';
import { readSavefile } from '../savefile.ts';
import { Tmpfs } from '../tmpfs.ts';
import {
  freshHome,
  HOUR,
  home,
  list,
  NOON,
  notices,
  offer,
  openSeries,
  type SeriesWishes,
  type Stamp,
  span,
  write,
} from './series-builder.ts';

let disk: Tmpfs | undefined;
beforeEach(() => freshHome());
afterEach(() => {
  vi.useRealTimers();
  disk?.unmount();
  disk = undefined;
});

function onTmpfs(size: string): Tmpfs {
  disk = Tmpfs.mount(size);
  freshHome(disk.path);
  return disk;
}

/** `count` records of 116 bytes each, one a second from `sec`, numbered from `tag`. */
const records = (sec: number, count: number, tag = 0): Stamp[] =>
  Array.from({ length: count }, (_, n) => ({ sec: sec + n, nsec: 0, caplen: 100, tag: tag + n }));
const RECORD = 116;

/** What is in the files, in the order of the ledger; throws where a file is not what its line says. */
async function tags(): Promise<number[]> {
  const found: number[] = [];
  for (const entry of readChain(home(), 'p')) {
    if (entry.type !== 'close' || !list().includes(entry.name)) continue;
    const { packets, totalBytes, first, last, rest } = await scanSavefile(savefileChunks(join(home(), entry.name)));
    expect({ packets, bytes: totalBytes, first, last, rest }).toEqual({
      ...{ packets: entry.packets, bytes: entry.bytes, first: entry.first, last: entry.last },
      rest: 'none',
    });
    found.push(...readSavefile(join(home(), entry.name)).records.map(({ len }) => len));
  }
  return found;
}

type Close = Extract<LedgerEntry, { readonly type: 'close' }>;
const closes = (): Close[] => readChain(home(), 'p').flatMap((entry) => (entry.type === 'close' ? [entry] : []));

/** A series whose ledger has its first lines, and so its reserve. */
async function begin(wishes: SeriesWishes = {}): Promise<Series> {
  const series = openSeries(NOON, wishes);
  await until(() => readChain(home(), 'p').some(({ type }) => type === 'open'));
  return series;
}

async function end(series: Series): Promise<void> {
  series.close();
  await series.settled(LAST);
}

describe('a full disk', () => {
  test('what does not fit waits, and is all there when there is room again', async () => {
    const full = onTmpfs('256k');
    const series = await begin();
    write(series, ...records(NOON, 10));
    full.fill(1);
    expect(series.take(span(...records(NOON + 10, 100, 10)))).toBe(false);
    expect(series.stuck).toBe(true);
    // As many as the page that was left has room for, and no piece of another.
    const [name = ''] = list();
    const there = readSavefile(join(home(), name)).records.length;
    expect(series.written).toBe(there);
    expect(there).toBe(Math.floor((2 * 4096 - 24) / RECORD));
    expect(series.held).toBe(110 - there);
    for (let n = 0; n < 3; n++) expect(series.resume()).toBe(false);
    expect(series.written).toBe(there);
    full.giveBack();
    expect(series.resume()).toBe(true);
    expect([series.stuck, series.held, series.written]).toEqual([false, 0, 110]);
    write(series, ...records(NOON + 110, 5, 110));
    await end(series);
    expect(await tags()).toEqual(Array.from({ length: 115 }, (_, n) => n));
    expect(series).toMatchObject({ written: 115, noSpace: 0 });
    expect(notices).toEqual([
      expect.stringMatching(/^write.*: ENOSPC \(no space left on device\): packets wait in memory$/),
    ]);
  });

  test('what waits too long is lost, and counted; the rest of the file is whole', async () => {
    const full = onTmpfs('256k');
    const series = await begin();
    write(series, ...records(NOON, 10));
    full.fill(1);
    expect(series.take(span(...records(NOON + 10, 100, 10)))).toBe(false);
    const { written } = series;
    series.lose(() => {
      expect(series.resume()).toBe(true);
      // Hours later: nothing is cut while records are lost.
      expect(offer(series, records(NOON + 5 * HOUR, 50, 1000))).toEqual([]);
    });
    expect([series.written, series.noSpace, series.held]).toEqual([written, 110 - written + 50, 0]);
    expect(series.limits).toMatchObject({ startSec: NOON, endSec: NOON + HOUR });
    full.giveBack();
    write(series, ...records(NOON + 200, 3, 200), ...records(NOON + HOUR, 2, 300));
    await end(series);
    expect(await tags()).toEqual([...Array.from({ length: written }, (_, n) => n), 200, 201, 202, 300, 301]);
    expect(series.written).toBe(written + 5);
    expect(closes()).toMatchObject([
      { packets: written + 3, noSpace: series.noSpace },
      { packets: 2, noSpace: 0 },
    ]);
    const lost = readChain(home(), 'p').filter(({ type }) => type === 'lost');
    expect(lost).toMatchObject([{ packets: series.noSpace }]);
  });

  test('at the end: what was written is complete by its line, which is what is in the file', async () => {
    const full = onTmpfs('256k');
    const series = await begin();
    write(series, ...records(NOON, 10));
    full.fill(1);
    expect(series.take(span(...records(NOON + 10, 100, 10)))).toBe(false);
    series.lose(() => series.resume());
    await end(series);
    expect(await tags()).toEqual(Array.from({ length: series.written }, (_, n) => n));
    expect(series.written + series.noSpace).toBe(110);
    expect(closes()).toMatchObject([{ packets: series.written, noSpace: series.noSpace }]);
  });

  test('at every page: nothing is lost, doubled or torn', async () => {
    const full = onTmpfs('512k');
    const series = await begin();
    let tag = 0;
    for (let round = 0; round < 20; round++) {
      full.fill(round % 3);
      const count = 30 + 17 * round;
      if (!series.take(span(...records(NOON + tag, count, tag)))) {
        expect(series.resume()).toBe(false);
        full.giveBack();
        expect(series.resume()).toBe(true);
      } else full.giveBack();
      tag += count;
    }
    await end(series);
    expect(await tags()).toEqual(Array.from({ length: tag }, (_, n) => n));
    expect(series.written).toBe(tag);
  });

  test('with complete files: the oldest go until there is room, and nothing waits for anyone', async () => {
    const full = onTmpfs('512k');
    const series = await begin();
    for (let n = 0; n < 4; n++) {
      write(series, ...records(NOON + n * HOUR, 100, 100 * n));
      const name = `p-1${2 + n}0000.pcap`;
      if (n === 3) continue;
      series.due((NOON + (n + 1) * HOUR) * 1000);
      await until(() => list().includes(name));
    }
    full.fill();
    let tag = 400;
    const deadline = performance.now() + 20_000;
    for (let taken = true; tag < 1000 && performance.now() < deadline; ) {
      taken = taken ? series.take(span(...records(NOON + 4 * HOUR - 3000 + tag, 10, tag))) : series.resume();
      if (taken) tag += 10;
      else await new Promise((resolve) => setTimeout(resolve, 5));
      if (!taken && list().length === 2) break; // the newest stays
    }
    expect(list()).toEqual(['p-140000.pcap', 'p-150000.pcap.part']);
    expect(tag).toBeGreaterThan(500);
    full.giveBack();
    if (series.held > 0) expect(series.resume()).toBe(true);
    await end(series);
    const evictions = readChain(home(), 'p').flatMap((entry) => (entry.type === 'evict' ? [entry] : []));
    expect(evictions).toMatchObject(['p-120000.pcap', 'p-130000.pcap'].map((name) => ({ name, reason: 'no-space' })));
    const left = await tags();
    expect(left.slice(0, 100)).toEqual(Array.from({ length: 100 }, (_, n) => 200 + n));
    expect(left.slice(100)).toEqual(Array.from({ length: series.written - 300 }, (_, n) => 300 + n));
  });

  test('over a boundary: tried over and over, and no file, descriptor, name or line is left of it', async () => {
    const full = onTmpfs('256k');
    const series = await begin();
    write(series, ...records(NOON, 10));
    full.fill();
    const descriptors = readdirSync('/proc/self/fd').length;
    for (let n = 0; n < 300; n++) {
      expect(series.cut(NOON + HOUR + 5)).toBe(false);
      if (n % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(series.stuck).toBe(true);
    expect(list().length).toBeLessThanOrEqual(2);
    expect(readdirSync('/proc/self/fd').length).toBeLessThan(descriptors + 10);
    full.giveBack();
    write(series, ...records(NOON + HOUR + 5, 10, 10));
    await end(series);
    expect(await tags()).toEqual(Array.from({ length: 20 }, (_, n) => n));
    expect(list()).toEqual(['p-120000.pcap', 'p-130000.pcap']);
    expect(readChain(home(), 'p').filter(({ type }) => type === 'open')).toHaveLength(2);
    expect(notices).toHaveLength(1);
  });

  test('over a boundary without packets: the file is tried again a second later', async () => {
    const full = onTmpfs('256k');
    const series = await begin();
    full.fill();
    const before = Date.now();
    series.due((NOON + HOUR) * 1000);
    expect(series.stuck).toBe(true);
    expect(series.dueMs).toBeGreaterThanOrEqual(before + 1000);
    expect(series.dueMs).toBeLessThan(Date.now() + 1001);
    full.giveBack();
    series.due((NOON + HOUR + 1) * 1000);
    expect(series.stuck).toBe(false);
    expect(series.dueMs).toBe((NOON + 2 * HOUR) * 1000 + 200);
    await end(series);
    expect(list()).toEqual(['p-120000.pcap', 'p-130000.pcap']);
  });

  test('while the clock is set back: the file stays open under what is on its way into it', async () => {
    const full = onTmpfs('256k');
    const series = await begin();
    write(series, ...records(NOON, 10));
    full.fill(1);
    expect(series.take(span(...records(NOON + 10, 100, 10)))).toBe(false);
    series.tick((NOON - 2 * HOUR) * 1000);
    full.giveBack();
    expect(series.resume()).toBe(true);
    series.tick((NOON - 2 * HOUR) * 1000);
    write(series, ...records(NOON - 2 * HOUR + 1, 5, 110));
    await end(series);
    expect(await tags()).toEqual(Array.from({ length: 115 }, (_, n) => n));
    expect(closes()).toMatchObject([
      { name: 'p-120000.pcap', packets: 110 },
      { name: 'p-100000.pcap', packets: 5 },
    ]);
  });

  test('when the last packet of the count is lost, too', async () => {
    const full = onTmpfs('256k');
    const series = await begin({ count: 50 });
    full.fill();
    expect(series.take(span(...records(NOON, 50)))).toBe(false);
    const there = series.written;
    expect(series.done).toBe(false);
    series.lose(() => series.resume());
    expect([series.done, series.noSpace]).toEqual([false, 50 - there]);
    expect(series.limits.records).toBe(50 - there);
    full.giveBack();
    expect(offer(series, records(NOON + 50, 60, 50))).toHaveLength(60 - (50 - there));
    expect([series.done, series.written]).toEqual([true, 50]);
    await end(series);
  });

  test('is said once, and its end when it has lasted', async () => {
    vi.useFakeTimers({ toFake: ['Date', 'performance'], now: NOON * 1000 });
    const full = onTmpfs('256k');
    const series = await begin();
    full.fill();
    expect(series.take(span(...records(NOON, 100)))).toBe(false);
    for (let n = 0; n < 10; n++) expect(series.resume()).toBe(false);
    series.lose(() => series.resume());
    const { noSpace } = series;
    full.giveBack();
    write(series, ...records(NOON + 100, 1));
    expect(notices).toHaveLength(1);
    vi.advanceTimersByTime(9_999);
    series.tick(Date.now());
    expect(notices).toHaveLength(1);
    vi.advanceTimersByTime(1);
    series.tick(Date.now());
    expect(notices.slice(1)).toEqual([
      `storage works again, 10 s after it began to fail, ${noSpace} packets were lost`,
    ]);
    await end(series);
  });

  test('at the start: that is said, and nothing stays', async () => {
    onTmpfs('64k').fill(1);
    expect(() => openSeries(NOON)).toThrow(SyscallError);
    expect(list()).toEqual([]);
  });
});

describe('a directory that is removed', () => {
  test('is made again with the next file; what was in the open one is gone, and nothing waits for it', async () => {
    const series = await begin();
    write(series, ...records(NOON, 10));
    rmSync(home(), { recursive: true });
    write(series, ...records(NOON + 10, 10), ...records(NOON + HOUR, 10, 100));
    expect(statSync(home()).mode & 0o777).toBe(0o750 & ~process.umask());
    write(series, ...records(NOON + 2 * HOUR, 10, 200));
    await end(series);
    expect(list()).toEqual(['p-130000.pcap', 'p-140000.pcap']);
    // The ledger was removed too, perhaps before a line that was on its way: then that is said as well.
    expect(notices.filter((text) => !text.includes('ledger'))).toEqual([
      expect.stringMatching(/^rename .*p-120000.pcap.part: ENOENT: it was removed by someone else$/),
    ]);
  });

  test('and can not be made: packets wait until it can', async () => {
    const parent = onTmpfs('1m');
    freshHome(join(parent.path, 'below', 'it'));
    const series = await begin();
    write(series, ...records(NOON, 10));
    rmSync(join(parent.path, 'below'), { recursive: true });
    writeFileSync(join(parent.path, 'below'), 'a file in its place');
    expect(offer(series, records(NOON + HOUR, 10, 10))).toHaveLength(10);
    expect(series.stuck).toBe(true);
    rmSync(join(parent.path, 'below'));
    write(series, ...records(NOON + HOUR, 10, 10));
    await end(series);
    expect(list()).toEqual(['p-130000.pcap']);
    expect(readSavefile(join(home(), 'p-130000.pcap')).records).toHaveLength(10);
  });
});
