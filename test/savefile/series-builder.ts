// Series in real directories for tests, and records for them, offered as a packet source does.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';
import { utcZone } from '../../src/native/time.ts';
import { IntervalClock } from '../../src/rotation/clock.ts';
import { FileRing } from '../../src/rotation/file-ring.ts';
import type { KernelCounts } from '../../src/rotation/ledger-entry.ts';
import { SavefileName } from '../../src/rotation/name.ts';
import type { Precision } from '../../src/savefile/header.ts';
import type { Output } from '../../src/savefile/output.ts';
import { Series } from '../../src/savefile/series.ts';
import { LATE_NSEC, type RecordSpan } from '../../src/savefile/sink.ts';
import { FIRST, LAST } from '../rotation/rings.ts';
import { readSavefile } from '../savefile.ts';

export const HOUR = 3600;
export const SETTLE_MS = 200;
/** On the hour. */
export const NOON: number = Date.parse('2026-03-01T12:00:00Z') / 1000;
export const NEVER: number = Number.POSITIVE_INFINITY;

const root = mkdtempSync(join(tmpdir(), 'tsnetpcap-series-'));
afterAll(() => rmSync(root, { recursive: true }));

let directory = root;
/** What the series had to say since `freshHome`. */
export const notices: string[] = [];

/** A new directory for the series to come; one of the caller's, or one that goes with the tests. */
export function freshHome(own?: string): void {
  directory = own ?? mkdtempSync(join(root, 'home-'));
  notices.length = 0;
}

export const home = (): string => directory;

/** The savefiles there, sorted. */
export const list = (): string[] =>
  readdirSync(directory)
    .filter((name) => name.includes('.pcap'))
    .sort();

export interface SeriesWishes {
  readonly count?: number;
  readonly keep?: number;
  readonly rotateSize?: number;
  readonly rotatePackets?: number;
  readonly sync?: boolean;
  readonly precision?: Precision;
  readonly counts?: () => KernelCounts;
}

const NOTHING: KernelCounts = { received: 0, dropped: 0, ifDropped: 0, queueFreezes: 0, filtered: 0 };

/** Begun at `nowSec`; files of an hour, called p-HHMMSS.pcap. */
export function openSeries(nowSec: number, wishes: SeriesWishes = {}): Series {
  const zone = utcZone();
  const notice = (text: string): void => void notices.push(text);
  const fileRing = FileRing.open(
    {
      name: new SavefileName(join(directory, 'p-%H%M%S.pcap'), zone),
      retention: { keep: wishes.keep },
      part: true,
      sync: wishes.sync ?? true,
      ledger: true,
      fileMode: 0o640,
      compress: undefined,
      command: undefined,
      notice,
    },
    FIRST,
  );
  const options = {
    clock: new IntervalClock(HOUR, zone),
    fileRing,
    settleMs: SETTLE_MS,
    rotatePackets: wishes.rotatePackets ?? NEVER,
    rotateSize: wishes.rotateSize ?? NEVER,
    syncSec: NEVER,
    counts: wishes.counts ?? (() => NOTHING),
    notice,
  };
  const header = { precision: wishes.precision ?? 'micro', snaplen: 96, linktype: 1 };
  return new Series(options, header, wishes.count ?? NEVER, nowSec * 1000);
}

/** A record to be: `tag` becomes its length on the wire. */
export interface Stamp {
  readonly sec: number;
  readonly nsec: number;
  readonly caplen: number;
  readonly tag: number;
}

const stampOf = (record: number | Stamp): Stamp =>
  typeof record === 'number' ? { sec: record, nsec: 0, caplen: 1, tag: 1 } : record;

/** Records one after the other; a number is the second of one of one byte. Microseconds. */
export function span(...records: readonly (number | Stamp)[]): RecordSpan {
  const stamps = records.map(stampOf);
  const bytes = Buffer.alloc(stamps.reduce((sum, { caplen }) => sum + 16 + caplen, 0));
  let at = 0;
  for (const { sec, nsec, caplen, tag } of stamps) {
    bytes.writeUInt32LE(sec, at);
    bytes.writeUInt32LE(nsec / 1000, at + 4);
    bytes.writeUInt32LE(caplen, at + 8);
    bytes.writeUInt32LE(tag, at + 12);
    at += 16 + caplen;
  }
  const [first, last] = [stamps[0], stamps.at(-1)];
  return {
    bytes,
    records: stamps.length,
    late: 0,
    firstSec: first?.sec ?? 0,
    firstNsec: first?.nsec ?? 0,
    lastSec: last?.sec ?? 0,
    lastNsec: last?.nsec ?? 0,
  };
}

/** Hands over records, as many at a time as the limits allow, and asks for room. The records that were not taken. */
export function offer(series: Output, records: readonly (number | Stamp)[]): readonly Stamp[] {
  let left = records.map(stampOf);
  while (left.length > 0) {
    const taken = left.slice(0, allowed(series, left));
    if (taken.length === 0) {
      if (!series.cut(left[0]?.sec ?? 0)) return left;
      continue;
    }
    const { startSec } = series.limits;
    const late = taken.filter(({ sec }) => sec < startSec).length;
    left = left.slice(taken.length);
    if (!series.take({ ...span(...taken), late })) return left;
  }
  return left;
}

function allowed({ limits }: Output, records: readonly Stamp[]): number {
  let bytes = 0;
  for (const [index, { sec, nsec, caplen }] of records.entries()) {
    bytes += 16 + caplen;
    const late = sec < limits.startSec && (limits.startSec - sec) * 1e9 - nsec > LATE_NSEC;
    if (index >= limits.records || bytes > limits.bytes || sec >= limits.endSec || late) return index;
  }
  return records.length;
}

/** As `offer`, one at a time, and all are taken. */
export function write(series: Output, ...records: readonly (number | Stamp)[]): void {
  for (const record of records) expect(offer(series, [record])).toEqual([]);
}

/** Ends the series; the seconds, from NOON, of the records in each of its files. */
export async function contents(series: Series): Promise<Record<string, number[]>> {
  series.close();
  await series.settled(LAST);
  const files = list().map((name) => [name, readSavefile(join(directory, name)).records.map(({ sec }) => sec - NOON)]);
  return Object.fromEntries(files);
}
