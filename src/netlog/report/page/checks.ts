// The checks with what they saw; those that failed come first, and open.
import type { ReportCheck, ReportData, ReportEvidence } from '../report-data.ts';
import { endpoint, name, number, rowName, sentence, size, time, word } from './columns.ts';
import { element, section } from './element.ts';
import { Clock, count } from './format.ts';
import { type Column, Table } from './table.ts';

const MARKS: Readonly<Record<ReportCheck['status'], { readonly mood: string; readonly word: string }>> = {
  failed: { mood: 'bad', word: 'failed' },
  unknown: { mood: 'unsure', word: 'not known' },
  passed: { mood: 'good', word: 'passed' },
};

export function checks(data: ReportData): HTMLElement {
  const clock = new Clock(data.zone);
  const order = Object.keys(MARKS);
  const sorted = data.checks.toSorted((a, b) => order.indexOf(a.status) - order.indexOf(b.status));
  const parts = sorted.map((check) => element('li', {}, one(check, clock)));
  return section(
    'checks',
    'Checks',
    parts.length > 0 ? element('ul', { class: 'plain checks' }, ...parts) : element('p', {}, 'None were made.'),
  );
}

function one({ check, status, about, evidence }: ReportCheck, clock: Clock): HTMLElement {
  const { mood, word: said } = MARKS[status];
  const head = [
    element('span', { class: `mark ${mood}` }, said),
    element('strong', {}, check),
    element('span', {}, about),
  ];
  if (evidence.rows.length === 0) return element('div', { class: 'check' }, ...head);
  // Most checks have nothing to say in some column.
  const columns = columnsOf(clock).filter(({ text }) => evidence.rows.some((row) => text(row) !== ''));
  const table = new Table<ReportEvidence>({ caption: `What the check ${check} saw`, columns, rows: evidence.rows });
  const left = evidence.total - evidence.rows.length;
  const note = left > 0 ? [element('p', { class: 'note' }, `${count(left)} more are not on this page.`)] : [];
  const details = element('details', {}, element('summary', { class: 'check' }, ...head), table.element, ...note);
  details.open = status === 'failed';
  return details;
}

function columnsOf(clock: Clock): readonly Column<ReportEvidence>[] {
  return [
    word('Qube', ({ host }) => host),
    time('First', ({ first }) => first, clock),
    endpoint(
      'Client',
      ({ client }) => client,
      () => null,
    ),
    word('Protocol', ({ proto }) => proto),
    endpoint(
      'To',
      ({ remote }) => remote,
      ({ port }) => port,
    ),
    name('Name', (row) => row.name),
    number('Count', (row) => row.count),
    size('Bytes', ({ bytes }) => bytes),
    sentence('About', ({ about }) => about),
    rowName(({ row }) => row),
  ];
}
