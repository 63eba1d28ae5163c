// A table as data: what its columns are called and what each makes of a row. table.ts, and JSON and CSV in output.ts, print it.
import type { Micros } from '../../netlog/query/database.ts';

/** Undefined: there is no value. */
export type Cell = string | number | boolean | readonly string[] | undefined;

export interface Column<Row> {
  /** The key in JSON, the head in CSV; in a table in upper case. */
  readonly name: string;
  readonly of: (row: Row) => Cell;
  /** `time`: microseconds, shown to the second; `instant`: all of it. */
  readonly kind?: 'time' | 'instant';
  /** Only there: a table puts together what JSON and CSV have apart. */
  readonly only?: 'table' | 'data';
  /** Never cut: what it has is to be copied, or is short. */
  readonly whole?: true;
  /** Left out of a table that is too narrow for all, the highest first. */
  readonly spare?: number;
  /** Left out of a table in which it is 0 everywhere. */
  readonly hideZero?: true;
}

/** `192.0.2.1:443`, `[2001:db8::1]:443`, without a port the address. */
export function endOf(address: string | undefined, port: number | undefined): string | undefined {
  if (address === undefined || port === undefined) return address;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** UTC with microseconds, as JSON and CSV have it: `2026-11-27T12:00:00.000001Z`. */
export function isoTime(time: Micros): string {
  const fraction = String(((time % 1e6) + 1e6) % 1e6).padStart(6, '0');
  return `${new Date(Math.floor(time / 1e6) * 1000).toISOString().slice(0, 19)}.${fraction}Z`;
}
