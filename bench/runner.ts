// Runs cells, one after the other, each in a lab and a directory of its own, and keeps what they give: a cell that stands in
// the results under the same conditions is not run again. Called by main.ts.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench, Benchmark, Cell } from './cell.ts';
import { describeEnvironment, type Environment } from './environment.ts';
import { Lab } from './lab.ts';
import { keepFreeMemory } from './memory.ts';
import { type CellResult, readResults, resultsFile, writeResults } from './results.ts';

export interface RunOptions {
  /** Of the checkout, whose package.json says where the built program is. */
  readonly root: string;
  /** Where savefiles go: each cell has a directory in it. */
  readonly out: string;
  /** Of the results files. */
  readonly results: string;
  readonly rounds: number;
  /** Part of packets and durations, 1 for what counts. */
  readonly scale: number;
  /** Runs cells that stand in the results, too. */
  readonly fresh: boolean;
  readonly signal: AbortSignal;
  /** A line on stderr. */
  say(text: string): void;
}

export interface Selected {
  readonly benchmark: Benchmark;
  readonly cells: readonly Cell[];
}

/** Calls `done` with each cell that has been run; resolves to the cells that could not be, with why. */
export async function runCells(
  selection: readonly Selected[],
  options: RunOptions,
  done: (cell: Cell, result: CellResult) => void,
): Promise<string[]> {
  const environment = describeEnvironment(options.root, options.out);
  const failures: string[] = [];
  for (const { benchmark, cells } of selection) {
    const file = resultsFile(options.results, benchmark.name);
    for (const cell of cells) {
      const name = `${benchmark.name}/${cell.id}`;
      const before = readResults(file, benchmark.name);
      const settings = options.scale === 1 ? cell.settings : { ...cell.settings, scale: options.scale };
      if (!options.fresh && stands(before.cells[cell.id], environment, settings, options.rounds)) {
        options.say(`${name}: stands`);
        continue;
      }
      try {
        const runs = await runCell(name, cell, options);
        const result = { environment, settings, runs };
        writeResults(file, benchmark, { ...before, cells: { ...before.cells, [cell.id]: result } });
        done(cell, result);
      } catch (cause) {
        options.signal.throwIfAborted();
        failures.push(`${name}: ${cause instanceof Error ? cause.message : String(cause)}`);
      }
    }
  }
  return failures;
}

/** With as many rounds, none of them void, under conditions that decide the figures. */
export function stands(
  result: CellResult | undefined,
  environment: Environment,
  settings: CellResult['settings'],
  rounds: number,
): boolean {
  if (result === undefined || result.runs.some(({ flaw }) => flaw !== undefined)) return false;
  const decisive = ({ source, kernel, cpu, node }: Environment): string => JSON.stringify([source, kernel, cpu, node]);
  const had = new Set(result.runs.map(({ round }) => round)).size;
  const same = JSON.stringify(Object.entries(result.settings)) === JSON.stringify(Object.entries(settings));
  return same && had >= rounds && decisive(result.environment) === decisive(environment);
}

/** As an installed package has it. */
export function builtProgram(root: string): string {
  return join(root, JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).bin.tsnetpcap);
}

async function runCell(name: string, cell: Cell, options: RunOptions): Promise<CellResult['runs']> {
  const { root, out, rounds, scale, signal } = options;
  const say = (text: string): void => options.say(`${name}: ${text}`);
  const scaled = (count: number): number => Math.max(1, Math.round(count * scale));
  const directory = mkdtempSync(join(out, 'tsnetpcap-bench-'));
  try {
    const restore = keepFreeMemory(directory, cell.fileBytes === undefined ? 0 : scaled(cell.fileBytes));
    try {
      const lab = Lab.create();
      try {
        const program = builtProgram(root);
        const bench: Bench = { program, directory, lab, rounds, signal, scaled, say };
        return await cell.measure(bench);
      } finally {
        lab.remove();
      }
    } finally {
      restore();
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
