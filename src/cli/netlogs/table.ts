// Rows as a table for a terminal: columns as wide as what is in them, and where that is more than there is room, the widest are
// cut, with an ellipsis. Numbers stand on the right. Everything in it has been made harmless.

import { harmless } from '../../netlog/harmless.ts';
import type { Micros } from '../../netlog/query/database.ts';
import { shortRowName } from '../../netlog/query/row-name.ts';
import type { Cell, Column } from './column.ts';

const GAP = '  ';
/** No column that is cut gets narrower. */
const NARROWEST = 6;

/** Lines without line feeds; `width`: of the terminal, Infinity for none, in which nothing is cut. */
export function tableLines<Row>(columns: readonly Column<Row>[], rows: readonly Row[], width: number): string[] {
  const shown = columns.filter(({ only }) => only !== 'data').map((column) => shownColumn(column, rows));
  const filled = shown.filter(({ empty }) => !empty);
  const kept = narrowed(filled.length > 0 ? filled : shown, width);
  const widths = fittedWidths(kept, width);
  const lines: string[] = [];
  for (let row = -1; row < rows.length; row++) {
    const words = kept.map(({ head, cells, right }, index) => {
      const text = cut(row < 0 ? head : (cells[row] ?? ''), widths[index] ?? 0);
      const padding = ' '.repeat((widths[index] ?? 0) - textWidth(text));
      return right ? padding + text : text + padding;
    });
    lines.push(words.join(GAP).trimEnd());
  }
  return lines;
}

interface Shown {
  readonly head: string;
  readonly cells: readonly string[];
  readonly right: boolean;
  readonly whole: boolean;
  readonly spare: number;
  readonly empty: boolean;
}

function shownColumn<Row>({ name, of, kind, whole, spare = 0, hideZero }: Column<Row>, rows: readonly Row[]): Shown {
  const values = rows.map(of);
  const format = kind === undefined ? (value: Cell) => harmless(plain(value)) : timeFormat(values, kind === 'instant');
  const numbers = kind === undefined && values.some((value) => typeof value === 'number');
  const cells = values.map(format);
  return {
    head: name.toUpperCase().replaceAll('_', ' '),
    cells: name === 'row' ? cells.map(shortRowName) : cells,
    right: numbers,
    spare,
    empty: cells.every((cell) => cell === '' || (hideZero === true && cell === '0')),
    whole: whole === true || numbers || kind !== undefined || name === 'row',
  };
}

function plain(value: Cell): string {
  if (value === undefined) return '';
  return Array.isArray(value) ? value.join(', ') : String(value);
}

/** Local time; with the date only where it is not the same for all. */
function timeFormat(values: readonly Cell[], fraction: boolean): (value: Cell) => string {
  const dates = new Set(
    values.filter((value) => typeof value === 'number').map((value) => localTime(value).slice(0, 10)),
  );
  return (value) => {
    if (typeof value !== 'number') return '';
    const text = localTime(value) + (fraction ? `.${String(value % 1e6).padStart(6, '0')}` : '');
    return dates.size > 1 ? text : text.slice(11);
  };
}

/** `2026-11-27 12:00:00` */
export function localTime(time: Micros): string {
  const date = new Date(Math.floor(time / 1000));
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** Without spare columns as far as the others would not fit even when they are cut. */
function narrowed(columns: readonly Shown[], width: number): readonly Shown[] {
  const least = columns.reduce(
    (sum, column) => sum + (column.whole ? widthOf(column) : Math.min(widthOf(column), NARROWEST)),
    GAP.length * (columns.length - 1),
  );
  const spare = Math.max(...columns.map((column) => column.spare));
  if (least <= width || spare === 0) return columns;
  return narrowed(
    columns.filter((column) => column.spare !== spare),
    width,
  );
}

function widthOf({ head, cells }: Shown): number {
  return cells.reduce((most, cell) => Math.max(most, textWidth(cell)), textWidth(head));
}

/** The widest that may be cut give first. Where even the narrowest are too wide, the terminal breaks the lines. */
function fittedWidths(columns: readonly Shown[], width: number): number[] {
  const widths = columns.map(widthOf);
  let excess = widths.reduce((sum, each) => sum + each, GAP.length * (columns.length - 1)) - width;
  while (excess > 0) {
    let widest = -1;
    for (const [index, each] of widths.entries())
      if (columns[index]?.whole === false && each > Math.max(NARROWEST, widths[widest] ?? 0)) widest = index;
    if (widest < 0) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
    excess--;
  }
  return widths;
}

function cut(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  let kept = '';
  let used = 1;
  for (const character of text) {
    used += characterWidth(character);
    if (used > width) break;
    kept += character;
  }
  return `${kept}…`;
}

export function textWidth(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: whatever is ASCII, which is nearly always all of it
  if (/^[\x00-\x7f]*$/.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width;
}

/** East Asian Wide and Fullwidth by their blocks (UAX 11), and emoji. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;

function characterWidth(character: string): number {
  if (/\p{M}|\p{Cf}/u.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}
