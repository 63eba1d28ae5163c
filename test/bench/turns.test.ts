// The order of runs; needs nothing.
import { expect, test } from 'vitest';
import { inTurns } from '../../bench/turns.ts';

const contestants = [{ name: 'a' }, { name: 'b' }, { name: 'c' }];

test('every other round goes backwards', async () => {
  const bench = { rounds: 3, signal: new AbortController().signal, say: () => {} };
  const runs = await inTurns(bench, contestants, async ({ name }, round) => `${name}${round}`);
  expect(runs).toEqual(['a0', 'b0', 'c0', 'c1', 'b1', 'a1', 'a2', 'b2', 'c2']);
});

test('an interrupt ends it before the next run', async () => {
  const interrupt = new AbortController();
  const bench = { rounds: 2, signal: interrupt.signal, say: () => {} };
  let runs = 0;
  const turns = inTurns(bench, contestants, async () => {
    if (++runs === 2) interrupt.abort(new Error('enough'));
  });
  await expect(turns).rejects.toThrow('enough');
  expect(runs).toBe(2);
});
