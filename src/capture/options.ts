// What a capture can be told: one parser per kind of value, each with its bound, and the rules between options. Everything
// is checked here before any descriptor is opened; an error names the option, the value and what is allowed.
import { CaptureError, OptionError } from '../errors.ts';
import type { Direction, FilterOptions } from '../filter/compile.ts';
import type { SnaplenClass } from '../filter/kept-bytes.ts';
import { localZone, utcZone, type Zone } from '../native/time.ts';
import { IntervalClock } from '../rotation/clock.ts';
import type { CompressionFormat } from '../rotation/compression-format.ts';
import { parseDuration } from '../rotation/duration.ts';
import { SavefileName } from '../rotation/name.ts';
import type { FreeSpace, Retention } from '../rotation/retention.ts';
import { FILE_HEADER_LENGTH, MAXIMUM_SNAPLEN, type Precision, RECORD_HEADER_LENGTH } from '../savefile/header.ts';
import { ENGINES, type Engine, type EngineOptions } from './engine.ts';

export const DEFAULT_DEVICE = 'any';
export const DEFAULT_SERIES = '/var/log/netpcap/pcap-%Y%m%d%H%M%S.pcap';
export const DEFAULT_RING_MEMORY: number = 16 * 2 ** 20;
const DEFAULT_ROTATE_SEC = 3600;
const MAX_RING_MEMORY = 4 * 2 ** 30;
const MAX_RING_FILES = 1_000_000;
const MAX_SAMPLE_FLOWS = 1_000_000;
const MAX_INT = 2 ** 31 - 1;
const DEFAULT_FILE_MODE = 0o640;
const OWNER_READ_WRITE = 0o600;
const MAX_DURATION_SEC = 10 * 366 * 86400;
const LONGEST_HEADERS: number = FILE_HEADER_LENGTH + RECORD_HEADER_LENGTH;

export interface CaptureOptions extends FilterOptions, EngineOptions {
  readonly monitor: boolean;
  /** Hand over every packet as soon as it is there, instead of many at a time. */
  readonly immediate: boolean;
  /** Wait until the interface is there and up. */
  readonly waitForInterface: boolean;
  /** End when the interface is removed. */
  readonly exitOnDown: boolean;
  readonly output: OutputOptions;
  /** Whom to go on as once packets can come; ignored where we are not root. */
  readonly user: string | undefined;
  /** Stop after so many packets, Infinity for never. */
  readonly count: number;
  /** Stop after this time, Infinity for never. */
  readonly durationMs: number;
}

export type OutputOptions =
  | { readonly kind: 'file'; readonly path: string; readonly noClobber: boolean }
  | TcpdumpOutput
  | SeriesOutput;

/** `-C`, `-G` and `-W`, as savefile/tcpdump-files.ts has them. */
export interface TcpdumpOutput {
  readonly kind: 'tcpdump';
  readonly pattern: string;
  readonly zone: Zone;
  readonly fullAt: number;
  readonly durationSec: number;
  readonly files: number | undefined;
  readonly command: string | undefined;
}

export interface SeriesOutput {
  readonly kind: 'series';
  readonly zone: Zone;
  readonly name: SavefileName;
  readonly clock: IntervalClock;
  /** At how many packets, and before how many bytes, a file is full; Infinity for never. */
  readonly rotatePackets: number;
  readonly rotateSize: number;
  readonly retention: Retention;
  readonly fileMode: number;
  readonly part: boolean;
  readonly sync: SyncPolicy;
  readonly compress: CompressionFormat | undefined;
  /** A program to run for each complete savefile. */
  readonly command: string | undefined;
  readonly ledger: boolean;
}

/** When savefiles are synced: never, at their end, or every so many seconds and at their end. */
export type SyncPolicy = 'none' | 'close' | number;

/** The options that decide between a single file and a series, as the user gave them. */
export interface OutputRequest {
  readonly w?: string | undefined;
  readonly C?: number | undefined;
  readonly G?: number | undefined;
  readonly W?: number | undefined;
  readonly rotate?: number | undefined;
  readonly rotateSize?: number | undefined;
  readonly rotatePackets?: number | undefined;
  readonly ring?: number | undefined;
  readonly maxAge?: number | undefined;
  readonly maxBytes?: number | undefined;
  readonly minFree?: FreeSpace | undefined;
  readonly utc?: boolean | undefined;
  readonly clobber?: boolean | undefined;
  readonly fileMode?: number | undefined;
  readonly part?: boolean | undefined;
  readonly sync?: SyncPolicy | undefined;
  readonly compress?: CompressionFormat | undefined;
  readonly z?: string | undefined;
  readonly ledger?: boolean | undefined;
}

/** Give any of these and it is a series. */
const MAKE_A_SERIES = {
  rotate: '--rotate',
  rotateSize: '--rotate-size',
  rotatePackets: '--rotate-packets',
  ring: '--ring',
  maxAge: '--max-age',
  maxBytes: '--max-bytes',
  minFree: '--min-free',
  utc: '--utc',
} as const;
/** These need one. */
const NEED_A_SERIES = {
  fileMode: '--file-mode',
  sync: '--sync',
  compress: '--compress',
  z: '-z',
} as const;
/** Given by being false. */
const NEGATIVE = { clobber: '--no-clobber', part: '--no-part', ledger: '--no-ledger' } as const;

/**
 * `-C` and `-G` make files as tcpdump does. A `%` in the name, a rotation or a limit make a series; a name alone is one file. `snaplen`: a file of a series must have
 * room for one packet. @throws CaptureError ERR_OPTION, also when there is nothing to write to
 */
export function chooseOutput(request: OutputRequest, snaplen: number): OutputOptions {
  const { w, C, G = 0, W, rotate, utc = false, clobber = true, part = true, ledger = true } = request;
  const given = optionGiven(request, MAKE_A_SERIES);
  if (w === undefined && given === undefined)
    throw new CaptureError(
      'ERR_OPTION',
      'packets are not printed here, give -w FILE, or for a series --ring 48; tcpdump(8) and tshark(1) print packets',
    );
  const lettered = C !== undefined || G > 0;
  if (lettered || W !== undefined) checkVocabulary(request, given, lettered);
  if (w === '') throw new OptionError('-w', w, 'expected a file name');
  if (w === '-' && given !== undefined)
    throw new OptionError('-w', '-', `a stream can't be rotated, leave out ${given}`);
  if (w !== undefined && lettered) {
    const name = C === undefined ? '-G' : '-C';
    if (w === '-') throw new OptionError('-w', w, `a stream can't be rotated, leave out ${name}`);
    const fullAt = C ?? Number.POSITIVE_INFINITY;
    const durationSec = G > 0 ? G : Number.POSITIVE_INFINITY;
    return { kind: 'tcpdump', pattern: w, zone: localZone(), fullAt, durationSec, files: W, command: request.z };
  }
  if (w !== undefined && !w.includes('%') && given === undefined) {
    const needy = optionGiven(request, NEED_A_SERIES) ?? (part ? (ledger ? undefined : '--no-ledger') : '--no-part');
    if (needy !== undefined)
      throw new OptionError('-w', w, `one file, and ${needy} needs a series: give --rotate or --ring`);
    return { kind: 'file', path: w, noClobber: !clobber };
  }
  if (!clobber)
    throw new OptionError('--no-clobber', w ?? DEFAULT_SERIES, 'a series never overwrites a file, leave it out');
  const least = LONGEST_HEADERS + snaplen;
  if (request.rotateSize !== undefined && request.rotateSize < least)
    throw new OptionError('--rotate-size', String(request.rotateSize), `the largest packet kept needs ${least} bytes`);
  const zone = utc ? utcZone() : localZone();
  return {
    kind: 'series',
    zone,
    name: new SavefileName(w ?? DEFAULT_SERIES, zone),
    clock: new IntervalClock(rotate ?? DEFAULT_ROTATE_SEC, zone),
    rotatePackets: request.rotatePackets ?? Number.POSITIVE_INFINITY,
    rotateSize: request.rotateSize ?? Number.POSITIVE_INFINITY,
    retention: {
      keep: request.ring,
      maxAgeSec: request.maxAge,
      maxBytes: request.maxBytes,
      minFree: request.minFree,
    },
    fileMode: request.fileMode ?? DEFAULT_FILE_MODE,
    part,
    sync: request.sync ?? 'close',
    compress: request.compress,
    command: request.z,
    ledger,
  };
}

/** `lettered`: -C or -G. Neither means what our own options do, so they are not mixed. @throws OptionError */
function checkVocabulary(request: OutputRequest, given: string | undefined, lettered: boolean): void {
  const { C, G, W, w = '' } = request;
  const { z: _, ...needy } = NEED_A_SERIES;
  const negative = Object.entries(NEGATIVE).find(([key]) => request[key as keyof typeof NEGATIVE] === false)?.[1];
  const series = lettered ? undefined : w.includes('%') ? `-w ${w}, a series` : undefined;
  const other = given ?? (lettered ? (optionGiven(request, needy) ?? negative) : series);
  if (other === undefined) return;
  const [name, value] = C !== undefined ? ['-C', C] : G !== undefined && G > 0 ? ['-G', G] : ['-W', W];
  const either = "either tcpdump's -C, -G and -W, or --rotate-size, --rotate and --ring";
  throw new OptionError(name, String(value), `not with ${other}: ${either}`);
}

/** The first of the named options that was given. */
function optionGiven(
  request: OutputRequest,
  names: Readonly<Partial<Record<keyof OutputRequest, string>>>,
): string | undefined {
  for (const [key, name] of Object.entries(names)) {
    const value = request[key as keyof OutputRequest];
    if (value !== undefined && value !== false) return name;
  }
  return undefined;
}

const FILE_SIZE_UNITS: Readonly<Record<string, number>> = { '': 1e6, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

/** `-C`: millions of bytes, or with a letter KiB, MiB or GiB. In bytes. @throws OptionError */
export function parseFileSize(option: string, text: string): number {
  const [, digits = '0', unit = ''] = /^(\d{1,9})([kmg]?)$/i.exec(text) ?? [];
  const size = Number(digits) * (FILE_SIZE_UNITS[unit.toLowerCase()] ?? 0);
  if (size > 0) return size;
  throw new OptionError(option, text, 'expected millions of bytes, from 1 to 999999999, or such as 500k, 16m, 1g');
}

/** `-G`: seconds, 0 for never. @throws OptionError */
export function parseElapsed(option: string, text: string): number {
  return parseWhole(option, text, 0, MAX_INT);
}

/** `-W` @throws OptionError */
export function parseFiles(option: string, text: string): number {
  return parseWhole(option, text, 1, MAX_INT);
}

/** `none`, `close`, or seconds as `parseDuration` takes them. @throws OptionError */
export function parseSync(option: string, text: string): SyncPolicy {
  if (text === 'none' || text === 'close') return text;
  if (/^\d/.test(text)) return parseDuration(option, text);
  throw new OptionError(option, text, 'expected none, close, or a time such as 30s');
}

/** The name or path of a program, without arguments. @throws OptionError */
export function parseProgram(option: string, text: string): string {
  if (text === '') throw new OptionError(option, text, 'expected the name of a program');
  return text;
}

/** Permission bits in octal. @throws OptionError */
export function parseFileMode(option: string, text: string): number {
  const mode = /^0?[0-7]{3}$/.test(text) ? Number.parseInt(text, 8) : Number.NaN;
  // Without it we could not adopt what a crash left.
  if ((mode & OWNER_READ_WRITE) === OWNER_READ_WRITE) return mode;
  throw new OptionError(option, text, 'expected three octal digits from 600 to 777, such as 640');
}

/** @throws OptionError */
export function parseEngine(option: string, text: string): Engine {
  const engine = ENGINES.find((each) => each === text);
  if (engine === undefined) throw new OptionError(option, text, `expected ${ENGINES.join(', ')}`);
  return engine;
}

/** A decimal number (no sign, fraction or exponent) from `min` to `max`. */
export function parseWhole(option: string, text: string, min: number, max: number): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max))
    throw new OptionError(option, text, `expected a whole number from ${min} to ${max}`);
  return value;
}

/** As for tcpdump 0 stands for the largest, and the number may be hexadecimal or octal as in C. */
export function parseSnaplen(option: string, text: string): number {
  const number = /^0x[\da-f]{1,8}$/i.test(text)
    ? Number(text)
    : /^0[0-7]+$/.test(text)
      ? Number.parseInt(text, 8)
      : text;
  return parseWhole(option, `${number}`, 0, MAXIMUM_SNAPLEN) || MAXIMUM_SNAPLEN;
}

/** @throws OptionError */
export function parseDirection(option: string, text: string): Direction {
  const direction = text.toLowerCase();
  if (direction === 'in' || direction === 'out' || direction === 'inout') return direction;
  throw new OptionError(option, text, 'expected in, out or inout');
}

/** Seconds, of something that may last for years. @throws OptionError */
export function parseLongDuration(option: string, text: string): number {
  return parseDuration(option, text, MAX_DURATION_SEC);
}

/** `EXPR=BYTES`; an expression may have a `=` of its own. @throws OptionError */
export function parseSnaplenFor(option: string, text: string): SnaplenClass {
  const at = text.lastIndexOf('=');
  const [expression, digits] = [text.slice(0, Math.max(0, at)).trim(), text.slice(at + 1)];
  const bytes = /^\d{1,6}$/.test(digits) ? Number(digits) : Number.NaN;
  if (expression === '' || !(bytes >= 1 && bytes <= MAXIMUM_SNAPLEN)) {
    throw new OptionError(option, text, `expected EXPRESSION=BYTES, with bytes from 1 to ${MAXIMUM_SNAPLEN}`);
  }
  return { expression, bytes };
}

/** The N of `1/N`. @throws OptionError */
export function parseSampleFlows(option: string, text: string): number {
  const [, digits = ''] = /^1\/(\d{1,7})$/.exec(text) ?? [];
  const flows = digits === '' ? Number.NaN : Number(digits);
  if (flows >= 1 && flows <= MAX_SAMPLE_FLOWS) return flows;
  throw new OptionError(option, text, `expected 1/N, with N from 1 to ${MAX_SAMPLE_FLOWS}`);
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
