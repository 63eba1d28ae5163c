// `npm run bench` behind its set-up, as it is called; and that all benchmarks are well-formed. Needs root, and fails without it.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BENCHMARKS } from '../../bench/benchmarks.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'tsnetpcap-bench-main-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

function bench(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ['--import', 'tsx', 'bench/main.ts', ...args], { encoding: 'utf8' });
}

test('a cell is measured, printed and kept, and the second time it stands', () => {
  const words = ['capture/none', '--rounds', '1', '--results', directory, '--out', directory];
  const first = bench(...words);
  expect(first.stdout).toMatch(/^\| no packet at all \| tsnetpcap \| \d\.\d+ \| \d+\.\d\d \| \d+ \|$/m);
  expect(first.status).toBe(0);
  expect(readdirSync(directory)).toEqual(['capture.json']);
  expect(bench(...words)).toEqual(expect.objectContaining({ status: 0, stdout: '', stderr: 'capture/none: stands\n' }));
});

test.each([
  [['nonsense'], /^bench: benchmark nonsense: one of capture, .*all\n$/],
  [['capture/nonsense'], /^bench: cell of capture nonsense: one of none, full, /],
  [['--scale', '0.5'], /^bench: --scale 0\.5: only with --results/],
  [['--scale', '2', '--results', '/nonexistent'], /^bench: --scale 2: expected more than 0, at most 1\n$/],
  [['--rounds', '0'], /^bench: --rounds 0: /],
])('%j is refused, exit code 2', (words, message) => {
  const { status, stderr } = bench(...words);
  expect(stderr).toMatch(message);
  expect(status).toBe(2);
});

test.each(BENCHMARKS)(
  '$name: each cell has a name of its own, and charts are of cells and metrics that there are',
  (each) => {
    const ids = each.cells.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(new Set(each.charts.map(({ id }) => id)).size).toBe(each.charts.length);
    for (const chart of each.charts) {
      for (const id of chart.cells) {
        const keys = each.cells.find((cell) => cell.id === id)?.metrics.map(({ key }) => key);
        expect(keys, `${chart.id}: ${id}`).toContain(chart.metric);
      }
    }
  },
);
