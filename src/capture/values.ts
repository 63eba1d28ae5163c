// Texts of the command line into values: one parser per kind of value, each with its bound. An error names the option, the
// text and what is allowed. Called by way of the tables of options in cli/, before anything is opened; so nothing is imported
// here that takes time to load.
import { OptionError } from '../errors.ts';
import type { Direction } from '../filter/compile.ts';
import { checkWhole } from '../filter/given.ts';
import { MAX_SAMPLE_FLOWS, type SnaplenClass } from '../filter/keep-options.ts';
import { parseDuration } from '../rotation/duration.ts';
import { MAXIMUM_SNAPLEN, type Precision } from '../savefile/header.ts';
import { ENGINES, type Engine } from './engine.ts';
import type { SyncPolicy } from './series-options.ts';

/** Of the kernel's ring, in bytes. */
export const MIN_RING_MEMORY = 1024;
export const MAX_RING_MEMORY: number = 4 * 2 ** 30;
/** In the permissions of a savefile: without it we could not adopt what a crash left. */
export const OWNER_READ_WRITE = 0o600;
const MAX_RING_FILES = 1_000_000;
const MAX_INT = 2 ** 31 - 1;
const MAX_DURATION_SEC = 10 * 366 * 86400;

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
  return checkWhole(option, /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN, min, max, text);
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
  if (!(value >= MIN_RING_MEMORY && value <= MAX_RING_MEMORY)) {
    throw new OptionError(option, text, 'expected a size from 1KiB to 4GiB, such as 64MiB');
  }
  return value;
}

export function parsePrecision(option: string, text: string): Precision {
  if (text === 'micro' || text === 'nano') return text;
  throw new OptionError(option, text, 'expected micro or nano');
}
