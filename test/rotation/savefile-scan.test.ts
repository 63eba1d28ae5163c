// The walk over a savefile: by property over any records in any format, cut anywhere, in chunks of any size; and over
// files of real writers, judged by capinfos.
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as zlib from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FormatError, SyscallError } from '../../src/errors.ts';
import { packetTime, type SavefileScan, savefileChunks, scanSavefile } from '../../src/rotation/savefile-scan.ts';
import { PcapWriter } from '../../src/savefile/writer.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'savefile-scan-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

interface Format {
  readonly littleEndian: boolean;
  readonly nano: boolean;
  readonly snaplen: number;
}

interface Packet {
  readonly sec: number;
  readonly fraction: number;
  readonly caplen: number;
}

/** The bytes of a savefile, and the offset behind the file header and behind each record. */
function build(format: Format, packets: readonly Packet[]): { readonly bytes: Uint8Array; readonly ends: number[] } {
  const { littleEndian, nano, snaplen } = format;
  const bytes = new Uint8Array(24 + packets.reduce((sum, { caplen }) => sum + 16 + caplen, 0)).fill(0xff);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, nano ? 0xa1b23c4d : 0xa1b2c3d4, littleEndian);
  view.setUint32(16, snaplen, littleEndian);
  const ends = [24];
  let at = 24;
  for (const { sec, fraction, caplen } of packets) {
    view.setUint32(at, sec, littleEndian);
    view.setUint32(at + 4, fraction, littleEndian);
    view.setUint32(at + 8, caplen, littleEndian);
    view.setUint32(at + 12, caplen + 1, littleEndian);
    at += 16 + caplen;
    ends.push(at);
  }
  return { bytes, ends };
}

async function* inChunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const scan = (bytes: Uint8Array, size = 1024): Promise<SavefileScan> => scanSavefile(inChunks(bytes, size));

const formats = fc.record({ littleEndian: fc.boolean(), nano: fc.boolean(), snaplen: fc.constantFrom(96, 262144) });
const seconds = fc.integer({ min: 0, max: 0xffffffff });
const packetsOf = (nano: boolean): fc.Arbitrary<Packet[]> =>
  fc.array(
    fc.record({
      sec: seconds,
      fraction: fc.integer({ min: 0, max: nano ? 999_999_999 : 999_999 }),
      caplen: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.constant(3000)),
    }),
    { maxLength: 20 },
  );
const savefiles = formats.chain((format) => packetsOf(format.nano).map((packets) => ({ format, packets })));

test('any records in any format, cut anywhere and read in chunks of any size', async () => {
  await fc.assert(
    fc.asyncProperty(
      savefiles,
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.integer({ min: 1, max: 100 }),
      fc.tuple(seconds, seconds),
      async ({ format, packets }, share, size, [startSec, endSec]) => {
        const { bytes, ends } = build(format, packets);
        const cut = Math.round(bytes.length * share);
        const result = await scanSavefile(inChunks(bytes.subarray(0, cut), size), { startSec, endSec });
        const wholeBytes = ends.findLast((end) => end <= cut) ?? 0;
        const whole = packets.slice(0, Math.max(0, ends.filter((end) => end <= cut).length - 1));
        const nsecPerUnit = format.nano ? 1 : 1000;
        const times = whole.map(({ sec, fraction }) => packetTime({ sec, nsec: fraction * nsecPerUnit }));
        expect(result).toEqual({
          header: cut < 24 ? 'missing' : { littleEndian: format.littleEndian, nsecPerUnit },
          wholeBytes,
          totalBytes: cut,
          rest: wholeBytes === cut ? 'none' : 'cut',
          packets: whole.length,
          first: times.at(0) ?? null,
          last: times.at(-1) ?? null,
          before: whole.filter(({ sec }) => sec < startSec).length,
          after: whole.filter(({ sec }) => sec >= startSec && sec >= endSec).length,
        });
      },
    ),
  );
});

const MICRO: Format = { littleEndian: true, nano: false, snaplen: 96 };
const ONE: readonly Packet[] = [{ sec: 7, fraction: 5, caplen: 10 }];

describe('the walk ends where no record can be', () => {
  test.each<[string, Format, Packet, SavefileScan['rest'] | 'a record']>([
    ['a microsecond too many', MICRO, { sec: 1, fraction: 1_000_000, caplen: 0 }, 'garbage'],
    ['the last microsecond', MICRO, { sec: 1, fraction: 999_999, caplen: 0 }, 'a record'],
    ['a nanosecond too many', { ...MICRO, nano: true }, { sec: 1, fraction: 1_000_000_000, caplen: 0 }, 'garbage'],
    ['the longest packet', MICRO, { sec: 1, fraction: 0, caplen: 262144 }, 'a record'],
    ['a byte more', MICRO, { sec: 1, fraction: 0, caplen: 262145 }, 'garbage'],
    [
      'longer where the header allows',
      { ...MICRO, snaplen: 262145 },
      { sec: 1, fraction: 0, caplen: 262145 },
      'a record',
    ],
  ])('%s', async (_, format, packet, rest) => {
    const { bytes, ends } = build(format, [...ONE, packet, ...ONE]);
    const result = await scan(bytes);
    expect(result.rest).toBe(rest === 'a record' ? 'none' : rest);
    expect(result.packets).toBe(rest === 'a record' ? 3 : 1);
    expect(result.wholeBytes).toBe(ends[rest === 'a record' ? 3 : 1]);
    expect(result.totalBytes).toBe(bytes.length);
  });

  test('zeros of a power cut behind a record, instead of a file header, or too few for either', async () => {
    const { bytes } = build(MICRO, ONE);
    const zeros = new Uint8Array(5000);
    expect(await scan(Buffer.concat([bytes, zeros]))).toMatchObject({ wholeBytes: 50, packets: 1, rest: 'zeros' });
    expect(await scan(zeros)).toMatchObject({ header: 'missing', wholeBytes: 0, packets: 0, rest: 'zeros' });
    expect(await scan(zeros.subarray(0, 7))).toMatchObject({ header: 'missing', wholeBytes: 0, rest: 'cut' });
    expect(await scan(zeros.subarray(0, 0))).toMatchObject({ header: 'missing', wholeBytes: 0, rest: 'none' });
  });

  test('what is no savefile', async () => {
    const other = Buffer.from('not a savefile, but longer than the header of one');
    expect(await scan(other)).toMatchObject({
      header: 'bad',
      wholeBytes: 0,
      totalBytes: other.length,
      rest: 'garbage',
    });
  });
});

/** Packets, bytes, first and last time, as capinfos sees them. */
function capinfos(path: string): string[] {
  const text = execFileSync('capinfos', ['-T', '-r', '-M', '-S', '-c', '-s', '-a', '-e', path], { encoding: 'utf8' });
  return text.trim().split('\t').slice(1);
}

function asCapinfos({ packets, totalBytes, first, last }: SavefileScan, digits: number): string[] {
  const short = (time: string | null): string => (time === null ? 'n/a' : time.slice(0, time.length - 9 + digits));
  return [String(packets), String(totalBytes), short(first), short(last)];
}

describe('files of real writers', () => {
  test.each<['micro' | 'nano', number]>([
    ['micro', 6],
    ['nano', 9],
  ])('ours and what tcpdump makes of it, %s', async (precision, digits) => {
    const path = join(directory, `${precision}.pcap`);
    const writer = PcapWriter.create(path, { precision, snaplen: 262144, linktype: 1 });
    const unit = precision === 'nano' ? 1000 : 1;
    for (let n = 0; n < 3000; n++)
      writer.writePacket(1_790_000_000 + n, n * 7 * unit, Buffer.alloc(60 + (n % 1400), n));
    writer.close();
    const copy = join(directory, `${precision}-tcpdump.pcap`);
    execFileSync('tcpdump', ['-r', path, '-w', copy, '--time-stamp-precision', precision], { stdio: 'ignore' });
    for (const each of [path, copy]) {
      const result = await scanSavefile(savefileChunks(each));
      expect(result).toMatchObject({ wholeBytes: readFileSync(each).length, packets: 3000, rest: 'none' });
      expect(asCapinfos(result, digits)).toEqual(capinfos(each));
    }
    writeFileSync(`${path}.gz`, zlib.gzipSync(readFileSync(path)));
    execFileSync('zstd', ['-q', path]);
    const whole = await scanSavefile(savefileChunks(path));
    expect(await scanSavefile(savefileChunks(`${path}.gz`))).toEqual(whole);
    if (!('createZstdDecompress' in zlib)) {
      await expect(scanSavefile(savefileChunks(`${path}.zst`))).rejects.toThrow(/zstd needs Node 22\.15 or newer/);
    } else {
      expect(await scanSavefile(savefileChunks(`${path}.zst`))).toEqual(whole);
    }
  });

  test('a compressed file that is cut, or is none', async () => {
    const path = join(directory, 'cut.pcap.gz');
    writeFileSync(path, zlib.gzipSync(build(MICRO, ONE).bytes));
    truncateSync(path, 30);
    await expect(scanSavefile(savefileChunks(path))).rejects.toThrow(FormatError);
    writeFileSync(path, 'no gzip');
    await expect(scanSavefile(savefileChunks(path))).rejects.toThrow(FormatError);
    await expect(scanSavefile(savefileChunks(join(directory, 'none.pcap')))).rejects.toThrow(SyscallError);
    await expect(scanSavefile(savefileChunks(join(directory, 'none.pcap.gz')))).rejects.toThrow(SyscallError);
    const part = join(directory, 'whole.pcap.gz.part');
    appendFileSync(part, zlib.gzipSync(build(MICRO, ONE).bytes));
    expect(await scanSavefile(savefileChunks(part))).toMatchObject({ packets: 1, rest: 'none' });
  });
});
