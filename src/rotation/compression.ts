// Makes the compressed copy of a complete savefile. FileRing replaces the savefile by it, in this order:
//
//   NAME                           complete
//   NAME, NAME.gz.part             here: written and synced; its size and hash go into the ledger
//   NAME.gz                        unlink NAME, rename NAME.gz.part
//
// Nothing here removes or changes NAME. The work is done on libuv's threads, in pieces so large that the event loop has few
// turns to make, and so small that none of these holds up the capture.
import { createHash } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import * as zlib from 'node:zlib';
import { SyscallError } from '../errors.ts';
import type { CompressionFormat } from './compression-format.ts';
import type { Digest } from './digest.ts';
import { filePieces, PIECE_SIZE } from './file-pieces.ts';
import { type Compression, PART } from './name.ts';

const EXTENSION: Readonly<Record<CompressionFormat, Compression>> = { gzip: 'gz', zstd: 'zst' };

/** gzip's higher levels cost far more CPU than they save bytes, zstd's lower ones save little (native-notes/compression.md). */
const GZIP_LEVEL = 1;
const ZSTD_LEVEL = 3;
/** `ZSTD_c_compressionLevel` of <zstd.h>: Node has the name only where it has zstd. */
const ZSTD_COMPRESSION_LEVEL = 100;

type CreateZstdCompress = (options: { chunkSize: number; params: Record<number, number> }) => Transform;
/** Undefined before Node 22.15. */
const { createZstdCompress } = zlib as { createZstdCompress?: CreateZstdCompress };

/** What is in NAME.gz.part: the digest is that of the compressed bytes. */
export interface CompressedCopy extends Digest {
  /** The name it is to get, without directory and `.part`. */
  readonly as: string;
}

/**
 * Writes the compressed copy of `directory`/`name` beside it, with `mode` less the umask, and syncs it. When that fails,
 * no copy is left. One that is there already, after a crash say, is not touched: EEXIST. @throws SyscallError
 */
export async function compressFile(
  directory: string,
  name: string,
  format: CompressionFormat,
  mode: number,
): Promise<CompressedCopy> {
  const as = `${name}.${EXTENSION[format]}`;
  const path = join(directory, as + PART);
  try {
    const copy = await open(path, 'wx', mode);
    try {
      const digest = await compress(join(directory, name), createCompressor(format), copy);
      await copy.datasync();
      await copy.close();
      return { as, ...digest };
    } catch (cause) {
      // The failure that counts is the first one; the next start finds whatever can't be removed now.
      await copy.close().catch(() => {});
      await rm(path, { force: true }).catch(() => {});
      throw cause;
    }
  } catch (cause) {
    throw SyscallError.from(cause, path);
  }
}

function createCompressor(format: CompressionFormat): Transform {
  // It takes no piece before it is done with the one before: they all lie in the same memory.
  const options = { chunkSize: PIECE_SIZE, writableHighWaterMark: 1 };
  if (format === 'gzip') return zlib.createGzip({ ...options, level: GZIP_LEVEL });
  if (createZstdCompress === undefined) throw new Error('unreachable: this Node has no zstd');
  return createZstdCompress({ ...options, params: { [ZSTD_COMPRESSION_LEVEL]: ZSTD_LEVEL } });
}

/** Hashes the compressed bytes as they are written, so that nobody has to read them again. */
async function compress(from: string, compressor: Transform, to: FileHandle): Promise<Digest> {
  const hash = createHash('sha256');
  let bytes = 0;
  await pipeline(filePieces(from), compressor, async (pieces: AsyncIterable<Uint8Array>) => {
    for await (const piece of pieces) {
      hash.update(piece);
      bytes += piece.length;
      await to.writeFile(piece); // behind the piece before; a short write is finished
    }
  });
  return { bytes, sha256: hash.digest('hex') };
}
