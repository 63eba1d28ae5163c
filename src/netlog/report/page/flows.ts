// The flows: a search over those that have a row and over the sums of the rest, which it says there is.
import type { ReportData, ReportFlow, ReportFlows, ReportRest } from '../report-data.ts';
import { endpoint, name, number, rowName, size, time, took, word } from './columns.ts';
import { type Content, element, section } from './element.ts';
import { bytes, Clock, count, counted } from './format.ts';
import { Table } from './table.ts';

const ALL = '';
/** Milliseconds without a key after which the search begins. */
const PAUSE_MS = 150;

export class Flows {
  readonly element: HTMLElement;
  readonly #flows: Table<ReportFlow>;
  readonly #rest: Table<ReportRest> | undefined;
  readonly #words: HTMLInputElement = element('input', {
    type: 'search',
    placeholder: 'Name, address, port …',
    'aria-label': 'Search the flows',
    autocomplete: 'off',
    spellcheck: 'false',
  });
  readonly #qube: HTMLSelectElement = element('select', { 'aria-label': 'Qube' });
  readonly #found: HTMLElement = element('p', { class: 'note', role: 'status' });
  #waiting: ReturnType<typeof setTimeout> | undefined;

  constructor({ flows, qubes, zone }: ReportData) {
    const clock = new Clock(zone);
    this.#flows = flowTable(flows, clock);
    this.#rest = flows.rest.total > 0 ? restTable(flows.rest.rows) : undefined;
    const option = (host: string, title: string) => element('option', { value: host }, title);
    this.#qube.append(option(ALL, 'All qubes'), ...qubes.map(({ host }) => option(host, host)));
    this.#qube.addEventListener('change', () => this.#search());
    this.#words.addEventListener('input', () => {
      clearTimeout(this.#waiting);
      this.#waiting = setTimeout(() => this.#search(), PAUSE_MS);
    });
    const search = element('div', { class: 'bar', role: 'search' }, this.#words, this.#qube, this.#found);
    const rest = this.#rest === undefined ? [] : restPart(flows, this.#rest);
    this.element = section('flows', 'Flows', ...told(flows), search, this.#flows.element, ...rest);
    this.#search();
  }

  /** Shows the flows of `host` that hold `words`. */
  look(words: string, host: string): void {
    this.#words.value = words;
    this.#qube.value = host;
    this.#search();
    this.element.scrollIntoView();
    this.#words.focus({ preventScroll: true });
  }

  #search(): void {
    const host = this.#qube.value;
    const keep = (row: { readonly host: string }) => host === ALL || row.host === host;
    const found = counted(this.#flows.search(this.#words.value, keep), 'flow');
    const rest = this.#rest?.search(this.#words.value, keep);
    this.#found.textContent = rest === undefined ? found : `${found}, ${counted(rest, 'sum')}`;
  }
}

/** That not all have a row, and what a row's name is for. */
function told({ rows, total }: ReportFlows): Content[] {
  const all = `${counted(total, 'flow')}. The ${count(rows.length)} with most bytes are listed; the rest is summed below.`;
  const hint = element(
    'p',
    { class: 'note' },
    'For the packets of a flow: ',
    element('code', {}, 'netlogs packets ROW'),
    '.',
  );
  return [...(rows.length < total ? [element('p', {}, all)] : []), ...(total > 0 ? [hint] : [])];
}

function flowTable({ rows }: ReportFlows, clock: Clock): Table<ReportFlow> {
  return new Table<ReportFlow>({
    caption: 'Flows',
    rows,
    sorted: { column: 'Bytes', descending: true },
    nothing: 'No flow is like that.',
    columns: [
      word('Qube', ({ host }) => host),
      time('First', ({ first }) => first, clock),
      took(({ first, last }) => last - first),
      name('Name', (row) => row.name),
      endpoint(
        'To',
        ({ dst }) => dst,
        ({ dport }) => dport,
      ),
      endpoint(
        'From',
        ({ src }) => src,
        ({ sport }) => sport,
      ),
      word('Protocol', ({ proto }) => proto),
      number('Packets', ({ packets }) => packets),
      { ...size('Bytes', sum), cell: directions },
      rowName(({ row }) => row),
    ],
  });
}

function sum({ bytesForward, bytesBack }: ReportFlow): number {
  return bytesForward + bytesBack;
}

function directions(row: ReportFlow): HTMLElement {
  const title = `${bytes(row.bytesForward)} from who opened it, ${bytes(row.bytesBack)} back`;
  return element('span', { title }, bytes(sum(row)));
}

function restTable(rows: readonly ReportRest[]): Table<ReportRest> {
  return new Table<ReportRest>({
    caption: 'The other flows, summed for each qube and name',
    rows,
    sorted: { column: 'Bytes', descending: true },
    nothing: 'No sum is like that.',
    columns: [
      word('Qube', ({ host }) => host),
      name('Name or address', ({ value }) => value),
      number('Flows', ({ flows }) => flows),
      number('Packets', ({ packets }) => packets),
      size('Bytes', (row) => row.bytes),
    ],
  });
}

function restPart({ rest, others }: ReportFlows, table: Table<ReportRest>): Content[] {
  const left = rest.total - rest.rows.length;
  const text =
    left > 0
      ? `The ${count(rest.rows.length)} sums with most bytes. ${count(left)} further names and addresses come to ` +
        `${counted(others.flows, 'flow')}, ${counted(others.packets, 'packet')}, ${bytes(others.bytes)}.`
      : 'Summed for each qube and name.';
  return [element('h3', {}, 'The other flows'), element('p', { class: 'note' }, text), table.element];
}
