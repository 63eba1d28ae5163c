// The search for the smallest quota, on made-up programs that need a certain one.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bisect } from '../../bench/quota.ts';

test('what is found is enough, and little more than what is not', async () => {
  await fc.assert(
    fc.asyncProperty(fc.double({ min: 1, max: 100, noNaN: true }), async (needed) => {
      const tried: number[] = [];
      const found = await bisect(1, 100, 1.1, async (percent) => {
        tried.push(percent);
        return percent >= needed;
      });
      expect(found).toBeGreaterThanOrEqual(needed);
      expect(found).toBeLessThanOrEqual(needed * 1.1);
      expect(tried.length).toBeLessThanOrEqual(7);
    }),
  );
});

test('when not even all is enough, nothing is found', async () => {
  expect(await bisect(1, 100, 1.1, async () => false)).toBeUndefined();
});
