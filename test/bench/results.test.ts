// Results as files, in a real directory; needs nothing.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hashSources } from '../../bench/environment.ts';
import { type Results, readResults, resultsFile, writeResults } from '../../bench/results.ts';
import { benchmark, cell, environment, runs } from './made-up.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'tsnetpcap-results-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

const made = benchmark(cell('one'), cell('two'));
const result = { environment, settings: { packets: 1000 }, runs: runs({ ours: [0.1, 0.2], theirs: [0.3, 0.4] }) };
const voided = { program: 'ours', round: 2, values: {}, flaw: 'received 7 of 8' };

test('what is written is read again, void runs too; nothing else stays in the directory', () => {
  const file = resultsFile(directory, 'made-up');
  expect(readResults(file, 'made-up')).toEqual({ benchmark: 'made-up', cells: {} });
  const results: Results = {
    benchmark: 'made-up',
    cells: { one: result, two: { ...result, runs: [...result.runs, voided] } },
  };
  writeResults(file, made, results);
  expect(readResults(file, 'made-up')).toEqual(results);
  expect(readdirSync(directory)).toEqual(['made-up.json']);
});

test('cells stand in the order of the benchmark, those that it no longer has are gone, a run is a line', () => {
  const file = resultsFile(directory, 'ordered');
  writeResults(file, made, { benchmark: 'made-up', cells: { gone: result, two: result, one: result } });
  expect(Object.keys(readResults(file, 'made-up').cells)).toEqual(['one', 'two']);
  const lines = readFileSync(file, 'utf8').split('\n');
  expect(lines.filter((line) => line.includes('"program"')).length).toBe(8);
  const [first = ''] = lines.filter((line) => line.includes('"program"'));
  expect(JSON.parse(first.trim().replace(/,$/, ''))).toEqual(result.runs[0]);
});

test('a file of something else is refused', () => {
  const file = join(directory, 'other.json');
  writeFileSync(file, '{}\n');
  expect(() => readResults(file, 'made-up')).toThrow('not the results of a benchmark');
});

test('the hash of sources is that of their names and contents, wherever they are', () => {
  const [one, other] = ['a', 'b'].map((name) => join(directory, name));
  for (const root of [one, other]) {
    mkdirSync(join(root ?? '', 'below'), { recursive: true });
    writeFileSync(join(root ?? '', 'below/x.ts'), 'x');
  }
  const hash = hashSources(one ?? '');
  expect(hashSources(other ?? '')).toBe(hash);
  writeFileSync(join(other ?? '', 'below/x.ts'), 'y');
  expect(hashSources(other ?? '')).not.toBe(hash);
  writeFileSync(join(one ?? '', 'below/y.ts'), '');
  expect(hashSources(one ?? '')).not.toBe(hash);
});
