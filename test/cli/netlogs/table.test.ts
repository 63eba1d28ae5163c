import { expect, test } from 'vitest';
import type { Column } from '../../../src/cli/netlogs/column.ts';
import { isoTime } from '../../../src/cli/netlogs/column.ts';
import { tableLines, textWidth } from '../../../src/cli/netlogs/table.ts';

interface Row {
  readonly row: string;
  readonly name: string;
  readonly bytes: number;
}

const COLUMNS: readonly Column<Row>[] = [
  { name: 'row', of: ({ row }) => row },
  { name: 'name', of: ({ name }) => name },
  { name: 'bytes', of: ({ bytes }) => bytes, spare: 1 },
  { name: 'lost', of: () => 0, hideZero: true },
];
const ROWS = [
  { row: 'sys-dns/2026-11-27/a', name: 'a.very.long.name.of.a.host.example', bytes: 5 },
  { row: 'sys-dns/2026-11-27/b', name: '日本語日本語日本語日本語', bytes: 123_456 },
];

test('without a width nothing is cut, numbers stand on the right, rows are short', () => {
  expect(tableLines(COLUMNS, ROWS, Number.POSITIVE_INFINITY)).toEqual([
    'ROW             NAME                                 BYTES',
    'sys-dns/1127/a  a.very.long.name.of.a.host.example       5',
    'sys-dns/1127/b  日本語日本語日本語日本語            123456',
  ]);
});

test('what is too wide is cut with an ellipsis, by its width on a terminal', () => {
  expect(tableLines(COLUMNS, ROWS, 40)).toEqual([
    'ROW             NAME               BYTES',
    'sys-dns/1127/a  a.very.long.nam…       5',
    'sys-dns/1127/b  日本語日本語日…   123456',
  ]);
});

test('a spare column goes before the others would be cut to nothing', () => {
  expect(tableLines(COLUMNS, ROWS, 23)).toEqual([
    'ROW             NAME',
    'sys-dns/1127/a  a.very…',
    'sys-dns/1127/b  日本語…',
  ]);
});

test('no line is wider than asked for, whatever is in it', () => {
  const hostile = [{ row: 'q/2026-11-27/z', name: '\u001b[2J\u202e👩‍👩‍👧e\u0301'.repeat(9), bytes: 1 }];
  for (let width = 24; width < 120; width++)
    for (const line of tableLines(COLUMNS, hostile, width)) {
      expect(textWidth(line)).toBeLessThanOrEqual(width);
      expect(line).not.toMatch(/\p{Cc}|\u202e/u);
    }
});

test('times have microseconds, before 1970 too', () => {
  expect(isoTime(1_795_780_800_000_001)).toBe('2026-11-27T12:00:00.000001Z');
  expect(isoTime(-1)).toBe('1969-12-31T23:59:59.999999Z');
});
