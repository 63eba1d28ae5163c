// `npm run bench:page`: writes bench/README.md, its charts and the README's figures from bench/results/. The runner does the
// same after it has measured.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BENCHMARKS } from './benchmarks.ts';
import { renderFigures } from './figures.ts';
import { renderPage } from './page.ts';
import { type Results, readResults, resultsFile } from './results.ts';

const ROOT: string = fileURLToPath(new URL('..', import.meta.url));
/** Of the committed results. */
export const RESULTS: string = join(ROOT, 'bench/results');

/** Every file that is generated, by its path, and what it should hold. */
export function generatedFiles(): Map<string, string> {
  const resultsOf = (name: string): Results => readResults(resultsFile(RESULTS, name), name);
  const readme = join(ROOT, 'README.md');
  const { markdown, charts } = renderPage(BENCHMARKS, resultsOf, 'results');
  const files = new Map([
    [join(ROOT, 'bench/README.md'), markdown],
    [readme, renderFigures(readFileSync(readme, 'utf8'), BENCHMARKS, resultsOf)],
  ]);
  for (const [name, svg] of charts) files.set(join(RESULTS, name), svg);
  return files;
}

/** Charts that are no longer drawn are deleted. */
export function generate(): void {
  mkdirSync(RESULTS, { recursive: true });
  const files = generatedFiles();
  for (const name of readdirSync(RESULTS).filter((each) => each.endsWith('.svg'))) {
    if (!files.has(join(RESULTS, name))) rmSync(join(RESULTS, name));
  }
  for (const [path, text] of files) writeFileSync(path, text);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) generate();
