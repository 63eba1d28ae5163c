// A slice of the fault suite: every fault, at every few calls of each script. `npm run soak:faults` leaves none out.
import { expect, test } from 'vitest';
import { runFaults } from './run-faults.ts';

test('whatever call fails, however it fails: whole savefiles and exact counts', async () => {
  const seed = Date.now() % 1_000_000;
  const { broken, faults } = await runFaults({ every: 7, budgetMs: 0, seed, say: console.log });
  expect(broken.join('\n')).toBe('');
  expect(faults).toBeGreaterThan(100);
});
