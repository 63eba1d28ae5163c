// What there is in the directory of a series when a capture starts: the complete savefiles in the order in which they are to
// go, and what a process that died left behind. FileRing takes stock once and then keeps count itself.
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { LedgerEntry } from './ledger-entry.ts';
import { PART, type SavefileName } from './name.ts';
import { readSavefileStart } from './savefile-start.ts';

/** A complete savefile of the ring. */
export interface CompleteFile {
  /** Without `.gz`, whether it is compressed or not. */
  readonly name: string;
  /** What it is called on disk; NAME.gz.part while that is all there is of it. */
  fileName: string;
  /** On disk. */
  bytes: number;
  /** Time of its last packet, or as near as is known, in milliseconds since 1970. */
  readonly endMs: number;
  /** It was evicted; whoever works on it stops. */
  gone: boolean;
  /** While NAME.gz takes the place of NAME; who deletes it waits for that. Never rejects. */
  replacing?: Promise<void>;
}

export interface Stock {
  /** Oldest first. */
  readonly complete: CompleteFile[];
  /** Savefiles without an end, by the name they will have, oldest first. */
  readonly unfinished: readonly { readonly name: string; readonly partial: boolean }[];
  /** What is called NAME.gz.part. */
  readonly copies: readonly LeftCopy[];
  /** Names that the ledger knows and that are not there. */
  readonly missing: Set<string>;
}

export interface LeftCopy {
  readonly name: string;
  readonly fileName: string;
  /** It is all there is of this one of `complete`; undefined when it is of no use. */
  readonly file: CompleteFile | undefined;
}

interface Found {
  readonly file: CompleteFile;
  /** Its place in the ledger; -1 when the ledger does not know it any more, Infinity when not yet. */
  readonly place: number;
  readonly sec: number;
  readonly nsec: number;
  /** The time in its name, or of its first record where that holds none; an empty file has no other. */
  readonly namedSec: number;
  readonly suffix: number;
  readonly partial: boolean;
}

/** `part`: whether open files are called NAME.part. `past`: the ledger, oldest line first. @throws SyscallError */
export function takeStock(name: SavefileName, part: boolean, past: readonly LedgerEntry[]): Stock {
  const told = tellings(past);
  const mentioned = new Set(past.flatMap((entry) => ('name' in entry ? [entry.name] : [])));
  // Of a file begun since, without `.part`, the process may have died before it had written a line.
  const lastOpenSec = past.findLast((entry) => entry.type === 'open')?.startSec ?? Number.POSITIVE_INFINITY;
  const found = new Map<string, Found>();
  const unfinished: Found[] = [];
  const copies: Found[] = [];
  for (const fileName of readdirSync(name.directory)) {
    const parsed = name.parse(fileName);
    if (parsed === undefined) continue;
    const path = join(name.directory, fileName);
    const whole = parsed.partial ? fileName.slice(0, -PART.length) : fileName;
    const base = parsed.compression === undefined ? whole : whole.slice(0, -parsed.compression.length - 1);
    const tale = told.get(base);
    const start = readSavefileStart(path, parsed.compression);
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat === undefined) continue; // released a moment ago
    const { sec, nsec } = start?.firstRecord ?? { sec: parsed.sec ?? 0, nsec: 0 };
    const copy = parsed.partial && parsed.compression !== undefined;
    // Its end was never told: the process died between, or it was written without `.part`.
    const open = (parsed.partial && !copy) || tale?.state === 'open';
    const untold = !part && !mentioned.has(base) && parsed.compression === undefined && sec >= lastOpenSec;
    // What a process left that died early may not even have a file header.
    const headless = stat.isFile() && (copy || open || (untold && stat.size === 0));
    if (start === undefined && !headless) continue;
    const file = {
      name: base,
      fileName: copy ? fileName : whole,
      bytes: stat.size + (copy ? 0 : (found.get(base)?.file.bytes ?? 0)),
      endMs: tale?.endMs ?? sec * 1000,
      gone: false,
    };
    const place = open || untold ? (tale?.begun ?? Number.POSITIVE_INFINITY) : (tale?.place ?? -1);
    const { suffix, partial, sec: namedSec = sec } = parsed;
    const entry = { file, place, sec, nsec, namedSec, suffix, partial };
    if (copy) copies.push(entry);
    else if (open || untold) unfinished.push(entry);
    else found.set(base, entry);
  }
  // NAME is deleted when all of the copy is on disk, and before the copy is renamed.
  const alone = copies.filter(({ file }) => !found.has(file.name) && told.get(file.name)?.state !== 'evicted');
  for (const entry of alone) found.set(entry.file.name, entry);
  return {
    complete: [...found.values()].sort(compare).map(({ file }) => file),
    unfinished: inOrderOfBeginning(unfinished).map(({ file, partial }) => ({ name: file.name, partial })),
    copies: copies.map((entry) => {
      const { name, fileName } = entry.file;
      return { name, fileName, file: alone.includes(entry) ? entry.file : undefined };
    }),
    missing: new Set(
      [...told].filter(([base, { state }]) => state === 'closed' && !found.has(base)).map(([base]) => base),
    ),
  };
}

interface Tale {
  /** The place of its last line; -1 when it is evicted. */
  place: number;
  /** The place of its first, or where that was at the latest: a process that adopts a file has begun one before. */
  begun: number;
  state: 'open' | 'closed' | 'evicted';
  endMs: number | undefined;
}

function tellings(past: readonly LedgerEntry[]): Map<string, Tale> {
  const told = new Map<string, Tale>();
  let start = 0;
  for (const [place, entry] of past.entries()) {
    if (entry.type === 'start') start = place;
    if (entry.type === 'open') told.set(entry.name, { place, begun: place, state: 'open', endMs: undefined });
    if (entry.type === 'close' || entry.type === 'adopt') {
      const endMs = entry.last !== null ? Number(entry.last) * 1000 : Date.parse(entry.time);
      told.set(entry.name, { place, begun: told.get(entry.name)?.begun ?? start, state: 'closed', endMs });
    }
    if (entry.type === 'evict') told.set(entry.name, { place: -1, begun: -1, state: 'evicted', endMs: undefined });
  }
  return told;
}

/** By the ledger; what it does not know yet, since its process died before, is put among the others by its name. */
function inOrderOfBeginning(unfinished: readonly Found[]): Found[] {
  const ordered = unfinished.filter(({ place }) => Number.isFinite(place)).sort(compare);
  for (const entry of unfinished.filter(({ place }) => !Number.isFinite(place)).sort(compare)) {
    const later = ordered.findIndex((other) => (entry.namedSec - other.namedSec || entry.suffix - other.suffix) < 0);
    ordered.splice(later === -1 ? ordered.length : later, 0, entry);
  }
  return ordered;
}

/**
 * By the ledger. What it does not know any more is older, what it does not know yet is newer; among those by the first
 * record, then by the suffix; never by mtime.
 */
function compare(a: Found, b: Found): number {
  return a.place - b.place || compareTimes(a, b);
}

function compareTimes(a: Found, b: Found): number {
  return a.sec - b.sec || a.nsec - b.nsec || a.suffix - b.suffix;
}
