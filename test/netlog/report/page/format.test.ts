// Numbers and times as the page writes them, at the edges between units, days and clocks.
import { expect, test } from 'vitest';
import { bytes, Clock, counted, duration } from '../../../../src/netlog/report/page/format.ts';

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 kB'],
  [9949, '9.9 kB'],
  [9950, '10 kB'],
  [999_499, '999 kB'],
  [999_500, '1.0 MB'],
  [1.5e9, '1.5 GB'],
  [4.2e15, '4.2 PB'],
  [4.2e18, '4200 PB'],
])('%i bytes are %s', (value, text) => {
  expect(bytes(value)).toBe(text);
});

test.each([
  [-5, '0 s'],
  [0, '0 s'],
  [0.4, '0 s'],
  [40, '40 ms'],
  [999.4, '999 ms'],
  [999.5, '1 s'],
  [59_499, '59 s'],
  [59_500, '1 min'],
  [3_569_000, '59 min'],
  [3_600_000, '1 h'],
  [11_100_000, '3 h 5 min'],
  [86_400_000, '1 d'],
  [187_200_000, '2 d 4 h'],
])('%i ms are %s', (ms, text) => {
  expect(duration(ms)).toBe(text);
});

test('nouns have their number', () => {
  expect([0, 1, 1234].map((value) => counted(value, 'flow'))).toEqual(['0 flows', '1 flow', '1,234 flows']);
});

test('times are those of the zone, also when clocks are set back', () => {
  const clock = new Clock('Europe/Berlin');
  expect(clock.full(Date.UTC(2026, 9, 25, 0, 30, 5))).toBe('25 Oct 02:30:05');
  expect(clock.full(Date.UTC(2026, 9, 25, 1, 30, 5))).toBe('25 Oct 02:30:05');
  expect(clock.span(Date.UTC(2026, 9, 24, 21), Date.UTC(2026, 9, 24, 21, 30))).toBe('24 Oct 23:00 – 23:30');
  expect(clock.span(Date.UTC(2026, 9, 24, 21), Date.UTC(2026, 9, 24, 22))).toBe('24 Oct 23:00 – 25 Oct 00:00');
});
