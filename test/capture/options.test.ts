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
    { 0: 262144, 1: 1, 96: 96, 262144: 262144, '0x60': 96, '010': 8 },
    ['262145', '300000', '-1', '', '1.5', '0xg', '0x', '1e3'],
  ],
  [
    options.parseFileSize,
    { 1: 1e6, 25: 25e6, '500k': 512000, '2M': 2 ** 21, '1g': 2 ** 30 },
    ['0', '', 'k', '-1', '1.5', '1kB', '1 m', '0k', '9999999999'],
  ],
  [options.parseElapsed, { 0: 0, 3600: 3600 }, ['', '-1', '1h', '2147483648']],
  [options.parseFiles, { 1: 1, 48: 48 }, ['0', '', '-1', 'x']],
  [options.parseDirection, { in: 'in', OUT: 'out', inout: 'inout' }, ['', 'both', 'i']],
  [options.parseRingFiles, { 1: 1, 48: 48, 1000000: 1000000 }, ['0', '1000001', '', 'all', '-3']],
  [options.parseCount, { 1: 1, 9007199254740991: 9007199254740991 }, ['0', '-1', '9007199254740992', '', 'x']],
  [options.parseBufferKib, { 1: 1024, 4194304: 2 ** 32 }, ['0', '-1', '4194305', '2147483648', '', '4M']],
  [
    options.parseRingMemory,
    { '1KiB': 1024, 1024: 1024, '64MiB': 2 ** 26, '4GiB': 2 ** 32 },
    ['0', '1023', '5GiB', '4097MiB', '64MB', '64m', 'MiB', '', '-1'],
  ],
  [
    options.parseSnaplenFor,
    {
      'port 53=512': { expression: 'port 53', bytes: 512 },
      'tcp[13]=2=96': { expression: 'tcp[13]=2', bytes: 96 },
      ' udp = 9 =262144': { expression: 'udp = 9', bytes: 262144 },
      'udp=1': { expression: 'udp', bytes: 1 },
    },
    ['', 'udp', 'udp=', 'udp=0', 'udp=262145', '=96', ' =96', 'udp=9x', 'tcp[13] = 2 ', 'udp=-1', 'udp=1e3'],
  ],
  [
    options.parseSampleFlows,
    { '1/1': 1, '1/16': 16, '1/1000000': 1_000_000 },
    ['', '1', '16', '2/16', '1/0', '1/1000001', '1/-2', '1/1.5', '1/', '0/1'],
  ],
  [options.parsePrecision, { micro: 'micro', nano: 'nano' }, ['n', 'milli', '']],
  [options.parseProgram, { gzip: 'gzip', '/usr/bin/a b': '/usr/bin/a b' }, ['']],
  [
    options.parseFileMode,
    { 600: 0o600, 640: 0o640, '0644': 0o644, 777: 0o777 },
    ['', '0', '400', '200', '444', '040', '1640', '64', '648', 'rw-', '0o640', '-640'],
  ],
  [
    options.parseSync,
    { none: 'none', close: 'close', 1: 1, '30s': 30, '2m': 120 },
    ['', '0', '0s', 'never', 'NONE', '-1', '1.5s'],
  ],
];

const SNAPLEN = 96;

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

describe('single file or series', () => {
  test.each([
    [{ ring: 3 }],
    [{ w: 'cap-%s.pcap' }],
    [{ w: 'cap.pcap', rotate: 60 }],
    [{ w: 'cap.pcap', ring: 3 }],
    [{ w: 'cap.pcap', utc: true }],
    [{ w: 'cap.pcap', rotateSize: 1_000_000 }],
    [{ w: 'cap.pcap', rotatePackets: 1 }],
    [{ w: 'cap.pcap', maxAge: 60 }],
    [{ w: 'cap.pcap', maxBytes: 1_000_000 }],
    [{ w: 'cap.pcap', minFree: { share: 0.05 } }],
  ])('%j is a series', (request) => {
    expect(options.chooseOutput(request, SNAPLEN).kind).toBe('series');
  });

  test.each([['cap.pcap'], ['-'], ['/dev/null']])('-w %s alone is a single file', (w) => {
    expect(options.chooseOutput({ w }, SNAPLEN)).toEqual({ kind: 'file', path: w, noClobber: false });
    expect(options.chooseOutput({ w, clobber: false }, SNAPLEN)).toMatchObject({ noClobber: true });
  });

  test('-C, -G and -W make files as tcpdump does', () => {
    const never = Number.POSITIVE_INFINITY;
    const tcpdump = (request: options.OutputRequest): unknown => options.chooseOutput({ w: 'f', ...request }, SNAPLEN);
    expect(tcpdump({ C: 5e6, W: 3 })).toMatchObject({ kind: 'tcpdump', fullAt: 5e6, durationSec: never, files: 3 });
    expect(tcpdump({ G: 60, z: 'gzip' })).toMatchObject({
      kind: 'tcpdump',
      fullAt: never,
      durationSec: 60,
      command: 'gzip',
    });
    expect(tcpdump({ w: 'f%H', C: 5e6 })).toMatchObject({ kind: 'tcpdump', pattern: 'f%H' });
    expect(tcpdump({ W: 3 })).toMatchObject({ kind: 'file' });
    expect(tcpdump({ G: 0, W: 3 })).toMatchObject({ kind: 'file' });
  });

  test.each([
    [{ G: 60, ring: 3 }, '-G 60: not with --ring: either'],
    [{ C: 1e6, rotate: 3 }, '-C 1000000: not with --rotate: either'],
    [{ W: 7, ring: 3 }, '-W 7: not with --ring: either'],
    [{ W: 7, w: 'f%s' }, '-W 7: not with -w f%s, a series: either'],
    [{ G: 60, compress: 'gzip' as const }, '--compress'],
    [{ G: 60, ledger: false as const }, '--no-ledger'],
    [{ C: 60, clobber: false as const }, '--no-clobber'],
    [{ C: 60, utc: true }, '--utc'],
  ])('%j mixes what does not go together, and the message names both', (request, named) => {
    const refused = (): unknown => options.chooseOutput({ w: 'f', ...request }, SNAPLEN);
    expect(refused).toThrow(named);
    expect(refused).toThrow("either tcpdump's -C, -G and -W, or --rotate-size, --rotate and --ring");
  });

  test('stdout is not rotated', () => {
    expect(() => options.chooseOutput({ w: '-', C: 1e6 }, SNAPLEN)).toThrow(
      "-w -: a stream can't be rotated, leave out -C",
    );
  });

  function series(request: options.OutputRequest): options.SeriesOutput {
    const output = options.chooseOutput(request, SNAPLEN);
    if (output.kind !== 'series') throw new Error('not a series');
    return output;
  }

  test('a series has an interval of an hour, keeps every file, and a ledger, unless told otherwise', () => {
    const output = series({ utc: true });
    expect(output).toMatchObject({
      rotatePackets: Number.POSITIVE_INFINITY,
      rotateSize: Number.POSITIVE_INFINITY,
      retention: { keep: undefined, maxAgeSec: undefined, maxBytes: undefined, minFree: undefined },
      fileMode: 0o640,
      part: true,
      sync: 'close',
      compress: undefined,
      command: undefined,
      ledger: true,
    });
    expect(output.zone.utc).toBe(true);
    expect(output.clock.intervalAt(1_800_000_000)).toEqual({ startSec: 1_800_000_000, endSec: 1_800_003_600 });
    expect(output.name.directory).toBe('/var/log/netpcap');
    expect(output.name.at(0)).toBe('pcap-19700101000000.pcap');
  });

  test('what is asked for is what the series does', () => {
    const minFree = { bytes: 10 };
    const limits = { rotate: 60, rotateSize: 1000, rotatePackets: 7, ring: 3, maxAge: 4, maxBytes: 5, minFree };
    const rest = { fileMode: 0o600, part: false, sync: 30, compress: 'gzip', z: 'gzip', ledger: false } as const;
    const output = series({ w: 'cap.pcap', utc: true, ...limits, ...rest });
    expect(output).toMatchObject({
      rotateSize: 1000,
      rotatePackets: 7,
      retention: { keep: 3, maxAgeSec: 4, maxBytes: 5, minFree },
      fileMode: 0o600,
      part: false,
      sync: 30,
      compress: 'gzip',
      command: 'gzip',
      ledger: false,
    });
    expect(output.clock.intervalAt(90)).toEqual({ startSec: 60, endSec: 120 });
  });

  test('a file of a series has room for the longest packet, whatever its header', () => {
    expect(series({ w: 'cap.pcap', rotateSize: 24 + 16 + SNAPLEN }).rotateSize).toBe(136);
  });

  test.each([{}, { z: 'gzip' }, { clobber: false as const }])('%j has nowhere to write to', (request) => {
    expect(() => options.chooseOutput(request, SNAPLEN)).toThrow(
      expect.objectContaining({ code: 'ERR_OPTION', message: expect.stringMatching(/not printed.*-w FILE.*tcpdump/) }),
    );
  });

  test.each([
    [{ w: '' }, '-w'],
    [{ w: '-', ring: 3 }, '--ring'],
    [{ w: '-', rotate: 3 }, '--rotate'],
    [{ w: 'cap-%s.pcap', clobber: false }, '--no-clobber'],
    [{ w: '%Y/cap.pcap' }, '-w'],
    [{ w: 'cap-%c.pcap' }, '%c'],
    [
      { w: 'cap.pcap', rotateSize: 24 + 16 + SNAPLEN - 1 },
      '--rotate-size 135: the largest packet kept needs 136 bytes',
    ],
    [{ w: 'cap.pcap', fileMode: 0o600 }, '--file-mode'],
    [{ w: 'cap.pcap', sync: 'none' as const }, '--sync'],
    [{ w: 'cap.pcap', compress: 'gzip' as const }, '--compress'],
    [{ w: 'cap.pcap', z: 'gzip' }, '-z'],
    [{ w: 'cap.pcap', part: false }, '--no-part'],
    [{ w: 'cap.pcap', ledger: false }, '--no-ledger'],
    [{ w: '-', maxAge: 3 }, '--max-age'],
    [{ w: '-', utc: true }, '--utc'],
  ])('%j is refused', (request, named) => {
    expect(() => options.chooseOutput(request, SNAPLEN)).toThrow(OptionError);
    expect(() => options.chooseOutput(request, SNAPLEN)).toThrow(named);
  });
});
