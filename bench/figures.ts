// The figures of the README: between <!-- bench:... --> and <!-- /bench --> stands what the committed results give. Pure;
// generate.ts writes them, and a test compares.
import type { Benchmark } from './cell.ts';
import { cellTables, ratioText, valueText } from './cell-table.ts';
import { measuredCells } from './page.ts';
import type { Results } from './results.ts';
import { spreadText } from './spread.ts';
import { summarize } from './summary.ts';

const FIGURE = /(<!-- bench:([^>]*?) -->)(?:.|\n)*?(<!-- \/bench -->)/g;
const NOT_MEASURED = 'not measured yet';

/**
 * `text` with what stands between the marks put anew:
 *
 *     <!-- bench:capture -->              all tables of a benchmark, on lines of their own
 *     <!-- bench:capture full -->         one cell's table
 *     <!-- bench:capture full cpuSec tsnetpcap -->    a median, in the line; `spread cpuSec` with least and most behind it,
 *                                         `ratio cpuSec` the median ratio to the peer
 *
 * @throws Error for a benchmark, cell, metric or program that there is not
 */
export function renderFigures(
  text: string,
  benchmarks: readonly Benchmark[],
  resultsOf: (name: string) => Results,
): string {
  return text.replace(FIGURE, (_, open: string, words: string, close: string) => {
    const figure = render(words, benchmarks, resultsOf);
    return `${open}${figure}${close}`;
  });
}

function render(words: string, benchmarks: readonly Benchmark[], resultsOf: (name: string) => Results): string {
  const [name, id, ...of] = words.split(' ');
  const benchmark = benchmarks.find((each) => each.name === name);
  if (benchmark === undefined) throw new Error(`bench:${words}: no such benchmark`);
  const measured = measuredCells(benchmark, resultsOf(benchmark.name));
  if (id === undefined) return measured.length === 0 ? NOT_MEASURED : `\n${cellTables(measured)}`;
  const cell = benchmark.cells.find((each) => each.id === id);
  if (cell === undefined) throw new Error(`bench:${words}: no such cell`);
  const found = measured.find((each) => each.cell === cell);
  if (of.length === 0) return found === undefined ? NOT_MEASURED : `\n${cellTables([found])}`;
  const how = of[0] === 'ratio' || of[0] === 'spread' ? of.shift() : 'median';
  const [key, ...program] = of;
  const metric = cell.metrics.find((each) => each.key === key);
  if (metric === undefined) throw new Error(`bench:${words}: no such metric`);
  if (found === undefined) return NOT_MEASURED;
  const summary = summarize(cell, found.result).find((each) => each.program === program.join(' '));
  if (summary === undefined) throw new Error(`bench:${words}: no such program`);
  if (how === 'ratio') return ratioText(summary, metric);
  if (how === 'spread') return valueText(summary, metric);
  const [, median] = summary.spread(metric);
  return spreadText([median, median, median], metric.digits);
}
