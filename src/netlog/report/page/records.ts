// The sections that are one table each: what is new, what is missing, and the bundles that all of it was read from.
import type { ReportBundle, ReportChange, ReportData, ReportGap } from '../report-data.ts';
import { type Content, element, section } from './element.ts';
import { bytes, Clock, count, duration } from './format.ts';
import { titleOf } from './gaps.ts';
import { Table } from './table.ts';

export function changes({ changes }: ReportData): HTMLElement {
  const title = changes === undefined ? 'Changes' : `Changes since ${changes.with}`;
  if (changes === undefined) return section('changes', title, note('There is no day before to compare with.'));
  if (changes.total === 0) return section('changes', title, note('No new name, address or port.'));
  const table = new Table<ReportChange>({
    caption: title,
    rows: changes.rows,
    columns: [
      { title: 'Qube', kind: 'short', text: ({ host }) => host },
      { title: 'What', kind: 'short', text: ({ kind }) => kind },
      { title: 'Value', kind: 'wide', text: ({ value }) => value },
    ],
  });
  return section('changes', title, table.element, ...more(changes.total - changes.rows.length));
}

export function gaps({ gaps, zone }: ReportData): HTMLElement {
  const clock = new Clock(zone);
  if (gaps.total === 0) return section('gaps', 'Gaps and losses', note('None.'));
  const table = new Table<ReportGap>({
    caption: 'Gaps and losses',
    rows: gaps.rows,
    columns: [
      { title: 'Qube', kind: 'short', text: ({ host }) => host },
      { title: 'What', kind: 'short', text: ({ kind }) => titleOf(kind) },
      { title: 'From', text: ({ from }) => clock.full(from), value: ({ from }) => from },
      { title: 'To', text: ({ to }) => clock.full(to), value: ({ to }) => to },
      {
        title: 'Took',
        kind: 'number',
        text: ({ from, to }) => duration(to - from),
        value: ({ from, to }) => to - from,
      },
      {
        title: 'Count',
        kind: 'number',
        text: (row) => (row.count > 0 ? count(row.count) : ''),
        value: (row) => row.count,
      },
      { title: 'About', kind: 'wide', text: ({ about }) => about },
    ],
  });
  return section('gaps', 'Gaps and losses', table.element, ...more(gaps.total - gaps.rows.length));
}

export function bundles({ bundles, zone }: ReportData): HTMLElement {
  const clock = new Clock(zone);
  const number = (title: string, value: (row: ReportBundle) => number, text: (value: number) => string = count) => ({
    title,
    kind: 'number' as const,
    text: (row: ReportBundle) => text(value(row)),
    value,
  });
  const table = new Table<ReportBundle>({
    caption: 'Bundles',
    rows: bundles,
    columns: [
      { title: 'Qube', kind: 'short', text: ({ host }) => host },
      { title: 'Day', text: ({ day }) => day },
      { title: 'About', kind: 'wide', text: (row) => interval(row, clock), value: ({ since }) => since },
      number('Savefiles', ({ savefiles }) => savefiles),
      number('Size', (row) => row.bytes, bytes),
      number('Packets', ({ packets }) => packets),
      number('Dropped', ({ dropped }) => dropped),
      number('Damaged', ({ damaged }) => damaged),
      number('nft lines', ({ lines }) => lines),
    ],
  });
  return section('bundles', 'Bundles', table.element);
}

/** What a manifest says; without one nobody knows. */
function interval({ since, until }: ReportBundle, clock: Clock): string {
  return since === null || until === null ? '' : clock.span(since, until);
}

function note(text: string): HTMLElement {
  return element('p', { class: 'note' }, text);
}

function more(left: number): Content[] {
  return left > 0 ? [note(`${count(left)} more are not on this page.`)] : [];
}
