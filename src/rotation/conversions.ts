// The conversions of strftime(3) that a savefile's name may hold, each with what it can print in the C locale, and the
// time that their texts say. Called by name.ts. Those left out have no fixed shape (%c %x %X %n), or could hold a slash.
import type { Zone } from '../native/time.ts';

/** What each conversion prints, as the source of a regular expression. */
export const CONVERSIONS: Readonly<Record<string, string>> = {
  Y: '\\d{4}',
  y: '\\d{2}',
  m: '0[1-9]|1[0-2]',
  B: '[A-Z][a-z]{2,8}',
  b: '[A-Z][a-z]{2}',
  d: '0[1-9]|[12]\\d|3[01]',
  e: ' [1-9]|[12]\\d|3[01]',
  j: '[0-3]\\d{2}',
  A: '[A-Z][a-z]{5,8}',
  a: '[A-Z][a-z]{2}',
  H: '[01]\\d|2[0-3]',
  I: '0[1-9]|1[0-2]',
  p: 'AM|PM',
  M: '[0-5]\\d',
  S: '[0-5]\\d|60',
  s: '\\d+',
  z: '[+-]\\d{4}',
  Z: '[A-Za-z0-9+-]+?', // lazy, so that the suffix after CET-1 is a suffix
};

/** Conversions that stand for others. */
export const ABBREVIATIONS: Readonly<Record<string, string>> = { F: '%Y-%m-%d', T: '%H:%M:%S', R: '%H:%M' };

const DAY_SEC = 86400;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/**
 * Seconds since 1970, UTC, of the texts that a name holds, by their conversions; undefined without a year. What is
 * missing counts as its least. Of a local time that occurs twice it is the second, of one that never occurs a time near it.
 */
export function secOf(texts: ReadonlyMap<string, string>, zone: Pick<Zone, 'offsetAt'>): number | undefined {
  const number = (conversion: string): number | undefined => {
    const text = texts.get(conversion);
    return text === undefined ? undefined : Number(text);
  };
  const sec = number('s');
  if (sec !== undefined) return sec;
  const shortYear = number('y');
  const year = number('Y') ?? (shortYear === undefined ? undefined : 2000 + shortYear);
  if (year === undefined) return undefined;
  const dayOfYear = number('j');
  const monthName = (texts.get('b') ?? texts.get('B') ?? 'Jan').slice(0, 3);
  const month = dayOfYear === undefined ? (number('m') ?? MONTHS.indexOf(monthName) + 1) : 1;
  const day = dayOfYear ?? number('d') ?? number('e') ?? 1;
  const hour = number('H') ?? ((number('I') ?? 0) % 12) + (texts.get('p') === 'PM' ? 12 : 0);
  const local = Date.UTC(year, month - 1, day, hour, number('M') ?? 0, number('S') ?? 0) / 1000;
  // The second, since a file that begins with the second pass must not seem older than what the first brought.
  const offset = zone.offsetAt(local + DAY_SEC);
  if (zone.offsetAt(local - offset) === offset) return local - offset;
  return local - zone.offsetAt(local - zone.offsetAt(local));
}
