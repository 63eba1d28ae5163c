// Medians; needs nothing.
import { expect, test } from 'vitest';
import { spread, spreadText } from '../../bench/spread.ts';

test('of an odd number the middle one, of an even number the mean of two', () => {
  expect(spread([3, 1, 2])).toEqual([1, 2, 3]);
  expect(spread([4, 1, 2, 3])).toEqual([1, 2.5, 4]);
  expect(spread([])).toEqual([Number.NaN, Number.NaN, Number.NaN]);
});

test('as text: least and most only where they differ, thousands apart', () => {
  expect(spreadText([1, 2, 3], 1)).toBe('2.0 (1.0-3.0)');
  expect(spreadText([0.101, 0.102, 0.103], 1)).toBe('0.1');
  expect(spreadText([8e6, 8e6, 8e6], 0)).toBe('8,000,000');
  expect(spreadText([1234.5, 1234.5, 1234.5], 1)).toBe('1,234.5');
  expect(spreadText(spread([]), 1)).toBe('-');
});
