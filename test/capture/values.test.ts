// Every option's bounds, from inside and outside.
import { describe, expect, test } from 'vitest';
import * as values from '../../src/capture/values.ts';
import { OptionError } from '../../src/errors.ts';

const PARSERS: readonly (readonly [
  parse: (option: string, text: string) => unknown,
  good: Readonly<Record<string, unknown>>,
  bad: readonly string[],
])[] = [
  [
    values.parseSnaplen,
    { 0: 262144, 1: 1, 96: 96, 262144: 262144, '0x60': 96, '010': 8 },
    ['262145', '300000', '-1', '', '1.5', '0xg', '0x', '1e3'],
  ],
  [
    values.parseFileSize,
    { 1: 1e6, 25: 25e6, '500k': 512000, '2M': 2 ** 21, '1g': 2 ** 30 },
    ['0', '', 'k', '-1', '1.5', '1kB', '1 m', '0k', '9999999999'],
  ],
  [values.parseElapsed, { 0: 0, 3600: 3600 }, ['', '-1', '1h', '2147483648']],
  [values.parseFiles, { 1: 1, 48: 48 }, ['0', '', '-1', 'x']],
  [values.parseDirection, { in: 'in', OUT: 'out', inout: 'inout' }, ['', 'both', 'i']],
  [values.parseRingFiles, { 1: 1, 48: 48, 1000000: 1000000 }, ['0', '1000001', '', 'all', '-3']],
  [values.parseCount, { 1: 1, 9007199254740991: 9007199254740991 }, ['0', '-1', '9007199254740992', '', 'x']],
  [values.parseBufferKib, { 1: 1024, 4194304: 2 ** 32 }, ['0', '-1', '4194305', '2147483648', '', '4M']],
  [
    values.parseRingMemory,
    { '1KiB': 1024, 1024: 1024, '64MiB': 2 ** 26, '4GiB': 2 ** 32 },
    ['0', '1023', '5GiB', '4097MiB', '64MB', '64m', 'MiB', '', '-1'],
  ],
  [
    values.parseSnaplenFor,
    {
      'port 53=512': { expression: 'port 53', bytes: 512 },
      'tcp[13]=2=96': { expression: 'tcp[13]=2', bytes: 96 },
      ' udp = 9 =262144': { expression: 'udp = 9', bytes: 262144 },
      'udp=1': { expression: 'udp', bytes: 1 },
    },
    ['', 'udp', 'udp=', 'udp=0', 'udp=262145', '=96', ' =96', 'udp=9x', 'tcp[13] = 2 ', 'udp=-1', 'udp=1e3'],
  ],
  [
    values.parseSampleFlows,
    { '1/1': 1, '1/16': 16, '1/1000000': 1_000_000 },
    ['', '1', '16', '2/16', '1/0', '1/1000001', '1/-2', '1/1.5', '1/', '0/1'],
  ],
  [values.parsePrecision, { micro: 'micro', nano: 'nano' }, ['n', 'milli', '']],
  [values.parseProgram, { gzip: 'gzip', '/usr/bin/a b': '/usr/bin/a b' }, ['']],
  [
    values.parseFileMode,
    { 600: 0o600, 640: 0o640, '0644': 0o644, 777: 0o777 },
    ['', '0', '400', '200', '444', '040', '1640', '64', '648', 'rw-', '0o640', '-640'],
  ],
  [
    values.parseSync,
    { none: 'none', close: 'close', 1: 1, '30s': 30, '2m': 120 },
    ['', '0', '0s', 'never', 'NONE', '-1', '1.5s'],
  ],
];

describe('values', () => {
  for (const [parse, good, bad] of PARSERS) {
    test.each(Object.entries(good))(`${parse.name} takes %s`, (text, value) => {
      expect(parse('--option', text)).toEqual(value);
    });
    test.each(bad)(`${parse.name} refuses %j, naming option, value and what is allowed`, (text) => {
      const refused = (): unknown => parse('--option', text);
      expect(refused).toThrow(OptionError);
      expect(refused).toThrow(`--option ${text === '' ? "''" : text}: expected `);
    });
  }
});
