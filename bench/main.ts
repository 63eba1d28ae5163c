// `npm run bench`: the short form of all benchmarks; with names (`capture`, `capture/full`, `all`) those, whole. Prints a
// table for each cell, keeps the results and generates the page from them. Exit code 1 when a run was void or could not be
// made. Needs root, and what scripts/bench installs.
import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parseWhole } from '../src/capture/values.ts';
import { OptionError } from '../src/errors.ts';
import { BENCHMARKS } from './benchmarks.ts';
import { cellTables } from './cell-table.ts';
import { generate, RESULTS } from './generate.ts';
import { runCells, type Selected } from './runner.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
// Node 20 reads these certificates at its start, for 40 ms (native-notes/start.md): nothing that a capture service has.
delete process.env['NODE_EXTRA_CA_CERTS'];

/** Cells by the words of the command line; the short form without any. @throws Error for a word that names none */
function select(words: readonly string[]): Selected[] {
  if (words.length === 0)
    return BENCHMARKS.map((benchmark) => ({ benchmark, cells: benchmark.cells.filter(({ short }) => short) }));
  if (words.includes('all')) return BENCHMARKS.map((benchmark) => ({ benchmark, cells: benchmark.cells }));
  return words.map((word) => {
    const [name, id] = word.split('/');
    const benchmark = BENCHMARKS.find((each) => each.name === name);
    const names = BENCHMARKS.map((each) => each.name).join(', ');
    if (benchmark === undefined) throw new OptionError('benchmark', word, `one of ${names}, all`);
    if (id === undefined) return { benchmark, cells: benchmark.cells };
    const cells = benchmark.cells.filter((cell) => cell.id === id);
    const ids = benchmark.cells.map((cell) => cell.id).join(', ');
    if (cells.length === 0) throw new OptionError(`cell of ${name}`, id, `one of ${ids}`);
    return { benchmark, cells };
  });
}

async function main(signal: AbortSignal): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '5' },
      scale: { type: 'string', default: '1' },
      out: { type: 'string', default: '/var/tmp' },
      results: { type: 'string', default: RESULTS },
      fresh: { type: 'boolean', default: false },
    },
  });
  const results = resolve(values.results);
  const scale = Number(values.scale);
  if (!(scale > 0 && scale <= 1)) throw new OptionError('--scale', values.scale, 'expected more than 0, at most 1');
  if (scale !== 1 && results === RESULTS)
    throw new OptionError('--scale', values.scale, 'only with --results DIRECTORY: these are no results to keep');
  const rounds = parseWhole('--rounds', values.rounds, 1, 1000);
  const selection = select(positionals);
  mkdirSync(results, { recursive: true });
  const say = (text: string): void => void process.stderr.write(`${text}\n`);
  const options = { root: ROOT, out: values.out, results, rounds, scale, fresh: values.fresh, signal, say };
  let voidRuns = 0;
  try {
    const failures = await runCells(selection, options, (cell, result) => {
      voidRuns += result.runs.filter(({ flaw }) => flaw !== undefined).length;
      process.stdout.write(`${cellTables([{ cell, result }])}\n`);
    });
    for (const failure of failures) say(`bench: ${failure}`);
    if (voidRuns > 0) say(`bench: ${voidRuns} runs were void`);
    if (voidRuns + failures.length > 0) process.exitCode = 1;
  } finally {
    if (results === RESULTS) generate();
  }
}

const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => interrupt.abort(new Error(`stopped by ${signal}`)));
}
try {
  await main(interrupt.signal);
} catch (cause) {
  const error = interrupt.signal.aborted ? interrupt.signal.reason : cause;
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = cause instanceof OptionError ? 2 : 1;
}
