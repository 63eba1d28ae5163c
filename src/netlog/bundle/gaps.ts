// What is not in the records of a day, as far as anyone has said so: the facts of manifests, the ledger beside savefiles,
// and the names of savefiles, which a ring has one of for each interval, also for one without a packet.

import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { systemErrors } from '../../errors.ts';
import type { LedgerEntry } from '../../rotation/ledger-entry.ts';
import { ledgerFiles, ledgerSeries, readLedgerFile } from '../../rotation/ledger-file.ts';
import { DamageError } from './bounds.ts';
import type { Manifest } from './manifest.ts';

export interface Gap {
  /** Milliseconds since 1970. */
  readonly fromMs: number;
  readonly toMs: number;
  /** No interface; no room on disk; not taken by the program; not logged by a rule; no capture; can't be read. */
  readonly kind: 'gap' | 'lost' | 'dropped' | 'unlogged' | 'missing' | 'damaged';
  /** Packets, or lines; undefined when nobody knows. */
  readonly count?: number;
  /** For a person, harmless. */
  readonly about: string;
}

/** What a manifest says of its bundle. */
export function gapsOfManifest({ facts, since, until, file }: Manifest): Gap[] {
  const [fromMs, toMs] = [Date.parse(since), Date.parse(until)];
  const gaps: Gap[] = [];
  const dropped = count(facts, 'dropped');
  if (dropped > 0)
    gaps.push({ fromMs, toMs, kind: 'dropped', count: dropped, about: `dropped by the kernel, ${file}` });
  for (const [key, value] of facts) {
    const [from, to] = (/^(\d{1,16})\/(\d{1,16})$/.exec(value) ?? []).slice(1).map(Number);
    if (/^gap_\d+$/.test(key) && from !== undefined && to !== undefined && from <= to)
      gaps.push({ fromMs: from, toMs: to, kind: 'gap', about: `the interface was away, ${file}` });
  }
  for (const what of ['new', 'dns']) {
    const unlogged = count(facts, `${what}_seen`) - count(facts, `${what}_logged`);
    if (unlogged > 0)
      gaps.push({
        fromMs,
        toMs,
        kind: 'unlogged',
        count: unlogged,
        about: `${what}: above the rate since the rules were loaded, ${file}`,
      });
  }
  if (facts.get('table') === 'missing')
    gaps.push({ fromMs, toMs, kind: 'unlogged', about: `no rules logged when the backup ran, ${file}` });
  return gaps;
}

/** A ledger rotates at 8 MB. */
const MOST_LEDGER_BYTES = 64 * 2 ** 20;

/** What the ledgers in a directory say, oldest first. @throws SyscallError, DamageError for one that a capture can't have written */
export function gapsOfLedgers(directory: string): Gap[] {
  return ledgerSeries(directory).flatMap((series) => {
    const gaps: Gap[] = [];
    let before: LedgerEntry | undefined;
    for (const file of ledgerFiles(directory, series)) {
      const path = join(directory, file);
      const found = systemErrors(() => lstatSync(path));
      if (!found.isFile() || found.size > MOST_LEDGER_BYTES)
        throw new DamageError(file, `it is no file of at most ${MOST_LEDGER_BYTES} bytes`);
      for (const { entry } of readLedgerFile(path).lines) {
        if (entry === undefined) continue;
        gaps.push(...gapsOfEntry(entry, before));
        before = entry;
      }
    }
    return gaps;
  });
}

function gapsOfEntry(entry: LedgerEntry, before: LedgerEntry | undefined): Gap[] {
  switch (entry.type) {
    case 'gap':
      return [
        {
          fromMs: entry.fromMs,
          toMs: entry.toMs,
          kind: 'gap',
          about: `the interface was ${entry.reason === 'down' ? 'down' : 'removed'}`,
        },
      ];
    case 'lost':
      return [{ fromMs: entry.fromMs, toMs: entry.toMs, kind: 'lost', count: entry.packets, about: 'no room on disk' }];
    case 'close': {
      const [fromMs, toMs] = [entry.startSec * 1000, entry.endSec * 1000];
      return entry.dropped > 0
        ? [{ fromMs, toMs, kind: 'dropped', count: entry.dropped, about: 'dropped by the kernel' }]
        : [];
    }
    case 'start': {
      const [fromMs, toMs] = [Date.parse(before?.time ?? ''), Date.parse(entry.time)];
      if (!(fromMs < toMs)) return []; // the first of all, or a time that is none
      return [
        { fromMs, toMs, kind: 'missing', about: before?.type === 'stop' ? 'no capture ran' : 'the capture had died' },
      ];
    }
    default:
      return [];
  }
}

/** Intervals for which a series has no savefile, told by their names; of at least four savefiles. */
export function missingSavefiles(names: readonly string[]): Gap[] {
  const starts = [...new Set(names.flatMap((name) => startOf(name) ?? []))].sort((a, b) => a - b);
  const steps = starts.slice(1).map((start, index) => start - (starts[index] ?? 0));
  const interval = mostFrequent(steps);
  if (steps.length < 3 || interval === undefined) return [];
  return steps.flatMap((step, index): Gap[] => {
    const from = (starts[index] ?? 0) + interval;
    return step > interval * 1.5
      ? [{ fromMs: from, toMs: from + step - interval, kind: 'missing', about: 'no savefile' }]
      : [];
  });
}

/** `pcap-YYYYmmddHHMMSS.pcap`: in the zone of the source, which is taken for ours. */
function startOf(name: string): number | undefined {
  const [, year, month, day, hour, minute, second] =
    /(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(?:-\d+)?\.pcap/.exec(name) ?? [];
  if (year === undefined) return undefined;
  return new Date(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second)).getTime();
}

function mostFrequent(values: readonly number[]): number | undefined {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort(([a, most], [b, other]) => other - most || a - b)[0]?.[0];
}

function count(facts: ReadonlyMap<string, string>, key: string): number {
  const value = facts.get(key) ?? '';
  return /^\d{1,15}$/.test(value) ? Number(value) : 0;
}
