// Makes whole what a process left that died in the middle of a savefile: cuts it to its last whole record.
import { open } from 'node:fs/promises';
import { FormatError, SyscallError } from '../errors.ts';
import type { Contents } from './ledger-entry.ts';
import { savefileChunks, scanSavefile } from './savefile-scan.ts';

export interface Adopted extends Contents {
  /** How many bytes behind the last whole record were cut off. */
  readonly cutBytes: number;
}

/**
 * Cuts the savefile and, with `sync`, sees it to the disk. Undefined when not even its file header is there; nothing is
 * changed then. @throws SyscallError, FormatError when it is no savefile
 */
export async function adopt(path: string, sync: boolean): Promise<Adopted | undefined> {
  const { header, wholeBytes: bytes, totalBytes, packets, first, last } = await scanSavefile(savefileChunks(path));
  if (header === 'missing') return undefined;
  if (header === 'bad') throw new FormatError(path, 0, 'the magic of a savefile', 'other bytes');
  try {
    const file = await open(path, 'r+');
    try {
      if (bytes < totalBytes) await file.truncate(bytes);
      if (sync) await file.datasync();
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw SyscallError.from(cause);
  }
  return { packets, bytes, first, last, cutBytes: totalBytes - bytes };
}
