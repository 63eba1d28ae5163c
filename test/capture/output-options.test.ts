// The rules that decide between a single file, tcpdump's files and a series.
import { describe, expect, test } from 'vitest';
import { chooseOutput, type OutputRequest } from '../../src/capture/output-options.ts';
import type { SeriesOutput } from '../../src/capture/series-options.ts';
import { OptionError } from '../../src/errors.ts';

const SNAPLEN = 96;

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
    expect(chooseOutput(request, SNAPLEN).kind).toBe('series');
  });

  test.each([['cap.pcap'], ['-'], ['/dev/null']])('-w %s alone is a single file', (w) => {
    expect(chooseOutput({ w }, SNAPLEN)).toEqual({ kind: 'file', path: w, noClobber: false });
    expect(chooseOutput({ w, clobber: false }, SNAPLEN)).toMatchObject({ noClobber: true });
  });

  test('-C, -G and -W make files as tcpdump does', () => {
    const never = Number.POSITIVE_INFINITY;
    const tcpdump = (request: OutputRequest): unknown => chooseOutput({ w: 'f', ...request }, SNAPLEN);
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
    const refused = (): unknown => chooseOutput({ w: 'f', ...request }, SNAPLEN);
    expect(refused).toThrow(named);
    expect(refused).toThrow("either tcpdump's -C, -G and -W, or --rotate-size, --rotate and --ring");
  });

  test('stdout is not rotated', () => {
    expect(() => chooseOutput({ w: '-', C: 1e6 }, SNAPLEN)).toThrow("-w -: a stream can't be rotated, leave out -C");
  });

  function series(request: OutputRequest): SeriesOutput {
    const output = chooseOutput(request, SNAPLEN);
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
    expect(() => chooseOutput(request, SNAPLEN)).toThrow(
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
    expect(() => chooseOutput(request, SNAPLEN)).toThrow(OptionError);
    expect(() => chooseOutput(request, SNAPLEN)).toThrow(named);
  });
});
