// Decompresses gzip as a stream, and no more of it than an honest file would give: a bomb ends at a bound instead of filling
// memory, a disk or an afternoon.
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { CaptureError } from '../../errors.ts';
import { BoundError } from '../bound-error.ts';
import { DamageError, FREE_BYTES, MOST_RATIO } from './bounds.ts';

/**
 * What `source` decompresses to. Throws BoundError where that is too much, DamageError where it is broken or cut off, and
 * what `source` throws; what came before was given. `name`: for errors. `most`: bytes, of all that comes out.
 */
export async function* gunzip(source: AsyncIterable<Uint8Array>, name: string, most: number): AsyncGenerator<Buffer> {
  let taken = 0;
  let given = 0;
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const piece of source) {
      taken += piece.length;
      yield piece;
    }
  }
  const unzip = createGunzip({ chunkSize: 64 * 1024 });
  // What goes wrong comes out of `unzip`, which this destroys.
  pipeline(Readable.from(counted(), { objectMode: false }), unzip, () => {});
  try {
    for await (const piece of unzip as AsyncIterable<Buffer>) {
      given += piece.length;
      if (given > most) throw new BoundError(name, 'bytes when decompressed', most);
      if (given > FREE_BYTES + taken * MOST_RATIO)
        throw new BoundError(name, 'times its bytes when decompressed', MOST_RATIO);
      yield piece;
    }
  } catch (cause) {
    if (cause instanceof CaptureError || !isZlibError(cause)) throw cause;
    throw new DamageError(name, `gzip: ${cause.message}`, { cause });
  }
}

function isZlibError(cause: unknown): cause is Error {
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string' && cause.code.startsWith('Z_');
}
