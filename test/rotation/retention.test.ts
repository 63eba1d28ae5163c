// Which limit the oldest savefile breaks: each alone at its bound, and all together against what each says alone.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OptionError } from '../../src/errors.ts';
import {
  type Holdings,
  parseFreeSpace,
  parseSize,
  type Retention,
  reasonToEvict,
} from '../../src/rotation/retention.ts';

const NOW = 1_800_000_000_000;
const MANY: Holdings = { files: 10, bytes: 1000, oldestEndMs: NOW - 60_000 };
const DISK = { free: 500, total: 10_000 };

describe('each limit alone', () => {
  test.each<[string, Retention, Partial<Holdings>, string | undefined]>([
    ['none keeps all', {}, { files: 1_000_000, bytes: 2 ** 50, oldestEndMs: 0 }, undefined],
    ['as many as are kept', { keep: 10 }, {}, undefined],
    ['one more', { keep: 9 }, {}, 'ring'],
    ['a ring of one holds one', { keep: 1 }, { files: 1 }, undefined],
    ['as old as may be', { maxAgeSec: 60 }, {}, undefined],
    ['a millisecond older', { maxAgeSec: 60 }, { oldestEndMs: NOW - 60_001 }, 'max-age'],
    ['too old, and the only one', { maxAgeSec: 60 }, { files: 1, oldestEndMs: NOW - 60_001 }, 'max-age'],
    ['from the future', { maxAgeSec: 60 }, { oldestEndMs: NOW + 60_000 }, undefined],
    ['as many bytes as may be', { maxBytes: 1000 }, {}, undefined],
    ['a byte more', { maxBytes: 999 }, {}, 'max-bytes'],
    ['too large, and the only one', { maxBytes: 999 }, { files: 1 }, undefined],
    ['as much free as is wanted', { minFree: { bytes: 500 } }, {}, undefined],
    ['a byte less', { minFree: { bytes: 501 } }, {}, 'min-free'],
    ['as large a part as is wanted', { minFree: { share: 0.05 } }, {}, undefined],
    ['a smaller part', { minFree: { share: 0.051 } }, {}, 'min-free'],
    ['too full, and the only one', { minFree: { share: 0.9 } }, { files: 1 }, undefined],
    ['no file at all', { maxAgeSec: 1, maxBytes: 1, minFree: { share: 0.9 } }, { files: 0, oldestEndMs: 0 }, undefined],
  ])('%s', (_, retention, holdings, reason) => {
    expect(reasonToEvict(retention, { ...MANY, ...holdings }, NOW, DISK)).toBe(reason);
  });

  test('a disk that nobody asked for breaks no limit', () => {
    expect(reasonToEvict({ minFree: { share: 0.9 } }, MANY, NOW, undefined)).toBeUndefined();
  });
});

test('property: together they keep what each of them keeps', () => {
  const limits = fc.record({
    keep: fc.integer({ min: 1, max: 20 }),
    maxAgeSec: fc.integer({ min: 1, max: 200 }),
    maxBytes: fc.integer({ min: 1, max: 2000 }),
    minFree: fc.record({ bytes: fc.integer({ min: 1, max: 1000 }) }),
  });
  const holdings = fc.record({
    files: fc.nat(30),
    bytes: fc.nat(3000),
    oldestEndMs: fc.integer({ min: NOW - 300_000, max: NOW }),
  });
  const property = fc.property(limits, holdings, (all, held) => {
    const { keep, maxAgeSec, maxBytes, minFree } = all;
    const alone = [{ keep }, { maxAgeSec }, { maxBytes }, { minFree }].map((one) =>
      reasonToEvict(one, held, NOW, DISK),
    );
    expect(reasonToEvict(all, held, NOW, DISK)).toBe(alone.find((reason) => reason !== undefined));
  });
  fc.assert(property, { numRuns: 1000 });
});

describe('sizes', () => {
  test.each([
    ['1', 1],
    ['4096', 4096],
    ['7B', 7],
    ['2kB', 2000],
    ['500MB', 500_000_000],
    ['10GB', 10_000_000_000],
    ['3TB', 3_000_000_000_000],
    ['1KiB', 1024],
    ['1MiB', 1_048_576],
    ['1GiB', 1_073_741_824],
    ['2TiB', 2_199_023_255_552],
    ['999999999999999', 999_999_999_999_999],
  ])('%s', (text, bytes) => {
    expect(parseSize('--max-bytes', text)).toBe(bytes);
  });

  test.each([
    '',
    '0',
    '-1',
    '1.5GB',
    '10G',
    '10gb',
    '1kb',
    '0x10',
    '1e9',
    ' 1',
    '1 GB',
    '999999999999999TiB',
    'MB',
    '5%',
  ])('%j is none', (text) => {
    expect(() => parseSize('--max-bytes', text)).toThrow(OptionError);
    expect(() => parseSize('--max-bytes', text)).toThrow(/^--max-bytes .*: expected a size from 1 bytes, such as/);
  });

  test.each([
    ['5%', { share: 0.05 }],
    ['0.5%', { share: 0.005 }],
    ['99%', { share: 0.99 }],
    ['12.125%', { share: 0.12125 }],
    ['1GB', { bytes: 1e9 }],
    ['4096', { bytes: 4096 }],
  ])('%s of free space', (text, free) => {
    expect(parseFreeSpace('--min-free', text)).toEqual(free);
  });

  test.each(['0%', '0.0%', '100%', '-5%', '%', '5 %', '1.2345%', '', '0'])('%j is no free space', (text) => {
    expect(() => parseFreeSpace('--min-free', text)).toThrow(OptionError);
  });
});
