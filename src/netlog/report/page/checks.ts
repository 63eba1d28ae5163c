// The checks with what they saw; those that failed come first, and open.
import type { Evidence, EvidenceValue, ReportCheck, ReportData } from '../report-data.ts';
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
  const { mood, word } = MARKS[status];
  const head = [
    element('span', { class: `mark ${mood}` }, word),
    element('strong', {}, check),
    element('span', {}, about),
  ];
  const [first] = evidence.rows;
  if (first === undefined) return element('div', { class: 'check' }, ...head);
  const columns = Object.keys(first).map((key) => column(key, first[key] ?? null, clock));
  const table = new Table<Evidence>({ caption: `What the check ${check} saw`, columns, rows: evidence.rows });
  const left = evidence.total - evidence.rows.length;
  const note = left > 0 ? [element('p', { class: 'note' }, `${count(left)} more are not on this page.`)] : [];
  const details = element('details', {}, element('summary', { class: 'check' }, ...head), table.element, ...note);
  details.open = status === 'failed';
  return details;
}

function column(key: string, sample: EvidenceValue, clock: Clock): Column<Evidence> {
  const title = key.charAt(0).toUpperCase() + key.slice(1).replaceAll('_', ' ');
  return {
    title,
    text: (row) => written(row[key] ?? null, clock),
    value: (row) => plain(row[key] ?? null),
    ...(typeof sample === 'number' && { kind: 'number' }),
  };
}

function written(value: EvidenceValue, clock: Clock): string {
  if (value === null) return '';
  if (typeof value === 'object') return clock.full(value.at);
  return String(value);
}

function plain(value: EvidenceValue): number | string | null {
  if (typeof value === 'boolean') return String(value);
  return typeof value === 'object' && value !== null ? value.at : value;
}
