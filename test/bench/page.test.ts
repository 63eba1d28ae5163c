// The page, its charts and the README's figures: right for made-up results, and those that are committed are what the
// committed results give. Needs python3, whose parser judges the SVG.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { cellTables } from '../../bench/cell-table.ts';
import { renderFigures } from '../../bench/figures.ts';
import { generatedFiles, RESULTS } from '../../bench/generate.ts';
import { renderPage } from '../../bench/page.ts';
import type { Results } from '../../bench/results.ts';
import { scalingSection } from '../../bench/scaling.ts';
import { benchmark, cell, environment, runs, seen } from './made-up.ts';

test('what is committed is what the results give: else run `npm run bench:page`', () => {
  for (const [path, text] of generatedFiles()) {
    expect(existsSync(path), path).toBe(true);
    expect(readFileSync(path, 'utf8') === text, `${path} is not up to date`).toBe(true);
  }
  const charts = readdirSync(RESULTS).filter((name) => name.endsWith('.svg'));
  for (const name of charts) expect(generatedFiles().has(join(RESULTS, name)), name).toBe(true);
});

const made = benchmark(cell('one'), cell('two', { metrics: [seen], peer: undefined }), cell('three'));
const measured = runs({ ours: [0.1, 0.2, 0.3, 9], theirs: [0.4, 0.4, 1.5, 1] }).map((run) =>
  run.program === 'ours' && run.round === 3 ? { ...run, flaw: 'received 7 of 8' } : run,
);
const results: Results = {
  benchmark: 'made-up',
  cells: {
    one: { environment, settings: {}, runs: measured },
    two: { environment: { ...environment, node: '24.0.0' }, settings: {}, runs: runs({ ours: [1234567] }) },
  },
};
const resultsOf = (): Results => results;

test('a table has medians of valid runs, the median of the ratios, and says what is void', () => {
  const [one, two] = made.cells.flatMap((each) => {
    const result = results.cells[each.id];
    return result === undefined ? [] : [{ cell: each, result }];
  });
  if (one === undefined || two === undefined) throw new Error('unreachable: both were made');
  expect(cellTables([one, two])).toBe(
    [
      "| | program | CPU, s | of theirs's | lost | seen | |",
      '| --- | --- | --- | --- | --- | --- | --- |',
      '| one | ours | 0.20 (0.10-0.30) | 0.25 | 0 | 1 (0-2) | 1 of 4 runs void: received 7 of 8 |',
      '| | theirs | 0.70 (0.40-1.50) | | 0 | 2 (0-3) | |',
      '',
      '| | program | seen |',
      '| --- | --- | --- |',
      '| two | ours | 0 |',
      '',
    ].join('\n'),
  );
});

test('a chart is an image that parses, with the words in it and both colour schemes', () => {
  const { markdown, charts } = renderPage([made], resultsOf, 'results');
  expect([...charts.keys()]).toEqual(['made-up-cpu.svg']);
  expect(markdown).toContain('![CPU <s> & more](results/made-up-cpu.svg)');
  expect(markdown).toContain('Node 20.0.0, tcpdump 4.99; commit abc, sources def, 2026-01-31: one*');
  const svg = charts.get('made-up-cpu.svg') ?? '';
  const list =
    'import sys, xml.etree.ElementTree as e\nfor x in e.fromstring(sys.stdin.read()).iter(): print(x.tag.split("}")[1], (x.text or "").strip())';
  const { stdout, status } = spawnSync('python3', ['-c', list], { input: svg, encoding: 'utf8' });
  expect(status).toBe(0);
  expect(stdout).toMatch(/^svg/);
  expect(stdout).toContain('text CPU <s> & more\n');
  expect(stdout).toContain("text 0.20 s, 0.25 of theirs's\n");
  expect(stdout).toContain('prefers-color-scheme: dark');
});

test('figures stand between their marks; what is not there is an error', () => {
  const figure = (words: string): string =>
    renderFigures(`a <!-- bench:${words} -->old<!-- /bench --> b`, [made], resultsOf);
  const put = (words: string, text: string): string => `a <!-- bench:${words} -->${text}<!-- /bench --> b`;
  expect(figure('made-up one cpu ours')).toBe(put('made-up one cpu ours', '0.20'));
  expect(figure('made-up one spread cpu ours')).toBe(put('made-up one spread cpu ours', '0.20 (0.10-0.30)'));
  expect(figure('made-up one ratio cpu ours')).toBe(put('made-up one ratio cpu ours', '0.25'));
  expect(figure('made-up two seen ours')).toBe(put('made-up two seen ours', '0'));
  expect(figure('made-up three cpu ours')).toBe(put('made-up three cpu ours', 'not measured yet'));
  expect(figure('made-up two')).toContain('| two | ours | 0 |\n<!-- /bench -->');
  expect(renderFigures(figure('made-up'), [made], resultsOf)).toBe(figure('made-up'));
  for (const [words, problem] of [
    ['other', 'benchmark'],
    ['made-up four', 'cell'],
    ['made-up one wall ours', 'metric'],
    ['made-up one cpu somebody', 'program'],
  ] as const)
    expect(() => figure(words)).toThrow(`no such ${problem}`);
});

test('costs are scaled to a link: what a packet costs without start and stop, times the packets on it', () => {
  const run = (program: string, cpuSec: number, written: number): ReturnType<typeof runs>[number] => ({
    program,
    round: 0,
    values: { cpuSec, written },
  });
  const made = (written: number): Results['cells'][string] => {
    const extra = written === 0 ? 0 : 0.4;
    return {
      environment,
      settings: {},
      runs: [run('tsnetpcap', 0.1 + extra, written), run('tcpdump', 2 * extra, written)],
    };
  };
  const cells = { none: made(0), 'size-64': made(4e6), 'full-mix': made(4e6), 'size-1514': made(4e6) };
  const section = scalingSection({ benchmark: 'capture', cells }) ?? '';
  expect(section).toContain('| 64-byte frames | 100 | 200 | 10.00 M | 5.00 M |');
  // 10^9 / 8 / (64 + 24) packets a second of 100 ns each, and 80 bytes on the disk.
  expect(section).toContain('| 64-byte frames | 1 Gbit/s | 1.42 M | 0.14 | 0.28 | 114 MB/s | 2.5 MiB |');
  expect(scalingSection({ benchmark: 'capture', cells: {} })).toBeUndefined();
});
