// The sections that are one table each: what is new, what is missing, and the bundles that all of it was read from.
import type { ReportBundle, ReportChange, ReportData, ReportGap } from '../report-data.ts';
import { endpoint, name, number, rowName, sentence, size, time, took, word } from './columns.ts';
import { type Content, element, section } from './element.ts';
import { Clock, count } from './format.ts';
import { titleOf } from './gaps.ts';
import { Table } from './table.ts';

export function changes({ changes, zone }: ReportData): HTMLElement {
  if (changes === undefined) return section('changes', 'Changes', note('There is no day before to compare with.'));
  const title = `New since ${changes.with}`;
  if (changes.total === 0) return section('changes', title, note('No new name, address or port.'));
  const clock = new Clock(zone);
  const table = new Table<ReportChange>({
    caption: title,
    rows: changes.rows,
    columns: [
      word('Qube', ({ host }) => host),
      endpoint(
        'Client',
        ({ client }) => client,
        () => null,
      ),
      word('What', ({ kind }) => kind),
      name('Value', ({ value }) => value),
      time('First', ({ first }) => first, clock),
      number('Times', ({ times }) => times),
      rowName(({ row }) => row),
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
      word('Qube', ({ host }) => host),
      word('What', ({ kind }) => titleOf(kind)),
      time('From', ({ from }) => from, clock),
      time('To', ({ to }) => to, clock),
      took(({ from, to }) => (from === null || to === null ? null : to - from)),
      number('Count', (row) => (row.count > 0 ? row.count : null)),
      sentence('About', ({ about }) => about),
    ],
  });
  return section('gaps', 'Gaps and losses', table.element, ...more(gaps.total - gaps.rows.length));
}

export function bundles({ bundles, zone }: ReportData): HTMLElement {
  const clock = new Clock(zone);
  const table = new Table<ReportBundle>({
    caption: 'Bundles',
    rows: bundles,
    nothing: 'There are none.',
    columns: [
      word('Qube', ({ host }) => host),
      word('Day', ({ day }) => day),
      { ...sentence('About', (row) => interval(row, clock)), value: ({ since }) => since },
      number('Savefiles', ({ savefiles }) => savefiles),
      size('Size', (row) => row.bytes),
      number('Packets', ({ packets }) => packets),
      number('Lost', ({ lost }) => lost),
      number('Damaged', ({ damaged }) => damaged),
      number('nft lines', ({ lines }) => lines),
      number('Encrypted', ({ encrypted }) => encrypted),
    ],
  });
  return section('bundles', 'Bundles', table.element);
}

function interval({ since, until }: ReportBundle, clock: Clock): string | null {
  return since === null || until === null ? null : clock.span(since, until);
}

function note(text: string): HTMLElement {
  return element('p', { class: 'note' }, text);
}

function more(left: number): Content[] {
  return left > 0 ? [note(`${count(left)} more are not on this page.`)] : [];
}
