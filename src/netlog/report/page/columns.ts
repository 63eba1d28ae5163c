// The kinds of columns that the page's tables are made of. null is not known: an empty cell, that sorts last.
import { element, identifier } from './element.ts';
import { bytes, type Clock, count, duration } from './format.ts';
import type { Column } from './table.ts';

type Of<Row, Value> = (row: Row) => Value | null;

/** A word or a few that stay on one line. */
export function word<Row>(title: string, of: Of<Row, string>): Column<Row> {
  return { title, kind: 'short', text: (row) => of(row) ?? '' };
}

export function sentence<Row>(title: string, of: Of<Row, string>): Column<Row> {
  return { title, kind: 'wide', text: (row) => of(row) ?? '' };
}

/** A name or an address from the wire, as long as it likes. */
export function name<Row>(title: string, of: Of<Row, string>): Column<Row> {
  return { ...sentence(title, of), cell: (row) => identifier(of(row) ?? '') };
}

/** An address with a port; an IPv4 address has room on one line. */
export function endpoint<Row>(title: string, address: Of<Row, string>, port: Of<Row, number>): Column<Row> {
  const text = (row: Row) => {
    const [host, number] = [address(row) ?? '', port(row)];
    if (number === null) return host;
    return host.includes(':') ? `[${host}]:${number}` : `${host}:${number}`;
  };
  const cell = (row: Row) =>
    text(row).startsWith('[') ? identifier(text(row)) : element('span', { class: 'short' }, text(row));
  return { title, kind: 'wide', text, cell };
}

/** How `netlogs packets` calls a flow. */
export function rowName<Row>(of: Of<Row, string>): Column<Row> {
  return { ...sentence('Row', of), cell: (row) => element('code', { class: 'short' }, of(row) ?? '') };
}

export function number<Row>(title: string, of: Of<Row, number>, text: (value: number) => string = count): Column<Row> {
  const written = (row: Row) => {
    const value = of(row);
    return value === null ? '' : text(value);
  };
  return { title, kind: 'number', text: written, value: of };
}

export function size<Row>(title: string, of: Of<Row, number>): Column<Row> {
  return number(title, of, bytes);
}

export function took<Row>(of: Of<Row, number>): Column<Row> {
  return number('Took', of, duration);
}

export function time<Row>(title: string, of: Of<Row, number>, clock: Clock): Column<Row> {
  return { ...number(title, of, (value) => clock.full(value)), kind: 'short' };
}
