// A benchmark's results as tables of Markdown, a row for each program of each cell: medians, least and most behind them, and
// the ratio to the peer. Pure; used for the page, for README figures and for what the runner prints.
import type { Cell, Metric } from './cell.ts';
import type { CellResult } from './results.ts';
import { spread, spreadText } from './spread.ts';
import { type ProgramSummary, summarize } from './summary.ts';

export interface MeasuredCell {
  readonly cell: Cell;
  readonly result: CellResult;
}

/** One table for each run of cells with the same metrics, a blank line between; cells without a result are not among them. */
export function cellTables(cells: readonly MeasuredCell[]): string {
  const groups: MeasuredCell[][] = [];
  for (const measured of cells) {
    const group = groups.at(-1);
    if (group !== undefined && columns(group[0]) === columns(measured)) group.push(measured);
    else groups.push([measured]);
  }
  return groups.map(table).join('\n');
}

function columns(measured: MeasuredCell | undefined): string {
  return JSON.stringify([measured?.cell.metrics, measured?.cell.peer]);
}

function table(cells: readonly MeasuredCell[]): string {
  const { metrics = [], peer } = cells[0]?.cell ?? {};
  const [first, ...others] = metrics;
  if (first === undefined) return '';
  const rows = cells.flatMap(({ cell, result }) =>
    summarize(cell, result).map((summary, index) => [
      index === 0 ? cell.title : '',
      summary.program,
      valueText(summary, first),
      ...(peer === undefined ? [] : [ratioText(summary, first)]),
      ...others.map((metric) => valueText(summary, metric)),
      voidText(summary),
    ]),
  );
  const head = [
    '',
    'program',
    heading(first),
    ...(peer === undefined ? [] : [`of ${peer}'s`]),
    ...others.map(heading),
    '',
  ];
  const used = rows.some((row) => row.at(-1) !== '') ? head.length : head.length - 1;
  return markdownTable([head, ...rows].map((row) => row.slice(0, used)));
}

export function markdownTable([head = [], ...rows]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`.replaceAll('|  |', '| |');
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('');
}

function heading({ title, unit }: Metric): string {
  return unit === '' ? title : `${title}, ${unit}`;
}

export function valueText(summary: ProgramSummary, metric: Metric): string {
  return spreadText(summary.spread(metric), metric.digits);
}

export function ratioText(summary: ProgramSummary, metric: Metric): string {
  const ratios = summary.ratios(metric);
  return ratios.length === 0 ? '' : spread(ratios)[1].toFixed(2);
}

function voidText({ flaws, valid }: ProgramSummary): string {
  const [flaw] = flaws;
  return flaw === undefined ? '' : `${flaws.length} of ${flaws.length + valid} runs void: ${flaw}`;
}
