// Reads a complete savefile while the capture goes on, for its hash and for its compression: on libuv's threads, a turn of
// the event loop a piece.
import { open } from 'node:fs/promises';
import { SyscallError } from '../errors.ts';

/**
 * The most that is done with a file's bytes in one go. The event loop is the capture's own: hashing so much takes it 0.15 ms,
 * 0.5 ms on a processor without instructions for SHA-256 (native-notes/compression.md).
 */
export const PIECE_SIZE: number = 256 * 1024;

/** For the next file that is read, so that a rotation leaves no garbage of this size behind (native-notes/memory.md). */
let spare: Buffer | undefined;

/**
 * The bytes of the file at `path`, from its start to its end. Every piece lies in the same memory: it is valid until the
 * next one is asked for, the last one until the end. @throws SyscallError
 */
export async function* filePieces(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    const file = await open(path, 'r');
    const piece = spare ?? Buffer.allocUnsafeSlow(PIECE_SIZE);
    spare = undefined; // who reads another file meanwhile has memory of its own
    try {
      for (;;) {
        const { bytesRead } = await file.read(piece, 0, PIECE_SIZE);
        if (bytesRead === 0) return;
        yield piece.subarray(0, bytesRead);
      }
    } finally {
      spare = piece;
      await file.close();
    }
  } catch (cause) {
    throw SyscallError.from(cause, path);
  }
}
