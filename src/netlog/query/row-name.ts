// ROW: how a table names the flow that a row is about, so that `packets` can cut it out: qube, day, and the flow's number with
// base 36. `sys-dns/2026-11-27/2gosa7pa2g`, in tables for a terminal `sys-dns/1127/2gosa7pa2g`, which stands for the one day in
// the index with this month and day.
import { CaptureError, OptionError } from '../../errors.ts';
import type { Database } from './database.ts';
import { text } from './database.ts';
import { sql } from './sql.ts';

export interface FlowName {
  readonly host: string;
  /** `2026-11-27` */
  readonly date: string;
  readonly flow: number;
}

const BASE = 36;
const ROW = /^([^/\s]+)\/(?:(\d{4})-(\d\d)-(\d\d)|(\d\d)(\d\d))\/([\da-z]{1,11})$/;

export function rowName({ host, date, flow }: FlowName): string {
  return `${host}/${date}/${flow.toString(BASE)}`;
}

/** As a narrow table shows it. */
export function shortRowName(name: string): string {
  return name.replace(/\/\d{4}-(\d\d)-(\d\d)\//, '/$1$2/');
}

export function isRowName(word: string): boolean {
  return ROW.test(word);
}

/** Rejects with OptionError where the form is another, or a short date fits several days; CaptureError ERR_NO_ROW for none. */
export async function findRow(database: Database, word: string): Promise<FlowName> {
  const [, host, year, month, day, shortMonth, shortDay, digits = ''] = ROW.exec(word) ?? [];
  const flow = Number.parseInt(digits, BASE);
  if (host === undefined || !Number.isSafeInteger(flow))
    throw new OptionError('ROW', word, 'expected QUBE/DATE/FLOW as a table prints it');
  const wanted = `${year ?? '%'}-${month ?? shortMonth}-${day ?? shortDay}`;
  const found = await database.rows(sql`
    SELECT DISTINCT CAST(date AS VARCHAR) AS date FROM flows
    WHERE host = ${host} AND flow = ${flow} AND CAST(date AS VARCHAR) LIKE ${wanted}`);
  const [first, ...others] = found.map((row) => text(row, 'date'));
  if (first === undefined) throw new CaptureError('ERR_NO_ROW', `ROW ${word}: no such row in the index`);
  if (others.length > 0)
    throw new OptionError(
      'ROW',
      word,
      `is of several years, write the date out: ${rowName({ host, date: first, flow })}`,
    );
  return { host, date: first, flow };
}
