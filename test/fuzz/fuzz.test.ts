// A short slice of each campaign of `npm run fuzz`, the same in every run: a change that breaks something shows at once, and
// what no one has seen yet is for the long runs.
import { expect, test } from 'vitest';
import { fuzz } from './fuzz.ts';

const SEED = 1;

test.each([
  ['reader', 4000],
  ['filter', 1200],
  ['merge', 1500],
  ['read', 40],
])('%s', async (name, count) => {
  const line = await fuzz(name, { seed: SEED, first: 0, count, seconds: 1_000_000 });
  process.stdout.write(`seed ${SEED}: ${line}\n`);
  expect(line).toContain(`${name}: ${count} cases`);
});
