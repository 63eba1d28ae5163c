// What a command prints to stdout: a table, JSON or CSV. The only code of netlogs that prints rows.
import { harmless } from '../../netlog/harmless.ts';
import { type Cell, type Column, isoTime } from './column.ts';
import type { FormatFlags } from './flags.ts';
import { tableLines } from './table.ts';

/** Rows between two writes: what is printed at once is held in memory twice. */
const AT_ONCE = 10_000;

export function printRows<Row>(columns: readonly Column<Row>[], rows: readonly Row[], flags: FormatFlags): void {
  const data = columns.filter(({ only }) => only !== 'table');
  if (flags.json === true) write(rows, (row) => jsonLine(data, row));
  else if (flags.csv === true) {
    process.stdout.write(`${data.map(({ name }) => csvField(name)).join(',')}\r\n`);
    write(rows, (row) => `${data.map((column) => csvField(datum(column, row))).join(',')}\r\n`);
  } else if (rows.length > 0) {
    const width = process.stdout.isTTY === true ? process.stdout.columns : Number.POSITIVE_INFINITY;
    write(tableLines(columns, rows, width), (line) => `${line}\n`);
  }
}

function write<Row>(rows: readonly Row[], lineOf: (row: Row) => string): void {
  for (let at = 0; at < rows.length; at += AT_ONCE)
    process.stdout.write(
      rows
        .slice(at, at + AT_ONCE)
        .map(lineOf)
        .join(''),
    );
}

function datum<Row>({ of, kind }: Column<Row>, row: Row): Cell {
  const value = of(row);
  return kind !== undefined && typeof value === 'number' ? isoTime(value) : value;
}

/** An object a line. What a terminal may obey is escaped as JSON can, so that whoever reads it gets it as it was. */
function jsonLine<Row>(columns: readonly Column<Row>[], row: Row): string {
  const object = Object.fromEntries(columns.map((column) => [column.name, datum(column, row) ?? null]));
  return `${jsonText(object)}\n`;
}

export function jsonText(value: unknown): string {
  const number = (_key: string, each: unknown): unknown => (typeof each === 'bigint' ? Number(each) : each);
  return JSON.stringify(value, number).replace(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** RFC 4180. A text that a spreadsheet would take for a formula begins with an apostrophe. */
function csvField(value: Cell): string {
  if (value === undefined) return '';
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  const text = harmless(typeof value === 'string' ? value : value.join('; '));
  const shown = /^[=+\-@]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(shown) ? `"${shown.replaceAll('"', '""')}"` : shown;
}

/** On stderr: that there is more than was printed. */
export function noteMore(more: boolean, shown: number): void {
  if (more) process.stderr.write(`netlogs: the first ${shown} rows; --limit N or --limit all shows more\n`);
}
