// What changed between two results of a benchmark beyond their noise. Where a cell has a peer, ratios to it are compared, so
// that results of two machines, or of one on two days, can be. Pure; compare.ts prints it.
import type { Benchmark, Cell, Metric } from './cell.ts';
import type { Results } from './results.ts';
import { type Spread, spread } from './spread.ts';
import { type ProgramSummary, summarize } from './summary.ts';

export interface Change {
  readonly cell: string;
  readonly program: string;
  readonly metric: string;
  readonly kind: 'better' | 'worse';
  /** What the numbers below are: of ratios to the peer, or the metric's unit. */
  readonly of: string;
  readonly before: Spread;
  readonly after: Spread;
}

/** Fewer rounds say nothing about noise. */
const LEAST_ROUNDS = 3;
/** Of the median: what is less is no change, however still the machine was. */
const LEAST_CHANGE = 0.05;

/**
 * A change is one when no round of one result reaches into the range of the other's, and the medians are 5 % apart: of five
 * rounds each, equals are told apart wrongly once in 126 times by the first alone. A program with valid runs before and none
 * after is worse.
 */
export function compareResults(benchmark: Benchmark, before: Results, after: Results): Change[] {
  return benchmark.cells.flatMap((cell) => {
    const [was, is] = [before.cells[cell.id], after.cells[cell.id]];
    if (was === undefined || is === undefined) return [];
    const now = new Map(summarize(cell, is).map((summary) => [summary.program, summary]));
    return summarize(cell, was).flatMap((old) => {
      const current = now.get(old.program);
      if (current === undefined) return [];
      return cell.metrics.flatMap((metric) => changeOf(cell, metric, old, current) ?? []);
    });
  });
}

function changeOf(cell: Cell, metric: Metric, old: ProgramSummary, now: ProgramSummary): Change | undefined {
  if (metric.better === 'neither' || old.program === cell.peer) return undefined;
  const own = { cell: cell.title, program: old.program, metric: metric.title };
  const ratios = [old.ratios(metric), now.ratios(metric)] as const;
  const byRatio = ratios.every(({ length }) => length >= LEAST_ROUNDS);
  const [was, is] = byRatio ? ratios : [old.values(metric), now.values(metric)];
  const of = byRatio ? `of ${cell.peer}'s` : metric.unit;
  const [before, after] = [spread(was), spread(is)];
  if (was.length < LEAST_ROUNDS) return undefined;
  if (now.valid === 0) return { ...own, kind: 'worse', of, before, after };
  if (is.length < LEAST_ROUNDS) return undefined;
  const apart = after[0] > before[2] || after[2] < before[0];
  if (!apart || Math.abs(after[1] - before[1]) < LEAST_CHANGE * Math.abs(before[1])) return undefined;
  const less = after[1] < before[1];
  return { ...own, kind: less === (metric.better === 'less') ? 'better' : 'worse', of, before, after };
}

/** A line each. */
export function changesText(changes: readonly Change[]): string {
  return changes
    .map(({ kind, cell, program, metric, of, before, after }) => {
      const [was, is] = [before, after].map((values) => rangeText(values));
      return `${kind.toUpperCase()}: ${cell}, ${program}: ${metric} ${was} -> ${is} ${of}`.trimEnd();
    })
    .map((line) => `${line}\n`)
    .join('');
}

function rangeText([min, median, max]: Spread): string {
  const text = (value: number): string => (Number.isFinite(value) ? String(Number(value.toPrecision(3))) : '-');
  return `${text(median)} (${text(min)}-${text(max)})`;
}
