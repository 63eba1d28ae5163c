// Savefiles as any program may have written them, for tests: every header that libpcap reads, in both byte orders.
import fc from 'fast-check';
import { RECORD_HEADER_LENGTH, record } from '../../../src/savefile/header.ts';

export interface MadeRecord {
  readonly sec: number;
  readonly fraction: number;
  readonly caplen: number;
  readonly len: number;
}

export interface MadeSavefile {
  readonly littleEndian: boolean;
  readonly magic: number;
  readonly version: readonly [major: number, minor: number];
  readonly snaplen: number;
  readonly linktype: number;
  readonly records: readonly MadeRecord[];
}

export const MICRO = 0xa1b2c3d4;
export const NANO = 0xa1b23c4d;
export const MODIFIED = 0xa1b2cd34;

/** Packets hold what begins like an IPv4 or VLAN frame, or any bytes. */
export function makeSavefile(made: MadeSavefile): Buffer {
  const u16 = (value: number): Buffer => {
    const bytes = Buffer.alloc(2);
    if (made.littleEndian) bytes.writeUInt16LE(value);
    else bytes.writeUInt16BE(value);
    return bytes;
  };
  const u32 = (...values: readonly number[]): Buffer => {
    const bytes = Buffer.alloc(4 * values.length);
    for (const [n, value] of values.entries()) {
      if (made.littleEndian) bytes.writeUInt32LE(value >>> 0, 4 * n);
      else bytes.writeUInt32BE(value >>> 0, 4 * n);
    }
    return bytes;
  };
  const [major, minor] = made.version;
  const swapped = major === 543 || minor < 3;
  const parts = [u32(made.magic), u16(major), u16(minor), u32(0, 0, made.snaplen, made.linktype)];
  for (const [n, { sec, fraction, caplen, len }] of made.records.entries()) {
    parts.push(u32(sec, fraction, ...(swapped ? [len, caplen] : [caplen, len])));
    if (made.magic === MODIFIED) parts.push(u32(n), u16(8), u16(0));
    parts.push(packetBytes(caplen, n));
  }
  return Buffer.concat(parts);
}

function packetBytes(length: number, n: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at++) bytes[at] = (n * 31 + at * 7) & 0xff;
  const ether = Buffer.from('02000000000102000000000208004500003000010000401100000a8900010a000001003500350010', 'hex');
  if (n % 3 !== 0) ether.copy(bytes);
  return bytes;
}

const u32 = fc.integer({ min: 0, max: 0xffffffff });
const length = fc.oneof({ weight: 8, arbitrary: fc.integer({ min: 0, max: 200 }) }, fc.integer({ min: 0, max: 3000 }));
const madeRecord: fc.Arbitrary<MadeRecord> = fc.record({
  sec: fc.oneof(u32, fc.integer({ min: 1767225600, max: 1767225610 })),
  fraction: fc.oneof(u32, fc.integer({ min: 0, max: 999_999 }), fc.integer({ min: 0, max: 999_999_999 })),
  caplen: length,
  len: fc.oneof(length, u32),
});

/** Any that libpcap opens. */
export const madeSavefile: fc.Arbitrary<MadeSavefile> = fc.record({
  littleEndian: fc.boolean(),
  magic: fc.constantFrom(MICRO, MICRO, NANO, MODIFIED),
  version: fc.constantFrom<[number, number]>([2, 4], [2, 4], [2, 4], [2, 3], [2, 2], [2, 1], [2, 0], [543, 0]),
  snaplen: fc.oneof(
    fc.constantFrom(0, 40, 96, 65535, 262144, 262145, 1_000_000, 0x7fffffff, 0x80000000, 0xffffffff),
    fc.integer({ min: 1, max: 300 }),
  ),
  linktype: fc.constantFrom(
    ...[0, 1, 6, 8, 9, 10, 11, 12, 15, 16, 19, 50, 51, 99, 100, 101, 102, 103, 105, 106, 107, 108, 112, 113, 117, 127],
    ...[
      147, 187, 189, 192, 195, 201, 220, 228, 229, 231, 239, 246, 249, 251, 258, 276, 279, 289, 0xf4000001, 0x24000001,
    ],
  ),
  records: fc.array(madeRecord, { maxLength: 12 }),
});

/** More than these are nanoseconds from 2^31 on, divided: negative ones to libpcap before 1.10.5. */
export const MOST_MICROSECONDS = 2_147_483;

/** Makes 0 of the fractions from `least` on, for a comparison without them. */
export function eraseFractions(records: Buffer, least: number): void {
  for (let at = 0; at + RECORD_HEADER_LENGTH <= records.length; ) {
    if (records.readUInt32LE(at + record.fraction) >= least) records.writeUInt32LE(0, at + record.fraction);
    at += RECORD_HEADER_LENGTH + records.readUInt32LE(at + record.caplen);
  }
}
