// Writes pcap savefiles. As `tsnetpcap/pcap-writer` it is used without the rest of this package, and so needs no native code.
// The capture session hands it whole spans of finished records; everyone else writes packet by packet.
import { closeSync, constants, fstatSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { SyscallError } from '../errors.ts';
import { encodeFileHeader, encodeRecord, type FileHeader, RECORD_HEADER_LENGTH, recordEnds } from './header.ts';

/**
 * The most that one write(2) is given, and what its end in the file is a multiple of: the page cache then takes each in
 * one large folio. The same bytes at any other offset cost a third more system time, in pieces of tcpdump's 4 KiB four
 * times as much (native-notes/write-size.md).
 */
const WRITE_SIZE = 256 * 1024;
/**
 * Disk space is asked for in steps of this size, once a file has that much: the file system then need not find a place for
 * each page, which saves a quarter of a write's system time (native-notes/write-size.md).
 */
const RESERVE_SIZE = 8 * 1024 * 1024;
const EMPTY = new Uint8Array(0);

/** Gives an open file disk space beyond its end without changing its size: fallocate(2) with FALLOC_FL_KEEP_SIZE. */
export type Reserve = (fd: number, offset: number, length: number) => void;

/**
 * A savefile being written. Packets are collected up to 256 KiB; spans of records go straight through.
 *
 * Every method throws `SyscallError` when the system refuses (ENOSPC, EIO, EPIPE, …); a regular file is then cut back to
 * its last whole record, and the records that did not arrive are kept: `flush()` tries them again, `abandon()` forgets
 * them. A short write is finished. Where the descriptor does not block (a pipe in that mode) and is full, methods return
 * false: call `flush()` later, until it returns true, before anything else.
 */
export class PcapWriter {
  readonly fd: number;
  /** Bytes accepted so far, file header and what is not yet flushed included. */
  size = 0;
  readonly #snaplen: number;
  readonly #isFile: boolean;
  #batch: Uint8Array = EMPTY;
  #batched = 0;
  /** What is on its way to the descriptor, and how much of it has arrived. */
  #pending: Uint8Array = EMPTY;
  #done = 0;
  /** Bytes that have arrived in all, which is the offset in a file of ours. */
  #offset = 0;
  /** Bytes of a record at the end of the file, of which the rest did not arrive: to be cut off before the next write. */
  #torn = 0;
  readonly #reserve: Reserve | undefined;
  /** At which offset to ask for disk space next, Infinity for never. */
  #reserveAt: number;
  /** Whether some was given. */
  #reserved = false;

  /**
   * Takes over `fd`, at the start of an empty file or a stream, and writes the file header. Of what `reserve` gives, `close`
   * returns what was not used; when it throws, it is not called again, and the writes show what is the matter.
   */
  constructor(fd: number, header: FileHeader, reserve?: Reserve) {
    this.fd = fd;
    this.#reserve = reserve;
    this.#reserveAt = reserve === undefined ? Number.POSITIVE_INFINITY : RESERVE_SIZE;
    this.#snaplen = header.snaplen;
    try {
      this.#isFile = fstatSync(fd).isFile();
    } catch (cause) {
      throw SyscallError.from(cause);
    }
    this.#send(encodeFileHeader(header));
  }

  /** Creates `path`, or empties it; with `exclusive` an existing file is refused (EEXIST). */
  static create(path: string, header: FileHeader, exclusive = false, reserve?: Reserve): PcapWriter {
    // O_APPEND: after a cut back to the last whole record, the next one must not leave a hole.
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND;
    try {
      const fd = openSync(path, flags | (exclusive ? constants.O_EXCL : constants.O_TRUNC), 0o666);
      try {
        return new PcapWriter(fd, header, reserve);
      } catch (cause) {
        closeSync(fd);
        throw cause;
      }
    } catch (cause) {
      throw SyscallError.from(cause);
    }
  }

  /**
   * Adds one packet: seconds since 1970, micro- or nanoseconds (as the file header says), the bytes kept, and the length
   * on the wire. Bytes beyond the header's snaplen are cut off. False: the descriptor is full, the packet was not taken.
   */
  writePacket(sec: number, fraction: number, packet: Uint8Array, len: number = packet.length): boolean {
    const caplen = Math.min(packet.length, this.#snaplen);
    const total = RECORD_HEADER_LENGTH + caplen;
    if (this.#batched + total > this.#batch.length || this.#pending !== EMPTY) {
      if (!this.flush()) return false;
      if (this.#batch.length < total) this.#batch = new Uint8Array(Math.max(WRITE_SIZE, total));
    }
    encodeRecord(new DataView(this.#batch.buffer), this.#batched, sec, fraction, caplen, len);
    this.#batch.set(packet.subarray(0, caplen), this.#batched + RECORD_HEADER_LENGTH);
    this.#batched += total;
    this.size += total;
    return true;
  }

  /** Writes finished records behind all that came before. False: their memory is still needed. */
  writeRecords(records: Uint8Array): boolean {
    // Only when something waits: what is left to cut off may fail again, and these records are to be kept then as well.
    if ((this.#pending !== EMPTY || this.#batched > 0) && !this.flush())
      throw new Error('flush() has not returned true since the last false');
    return this.#send(records);
  }

  /** Hands everything to the operating system; false while the descriptor is full. */
  flush(): boolean {
    if (!this.#write()) return false;
    if (this.#batched === 0) return true;
    this.#pending = this.#batch.subarray(0, this.#batched);
    this.#batched = 0;
    return this.#write();
  }

  /** How many records were accepted that have not arrived, after an error. */
  get pendingRecords(): number {
    return countRecords(this.#pending) + countRecords(this.#batch.subarray(0, this.#batched));
  }

  /** Forgets them. */
  abandon(): void {
    this.size -= this.#pending.length - this.#done + this.#batched;
    this.#pending = EMPTY;
    this.#done = 0;
    this.#batched = 0;
  }

  /** Flushes, and gives back disk space that was not used. The descriptor stays open, and is the caller's again. */
  finish(): void {
    let failure: unknown;
    try {
      if (!this.flush()) this.#keepWhole();
    } catch (cause) {
      failure = cause;
    }
    try {
      this.#trim();
    } catch (cause) {
      failure ??= cause;
    }
    if (failure !== undefined) throw failure;
  }

  /** Flushes and closes. What a full descriptor does not take is lost. */
  close(): void {
    let failure: unknown;
    try {
      this.finish();
    } catch (cause) {
      failure = cause;
    }
    try {
      closeSync(this.fd);
    } catch (cause) {
      failure ??= SyscallError.from(cause);
    }
    if (failure !== undefined) throw failure;
  }

  #send(bytes: Uint8Array): boolean {
    this.#pending = bytes;
    this.size += bytes.length;
    return this.#write();
  }

  #write(): boolean {
    const bytes = this.#pending;
    try {
      if (this.#torn > 0) this.#cutBack();
      while (this.#done < bytes.length) {
        if (this.#offset >= this.#reserveAt) this.#reserveMore();
        const most = WRITE_SIZE - (this.#offset % WRITE_SIZE);
        const written = writeSync(this.fd, bytes, this.#done, Math.min(most, bytes.length - this.#done));
        this.#done += written;
        this.#offset += written;
      }
    } catch (cause) {
      if (cause instanceof Error && 'code' in cause && cause.code === 'EAGAIN') return false;
      this.#keepWhole();
      throw SyscallError.from(cause);
    }
    this.#pending = EMPTY;
    this.#done = 0;
    return true;
  }

  #reserveMore(): void {
    try {
      this.#reserve?.(this.fd, this.#reserveAt, RESERVE_SIZE);
      this.#reserved = true;
      this.#reserveAt += RESERVE_SIZE;
    } catch {
      this.#reserveAt = Number.POSITIVE_INFINITY; // no such call here, a pipe, a full disk: the write will tell
    }
  }

  /** Truncating a file to the size it has frees the space beyond its end that was not used. */
  #trim(): void {
    if (!this.#reserved) return;
    try {
      ftruncateSync(this.fd, fstatSync(this.fd).size);
    } catch (cause) {
      throw SyscallError.from(cause);
    }
  }

  /** After a failed write: the file is to end with the last record that arrived whole, the next write to go on there. */
  #keepWhole(): void {
    const bytes = this.#pending;
    // Of the file header no part is worth keeping; from a stream nothing can be taken back.
    const header = this.size === bytes.length;
    const whole = this.#isFile ? (header ? 0 : wholeRecords(bytes.subarray(0, this.#done))) : this.#done;
    this.#torn += this.#done - whole;
    this.#pending = bytes.subarray(whole);
    this.#done = 0;
    try {
      this.#cutBack();
    } catch {
      // The disk refuses that as well; what it refused first says more. The next write tries again.
    }
  }

  #cutBack(): void {
    if (this.#torn === 0) return;
    ftruncateSync(this.fd, fstatSync(this.fd).size - this.#torn); // not to #offset: it may have begun with other bytes
    this.#offset -= this.#torn;
    this.#torn = 0;
  }
}

/** Length of the whole records at the start of `bytes`. */
function wholeRecords(bytes: Uint8Array): number {
  let whole = 0;
  for (const next of recordEnds(bytes)) whole = next;
  return whole;
}

function countRecords(bytes: Uint8Array): number {
  let records = 0;
  for (const _ of recordEnds(bytes)) records++;
  return records;
}
