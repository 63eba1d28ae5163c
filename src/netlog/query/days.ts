// DAY on a command line: a date, `today`, `yesterday`, `latest`, or `A..B` of these. Dates are those of the bundles.
import { CaptureError, OptionError } from '../../errors.ts';
import { type Sql, sql } from './sql.ts';

/** From the one to the other, both included: `2026-11-27`. */
export interface Days {
  readonly from: string;
  readonly to: string;
}

const DAY_MS = 86_400_000;
const EXPECTED = 'expected a date such as 2026-11-27, today, yesterday, latest, or A..B';

/**
 * `option`: what the user calls it. `latest`: the newest day that is there, undefined for none. `now`: milliseconds; `today`
 * is the local day. @throws OptionError, CaptureError ERR_NO_DAY for `latest` where there is none
 */
export function parseDays(option: string, word: string, latest: string | undefined, now: number): Days {
  const [from = '', to = from, ...rest] = word.split('..');
  if (rest.length > 0) throw new OptionError(option, word, EXPECTED);
  const days = { from: dayOf(option, from, latest, now), to: dayOf(option, to, latest, now) };
  if (days.from > days.to) throw new OptionError(option, word, `${days.from} is after ${days.to}`);
  return days;
}

function dayOf(option: string, word: string, latest: string | undefined, now: number): string {
  if (word === 'today') return localDate(now);
  // By the calendar and not 24 hours ago: days of 23 and of 25 hours.
  if (word === 'yesterday') return new Date(Date.parse(`${localDate(now)}T00:00Z`) - DAY_MS).toISOString().slice(0, 10);
  if (word === 'latest') {
    if (latest === undefined) throw new CaptureError('ERR_NO_DAY', `${option} latest: there is no day yet`);
    return latest;
  }
  const real = /^\d{4}-\d\d-\d\d$/.test(word) && new Date(`${word}T00:00Z`).toJSON()?.startsWith(word) === true;
  if (!real) throw new OptionError(option, word, EXPECTED);
  return word;
}

/** `2026-11-27` in the local zone. */
function localDate(ms: number): string {
  const date = new Date(ms);
  const pad = (value: number): string => String(value).padStart(2, '0');
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
}

/** For the column `date` of any view. */
export function during({ from, to }: Days): Sql {
  return sql`date BETWEEN CAST(${from} AS DATE) AND CAST(${to} AS DATE)`;
}
