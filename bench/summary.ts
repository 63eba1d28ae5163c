// What a cell's runs come to: for each program and metric its values, round by round, and their ratio to the peer's of the
// same round. Pure; page, README and comparison all take their figures from here.
import type { Cell, Measured, Metric } from './cell.ts';
import type { CellResult } from './results.ts';
import { type Spread, spread } from './spread.ts';

export interface ProgramSummary {
  readonly program: string;
  /** Rounds whose run was not void. */
  readonly valid: number;
  /** Why other rounds were void. */
  readonly flaws: readonly string[];
  values(metric: Metric): number[];
  spread(metric: Metric): Spread;
  /** To the peer's value in each round where both are valid; empty for the peer itself, and without one. */
  ratios(metric: Metric): number[];
}

/** In the order in which the programs first ran. */
export function summarize(cell: Pick<Cell, 'peer'>, { runs }: Pick<CellResult, 'runs'>): ProgramSummary[] {
  const programs = [...new Set(runs.toSorted((a, b) => a.round - b.round).map(({ program }) => program))];
  const peers = runs.filter(({ program, flaw }) => program === cell.peer && flaw === undefined);
  return programs.map((program) => {
    const own = runs.filter((run) => run.program === program);
    const valid = own.filter(({ flaw }) => flaw === undefined);
    const values = (metric: Metric): number[] => valid.flatMap((run) => run.values[metric.key] ?? []);
    return {
      program,
      valid: valid.length,
      flaws: own.flatMap(({ flaw }) => flaw ?? []),
      values,
      spread: (metric) => spread(values(metric)),
      ratios: (metric) => (program === cell.peer ? [] : valid.flatMap((run) => ratio(run, peers, metric))),
    };
  });
}

function ratio(run: Measured, peers: readonly Measured[], { key }: Metric): number[] {
  const own = run.values[key];
  const theirs = peers.find(({ round }) => round === run.round)?.values[key];
  if (own === undefined || theirs === undefined || theirs === 0) return [];
  return [own / theirs];
}
