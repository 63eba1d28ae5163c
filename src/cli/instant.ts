// Points in time as users write them, for --from and --to.
import { OptionError } from '../errors.ts';
import type { RecordInstant } from '../savefile/reading/selection.ts';

const EXPECTED = 'expected a time such as 2026-01-31T12:00:00.5 (local, or with Z or +01:00) or seconds since 1970';
const MAX_SEC = 2 ** 32 - 1;

/** An ISO 8601 date, with a time or without, local unless it says otherwise; or seconds since 1970. @throws OptionError */
export function parseInstant(option: string, text: string): RecordInstant {
  const [, seconds, date = '', time = '00:00', second = '00', zone = '', fraction] =
    /^@?(\d{1,10})(?:\.\d{1,9})?$/.exec(text) ?? parts(text) ?? [];
  const sec = seconds === undefined ? Date.parse(`${date}T${time}:${second}${zone}`) / 1000 : Number(seconds);
  const digits = fraction ?? /^@?\d+\.(\d+)$/.exec(text)?.[1] ?? '';
  // Date takes the 31st of February for the 3rd of March.
  const real = date === '' || new Date(`${date}T00:00Z`).toJSON()?.startsWith(date) === true;
  if (!(sec >= 0 && sec <= MAX_SEC) || !real) throw new OptionError(option, text, EXPECTED);
  return { sec, nsec: Number(digits.padEnd(9, '0')) };
}

/** As the groups of the other form: nothing, date, time, second, zone, fraction. */
function parts(text: string): (string | undefined)[] | undefined {
  const match = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:\d\d)?)?$/.exec(text);
  if (match === null) return undefined;
  const [whole, date, time, second, fraction, zone] = match;
  return [whole, undefined, date, time, second, zone, fraction];
}
