import { expect, test } from 'vitest';
import { parseDays } from '../../../src/netlog/query/days.ts';

const NOON = new Date(2026, 2, 30, 12).getTime();

test.each([
  ['2026-02-28', '2026-02-28', '2026-02-28'],
  ['today', '2026-03-30', '2026-03-30'],
  ['yesterday', '2026-03-29', '2026-03-29'],
  ['latest', '2026-03-27', '2026-03-27'],
  ['2026-03-01..yesterday', '2026-03-01', '2026-03-29'],
  ['latest..today', '2026-03-27', '2026-03-30'],
])('%s', (word, from, to) => {
  expect(parseDays('DAY', word, '2026-03-27', NOON)).toEqual({ from, to });
});

test('yesterday of the day after clocks went forward is that day, also just after midnight', () => {
  const midnight = new Date(2026, 2, 30, 0, 10).getTime();
  expect(parseDays('DAY', 'yesterday', undefined, midnight).from).toBe('2026-03-29');
});

test.each([
  '',
  'tomorrow',
  '2026-2-1',
  '2026-02-30',
  '2026-03-01..',
  'today..yesterday',
  '2026-01-01..2026-01-02..2026-01-03',
  '0x1',
])('%j is refused', (word) => {
  expect(() => parseDays('DAY', word, '2026-03-27', NOON)).toThrow(/^DAY /);
});

test('there is no latest day where there is none', () => {
  expect(() => parseDays('DAY', 'latest', undefined, NOON)).toThrow('DAY latest: there is no day yet');
});
