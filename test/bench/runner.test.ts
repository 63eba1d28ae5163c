// Which cells are run, and that they leave nothing behind. Needs root, and fails without it: each has a lab.
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import type { Bench, Cell, Measured } from '../../bench/cell.ts';
import { readResults, resultsFile } from '../../bench/results.ts';
import { type RunOptions, runCells, stands } from '../../bench/runner.ts';
import { benchmark, cell, environment, runs } from './made-up.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
const valid = (rounds: number): Measured[] => runs({ ours: Array(rounds).fill(1), theirs: Array(rounds).fill(2) });

let directory: string;
let options: RunOptions;
let ran: string[];
let benches: Bench[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tsnetpcap-runner-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const own = { out: directory, results: directory, rounds: 2, scale: 1, fresh: false };
  options = { root: ROOT, ...own, signal: new AbortController().signal, say: () => {} };
  ran = [];
  benches = [];
});

/** Notes that it has been run. */
function noted(
  id: string,
  give: (bench: Bench) => readonly Measured[] = () => valid(2),
  more: Partial<Cell> = {},
): Cell {
  const measure = async (bench: Bench): Promise<Measured[]> => {
    ran.push(id);
    benches.push(bench);
    return [...give(bench)];
  };
  return cell(id, { measure, ...more });
}

const run = (cells: readonly Cell[], changes: Partial<RunOptions> = {}): Promise<string[]> =>
  runCells([{ benchmark: benchmark(...cells), cells }], { ...options, ...changes }, () => {});

test('a cell that stands is not run again, unless it is asked for, or what decides it is different', async () => {
  const cells = [noted('one'), noted('two')];
  expect(await run(cells)).toEqual([]);
  expect(await run(cells)).toEqual([]);
  expect(ran).toEqual(['one', 'two']);
  await run([noted('one', undefined, { settings: { packets: 2000 } }), ...cells.slice(1)]);
  expect(ran).toEqual(['one', 'two', 'one']);
  await run(cells.slice(1), { fresh: true });
  await run(cells.slice(1), { rounds: 3 });
  expect(ran).toEqual(['one', 'two', 'one', 'two', 'two']);
});

test('void runs, another kernel, CPU, Node or program make a cell run again; another day or commit does not', () => {
  const settings = { packets: 1000 };
  const result = { environment, settings, runs: valid(5) };
  expect(stands(undefined, environment, settings, 5)).toBe(false);
  expect(stands(result, { ...environment, date: '2027-01-01', commit: 'other' }, settings, 5)).toBe(true);
  for (const key of ['kernel', 'cpu', 'node', 'source'])
    expect(stands(result, { ...environment, [key]: 'other' }, settings, 5)).toBe(false);
  const voided = [...valid(4), { program: 'ours', round: 4, values: {}, flaw: 'lost' }];
  expect(stands({ ...result, runs: voided }, environment, settings, 5)).toBe(false);
});

test('a cell that fails is said, and the others go on; an interrupt ends all, and what was done is kept', async () => {
  const interrupt = new AbortController();
  const failing = noted('failing', () => {
    throw new Error('no such program');
  });
  const last = noted('last', () => {
    interrupt.abort(new Error('stopped'));
    throw new Error('because of it');
  });
  const cells = [failing, noted('good'), last, noted('never')];
  await expect(run(cells, { signal: interrupt.signal })).rejects.toThrow('stopped');
  expect(ran).toEqual(['failing', 'good', 'last']);
  expect(Object.keys(readResults(resultsFile(directory, 'made-up'), '').cells)).toEqual(['good']);
  expect(await run(cells.slice(0, 2))).toEqual(['made-up/failing: no such program']);
});

test('a scale makes other results, and a lab and a directory go with their cell', async () => {
  const given: number[] = [];
  const cells = [
    noted('one', (bench) => {
      given.push(bench.scaled(1000), bench.scaled(3));
      expect(existsSync(bench.directory)).toBe(true);
      expect(existsSync(`/run/netns/${bench.lab.name}`)).toBe(true);
      return valid(2);
    }),
  ];
  await run(cells);
  await run(cells, { scale: 0.01 });
  expect(given).toEqual([1000, 3, 10, 1]);
  expect(readResults(resultsFile(directory, 'made-up'), '').cells['one']?.settings).toEqual({
    packets: 1000,
    scale: 0.01,
  });
  expect(readdirSync(directory)).toEqual(['made-up.json']);
  for (const { lab } of benches) expect(existsSync(`/run/netns/${lab.name}`)).toBe(false);
});
