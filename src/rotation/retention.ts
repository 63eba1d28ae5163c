// Which complete savefiles may stay: the limits that a user sets, and which of them the oldest file breaks. FileRing asks,
// and deletes. Pure.
import { OptionError } from '../errors.ts';
import type { EvictReason } from './ledger-entry.ts';

/** What complete savefiles may stay; where there are more, the oldest goes. All of it may be left out: then all stay. */
export interface Retention {
  /** How many complete savefiles may exist, at least 1. */
  readonly keep?: number | undefined;
  /** How long after its last packet a savefile may exist. */
  readonly maxAgeSec?: number | undefined;
  /** How many bytes all complete savefiles may have; the newest stays whatever its size. */
  readonly maxBytes?: number | undefined;
  /** How much of the file system must be free; the newest stays however full it is. */
  readonly minFree?: FreeSpace | undefined;
}

/** So many bytes, or such a part of the whole file system. */
export type FreeSpace = { readonly bytes: number } | { readonly share: number };

/** All complete savefiles. */
export interface Holdings {
  readonly files: number;
  readonly bytes: number;
  /** Time of the oldest file's last packet, in milliseconds since 1970. */
  readonly oldestEndMs: number;
}

export interface FileSystem {
  /** Bytes that we may still use. */
  readonly free: number;
  readonly total: number;
}

/** Why the oldest complete savefile must go; undefined when it may stay. */
export function reasonToEvict(
  retention: Retention,
  holdings: Holdings,
  nowMs: number,
  fileSystem: FileSystem | undefined,
): EvictReason | undefined {
  const { keep = Number.POSITIVE_INFINITY, maxAgeSec, maxBytes = Number.POSITIVE_INFINITY, minFree } = retention;
  if (holdings.files > keep) return 'ring';
  if (holdings.files === 0) return undefined;
  if (maxAgeSec !== undefined && holdings.oldestEndMs < nowMs - maxAgeSec * 1000) return 'max-age';
  if (holdings.files === 1) return undefined;
  if (holdings.bytes > maxBytes) return 'max-bytes';
  if (minFree === undefined || fileSystem === undefined) return undefined;
  const wanted = 'bytes' in minFree ? minFree.bytes : minFree.share * fileSystem.total;
  return fileSystem.free < wanted ? 'min-free' : undefined;
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** Bytes from `500MB`, `10GB`, `1GiB` or a plain number. @throws OptionError */
export function parseSize(option: string, text: string, min = 1): number {
  const [, digits = '', unit = ''] = /^(\d{1,15})([A-Za-z]{0,3})$/.exec(text) ?? [];
  const value = digits === '' ? Number.NaN : Number(digits) * (UNITS[unit] ?? Number.NaN);
  if (value >= min && value <= Number.MAX_SAFE_INTEGER) return value;
  throw new OptionError(option, text, `expected a size from ${min} bytes, such as 500MB, 10GB or 1GiB`);
}

/** As `parseSize`, or a part of the file system such as `5%`. @throws OptionError */
export function parseFreeSpace(option: string, text: string): FreeSpace {
  const [, percent] = /^(\d{1,2}(?:\.\d{1,3})?)%$/.exec(text) ?? [];
  if (percent === undefined) return { bytes: parseSize(option, text) };
  if (Number(percent) > 0) return { share: Number(percent) / 100 };
  throw new OptionError(option, text, 'expected more than 0%, less than 100%');
}
