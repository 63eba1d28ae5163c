// Compressed savefiles for the campaigns: whole, in several parts, damaged, and bombs.
import * as zlib from 'node:zlib';
import type { Random } from '../chaos/random.ts';
import { damaged } from './mutation.ts';

/** Undefined before Node 22.15. */
const { zstdCompressSync } = zlib as { zstdCompressSync?: (bytes: Uint8Array) => Buffer };
/** What a bomb goes on with behind a savefile. */
const BOMB_SIZE = 32 * 2 ** 20;

/** `intact`: reading it must give what reading the plain bytes gives. */
export function compressed(plain: Uint8Array, random: Random): { bytes: Uint8Array; intact: boolean; about: string } {
  const kind = random.whole(0, 99);
  const zstd = random.whole(0, 2) === 0 ? zstdCompressSync : undefined;
  const format = zstd === undefined ? 'gzip' : 'zstd';
  const pack = zstd ?? zlib.gzipSync;
  if (kind === 0)
    return { bytes: pack(Buffer.concat([plain, Buffer.alloc(BOMB_SIZE)])), intact: false, about: `${format} bomb` };
  const half = random.whole(0, plain.length);
  const parts = kind % 3 === 0 ? [plain.subarray(0, half), plain.subarray(half)] : [plain];
  const bytes = Buffer.concat(parts.map((part) => pack(part)));
  if (kind < 50) return { bytes, intact: true, about: `${format} of ${parts.length}` };
  return { bytes: damaged(bytes, plain, random.whole(1, 2), random), intact: false, about: `damaged ${format}` };
}
