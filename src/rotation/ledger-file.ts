// The files of a ledger on disk: which there are, in the order of their chain, and what one of them holds, line by line.
// Ledger reads them to go on where the last process stopped, `tsnetpcap verify` to judge them. Nothing here writes.
//
// The order of rotated files is that of their names, so whoever names one must see that it comes behind those that exist,
// also after the clock was set back. A file is read whole: they are rotated long before that takes much memory.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { SyscallError } from '../errors.ts';
import type { LedgerEntry } from './ledger-entry.ts';

export interface LedgerLine {
  /** From 1. */
  readonly number: number;
  /** SHA-256 of its bytes without the line feed, lower-case hexadecimal: what the next line's `prev` must be. */
  readonly hash: string;
  /** Undefined for a line that is no entry. */
  readonly entry: LedgerEntry | undefined;
}

export interface LedgerLines {
  readonly lines: readonly LedgerLine[];
  /** The offset behind the last of `lines`. */
  readonly wholeBytes: number;
  /** How many bytes stand behind that: an end without a line feed, or a last line that is not JSON. */
  readonly tornBytes: number;
}

const FILE_NAME = /^(?<series>.+)\.ledger(?:-(?<stamp>\d{14})(?:-(?<suffix>[1-9]\d*))?)?\.jsonl$/s;
const LINE_FEED = 10;

interface Found {
  readonly fileName: string;
  readonly series: string;
  /** When it was rotated away; undefined for the one being written. */
  readonly stamp: string | undefined;
  readonly suffix: number;
}

/** Names of the series that have a ledger in the directory. @throws SyscallError */
export function ledgerSeries(directory: string): string[] {
  return [...new Set(find(directory).map(({ series }) => series))].sort();
}

/** Names of the files of the ledger of `series`, without directory, in the order of the chain. @throws SyscallError */
export function ledgerFiles(directory: string, series: string): string[] {
  return find(directory)
    .filter((found) => found.series === series)
    .sort(compare)
    .map(({ fileName }) => fileName);
}

/** The name of the file of the ledger that is being written. */
export function ledgerFileName(series: string): string {
  return `${series}.ledger.jsonl`;
}

/** Whether a file name without directory is that of a ledger. */
export function isLedgerFile(fileName: string): boolean {
  return FILE_NAME.test(fileName);
}

/** @throws SyscallError */
export function readLedgerFile(path: string): LedgerLines {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    throw SyscallError.from(cause);
  }
  const lines: LedgerLine[] = [];
  let start = 0;
  for (let end = bytes.indexOf(LINE_FEED); end !== -1; end = bytes.indexOf(LINE_FEED, start)) {
    const line = bytes.subarray(start, end);
    const value = parse(line.toString());
    if (value === undefined && end === bytes.length - 1) break; // what a power cut leaves of a line
    const hash = createHash('sha256').update(line).digest('hex');
    lines.push({ number: lines.length + 1, hash, entry: isEntry(value) ? value : undefined });
    start = end + 1;
  }
  return { lines, wholeBytes: start, tornBytes: bytes.length - start };
}

function find(directory: string): Found[] {
  try {
    return readdirSync(directory).flatMap((fileName) => {
      const groups = FILE_NAME.exec(fileName)?.groups;
      if (groups === undefined) return [];
      const { series = '', stamp, suffix } = groups;
      return [{ fileName, series, stamp, suffix: Number(suffix ?? 0) }];
    });
  } catch (cause) {
    throw SyscallError.from(cause);
  }
}

function compare(a: Found, b: Found): number {
  if (a.stamp === b.stamp) return a.suffix - b.suffix;
  if (a.stamp === undefined) return 1;
  return b.stamp === undefined || a.stamp < b.stamp ? -1 : 1;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // which no JSON text gives
  }
}

type Check = (value: unknown) => boolean;

const isString: Check = (value) => typeof value === 'string';
const isNumber: Check = (value) => typeof value === 'number';
const isCount: Check = (value) => Number.isSafeInteger(value) && Number(value) >= 0;
const isSec: Check = (value) => Number.isSafeInteger(value);
const isHash: Check = (value) => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
const isTimeOrNull: Check = (value) => value === null || (typeof value === 'string' && /^\d+\.\d{9}$/.test(value));
/** Names are joined to the directory, so none may lead out of it. */
const isFileName: Check = (value) => typeof value === 'string' && /^[^/\0]+$/.test(value) && !/^\.\.?$/.test(value);
const isArray: Check = Array.isArray;

const CONTENTS: Readonly<Record<string, Check>> = {
  packets: isCount,
  bytes: isCount,
  first: isTimeOrNull,
  last: isTimeOrNull,
};
const COUNTS = ['received', 'written', 'dropped', 'noSpace', 'filtered', 'unread', 'ifDropped', 'queueFreezes', 'late'];

/** What the members of each event must be, where anyone relies on them. */
const EVENTS: Readonly<Record<LedgerEntry['type'], Readonly<Record<string, Check>>>> = {
  start: {
    version: isString,
    node: isString,
    host: isString,
    pid: isCount,
    zoneOffset: isNumber,
    pattern: isString,
    device: isString,
    interfaces: isArray,
    linktype: isCount,
    snaplen: isCount,
    precision: (value) => value === 'micro' || value === 'nano',
    filter: isString,
    exclude: isArray,
    program: isString,
  },
  open: { name: isFileName, startSec: isSec, endSec: isSec },
  close: {
    name: isFileName,
    startSec: isSec,
    endSec: isSec,
    ...CONTENTS,
    late: isCount,
    received: isCount,
    dropped: isCount,
    ifDropped: isCount,
    queueFreezes: isCount,
    noSpace: isCount,
  },
  hash: { name: isFileName, bytes: isCount, sha256: isHash },
  compress: { name: isFileName, as: isFileName, bytes: isCount, sha256: isHash },
  evict: { name: isFileName, reason: isString },
  adopt: { name: isFileName, ...CONTENTS, cutBytes: isCount },
  gap: { device: isString, reason: isString, fromMs: isNumber, toMs: isNumber },
  step: { byMs: isNumber },
  lost: { packets: isCount, fromMs: isNumber, toMs: isNumber },
  torn: { bytes: isCount },
  stop: Object.fromEntries(COUNTS.map((name) => [name, isCount])),
  carry: { from: isString },
};

function isEntry(value: unknown): value is LedgerEntry {
  if (typeof value !== 'object' || value === null) return false;
  const members = value as Readonly<Record<string, unknown>>;
  const type = members['type'];
  if (typeof type !== 'string' || !Object.hasOwn(EVENTS, type)) return false;
  const checks = { ...EVENTS[type as LedgerEntry['type']], time: isString, prev: isHash };
  return Object.entries(checks).every(([name, check]) => check(members[name]));
}
