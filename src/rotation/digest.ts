// The size and SHA-256 of a complete savefile, for its line in the ledger. Computed while the capture goes on, so that no
// step holds it up.
import { createHash } from 'node:crypto';
import { filePieces } from './file-pieces.ts';

/** Of a whole file. */
export interface Digest {
  readonly bytes: number;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
}

/** Of the file at `path` as it is read to its end. @throws SyscallError */
export async function hashFile(path: string): Promise<Digest> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const piece of filePieces(path)) {
    hash.update(piece);
    bytes += piece.length;
  }
  return { bytes, sha256: hash.digest('hex') };
}
