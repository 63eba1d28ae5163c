// A table that sorts by any column, is searched, and shows so many rows until more are asked for. On a narrow screen each row
// becomes a card (style.css), so the roles that `display` takes from table elements are written out.
import { type Content, element } from './element.ts';
import { count } from './format.ts';

export interface Column<Row> {
  readonly title: string;
  /** What the cell shows and the search looks through. */
  readonly text: (row: Row) => string;
  /** What the column is sorted by, if not by its text. */
  readonly value?: (row: Row) => number | string | null;
  /** The cell, if it is more than its text. */
  readonly cell?: (row: Row) => Content;
  /** `number`: to the right. `short`: stays on one line. `wide`: a whole line of a card. */
  readonly kind?: 'number' | 'short' | 'wide';
}

export interface TableOptions<Row> {
  /** Read out, not seen. */
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  /** The title of the column that the rows come sorted by. */
  readonly sorted?: { readonly column: string; readonly descending: boolean };
  /** What stands there when nothing is found. */
  readonly nothing?: string;
}

/** Rows that are shown at first, and that are added each time more are asked for. */
const FIRST = 25;
const MORE = 100;

const COLLATOR = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

export class Table<Row> {
  readonly element: HTMLElement;
  readonly #options: TableOptions<Row>;
  readonly #body: HTMLElement = element('tbody', { role: 'rowgroup' });
  readonly #more: HTMLButtonElement = element('button', { type: 'button', class: 'more' });
  readonly #heads: readonly HTMLElement[];
  readonly #texts: readonly string[];
  /** Indexes into the rows: those that the search left, as they are shown and as they came. */
  #order: readonly number[];
  #found: readonly number[] | undefined;
  #sorted: { column: string; descending: boolean } | undefined;
  #shown = FIRST;

  constructor(options: TableOptions<Row>) {
    this.#options = options;
    this.#sorted = options.sorted;
    this.#texts = options.rows.map((row) =>
      options.columns
        .map(({ text }) => text(row))
        .join('\n')
        .toLowerCase(),
    );
    this.#order = [...options.rows.keys()];
    this.#heads = options.columns.map((column) => this.#head(column));
    this.#more.addEventListener('click', () => this.#showMore());
    const head = element('thead', { role: 'rowgroup' }, element('tr', { role: 'row' }, ...this.#heads));
    const caption = element('caption', { class: 'unseen' }, options.caption);
    this.element = element(
      'div',
      { class: 'table' },
      element('table', { role: 'table' }, caption, head, this.#body),
      this.#more,
    );
    this.#draw();
  }

  /** Leaves the rows that hold all words of `query` and satisfy `keep`; answers how many. */
  search(query: string, keep: (row: Row) => boolean = () => true): number {
    const words = query
      .toLowerCase()
      .split(/\s+/)
      .filter((word) => word !== '');
    const found = this.#options.rows.flatMap((row, at) => {
      const text = this.#texts[at] ?? '';
      return keep(row) && words.every((word) => text.includes(word)) ? at : [];
    });
    this.#found = found;
    this.#shown = FIRST;
    this.#arrange();
    return found.length;
  }

  #head(column: Column<Row>): HTMLElement {
    const button = element('button', { type: 'button' }, column.title);
    button.addEventListener('click', () => this.#sort(column));
    const kind = column.kind === undefined ? {} : { class: column.kind };
    return element('th', { scope: 'col', role: 'columnheader', ...kind }, button);
  }

  /** Numbers begin with the largest. */
  #sort({ title, kind }: Column<Row>): void {
    const again = this.#sorted?.column === title;
    this.#sorted = { column: title, descending: again ? !this.#sorted?.descending : kind === 'number' };
    this.#arrange();
  }

  #arrange(): void {
    const { rows, columns } = this.#options;
    const order = [...(this.#found ?? rows.keys())];
    const column = columns.find(({ title }) => title === this.#sorted?.column);
    if (column !== undefined) {
      const value = column.value ?? column.text;
      const values = rows.map(value);
      const sign = this.#sorted?.descending ? -1 : 1;
      order.sort((a, b) => compare(values[a], values[b], sign) || a - b);
    }
    this.#order = order;
    this.#draw();
  }

  #showMore(): void {
    const first = this.#shown;
    this.#shown += MORE;
    this.#draw();
    // The button may be gone: whoever goes on by keyboard goes on with the first new row.
    const row = this.#body.children[first];
    if (row instanceof HTMLElement) {
      row.tabIndex = -1;
      row.focus();
    }
  }

  #draw(): void {
    const { columns, rows, nothing } = this.#options;
    for (const [at, head] of this.#heads.entries()) {
      const sorted = columns[at]?.title === this.#sorted?.column;
      const direction = this.#sorted?.descending ? 'descending' : 'ascending';
      if (sorted) head.setAttribute('aria-sort', direction);
      else head.removeAttribute('aria-sort');
    }
    const shown = this.#order.slice(0, this.#shown).flatMap((at) => rows[at] ?? []);
    const lines = shown.map((row) => element('tr', { role: 'row' }, ...columns.map((column) => cell(column, row))));
    if (lines.length === 0) {
      const span = { role: 'cell', colspan: String(columns.length), class: 'nothing' };
      lines.push(element('tr', { role: 'row' }, element('td', span, nothing ?? 'Nothing found.')));
    }
    this.#body.replaceChildren(...lines);
    const left = this.#order.length - shown.length;
    this.#more.hidden = left <= 0;
    this.#more.textContent = `Show ${Math.min(MORE, left)} more of ${count(left)}`;
  }
}

function cell<Row>(column: Column<Row>, row: Row): HTMLElement {
  const kind = column.kind === undefined ? {} : { class: column.kind };
  const text = column.text(row);
  const content = column.cell?.(row) ?? text;
  return element(
    'td',
    { role: 'cell', 'data-title': column.title, ...(text === '' && { 'data-empty': '' }), ...kind },
    content,
  );
}

/** What is not known comes last, whichever way. */
function compare(a: number | string | null | undefined, b: number | string | null | undefined, sign: number): number {
  const [noA, noB] = [a == null || a === '', b == null || b === ''];
  if (noA || noB) return Number(noA) - Number(noB);
  if (typeof a === 'number' && typeof b === 'number') return sign * (a - b);
  return sign * COLLATOR.compare(String(a), String(b));
}
