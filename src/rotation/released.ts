// How `tsnetpcap release`, which deletes savefiles that a backup has taken, tells the capture that owns them: it adds their
// names to SERIES.released, a line each, before it deletes them. The capture, or the next one, enters them in the ledger.
import { appendFile, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SyscallError } from '../errors.ts';
import { exists } from './exists.ts';
import { COMPRESSED_EXTENSIONS } from './name.ts';

export function releasedFileName(series: string): string {
  return `${series}.released`;
}

/** The list that the capture is entering. */
export function takenFileName(series: string): string {
  return `${releasedFileName(series)}.taken`;
}

/** Calls `enter` for each name that is listed and gone, and takes it off the list. @throws SyscallError */
export async function enterReleased(
  directory: string,
  series: string,
  enter: (name: string) => Promise<void>,
): Promise<void> {
  const list = join(directory, releasedFileName(series));
  const taken = join(directory, takenFileName(series));
  try {
    for (let left = true; left; ) {
      left = exists(taken); // by a process that died; there may be a list behind it
      // Moved away first, so that what is released in the meantime begins a list of its own.
      if (!left) {
        if (!exists(list)) return;
        await rename(list, taken);
      }
      const names = new Set((await readFile(taken, 'utf8')).split('\n').filter((name) => name !== ''));
      for (const name of names) {
        const there = ['', ...COMPRESSED_EXTENSIONS].some((extension) => exists(join(directory, name + extension)));
        if (there)
          await appendFile(list, `${name}\n`); // it is about to be deleted
        else await enter(name);
      }
      await rm(taken);
    }
  } catch (cause) {
    throw SyscallError.from(cause);
  }
}
