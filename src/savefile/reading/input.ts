// The bytes of a savefile in large pieces, decompressed where they need it. While one piece is worked on, the next is read
// on libuv's threads, so that a reader waits for no read(2) but the first. Readers of the formats take from `bytes` what
// lies between `at` and `end`, and may change it in place.
import { closeSync, open, read } from 'node:fs';
import { promisify } from 'node:util';
import { SyscallError } from '../../errors.ts';
import type { CompressionFormat } from '../../rotation/compression-format.ts';
import { RECORD_HEADER_LENGTH } from '../header.ts';
import { Chunk } from './chunk.ts';

const openFile = promisify(open);
const STDIN = 0;
/** Half of it costs a tenth more time, a fourth part a half; more brings nothing (native-notes/offline.md). */
const CHUNK_SIZE = 1024 * 1024;
/** The first piece is small: of many files to be merged most have long to wait for their turn. */
const FIRST_SIZE = 64 * 1024;
/** Pieces of files that are closed, for the next: their memory is mapped already. */
const pool: Chunk[] = [];

/** RFC 1952 (two bytes) and RFC 8878. */
const GZIP_MAGIC = 0x8b1f;
const ZSTD_MAGIC = 0xfd2fb528;
const MAGIC_LENGTH = 4;

/** Gives bytes one after the other. */
export interface ByteSource {
  /** Fills `into` from `at`; resolves to how many bytes there were, 0 at the end. Rejects with SyscallError, SavefileError. */
  read(into: Uint8Array, at: number): Promise<number>;
}

class FileBytes implements ByteSource {
  readonly #fd: number;
  readonly #name: string;

  constructor(fd: number, name: string) {
    this.#fd = fd;
    this.#name = name;
  }

  read(into: Uint8Array, at: number): Promise<number> {
    return new Promise((resolve, reject) => {
      read(this.#fd, into, at, into.length - at, null, (cause, count) => {
        if (cause === null) resolve(count);
        else reject(SyscallError.from(cause, this.#name));
      });
    });
  }
}

export class Input {
  /** As the user gave it. */
  readonly name: string;
  /** What is at hand, valid until `more()`. There are always 16 bytes before `at` to put a record header into. */
  bytes: Uint8Array;
  view: DataView;
  at: number;
  end: number;
  readonly #fd: number;
  readonly #chunkSize: number;
  #source: ByteSource;
  #chunk: Chunk;
  /** What is read into meanwhile. */
  #spare: Chunk;
  #pending: Promise<number> | undefined;
  /** Offset in the file of the first byte of `bytes`. */
  #origin: number;
  #closed = false;

  private constructor(name: string, fd: number, chunkSize: number) {
    this.name = name;
    this.#fd = fd;
    this.#chunkSize = chunkSize;
    this.#source = new FileBytes(fd, name);
    this.#spare = new Chunk(Math.min(chunkSize, FIRST_SIZE), RECORD_HEADER_LENGTH);
    this.#chunk = this.#spare;
    this.bytes = this.#chunk.bytes;
    this.view = this.#chunk.view;
    this.at = this.#chunk.start;
    this.end = this.at;
    this.#origin = -this.at;
  }

  /** `-` is standard input. `chunkSize`: bytes of a read; there are two of these. Rejects with SyscallError. */
  static async open(name: string, chunkSize: number = CHUNK_SIZE): Promise<Input> {
    let fd = STDIN;
    try {
      if (name !== '-') fd = await openFile(name, 'r');
    } catch (cause) {
      throw SyscallError.from(cause);
    }
    const input = new Input(name, fd, chunkSize);
    try {
      await input.#begin();
      return input;
    } catch (cause) {
      await input.close();
      throw cause;
    }
  }

  /** Of `at`, in the file or in what it is decompressed to. */
  get offset(): number {
    return this.#origin + this.at;
  }

  /** Reads on: what lies between `at` and `end` stays, more is behind it. False at the end of the file. */
  async more(): Promise<boolean> {
    const first = this.#origin + this.end === 0;
    this.#pending ??= this.#readAhead();
    const count = await this.#pending;
    if (count === 0) return false;
    const rest = this.end - this.at;
    let next = this.#spare;
    if (rest >= count && count <= this.bytes.length - this.end) {
      // A record of megabytes in many small pieces: it must not be copied with each of them.
      this.bytes.set(next.bytes.subarray(next.start, next.start + count), this.end);
      this.end += count;
      this.#pending = this.#readAhead();
      return true;
    }
    if (rest + RECORD_HEADER_LENGTH > next.start) {
      const larger = new Chunk(Math.max(next.size, rest), rest + RECORD_HEADER_LENGTH);
      larger.bytes.set(next.bytes.subarray(next.start, next.start + count), larger.start);
      next = larger;
    }
    const at = next.start - rest;
    next.bytes.set(this.bytes.subarray(this.at, this.end), at);
    const large = this.#chunk.size >= this.#chunkSize && this.#chunk !== next;
    this.#spare = large ? this.#chunk : (takePooled(this.#chunkSize) ?? new Chunk(this.#chunkSize));
    this.#chunk = next;
    this.#origin += this.at - at;
    this.bytes = next.bytes;
    this.view = next.view;
    this.at = at;
    this.end = next.start + count;
    this.#pending = first ? undefined : this.#readAhead();
    return true;
  }

  /** Reads until `count` bytes are at hand; false when the file ends before. */
  async has(count: number): Promise<boolean> {
    while (this.end - this.at < count) if (!(await this.more())) return false;
    return true;
  }

  /** What was read is no longer valid. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#pending?.catch(() => {}); // a read under way must not meet another file behind this descriptor
    if (this.#fd !== STDIN) closeSync(this.#fd);
    const chunks = new Set([this.#chunk, this.#spare]);
    if (pool.length < 2) pool.push(...[...chunks].filter(({ size }) => size === CHUNK_SIZE));
  }

  /** The first piece, and what it says of compression. */
  async #begin(): Promise<void> {
    if (!(await this.has(MAGIC_LENGTH))) return;
    const compression = compressionOf(this.view.getUint32(this.at, true));
    if (compression === undefined) return;
    const { Decompressor } = await import('./decompressor.ts');
    this.#source = new Decompressor(this.#source, compression, [this.bytes.slice(this.at, this.end)], this.name);
    this.at = this.end;
    this.#origin = -this.at;
  }

  #readAhead(): Promise<number> {
    const pending = this.#source.read(this.#spare.bytes, this.#spare.start);
    pending.catch(() => {}); // seen by whoever asks for more
    return pending;
  }
}

/** `magic`: the first four bytes of a file, as a little-endian number. */
function compressionOf(magic: number): CompressionFormat | undefined {
  if (magic === ZSTD_MAGIC) return 'zstd';
  return (magic & 0xffff) === GZIP_MAGIC ? 'gzip' : undefined;
}

function takePooled(size: number): Chunk | undefined {
  const place = pool.findIndex((chunk) => chunk.size === size);
  return place === -1 ? undefined : pool.splice(place, 1)[0];
}
