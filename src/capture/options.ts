// What a capture can be told: one parser per kind of value, each with its bound, and the rules between options. Everything
// is checked here before any descriptor is opened; an error names the option, the value and what is allowed.
import { OptionError } from '../errors.ts';
import type { FilterOptions } from '../filter/compile.ts';
import { localZone, utcZone } from '../native/time.ts';
import { IntervalClock } from '../rotation/clock.ts';
import { SavefileName } from '../rotation/name.ts';
import { MAXIMUM_SNAPLEN, type Precision } from '../savefile/header.ts';

export const DEFAULT_SERIES = '/var/log/netpcap/pcap-%Y%m%d%H%M%S.pcap';
export const DEFAULT_RING_MEMORY: number = 16 * 2 ** 20;
const DEFAULT_ROTATE_SEC = 3600;
const MAX_RING_MEMORY = 4 * 2 ** 30;
const MAX_RING_FILES = 1_000_000;

export interface CaptureOptions extends FilterOptions {
  readonly promiscuous: boolean;
  readonly ringMemory: number;
  readonly precision: Precision;
  readonly output: OutputOptions;
  /** Stop after so many packets, Infinity for never. */
  readonly count: number;
  /** Stop after this time, Infinity for never. */
  readonly durationMs: number;
}

export type OutputOptions =
  | { readonly kind: 'file'; readonly path: string; readonly noClobber: boolean }
  | {
      readonly kind: 'series';
      readonly name: SavefileName;
      readonly clock: IntervalClock;
      /** How many complete savefiles may exist, undefined for any number. */
      readonly keep: number | undefined;
    };

/** The options that decide between a single file and a series, as the user gave them. */
export interface OutputRequest {
  readonly w?: string | undefined;
  readonly rotate?: number | undefined;
  readonly ring?: number | undefined;
  readonly utc?: boolean | undefined;
  readonly clobber?: boolean | undefined;
}

/** A `%` in the name, a rotation or a ring, or no name at all make a series; a name alone is one file. @throws OptionError */
export function chooseOutput(request: OutputRequest): OutputOptions {
  const { w, rotate, ring, utc = false, clobber = true } = request;
  const given = rotate !== undefined ? '--rotate' : ring !== undefined ? '--ring' : utc ? '--utc' : undefined;
  if (w === '') throw new OptionError('-w', w, 'expected a file name');
  if (w === '-' && given !== undefined)
    throw new OptionError('-w', '-', `a stream can't be rotated, leave out ${given}`);
  if (w !== undefined && !w.includes('%') && given === undefined) return { kind: 'file', path: w, noClobber: !clobber };
  if (!clobber)
    throw new OptionError('--no-clobber', w ?? DEFAULT_SERIES, 'a series never overwrites a file, leave it out');
  const zone = utc ? utcZone() : localZone();
  const name = new SavefileName(w ?? DEFAULT_SERIES, zone);
  return { kind: 'series', name, clock: new IntervalClock(rotate ?? DEFAULT_ROTATE_SEC, zone), keep: ring };
}

/** A decimal number (no sign, fraction or exponent) from `min` to `max`. */
export function parseWhole(option: string, text: string, min: number, max: number): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max))
    throw new OptionError(option, text, `expected a whole number from ${min} to ${max}`);
  return value;
}

/** 0 stands for the largest, as for tcpdump. */
export function parseSnaplen(option: string, text: string): number {
  return parseWhole(option, text, 0, MAXIMUM_SNAPLEN) || MAXIMUM_SNAPLEN;
}

export function parseRingFiles(option: string, text: string): number {
  return parseWhole(option, text, 1, MAX_RING_FILES);
}

export function parseCount(option: string, text: string): number {
  return parseWhole(option, text, 1, Number.MAX_SAFE_INTEGER);
}

/** `-B`: KiB, as for tcpdump. */
export function parseBufferKib(option: string, text: string): number {
  return parseWhole(option, text, 1, MAX_RING_MEMORY / 1024) * 1024;
}

const UNITS: Readonly<Record<string, number>> = { '': 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

export function parseRingMemory(option: string, text: string): number {
  const [, digits = '', unit = ''] = /^(\d{1,12})(KiB|MiB|GiB)?$/.exec(text) ?? [];
  const value = digits === '' ? Number.NaN : Number(digits) * (UNITS[unit] ?? 1);
  if (!(value >= 1024 && value <= MAX_RING_MEMORY)) {
    throw new OptionError(option, text, 'expected a size from 1KiB to 4GiB, such as 64MiB');
  }
  return value;
}

export function parsePrecision(option: string, text: string): Precision {
  if (text === 'micro' || text === 'nano') return text;
  throw new OptionError(option, text, 'expected micro or nano');
}
