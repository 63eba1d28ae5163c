// gzip and zstd on the fly: a ByteSource over another one. What was compressed before a damage comes out before the error
// does, which is why this does not leave it to stream.pipeline(): all of it where the file is cut off, and all but the last
// 16 KiB where its bytes are wrong, for Node drops what zlib had put into its last buffer.
import type { Transform } from 'node:stream';
import * as zlib from 'node:zlib';
import { CaptureError, SavefileError } from '../../errors.ts';
import type { CompressionFormat } from '../../rotation/compression-format.ts';
import type { ByteSource } from './input.ts';

/** What goes in at a time, of which a thousandfold may come out. */
const PIECE_SIZE = 32 * 1024;

/** Undefined before Node 22.15. */
const { createZstdDecompress } = zlib as {
  createZstdDecompress?: (options: zlib.ZlibOptions) => Transform & zlib.Zlib;
};

export class Decompressor implements ByteSource {
  readonly #source: ByteSource;
  readonly #name: string;
  readonly #format: CompressionFormat;
  #stream: Transform & zlib.Zlib;
  /** How many bytes of zstd this stream was given. */
  #fed = 0;
  /** Compressed bytes that were read already. */
  readonly #begun: Uint8Array[];
  readonly #piece = new Uint8Array(PIECE_SIZE);
  /** What has come out and was not taken, and how much of the first of these was. */
  readonly #ready: Uint8Array[] = [];
  #taken = 0;
  #offset = 0;
  #failure: Error | undefined;
  #ended = false;

  /** `begun`: the first bytes of `source`, which it will not give again. @throws CaptureError without zstd in this Node */
  constructor(source: ByteSource, format: CompressionFormat, begun: readonly Uint8Array[], name: string) {
    this.#source = source;
    this.#name = name;
    this.#format = format;
    this.#stream = this.#createStream();
    this.#begun = begun.flatMap((bytes) =>
      Array.from({ length: Math.ceil(bytes.length / PIECE_SIZE) }, (_, n) =>
        bytes.subarray(n * PIECE_SIZE, (n + 1) * PIECE_SIZE),
      ),
    );
  }

  #createStream(): Transform & zlib.Zlib {
    const stream = createDecompressor(this.#format, this.#name);
    stream.on('data', (bytes: Uint8Array) => this.#ready.push(bytes));
    stream.on('error', (cause: Error) => {
      this.#failure = cause;
    });
    stream.once('end', () => stream.destroy());
    this.#fed = 0;
    return stream;
  }

  async read(into: Uint8Array, at: number): Promise<number> {
    while (this.#ready.length === 0) {
      if (this.#failure !== undefined) throw new SavefileError(this.#name, this.#offset, this.#failure.message);
      if (this.#ended) return 0;
      await this.#feed();
    }
    let end = at;
    for (let first = this.#ready[0]; first !== undefined && end < into.length; first = this.#ready[0]) {
      const part = first.subarray(this.#taken, this.#taken + into.length - end);
      into.set(part, end);
      end += part.length;
      this.#taken += part.length;
      if (this.#taken < first.length) break;
      this.#ready.shift();
      this.#taken = 0;
    }
    this.#offset += end - at;
    return end - at;
  }

  /** One piece in; resolves when all that it gives is out. */
  async #feed(): Promise<void> {
    const piece = this.#begun.shift() ?? this.#piece.slice(0, await this.#source.read(this.#piece, 0));
    const stream = this.#stream;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        stream.off('close', done).off('end', done);
        resolve();
      };
      stream.once('close', done); // after an error
      stream.once('end', done); // with zeros behind the compressed data Node calls back for no write
      if (piece.length > 0) stream.write(piece, done);
      else {
        this.#ended = true;
        stream.end();
      }
    });
    this.#fed += piece.length;
    if (this.#format === 'gzip' && stream.readableEnded && !this.#ended) {
      this.#ended = true; // zeros behind the last member are padding
      if (piece.subarray(piece.length - (this.#fed - stream.bytesWritten)).some((byte) => byte !== 0))
        this.#failure ??= new Error('something else follows the compressed data');
    }
    if (this.#format !== 'zstd' || this.#failure !== undefined) return;
    // Node ends with a frame; of gzip's members it goes on with the next by itself.
    const unread = this.#fed - stream.bytesWritten;
    if (unread === 0) return;
    this.#begun.unshift(piece.subarray(piece.length - unread));
    this.#stream = this.#createStream();
  }
}

function createDecompressor(format: CompressionFormat, name: string): Transform & zlib.Zlib {
  const options = { chunkSize: 16 * 1024 };
  if (format === 'gzip') return zlib.createGunzip(options);
  if (createZstdDecompress !== undefined) return createZstdDecompress(options);
  throw new CaptureError('ERR_ZSTD', `${name}: zstd needs Node 22.15 or newer, this is ${process.versions.node}`);
}
