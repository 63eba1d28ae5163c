// What counts as a change; and the command, as it is run. Needs nothing.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { capture } from '../../bench/capture.ts';
import { type Change, changesText, compareResults } from '../../bench/comparison.ts';
import { type Results, writeResults } from '../../bench/results.ts';
import { benchmark, cell, environment, runs } from './made-up.ts';

const made = benchmark(cell('one'));
const theirs = [1, 1, 1];

function results(measured: ReturnType<typeof runs>): Results {
  return { benchmark: 'made-up', cells: { one: { environment, settings: {}, runs: measured } } };
}

const compare = (before: ReturnType<typeof runs>, after: ReturnType<typeof runs>): Change[] =>
  compareResults(made, results(before), results(after));

test('a regression is seen', () => {
  const [change, ...others] = compare(
    runs({ ours: [0.5, 0.52, 0.55], theirs }),
    runs({ ours: [0.6, 0.62, 0.58], theirs }),
  );
  expect(others).toEqual([]);
  expect(change).toMatchObject({ kind: 'worse', program: 'ours', metric: 'CPU', before: [0.5, 0.52, 0.55] });
  expect(changesText(change === undefined ? [] : [change])).toBe(
    "WORSE: one, ours: CPU 0.52 (0.5-0.55) -> 0.6 (0.58-0.62) of theirs's\n",
  );
});

test('an improvement is one', () => {
  const [change] = compare(runs({ ours: [0.5, 0.52, 0.55], theirs }), runs({ ours: [0.4, 0.42, 0.41], theirs }));
  expect(change?.kind).toBe('better');
});

test('noise is not: ranges that meet, or a difference that is small however still the machine', () => {
  expect(compare(runs({ ours: [0.5, 0.52, 0.6], theirs }), runs({ ours: [0.58, 0.62, 0.7], theirs }))).toEqual([]);
  expect(compare(runs({ ours: [0.5, 0.5, 0.5], theirs }), runs({ ours: [0.51, 0.51, 0.51], theirs }))).toEqual([]);
});

test('a machine of half the speed is no change, nor is the peer', () => {
  const slow = runs({ ours: [1, 1.1, 1.2], theirs: [2, 2.2, 2.4] });
  expect(compare(runs({ ours: [0.5, 0.55, 0.6], theirs: [1, 1.1, 1.2] }), slow)).toEqual([]);
});

test('packets lost where none were is worse, though the peer has none to be compared with', () => {
  const after = runs({ ours: [0.5, 0.5, 0.5], theirs }).map((run) =>
    run.program === 'ours' ? { ...run, values: { ...run.values, lost: 10 } } : run,
  );
  expect(compare(runs({ ours: [0.5, 0.5, 0.5], theirs }), after)).toMatchObject([{ metric: 'lost', kind: 'worse' }]);
});

test('void runs only, where there were valid ones, is worse; too few rounds say nothing', () => {
  const before = runs({ ours: [0.5, 0.5, 0.5], theirs });
  const voided = before.map((run) => (run.program === 'ours' ? { ...run, flaw: 'received 7 of 8' } : run));
  expect(compare(before, voided)[0]).toMatchObject({ kind: 'worse', program: 'ours' });
  expect(compare(runs({ ours: [0.5, 0.5], theirs }), runs({ ours: [5, 5], theirs }))).toEqual([]);
});

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'tsnetpcap-compare-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

/** Results of `capture`, where ours used this much CPU for a million packets. */
function file(name: string, cpuPerMillion: number): string {
  const values = [0, 1, 2].flatMap((round) => [
    { program: 'tsnetpcap', round, values: { cpuPerMillion } },
    { program: 'tcpdump', round, values: { cpuPerMillion: 1 } },
  ]);
  const path = join(directory, name);
  const cells = { full: { environment, settings: {}, runs: values } };
  writeResults(path, capture, { benchmark: 'capture', cells });
  return path;
}

test('the command: exit code 1 on a regression, 0 without, 2 for what can not be compared', () => {
  const bench = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
    spawnSync(process.execPath, ['--import', 'tsx', 'bench/compare.ts', ...args], { encoding: 'utf8' });
  const [fast, slow] = [file('fast.json', 0.5), file('slow.json', 0.7)];
  const worse = bench(fast, slow);
  expect(worse.stdout).toMatch(
    /^WORSE: full speed, tsnetpcap: CPU a million packets 0\.5 .*\n1 cells compared, 1 changes/,
  );
  expect(worse.status).toBe(1);
  expect(bench(slow, fast)).toMatchObject({ status: 0, stdout: expect.stringMatching(/^BETTER/) });
  expect(bench(fast, fast)).toMatchObject({ status: 0, stdout: '1 cells compared, 0 changes beyond noise\n' });
  expect(bench(fast)).toMatchObject({ status: 2, stderr: 'bench:compare: two results files are wanted\n' });
  expect(bench(fast, 'package.json')).toMatchObject({ status: 2, stderr: expect.stringContaining('not the results') });
});
