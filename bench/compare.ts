// `npm run bench:compare -- A.json B.json`: prints what changed from A to B beyond noise; exit code 1 on a regression of ours,
// 2 when the files can't be compared.
import { BENCHMARKS } from './benchmarks.ts';
import { changesText, compareResults } from './comparison.ts';
import { readResults } from './results.ts';

const OURS = 'tsnetpcap';

function main([a, b, ...rest]: readonly string[]): number {
  if (a === undefined || b === undefined || rest.length > 0) throw new Error('two results files are wanted');
  const [before, after] = [readResults(a, ''), readResults(b, '')];
  const benchmark = BENCHMARKS.find(({ name }) => name === before.benchmark);
  if (benchmark === undefined) throw new Error(`${a}: no results of a benchmark`);
  if (before.benchmark !== after.benchmark)
    throw new Error(`${a} is of ${before.benchmark}, ${b} of ${after.benchmark}`);
  const changes = compareResults(benchmark, before, after);
  const both = Object.keys(before.cells).filter((id) => id in after.cells);
  process.stdout.write(
    `${changesText(changes)}${both.length} cells compared, ${changes.length} changes beyond noise\n`,
  );
  return changes.some(({ kind, program }) => kind === 'worse' && program.startsWith(OURS)) ? 1 : 0;
}

try {
  process.exitCode = main(process.argv.slice(2));
} catch (cause) {
  process.stderr.write(`bench:compare: ${cause instanceof Error ? cause.message : String(cause)}\n`);
  process.exitCode = 2;
}
