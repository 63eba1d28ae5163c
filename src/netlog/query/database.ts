// What a question needs of the opened index: rows for SQL. src/netlog/index/ opens it. And the reading of rows into typed
// values, so that a column that is not what the contract says is an error where it is read, not later.
import type { Sql } from './sql.ts';

/** A row as it comes: by column. Numbers up to 2^53 are numbers, lists arrays, maps objects. */
export type Row = Readonly<Record<string, unknown>>;

export interface Database {
  /** All rows of a statement. Rejects with CaptureError ERR_SQL, in DuckDB's words. */
  rows(statement: Sql): Promise<readonly Row[]>;
}

/** Microseconds since 1970, UTC: exact for two centuries. In SQL `epoch_us(time)`. */
export type Micros = number;

export function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== 'string') throw unexpected(column, 'text', value);
  return value;
}

export function optionalText(row: Row, column: string): string | undefined {
  return row[column] === null ? undefined : text(row, column);
}

export function number(row: Row, column: string): number {
  const value = row[column];
  if (typeof value === 'bigint') return Number(value);
  if (typeof value !== 'number') throw unexpected(column, 'a number', value);
  return value;
}

export function optionalNumber(row: Row, column: string): number | undefined {
  return row[column] === null ? undefined : number(row, column);
}

export function flag(row: Row, column: string): boolean {
  const value = row[column];
  if (typeof value !== 'boolean') throw unexpected(column, 'true or false', value);
  return value;
}

export function texts(row: Row, column: string): readonly string[] {
  const value = row[column];
  if (value === null) return [];
  if (!Array.isArray(value)) throw unexpected(column, 'a list', value);
  return value.map(String);
}

function unexpected(column: string, expected: string, found: unknown): Error {
  return new Error(`unreachable: column ${column}: expected ${expected}, found ${typeof found}`);
}
