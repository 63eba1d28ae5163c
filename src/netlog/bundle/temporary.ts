// The one place where what is unpacked is written: a directory of our own, 0700, with files of our own making, 0600. It goes
// away with `remove`, when the process ends, and when it is stopped by a signal that leaves it the time.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SyscallError, systemErrors } from '../../errors.ts';
import { BoundError } from '../bound-error.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export class Temporary {
  readonly directory: string;
  #left: number;
  readonly #most: number;
  #directories = 0;
  readonly #removeNow = (): void => rmSync(this.directory, { recursive: true, force: true });
  readonly #removeAndEnd = (signal: NodeJS.Signals): void => {
    this.remove();
    // Whoever else listens decides how to end.
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
  };

  /** `most`: bytes of all files in it. `parent`: default the system's. @throws SyscallError */
  constructor(most: number, parent: string = tmpdir()) {
    this.#left = this.#most = most;
    this.directory = systemErrors(() => mkdtempSync(join(parent, 'netlogs-')));
    process.on('exit', this.#removeNow);
    for (const signal of SIGNALS) process.on(signal, this.#removeAndEnd);
  }

  /** A new directory in it. @throws SyscallError */
  subdirectory(): string {
    const path = join(this.directory, String(this.#directories++));
    systemErrors(() => mkdirSync(path, { mode: 0o700 }));
    return path;
  }

  /**
   * Writes a new file, which must be in this directory; resolves to its size. Rejects with BoundError, SyscallError and what
   * `bytes` throws, and then leaves nothing of it.
   */
  async write(path: string, bytes: AsyncIterable<Uint8Array>, name: string): Promise<number> {
    let size = 0;
    const file = await this.#create(path);
    try {
      for await (const piece of bytes) {
        this.#left -= piece.length;
        size += piece.length;
        if (this.#left < 0) throw new BoundError(name, 'bytes for a day', this.#most);
        await file.writeFile(piece).catch((cause: unknown) => {
          throw SyscallError.from(cause, path);
        });
      }
      return size;
    } catch (cause) {
      rmSync(path, { force: true });
      this.#left += size;
      throw cause;
    } finally {
      await file.close();
    }
  }

  /** Whether this is a path in it, as an error has one. */
  holds(path: string | undefined): boolean {
    return path?.startsWith(`${this.directory}/`) === true;
  }

  /** A file that is no longer wanted, if it is one of these. */
  discard({ path, bytes }: { readonly path: string; readonly bytes: number }): void {
    if (!this.holds(path)) return;
    rmSync(path, { force: true });
    this.#left += bytes;
  }

  /** A second call does nothing. */
  remove(): void {
    this.#removeNow();
    process.off('exit', this.#removeNow);
    for (const signal of SIGNALS) process.off(signal, this.#removeAndEnd);
  }

  async #create(path: string): Promise<FileHandle> {
    try {
      return await open(path, 'wx', 0o600);
    } catch (cause) {
      throw SyscallError.from(cause);
    }
  }
}
