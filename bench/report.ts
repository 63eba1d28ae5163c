// Turns measured runs into tables: every run, then medians with their spread, and the ratio of the two programs. Pure;
// called by main.ts.
import type { Run } from './run.ts';

/** The two programs' runs of one pair, in the order they were named, not the order they ran in. */
export type Pair = readonly [Run, Run];

/** Smallest, median, largest. */
export type Spread = readonly [number, number, number];

export interface Summary {
  readonly validPairs: number;
  readonly programs: readonly {
    readonly program: string;
    readonly cpuSec: Spread;
    readonly captureSec: Spread;
    readonly cpuSecPerMillion: Spread;
    readonly maxRssMib: Spread;
    readonly dropped: Spread;
  }[];
  /** Of CPU time, the first program's to the second's. */
  readonly ratioOfMedians: number;
  readonly medianOfRatios: number;
}

/** Takes only pairs of which neither run is void. */
export function summarize(pairs: readonly Pair[]): Summary {
  const valid = pairs.filter((pair) => pair.every(({ flaw }) => flaw === undefined));
  const programs = [0, 1].map((index) => {
    const runs = valid.flatMap((pair) => pair[index] ?? []);
    return {
      program: pairs[0]?.[index]?.program ?? '',
      cpuSec: spread(runs.map(cpuSec)),
      captureSec: spread(runs.map(({ captureSec }) => captureSec)),
      cpuSecPerMillion: spread(runs.map(cpuSecPerMillion)),
      maxRssMib: spread(runs.map(maxRssMib)),
      dropped: spread(runs.map(({ dropped }) => dropped)),
    };
  });
  const [first, second] = programs.map((program) => program.cpuSec[1]);
  return {
    validPairs: valid.length,
    programs,
    ratioOfMedians: (first ?? Number.NaN) / (second ?? Number.NaN),
    medianOfRatios: spread(valid.map(([one, other]) => cpuSec(one) / cpuSec(other)))[1],
  };
}

export function runsTable(pairs: readonly Pair[]): string {
  const head = ['pair', 'program', 'offered', 'received', 'written', 'dropped'];
  head.push('user s', 'sys s', 'CPU s', 'of it before the stop', 'CPU s/M', 'RSS MiB', '');
  const rows = pairs.flatMap((pair, index) =>
    pair.map((run) => [
      String(index + 1),
      run.program,
      ...[run.offered, run.received, run.written, run.dropped].map(String),
      ...[run.userSec, run.systemSec, cpuSec(run), run.captureSec].map((sec) => sec.toFixed(2)),
      fixed(cpuSecPerMillion(run), 3),
      maxRssMib(run).toFixed(0),
      run.flaw === undefined ? '' : `VOID: ${run.flaw}`,
    ]),
  );
  return table([head, ...rows]);
}

export function summaryTable(summary: Summary): string {
  if (summary.validPairs === 0) return 'no pair without a void run, so no medians\n';
  const head = ['median (min-max)', 'CPU s', 'before the stop', 'CPU s/M', 'RSS MiB', 'dropped'];
  const rows = summary.programs.map((program) => [
    program.program,
    spreadText(program.cpuSec, 2),
    spreadText(program.captureSec, 2),
    spreadText(program.cpuSecPerMillion, 3),
    spreadText(program.maxRssMib, 0),
    spreadText(program.dropped, 0),
  ]);
  const [first, second] = summary.programs;
  const ratio = `CPU ${first?.program} / ${second?.program}: ratio of medians ${fixed(summary.ratioOfMedians, 2)}`;
  return `${table([head, ...rows])}${ratio}, median of pair ratios ${fixed(summary.medianOfRatios, 2)}\n`;
}

function cpuSec(run: Run): number {
  return run.userSec + run.systemSec;
}

/** Of packets written, so that dropping them doesn't look cheap. NaN when there are none. */
function cpuSecPerMillion(run: Run): number {
  return run.written === 0 ? Number.NaN : (cpuSec(run) / run.written) * 1e6;
}

function maxRssMib(run: Run): number {
  return run.maxRssKib / 1024;
}

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  const middle = (sorted.length - 1) / 2;
  return [at(0), (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2, at(sorted.length - 1)];
}

export function spreadText([min, median, max]: Spread, digits: number): string {
  return Number.isNaN(median) ? '-' : `${fixed(median, digits)} (${fixed(min, digits)}-${fixed(max, digits)})`;
}

function fixed(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : '-';
}

export function table(rows: readonly (readonly string[])[]): string {
  const width = (column: number): number => Math.max(...rows.map((row) => (row[column] ?? '').length));
  const widths = (rows[0] ?? []).map((_, column) => width(column));
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ');
  return rows.map((row) => `${line(row).trimEnd()}\n`).join('');
}
