// One process at a time may own a series: NAME.lock beside its savefiles, locked by flock(2) for as long as the process
// lives and holding its pid for whoever comes second. The file stays when the process goes; only the lock says something.
import { closeSync, constants, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { CaptureError, SyscallError } from '../errors.ts';
import { tryLock } from '../native/libc.ts';

export class SeriesLock {
  readonly #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** @throws CaptureError (ERR_LOCKED) when another process has it, SyscallError */
  static take(directory: string, series: string): SeriesLock {
    const path = join(directory, `${series}.lock`);
    try {
      const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o640);
      try {
        if (!tryLock(fd)) throw locked(path);
        ftruncateSync(fd);
        writeSync(fd, `${process.pid}\n`, 0);
        return new SeriesLock(fd);
      } catch (cause) {
        closeSync(fd);
        throw cause;
      }
    } catch (cause) {
      throw SyscallError.from(cause);
    }
  }

  release(): void {
    try {
      closeSync(this.#fd);
    } catch {
      // The descriptor is gone whatever close(2) says, and the lock with it.
    }
  }
}

function locked(path: string): CaptureError {
  const pid = readFileSync(path, 'latin1').trim();
  return new CaptureError('ERR_LOCKED', `${path}: process ${pid || 'unknown'} is writing this series already`);
}
