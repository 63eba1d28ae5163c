// Lengths of time as options take them. Called by cli for --rotate and everything else that is given in seconds, minutes,
// hours or days.
import { OptionError } from '../errors.ts';

/** The longest interval of --rotate: a year, and a leap year too. */
export const MAX_ROTATE_SEC: number = 366 * 86400;

const UNITS: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600, d: 86400 };

/** Seconds from `3600`, `30s`, `15m`, `1h` or `7d`: at least 1, at most `maxSec`. @throws OptionError */
export function parseDuration(option: string, text: string, maxSec: number = MAX_ROTATE_SEC): number {
  const [, digits = '', unit = ''] = /^(\d{1,12})([smhd]?)$/.exec(text) ?? [];
  const sec = digits === '' ? Number.NaN : Number(digits) * (UNITS[unit] ?? Number.NaN);
  if (sec >= 1 && sec <= maxSec) return sec;
  throw new OptionError(option, text, `expected a time from 1s to ${maxSec}s, such as 3600, 30s, 15m, 1h or 7d`);
}
