// The results files, one a benchmark: every run of every cell as it was measured, and under what conditions. Read and
// written by the runner, read by the page, the README's figures and the comparison.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Benchmark, Measured } from './cell.ts';
import type { Environment } from './environment.ts';

export interface CellResult {
  readonly environment: Environment;
  readonly settings: Readonly<Record<string, string | number>>;
  readonly runs: readonly Measured[];
}

export interface Results {
  readonly benchmark: string;
  /** By `Cell.id`. */
  readonly cells: Readonly<Record<string, CellResult>>;
}

/** Behind the decimal point: microseconds, and bytes of a MiB. */
const DIGITS = 6;

/** Of a benchmark that has none yet, no cells. @throws Error when it is no results file */
export function readResults(file: string, benchmark: string): Results {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return { benchmark, cells: {} };
    throw cause;
  }
  const results: Results = JSON.parse(text);
  if (typeof results.benchmark !== 'string' || typeof results.cells !== 'object')
    throw new Error(`${file}: not the results of a benchmark`);
  return results;
}

export function resultsFile(directory: string, benchmark: string): string {
  return join(directory, `${benchmark}.json`);
}

/** Whole or not at all. Cells stand in the benchmark's order and a run is a line, so that versions differ by little. */
export function writeResults(file: string, benchmark: Pick<Benchmark, 'name' | 'cells'>, results: Results): void {
  const order = benchmark.cells.map(({ id }) => id);
  const cells = Object.entries(results.cells)
    .filter(([id]) => order.includes(id))
    .sort(([a], [b]) => order.indexOf(a) - order.indexOf(b))
    .map(([id, cell]) => `  ${JSON.stringify(id)}: ${cellText(cell)}`);
  const text = `{\n "benchmark": ${JSON.stringify(benchmark.name)},\n "cells": {\n${cells.join(',\n')}\n }\n}\n`;
  writeFileSync(`${file}.part`, text);
  renameSync(`${file}.part`, file);
}

function cellText({ environment, settings, runs }: CellResult): string {
  const rounded = (_: string, value: unknown): unknown =>
    typeof value === 'number' ? Number(value.toFixed(DIGITS)) : value;
  const lines = runs.map((run) => `    ${JSON.stringify(run, rounded)}`);
  const head = `   "environment": ${JSON.stringify(environment)},\n   "settings": ${JSON.stringify(settings)},\n`;
  return `{\n${head}   "runs": [\n${lines.join(',\n')}\n   ]\n  }`;
}
