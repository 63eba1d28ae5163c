import { expect, test } from 'vitest';
import { OptionError } from '../../src/errors.ts';
import { parseDuration } from '../../src/rotation/duration.ts';

test.each([
  ['1', 1],
  ['3600', 3600],
  ['030s', 30],
  ['15m', 900],
  ['1h', 3600],
  ['1d', 86400],
  ['7d', 604800],
  ['366d', 31622400],
])('%s is %i seconds', (text, sec) => {
  expect(parseDuration('--rotate', text)).toBe(sec);
});

test.each([
  '',
  '0',
  '0h',
  '367d',
  '31622401',
  '-1',
  '+1',
  '1.5h',
  '1 h',
  '1H',
  '1w',
  'h',
  '1e3',
  '0x10',
  '9'.repeat(13),
])("'%s' is refused, with option, value and what is allowed", (text) => {
  expect(() => parseDuration('--rotate', text)).toThrow(OptionError);
  expect(() => parseDuration('--rotate', text)).toThrow(
    `--rotate ${text === '' ? "''" : text}: expected a time from 1s to 31622400s`,
  );
});

test('another limit', () => {
  expect(parseDuration('--max-age', '1000d', 1000 * 86400)).toBe(86_400_000);
  expect(() => parseDuration('--max-age', '1001d', 1000 * 86400)).toThrow('from 1s to 86400000s');
});
