// A series in real directories, its clock and the time parameters: where it is cut, what its files are called, and what
// is published when. What it does when storage fails is in series-trouble.test.ts.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { LATE_NSEC } from '../../src/savefile/sink.ts';
import { readChain } from '../rotation/chain.ts';
import { LAST, until } from '../rotation/rings.ts';
import { readSavefile } from '../savefile.ts';
import {
  contents,
  freshHome,
  HOUR,
  home,
  list,
  NEVER,
  NOON,
  offer,
  openSeries,
  SETTLE_MS,
  type Stamp,
  span,
  write,
} from './series-builder.ts';

beforeEach(() => freshHome());

describe('time', () => {
  test('the first file is named by the start, and ends with the interval it lies in', async () => {
    const series = openSeries(NOON + 754.5);
    expect(list()).toEqual(['p-121234.pcap.part']);
    expect(series.name).toBe(join(home(), 'p-121234.pcap'));
    expect(series.limits).toEqual({ startSec: NOON, endSec: NOON + HOUR, records: NEVER, bytes: NEVER });
    expect(series.dueMs).toBe((NOON + HOUR) * 1000 + SETTLE_MS);
    expect(await contents(series)).toEqual({ 'p-121234.pcap': [] });
  });

  test('a cut at the boundary: the last second before it in one file, the boundary in the next', async () => {
    const series = openSeries(NOON);
    write(series, NOON, NOON + HOUR - 1, NOON + HOUR, NOON + 2 * HOUR - 1);
    await until(() => list().includes('p-120000.pcap'));
    expect(list()).toEqual(['p-120000.pcap', 'p-130000.pcap.part']);
    expect(series.limits).toEqual({ startSec: NOON + HOUR, endSec: NOON + 2 * HOUR, records: NEVER, bytes: NEVER });
    expect(series.dueMs).toBe((NOON + 2 * HOUR) * 1000 + SETTLE_MS);
    expect(await contents(series)).toEqual({
      'p-120000.pcap': [0, HOUR - 1],
      'p-130000.pcap': [HOUR, 2 * HOUR - 1],
    });
    expect(series.written).toBe(4);
  });

  test('a file begun by time is named by its boundary, however late its first packet', async () => {
    const series = openSeries(NOON);
    write(series, NOON, NOON + 5 * HOUR + 1800);
    expect(await contents(series)).toEqual({ 'p-120000.pcap': [0], 'p-170000.pcap': [5 * HOUR + 1800] });
  });

  test('without packets every interval gets its file when it is due', async () => {
    const series = openSeries(NOON + 10);
    for (let hour = 1; hour <= 3; hour++) {
      expect(series.dueMs).toBe((NOON + hour * HOUR) * 1000 + SETTLE_MS);
      series.due(series.dueMs);
    }
    const names = ['p-120010.pcap', 'p-130000.pcap', 'p-140000.pcap', 'p-150000.pcap'];
    await until(() => list().includes('p-140000.pcap'));
    expect(list()).toEqual([...names.slice(0, 3), 'p-150000.pcap.part']);
    expect(await contents(series)).toEqual(Object.fromEntries(names.map((name) => [name, []])));
  });

  test('a packet behind a file that was closed when due is in the file of its hour', async () => {
    const series = openSeries(NOON);
    series.due(series.dueMs);
    write(series, NOON + HOUR, NOON + 2 * HOUR);
    expect(await contents(series)).toEqual({
      'p-120000.pcap': [],
      'p-130000.pcap': [HOUR],
      'p-140000.pcap': [2 * HOUR],
    });
  });

  test('late records are counted, not moved', async () => {
    const series = openSeries(NOON);
    series.take({ ...span(NOON - 1, NOON - 1, NOON), late: 2 });
    series.take(span(NOON + 1));
    expect(await contents(series)).toEqual({ 'p-120000.pcap': [-1, -1, 0, 1] });
    expect(series).toMatchObject({ written: 4, late: 2 });
    expect(readChain(home(), 'p').at(-3)).toMatchObject({ type: 'close', late: 2, packets: 4 });
  });
});

describe('a rotation asked for', () => {
  test('is named by the first record behind it, and still cut at the boundary', async () => {
    const series = openSeries(NOON);
    write(series, NOON + 1);
    series.rotate();
    await until(() => list().includes('p-120000.pcap'));
    expect(list()).toEqual(['p-120000.pcap']);
    write(series, NOON + 100, NOON + HOUR);
    expect(await contents(series)).toEqual({ 'p-120000.pcap': [1], 'p-120140.pcap': [100], 'p-130000.pcap': [HOUR] });
  });

  test('twice, and no packet behind it: nothing but the one file', async () => {
    const series = openSeries(NOON);
    write(series, NOON + 1);
    series.rotate();
    series.rotate();
    series.close();
    expect(await contents(series)).toEqual({ 'p-120000.pcap': [1] });
  });

  test('and no packet up to the boundary: the next file is the next hour', async () => {
    const series = openSeries(NOON);
    series.rotate();
    series.due(series.dueMs);
    write(series, NOON + HOUR + 5);
    expect(await contents(series)).toEqual({ 'p-120000.pcap': [], 'p-130000.pcap': [HOUR + 5] });
  });

  test('within the second that named the file gets a suffix', async () => {
    const series = openSeries(NOON);
    write(series, NOON);
    series.rotate();
    write(series, NOON);
    series.rotate();
    write(series, NOON);
    expect(await contents(series)).toEqual({ 'p-120000-1.pcap': [0], 'p-120000-2.pcap': [0], 'p-120000.pcap': [0] });
  });
});

describe('a full file', () => {
  /** Of a record of one byte. */
  const RECORD = 17;

  test.each([
    ['has room for no byte less', 24 + 3 * RECORD, 3],
    ['has no room for all but one byte of a record', 24 + 4 * RECORD - 1, 3],
    ['has room for all of it', 24 + 4 * RECORD, 4],
  ])('of so many bytes %s', async (_, rotateSize, each) => {
    const series = openSeries(NOON, { rotateSize });
    write(series, ...Array.from({ length: 10 }, (_, n) => NOON + n));
    const files = await contents(series);
    expect(Object.values(files).flat()).toEqual(Array.from({ length: 10 }, (_, n) => n));
    expect(
      Object.values(files)
        .slice(0, -1)
        .map(({ length }) => length),
    ).toEqual(new Array(Object.keys(files).length - 1).fill(each));
    expect(Object.keys(files).slice(0, 2)).toEqual(['p-120000.pcap', `p-12000${each}.pcap`]);
  });

  test('of so many packets: the next is named by its first record', async () => {
    const series = openSeries(NOON, { rotatePackets: 4 });
    expect(series.limits.records).toBe(4);
    write(series, ...Array.from({ length: 10 }, (_, n) => NOON + 10 * n));
    expect(series.limits.records).toBe(2);
    expect(await contents(series)).toEqual({
      'p-120000.pcap': [0, 10, 20, 30],
      'p-120040.pcap': [40, 50, 60, 70],
      'p-120120.pcap': [80, 90],
    });
  });

  test('exactly full when the capture ends: no further file', async () => {
    const series = openSeries(NOON, { rotatePackets: 2 });
    write(series, NOON, NOON + 1);
    expect(series.limits.records).toBe(0);
    expect(await contents(series)).toEqual({ 'p-120000.pcap': [0, 1] });
  });

  test('property: whichever limit is first wins, no record is lost or moved, no file is too large or of two hours', async () => {
    const stamps = fc.array(fc.record({ afterMs: fc.oneof(fc.nat(2), fc.nat(2_000_000)), caplen: fc.nat(96) }), {
      maxLength: 60,
    });
    const limits = fc.record({
      rotateSize: fc.oneof(fc.constant(NEVER), fc.integer({ min: 24 + 16 + 96, max: 600 })),
      rotatePackets: fc.oneof(fc.constant(NEVER), fc.integer({ min: 1, max: 9 })),
      count: fc.oneof(fc.constant(NEVER), fc.integer({ min: 1, max: 50 })),
    });
    const property = fc.asyncProperty(stamps, limits, async (steps, { rotateSize, rotatePackets, count }) => {
      freshHome();
      let ms = NOON * 1000;
      const records = steps.map(({ afterMs, caplen }, index): Stamp => {
        ms += afterMs;
        return { sec: Math.floor(ms / 1000), nsec: (ms % 1000) * 1e6, caplen, tag: index };
      });
      const series = openSeries(NOON, { rotateSize, rotatePackets, count, sync: false });
      offer(series, records);
      series.close();
      await series.settled(LAST);
      const closes = readChain(home(), 'p').flatMap((entry) => (entry.type === 'close' ? [entry] : []));
      const tags: number[] = [];
      for (const [index, close] of closes.entries()) {
        const bytes = readFileSync(join(home(), close.name));
        const file = readSavefile(join(home(), close.name)).records;
        tags.push(...file.map(({ len }) => len));
        expect(bytes.length).toBe(close.bytes);
        expect(bytes.length).toBeLessThanOrEqual(rotateSize);
        expect(file.length).toBeLessThanOrEqual(rotatePackets);
        expect(file.every(({ sec }) => sec >= close.startSec && sec < close.endSec)).toBe(true);
        const next = records[tags.length];
        if (index === closes.length - 1 || next === undefined) continue;
        const full = bytes.length + 16 + next.caplen > rotateSize || file.length === rotatePackets;
        expect(full || next.sec >= close.endSec, 'there was a reason for the next file').toBe(true);
      }
      expect(tags).toEqual(records.slice(0, count).map(({ tag }) => tag));
      expect(series.written).toBe(tags.length);
    });
    await fc.assert(property, { numRuns: 60 });
  });
});

describe('the count', () => {
  test('limits the whole series, not each file', async () => {
    const series = openSeries(NOON, { count: 3 });
    write(series, NOON, NOON + HOUR);
    expect(series.limits.records).toBe(1);
    write(series, NOON + HOUR + 1);
    expect(series.limits.records).toBe(0);
    expect(series.done).toBe(true);
    expect(await contents(series)).toEqual({ 'p-120000.pcap': [0], 'p-130000.pcap': [HOUR, HOUR + 1] });
  });

  test('goes on over files that are full, too', async () => {
    const series = openSeries(NOON, { count: 5, rotatePackets: 2 });
    expect(series.limits.records).toBe(2);
    write(series, NOON, NOON + 1, NOON + 2, NOON + 3, NOON + 4);
    expect(Object.values(await contents(series))).toEqual([[0, 1], [2, 3], [4]]);
  });

  test.each([
    ['in the same hour', NOON + 1],
    ['in the next hour', NOON + HOUR],
  ])('is reached: the next record %s begins no file', async (_, next) => {
    const series = openSeries(NOON, { count: 1, keep: 1 });
    write(series, NOON);
    expect(series.cut(next)).toBe(false); // as the source does before it looks at what is left
    expect(await contents(series)).toEqual({ 'p-120000.pcap': [0] });
  });
});

describe('a clock that is set', () => {
  test('back: the interval gets one more file, named by its first record; nothing is overwritten', async () => {
    const series = openSeries(NOON - 2 * HOUR);
    write(series, NOON - 2 * HOUR + 5, NOON, NOON + 10, NOON + 20, NOON + 30);
    write(series, NOON - 2 * HOUR + 40, NOON - 2 * HOUR + 50);
    expect(series.limits).toMatchObject({ startSec: NOON - 2 * HOUR, endSec: NOON - HOUR });
    write(series, NOON + 60); // and there again
    const files = await contents(series);
    expect(files).toEqual({
      'p-100000.pcap': [5 - 2 * HOUR],
      'p-100040.pcap': [40 - 2 * HOUR, 50 - 2 * HOUR],
      'p-120000-1.pcap': [60],
      'p-120000.pcap': [0, 10, 20, 30],
    });
    expect(series).toMatchObject({ written: 8, late: 0 });
  });

  test('back within the interval: the same file', async () => {
    const series = openSeries(NOON);
    write(series, NOON + 1800, NOON + 5);
    expect(await contents(series)).toEqual({ 'p-120000.pcap': [1800, 5] });
  });

  test('back to a second that has named a file already: a suffix', async () => {
    const series = openSeries(NOON - 2 * HOUR);
    write(series, NOON - 2 * HOUR, NOON, NOON - 2 * HOUR);
    expect(await contents(series)).toEqual({
      'p-100000-1.pcap': [-2 * HOUR],
      'p-100000.pcap': [-2 * HOUR],
      'p-120000.pcap': [0],
    });
  });

  test('forward: a file for the new interval, none for those in between', async () => {
    const series = openSeries(NOON);
    write(series, NOON + 1, NOON + 2 * HOUR + 7);
    expect(await contents(series)).toEqual({ 'p-120000.pcap': [1], 'p-140000.pcap': [2 * HOUR + 7] });
  });

  test('back while no packet comes: the file ends, and the next is of the new interval, at once', async () => {
    const series = openSeries(NOON);
    write(series, NOON + 5);
    series.tick((NOON + 10) * 1000);
    series.tick(NOON * 1000 - SETTLE_MS); // no more than a packet may wait
    expect(series.limits.startSec).toBe(NOON);
    series.tick((NOON - 2 * HOUR + 600) * 1000);
    expect(series.limits).toMatchObject({ startSec: NOON - 2 * HOUR, endSec: NOON - HOUR });
    expect(series.dueMs).toBe((NOON - HOUR) * 1000 + SETTLE_MS);
    series.tick((NOON - 2 * HOUR + 601) * 1000);
    write(series, NOON - 2 * HOUR + 610);
    expect(await contents(series)).toEqual({ 'p-101000.pcap': [610 - 2 * HOUR], 'p-120000.pcap': [5] });
  });

  test('forward while no packet comes: the file is due', async () => {
    const series = openSeries(NOON);
    const nowMs = (NOON + 3 * HOUR + 60) * 1000;
    expect(series.dueMs).toBeLessThan(nowMs);
    series.due(nowMs);
    expect(series.limits).toMatchObject({ startSec: NOON + 3 * HOUR, endSec: NOON + 4 * HOUR });
    expect(await contents(series)).toEqual({ 'p-120000.pcap': [], 'p-150000.pcap': [] });
  });

  test('property: set to and fro under traffic, no record is lost, and each is in a file of its hour', async () => {
    const jumps = fc.array(
      fc.record({ bySec: fc.integer({ min: -9000, max: 9000 }), packets: fc.integer({ min: 1, max: 5 }) }),
      {
        maxLength: 12,
      },
    );
    const property = fc.asyncProperty(jumps, async (steps) => {
      freshHome();
      let sec = NOON;
      const records: Stamp[] = [];
      for (const { bySec, packets } of steps) {
        sec += bySec;
        for (let n = 0; n < packets; n++) records.push({ sec: sec + n, nsec: 0, caplen: 1, tag: records.length });
      }
      const series = openSeries(NOON, { sync: false });
      offer(series, records);
      series.close();
      await series.settled(LAST);
      const tags: number[] = [];
      for (const entry of readChain(home(), 'p')) {
        if (entry.type !== 'close') continue;
        const file = readSavefile(join(home(), entry.name)).records;
        tags.push(...file.map(({ len }) => len));
        for (const { sec: at } of file) expect(at >= entry.startSec && at < entry.endSec).toBe(true);
      }
      expect(tags).toEqual(records.map(({ tag }) => tag));
    });
    await fc.assert(property, { numRuns: 60 });
  });
});

describe('what the ledger says of a file', () => {
  test('its interval, its contents, and what was counted while it was open', async () => {
    let counts = { received: 100, dropped: 7, ifDropped: 1, queueFreezes: 2, filtered: 5 };
    const series = openSeries(NOON, { counts: () => counts });
    series.take(
      span({ sec: NOON + 1, nsec: 5000, caplen: 1, tag: 1 }, { sec: NOON + 2, nsec: 7000, caplen: 1, tag: 1 }),
    );
    counts = { received: 110, dropped: 9, ifDropped: 1, queueFreezes: 3, filtered: 8 };
    write(series, NOON + HOUR);
    counts = { received: 111, dropped: 9, ifDropped: 2, queueFreezes: 3, filtered: 8 };
    await contents(series);
    expect(readChain(home(), 'p').filter(({ type }) => type === 'open' || type === 'close')).toMatchObject([
      { type: 'open', name: 'p-120000.pcap', startSec: NOON, endSec: NOON + HOUR },
      { type: 'open', name: 'p-130000.pcap', startSec: NOON + HOUR, endSec: NOON + 2 * HOUR },
      {
        ...{ type: 'close', name: 'p-120000.pcap', startSec: NOON, endSec: NOON + HOUR, packets: 2, bytes: 24 + 34 },
        ...{ first: `${NOON + 1}.000005000`, last: `${NOON + 2}.000007000`, late: 0, noSpace: 0 },
        ...{ received: 10, dropped: 2, ifDropped: 0, queueFreezes: 1, filtered: 3 },
      },
      { type: 'close', name: 'p-130000.pcap', packets: 1, received: 1, dropped: 0, ifDropped: 1, queueFreezes: 0 },
    ]);
  });

  test.each([
    ['micro', 123_456_000],
    ['nano', 123_456_789],
  ] as const)('times are those in the file: %s', async (precision, nsec) => {
    const series = openSeries(NOON, { precision });
    series.take({ ...span(NOON), firstNsec: 123_456_789, lastNsec: 123_456_789 });
    await contents(series);
    const close = readChain(home(), 'p').find(({ type }) => type === 'close');
    expect(close).toMatchObject({ first: `${NOON}.${nsec}`, last: `${NOON}.${nsec}` });
  });
});

test('a ring of two: the oldest goes before the newest is complete', async () => {
  const series = openSeries(NOON, { keep: 2 });
  write(series, NOON, NOON + HOUR, NOON + 2 * HOUR, NOON + 3 * HOUR);
  await until(() => list().includes('p-140000.pcap'));
  expect(list()).toEqual(['p-130000.pcap', 'p-140000.pcap', 'p-150000.pcap.part']);
  expect(await contents(series)).toEqual({ 'p-140000.pcap': [2 * HOUR], 'p-150000.pcap': [3 * HOUR] });
});

test('a name that someone took in the meantime is not overwritten', async () => {
  const series = openSeries(NOON);
  write(series, NOON);
  writeFileSync(join(home(), 'p-120000.pcap'), 'by hand');
  mkdirSync(join(home(), 'p-120000-1.pcap'));
  series.close();
  await series.settled(LAST);
  expect(readFileSync(join(home(), 'p-120000.pcap'), 'latin1')).toBe('by hand');
  expect(readSavefile(join(home(), 'p-120000-2.pcap')).records.length).toBe(1);
});

test('late is what the source takes for late', () => {
  expect(LATE_NSEC).toBe(10_000_000);
});
