// A series in real directories, its clock and the time parameters: where it is cut, what its files are called, and what
// is published when.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { SyscallError } from '../../src/errors.ts';
import { utcZone } from '../../src/native/time.ts';
import { IntervalClock } from '../../src/rotation/clock.ts';
import { FileRing } from '../../src/rotation/file-ring.ts';
import { SavefileName } from '../../src/rotation/name.ts';
import { Series } from '../../src/savefile/series.ts';
import type { RecordSpan } from '../../src/savefile/sink.ts';
import { readSavefile } from '../savefile.ts';

const HEADER = { precision: 'micro', snaplen: 96, linktype: 1 } as const;
const HOUR = 3600;
const SETTLE_MS = 200;
/** On the hour. */
const NOON = Date.parse('2026-03-01T12:00:00Z') / 1000;
const NEVER = Number.POSITIVE_INFINITY;

const root = mkdtempSync(join(tmpdir(), 'tsnetpcap-series-'));
afterAll(() => rmSync(root, { recursive: true }));

let home = '';
beforeEach(() => {
  home = mkdtempSync(join(root, 'home-'));
});

const list = (): string[] => readdirSync(home).sort();

function open(nowSec: number, { count = NEVER, keep = undefined as number | undefined } = {}): Series {
  const zone = utcZone();
  const fileRing = FileRing.open({ name: new SavefileName(join(home, 'p-%H%M%S.pcap'), zone), keep });
  const clock = new IntervalClock(HOUR, zone);
  return new Series({ clock, fileRing, settleMs: SETTLE_MS }, HEADER, count, nowSec * 1000);
}

/** Records of one byte, one for each of `secs`. */
function span(...secs: number[]): RecordSpan {
  const bytes = Buffer.alloc(17 * secs.length);
  for (const [index, sec] of secs.entries()) {
    bytes.writeUInt32LE(sec, 17 * index);
    bytes.writeUInt32LE(1, 17 * index + 8);
    bytes.writeUInt32LE(1, 17 * index + 12);
  }
  const [firstSec = 0, lastSec = 0] = [secs[0], secs.at(-1)];
  return { bytes, records: secs.length, late: 0, firstSec, firstNsec: 0, lastSec, lastNsec: 0 };
}

/** Hands over records as a packet source does: none beyond the limits, and then a cut. */
function write(series: Series, ...secs: number[]): void {
  for (const sec of secs) {
    if (sec >= series.limits.endSec) series.cut(sec);
    expect(series.take(span(sec))).toBe(true);
  }
}

/** The seconds, from NOON, of the records in each complete file. */
function contents(): Record<string, number[]> {
  const files = list().map((name) => [name, readSavefile(join(home, name)).records.map(({ sec }) => sec - NOON)]);
  return Object.fromEntries(files);
}

test('the first file is named by the start, and ends with the interval it lies in', () => {
  const series = open(NOON + 754.5);
  expect(list()).toEqual(['p-121234.pcap.part']);
  expect(series.name).toBe(join(home, 'p-121234.pcap'));
  expect(series.limits).toEqual({ startSec: NOON, endSec: NOON + HOUR, records: NEVER });
  expect(series.dueMs).toBe((NOON + HOUR) * 1000 + SETTLE_MS);
  series.close();
  expect(contents()).toEqual({ 'p-121234.pcap': [] });
});

test('a cut at the boundary: the last second before it in one file, the boundary in the next', () => {
  const series = open(NOON);
  write(series, NOON, NOON + HOUR - 1, NOON + HOUR, NOON + 2 * HOUR - 1);
  expect(list()).toEqual(['p-120000.pcap', 'p-130000.pcap.part']);
  expect(series.limits).toEqual({ startSec: NOON + HOUR, endSec: NOON + 2 * HOUR, records: NEVER });
  expect(series.dueMs).toBe((NOON + 2 * HOUR) * 1000 + SETTLE_MS);
  series.close();
  expect(contents()).toEqual({ 'p-120000.pcap': [0, HOUR - 1], 'p-130000.pcap': [HOUR, 2 * HOUR - 1] });
  expect(series.written).toBe(4);
});

test('a file begun by time is named by its boundary, however late its first packet', () => {
  const series = open(NOON);
  write(series, NOON, NOON + 5 * HOUR + 1800);
  series.close();
  expect(contents()).toEqual({ 'p-120000.pcap': [0], 'p-170000.pcap': [5 * HOUR + 1800] });
});

test('without packets every interval gets its file when it is due', () => {
  const series = open(NOON + 10);
  for (let hour = 1; hour <= 3; hour++) {
    expect(series.dueMs).toBe((NOON + hour * HOUR) * 1000 + SETTLE_MS);
    series.due(series.dueMs);
  }
  expect(list()).toEqual(['p-120010.pcap', 'p-130000.pcap', 'p-140000.pcap', 'p-150000.pcap.part']);
  series.close();
  expect(contents()).toEqual({ 'p-120010.pcap': [], 'p-130000.pcap': [], 'p-140000.pcap': [], 'p-150000.pcap': [] });
});

test('a packet behind a file that was closed when due is in the file of its hour', () => {
  const series = open(NOON);
  series.due(series.dueMs);
  write(series, NOON + HOUR, NOON + 2 * HOUR);
  series.close();
  expect(contents()).toEqual({ 'p-120000.pcap': [], 'p-130000.pcap': [HOUR], 'p-140000.pcap': [2 * HOUR] });
});

test('a rotation asked for: named by the first record behind it, and still cut at the boundary', () => {
  const series = open(NOON);
  write(series, NOON + 1);
  series.rotate();
  expect(list()).toEqual(['p-120000.pcap']);
  write(series, NOON + 100, NOON + HOUR);
  series.close();
  expect(contents()).toEqual({ 'p-120000.pcap': [1], 'p-120140.pcap': [100], 'p-130000.pcap': [HOUR] });
});

test('a rotation asked for twice, and no packet behind it: nothing but the one file', () => {
  const series = open(NOON);
  write(series, NOON + 1);
  series.rotate();
  series.rotate();
  series.close();
  series.close();
  expect(contents()).toEqual({ 'p-120000.pcap': [1] });
});

test('a rotation asked for, and no packet up to the boundary: the next file is the next hour', () => {
  const series = open(NOON);
  series.rotate();
  series.due(series.dueMs);
  write(series, NOON + HOUR + 5);
  series.close();
  expect(contents()).toEqual({ 'p-120000.pcap': [], 'p-130000.pcap': [HOUR + 5] });
});

test('a rotation within the second that named the file gets a suffix', () => {
  const series = open(NOON);
  write(series, NOON);
  series.rotate();
  write(series, NOON);
  series.rotate();
  write(series, NOON);
  series.close();
  expect(contents()).toEqual({ 'p-120000-1.pcap': [0], 'p-120000-2.pcap': [0], 'p-120000.pcap': [0] });
});

test('late records are counted, not moved', () => {
  const series = open(NOON);
  series.take({ ...span(NOON - 1, NOON - 1, NOON), late: 2 });
  series.take(span(NOON + 1));
  series.close();
  expect(series).toMatchObject({ written: 4, late: 2 });
  expect(contents()).toEqual({ 'p-120000.pcap': [-1, -1, 0, 1] });
});

test('the count limits the whole series, not each file', () => {
  const series = open(NOON, { count: 3 });
  write(series, NOON, NOON + HOUR);
  expect(series.limits.records).toBe(1);
  write(series, NOON + HOUR + 1);
  expect(series.limits.records).toBe(0);
});

test.each([
  ['in the same hour', NOON + 1],
  ['in the next hour', NOON + HOUR],
])('when the count is reached, the next record %s begins no file', (_, next) => {
  const series = open(NOON, { count: 1, keep: 1 });
  write(series, NOON);
  series.cut(next); // as the source does before it looks at what is left
  series.close();
  expect(contents()).toEqual({ 'p-120000.pcap': [0] });
});

test('a ring of two: the oldest goes before the newest is complete', () => {
  const series = open(NOON, { keep: 2 });
  write(series, NOON, NOON + HOUR, NOON + 2 * HOUR, NOON + 3 * HOUR);
  expect(list()).toEqual(['p-130000.pcap', 'p-140000.pcap', 'p-150000.pcap.part']);
  series.close();
  expect(contents()).toEqual({ 'p-140000.pcap': [2 * HOUR], 'p-150000.pcap': [3 * HOUR] });
});

test('a name that someone took in the meantime is not overwritten', () => {
  const series = open(NOON);
  write(series, NOON);
  writeFileSync(join(home, 'p-120000.pcap'), 'by hand');
  expect(() => series.close()).toThrow(SyscallError);
  expect(readFileSync(join(home, 'p-120000.pcap'), 'latin1')).toBe('by hand');
  expect(readSavefile(join(home, 'p-120000.pcap.part')).records.length).toBe(1);
});
