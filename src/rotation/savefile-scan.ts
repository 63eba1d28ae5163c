// What a savefile holds, record by record: how far it is whole, how many packets, when the first and the last. Adoption
// asks it where to cut a file that a process left when it died, `tsnetpcap verify` whether a file is what the ledger says.
// Packets are skipped, so that a file of any size, or a compressed one, needs the memory of one chunk.
import { createReadStream } from 'node:fs';
import { pipeline, type Transform } from 'node:stream';
import * as zlib from 'node:zlib';
import { CaptureError, FormatError, SyscallError } from '../errors.ts';
import type { Interval } from './clock.ts';
import { filePieces, PIECE_SIZE } from './file-pieces.ts';
import type { PacketTime } from './ledger-entry.ts';
import { FILE_HEADER_LENGTH, PCAP_MAGICS, type RecordTime, type SavefileFormat } from './savefile-start.ts';

export interface SavefileScan {
  /**
   * `missing`: too few bytes for a file header, or zeros in its place, as a power cut leaves them. `bad`: other bytes than
   * those of a savefile.
   */
  readonly header: SavefileFormat | 'missing' | 'bad';
  /** The offset behind the last whole record, or behind the file header; 0 without one. */
  readonly wholeBytes: number;
  readonly totalBytes: number;
  /** What is at `wholeBytes`: the end, a record cut short, 16 zeros, or bytes that can't be the header of a record. */
  readonly rest: 'none' | 'cut' | 'zeros' | 'garbage';
  /** Whole records. */
  readonly packets: number;
  /** Times of the first and the last whole record, in the order of the file. */
  readonly first: PacketTime | null;
  readonly last: PacketTime | null;
  /** Whole records older than the interval, and those not older than its end. 0 without an interval. */
  readonly before: number;
  readonly after: number;
}

const RECORD_HEADER_LENGTH = 16;
/** Offsets in the file header, and in a record's, pcap-savefile(5). */
const SNAPLEN_AT = 16;
const record = { sec: 0, fraction: 4, caplen: 8, len: 12 } as const;
/** MAXIMUM_SNAPLEN of libpcap: no record of most link types is longer, whatever the file header says. */
const MAXIMUM_SNAPLEN = 262144;
/** That of the link types with the longest records (USB, D-Bus). */
const LONGEST_SNAPLEN = 128 * 1024 * 1024;
const NSEC_PER_SEC = 1e9;

/** A record's time as the ledger writes it. */
export function packetTime(time: RecordTime): PacketTime {
  return `${time.sec}.${String(time.nsec).padStart(9, '0')}`;
}

/** Walks a savefile of either byte order and precision to its last byte. Rejects with what `chunks` throws. */
export async function scanSavefile(chunks: AsyncIterable<Uint8Array>, interval?: Interval): Promise<SavefileScan> {
  const scanner = new Scanner(interval);
  for await (const chunk of chunks) scanner.push(chunk);
  return scanner.result();
}

class Scanner {
  readonly #interval: Interval;
  #header: SavefileFormat | 'missing' | 'bad' = 'missing';
  #maximum = 0;
  /** The start of a header whose rest is in the next chunk. */
  readonly #held: DataView = new DataView(new ArrayBuffer(FILE_HEADER_LENGTH));
  #heldBytes = 0;
  /** Bytes of the record under way that are still to come, and its time. */
  #missing = 0;
  #sec = 0;
  #nsec = 0;
  /** Nothing behind this can be told any more. */
  #over = false;
  #wholeBytes = 0;
  #totalBytes = 0;
  #rest: 'none' | 'cut' | 'zeros' | 'garbage' = 'none';
  #packets = 0;
  #first: PacketTime | null = null;
  #before = 0;
  #after = 0;
  /** Of the last whole record. */
  #lastSec = 0;
  #lastNsec = 0;

  constructor(interval: Interval | undefined) {
    this.#interval = interval ?? { startSec: Number.NEGATIVE_INFINITY, endSec: Number.POSITIVE_INFINITY };
  }

  push(chunk: Uint8Array): void {
    const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let at = 0;
    while (at < chunk.length && !this.#over) {
      const skipped = Math.min(this.#missing, chunk.length - at);
      this.#missing -= skipped;
      at += skipped;
      if (skipped > 0) {
        if (this.#missing === 0) this.#endRecord(this.#totalBytes + at);
        continue;
      }
      const length = this.#header === 'missing' ? FILE_HEADER_LENGTH : RECORD_HEADER_LENGTH;
      if (this.#heldBytes === 0 && chunk.length - at >= length) {
        at += length;
        this.#readHeader(view, at - length, this.#totalBytes + at);
      } else {
        this.#held.setUint8(this.#heldBytes++, view.getUint8(at++));
        if (this.#heldBytes < length) continue;
        this.#heldBytes = 0;
        this.#readHeader(this.#held, 0, this.#totalBytes + at);
      }
    }
    this.#totalBytes += chunk.length;
  }

  result(): SavefileScan {
    const last = this.#packets === 0 ? null : packetTime({ sec: this.#lastSec, nsec: this.#lastNsec });
    return {
      header: this.#header,
      wholeBytes: this.#wholeBytes,
      totalBytes: this.#totalBytes,
      rest: this.#over || this.#wholeBytes === this.#totalBytes ? this.#rest : 'cut',
      packets: this.#packets,
      first: this.#first,
      last,
      before: this.#before,
      after: this.#after,
    };
  }

  /** `end`: the offset in the file behind this header. */
  #readHeader(view: DataView, at: number, end: number): void {
    if (this.#header === 'missing') this.#readFileHeader(view, at, end);
    else if (this.#header !== 'bad') this.#readRecordHeader(view, at, end, this.#header);
  }

  #readFileHeader(view: DataView, at: number, end: number): void {
    const format = PCAP_MAGICS.get(view.getUint32(at, true));
    if (format === undefined) {
      this.#over = true;
      this.#rest = allZero(view, at, FILE_HEADER_LENGTH) ? 'zeros' : 'garbage';
      if (this.#rest === 'garbage') this.#header = 'bad';
      return;
    }
    this.#header = format;
    const snaplen = view.getUint32(at + SNAPLEN_AT, format.littleEndian);
    this.#maximum = Math.max(MAXIMUM_SNAPLEN, Math.min(snaplen, LONGEST_SNAPLEN));
    this.#wholeBytes = end;
  }

  #readRecordHeader(view: DataView, at: number, end: number, { littleEndian, nsecPerUnit }: SavefileFormat): void {
    const caplen = view.getUint32(at + record.caplen, littleEndian);
    this.#sec = view.getUint32(at + record.sec, littleEndian);
    this.#nsec = view.getUint32(at + record.fraction, littleEndian) * nsecPerUnit;
    const empty = caplen === 0 && this.#sec === 0 && this.#nsec === 0 && view.getUint32(at + record.len, true) === 0;
    if (empty || caplen > this.#maximum || this.#nsec >= NSEC_PER_SEC) {
      this.#over = true;
      this.#rest = empty ? 'zeros' : 'garbage';
    } else if (caplen === 0) {
      this.#endRecord(end);
    } else {
      this.#missing = caplen;
    }
  }

  #endRecord(end: number): void {
    this.#wholeBytes = end;
    this.#packets++;
    this.#first ??= packetTime({ sec: this.#sec, nsec: this.#nsec });
    this.#lastSec = this.#sec;
    this.#lastNsec = this.#nsec;
    if (this.#sec < this.#interval.startSec) this.#before++;
    else if (this.#sec >= this.#interval.endSec) this.#after++;
  }
}

function allZero(view: DataView, at: number, length: number): boolean {
  return new Uint8Array(view.buffer, view.byteOffset + at, length).every((byte) => byte === 0);
}

/**
 * The bytes of a savefile, decompressed when it is called `.gz` or `.zst`, in chunks of 256 KiB or less, each valid
 * until the next is asked for; `.part` behind that is ignored. Throws `SyscallError` when it can't be read, `FormatError`
 * when it can't be decompressed, `CaptureError` ERR_NODE for `.zst` where this Node has no zstd.
 */
export async function* savefileChunks(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  const decompress = decompressor(path);
  if (decompress === undefined) return yield* filePieces(path);
  try {
    // What goes wrong comes out of the iteration, so the callback has nothing to do.
    yield* pipeline(createReadStream(path, { highWaterMark: PIECE_SIZE }), decompress, () => {});
  } catch (cause) {
    const error = SyscallError.from(cause, path);
    if (error instanceof CaptureError || !(cause instanceof Error)) throw error;
    throw new FormatError(path, decompress.bytesWritten, 'compressed data', cause.message);
  }
}

/** Of `zlib`: what is read so far is in `bytesWritten`. */
type Decompressor = Transform & { readonly bytesWritten: number };

function decompressor(path: string): Decompressor | undefined {
  const name = path.replace(/\.part$/, '');
  if (name.endsWith('.gz')) return zlib.createGunzip({ chunkSize: PIECE_SIZE });
  if (!name.endsWith('.zst')) return undefined;
  const { createZstdDecompress } = zlib as {
    readonly createZstdDecompress?: (options: { readonly chunkSize: number }) => Decompressor;
  };
  if (createZstdDecompress !== undefined) return createZstdDecompress({ chunkSize: PIECE_SIZE });
  throw new CaptureError('ERR_NODE', `${path}: zstd needs Node 22.15 or newer, this is ${process.versions.node}`);
}
