// Every option's bounds, from inside and outside, and the rules that decide between a single file and a series.
import { describe, expect, test } from 'vitest';
import * as options from '../../src/capture/options.ts';
import { OptionError } from '../../src/errors.ts';

const PARSERS: readonly (readonly [
  parse: (option: string, text: string) => unknown,
  good: Readonly<Record<string, unknown>>,
  bad: readonly string[],
])[] = [
  [
    options.parseSnaplen,
    { 0: 262144, 1: 1, 96: 96, 262144: 262144 },
    ['262145', '300000', '-1', '', '1.5', '0x60', '1e3'],
  ],
  [options.parseRingFiles, { 1: 1, 48: 48, 1000000: 1000000 }, ['0', '1000001', '', 'all', '-3']],
  [options.parseCount, { 1: 1, 9007199254740991: 9007199254740991 }, ['0', '-1', '9007199254740992', '', 'x']],
  [options.parseBufferKib, { 1: 1024, 4194304: 2 ** 32 }, ['0', '-1', '4194305', '2147483648', '', '4M']],
  [
    options.parseRingMemory,
    { '1KiB': 1024, 1024: 1024, '64MiB': 2 ** 26, '4GiB': 2 ** 32 },
    ['0', '1023', '5GiB', '4097MiB', '64MB', '64m', 'MiB', '', '-1'],
  ],
  [options.parsePrecision, { micro: 'micro', nano: 'nano' }, ['n', 'milli', '']],
];

describe('values', () => {
  for (const [parse, good, bad] of PARSERS) {
    test.each(Object.entries(good))(`${parse.name} takes %s`, (text, value) => {
      expect(parse('--option', text)).toBe(value);
    });
    test.each(bad)(`${parse.name} refuses %j, naming option, value and what is allowed`, (text) => {
      const refused = (): unknown => parse('--option', text);
      expect(refused).toThrow(OptionError);
      expect(refused).toThrow(`--option ${text === '' ? "''" : text}: expected `);
    });
  }
});

describe('single file or series', () => {
  test.each([
    [{}],
    [{ w: 'cap-%s.pcap' }],
    [{ w: 'cap.pcap', rotate: 60 }],
    [{ w: 'cap.pcap', ring: 3 }],
    [{ w: 'cap.pcap', utc: true }],
  ])('%j is a series', (request) => {
    expect(options.chooseOutput(request).kind).toBe('series');
  });

  test.each([['cap.pcap'], ['-'], ['/dev/null']])('-w %s alone is a single file', (w) => {
    expect(options.chooseOutput({ w })).toEqual({ kind: 'file', path: w, noClobber: false });
    expect(options.chooseOutput({ w, clobber: false })).toMatchObject({ noClobber: true });
  });

  test('a series has an interval of an hour and keeps every file, unless told otherwise', () => {
    const series = options.chooseOutput({ utc: true });
    if (series.kind !== 'series') throw new Error('not a series');
    expect(series.keep).toBeUndefined();
    expect(series.clock.intervalAt(1_800_000_000)).toEqual({ startSec: 1_800_000_000, endSec: 1_800_003_600 });
    expect(series.name.directory).toBe('/var/log/netpcap');
    expect(series.name.at(0)).toBe('pcap-19700101000000.pcap');
  });

  test.each([
    [{ w: '' }, '-w'],
    [{ w: '-', ring: 3 }, '--ring'],
    [{ w: '-', rotate: 3 }, '--rotate'],
    [{ w: 'cap-%s.pcap', clobber: false }, '--no-clobber'],
    [{ w: '%Y/cap.pcap' }, '-w'],
    [{ w: 'cap-%c.pcap' }, '%c'],
  ])('%j is refused', (request, named) => {
    expect(() => options.chooseOutput(request)).toThrow(OptionError);
    expect(() => options.chooseOutput(request)).toThrow(named);
  });
});
