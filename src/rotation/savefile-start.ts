// What the first bytes of a file say: whether it is a savefile at all, and when its first record was captured. FileRing
// asks for every file under a name of the series, before it counts one and again before it deletes one.
import { closeSync, constants, lstatSync, openSync, readSync } from 'node:fs';
import { SyscallError } from '../errors.ts';
import type { Compression } from './name.ts';

/** A point in time: seconds since 1970 and nanoseconds. */
export interface RecordTime {
  readonly sec: number;
  readonly nsec: number;
}

export interface SavefileStart {
  /** Undefined when there is no record, or when it is compressed. */
  readonly firstRecord: RecordTime | undefined;
}

/** How the numbers of a savefile are to be read. */
export interface SavefileFormat {
  readonly littleEndian: boolean;
  /** Nanoseconds in one unit of a record's fraction of a second. */
  readonly nsecPerUnit: number;
}

/** pcap-savefile(5): the format by the first four bytes, read little-endian. */
export const PCAP_MAGICS: ReadonlyMap<number, SavefileFormat> = new Map([
  [0xa1b2c3d4, { littleEndian: true, nsecPerUnit: 1000 }],
  [0xd4c3b2a1, { littleEndian: false, nsecPerUnit: 1000 }],
  [0xa1b23c4d, { littleEndian: true, nsecPerUnit: 1 }],
  [0x4d3cb2a1, { littleEndian: false, nsecPerUnit: 1 }],
]);
/** RFC 1952, RFC 8878, read likewise. */
const GZIP_MAGIC = 0x8b1f; // 16 bits
const ZSTD_MAGIC = 0xfd2fb528;

export const FILE_HEADER_LENGTH = 24;
/** The file header, then seconds and fraction of the first record. */
const START_LENGTH: number = FILE_HEADER_LENGTH + 8;

/** Undefined for everything that is not a savefile: no regular file (links are not followed), no magic, not readable. */
export function readSavefileStart(path: string, compression: Compression | undefined): SavefileStart | undefined {
  const bytes = readStart(path);
  if (bytes === undefined || bytes.byteLength < 4) return undefined;
  const magic = bytes.getUint32(0, true);
  if (compression === 'gz') return (magic & 0xffff) === GZIP_MAGIC ? { firstRecord: undefined } : undefined;
  if (compression === 'zst') return magic === ZSTD_MAGIC ? { firstRecord: undefined } : undefined;
  const format = PCAP_MAGICS.get(magic);
  if (format === undefined) return undefined;
  if (bytes.byteLength < START_LENGTH) return { firstRecord: undefined };
  const sec = bytes.getUint32(FILE_HEADER_LENGTH, format.littleEndian);
  const nsec = bytes.getUint32(FILE_HEADER_LENGTH + 4, format.littleEndian) * format.nsecPerUnit;
  return { firstRecord: { sec, nsec } };
}

function readStart(path: string): DataView | undefined {
  try {
    // Before open(2): opening a device may do something, and opening a FIFO may wait.
    if (!lstatSync(path).isFile()) return undefined;
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const bytes = new Uint8Array(START_LENGTH);
      return new DataView(bytes.buffer, 0, readSync(fd, bytes));
    } finally {
      closeReadOnly(fd);
    }
  } catch (cause) {
    const error = SyscallError.from(cause);
    if (error instanceof SyscallError && ['ENOENT', 'EACCES', 'ELOOP'].includes(error.code)) return undefined;
    throw error;
  }
}

function closeReadOnly(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    // Nothing was written, so nothing can be lost.
  }
}
