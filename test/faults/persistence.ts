// How the scenarios try again what failed.
import { SyscallError } from '../../src/errors.ts';

/** More than any fault lasts. */
const PATIENCE = 50;

export function expectSyscallError(cause: unknown): void {
  if (!(cause instanceof SyscallError)) throw new Error('not a SyscallError', { cause });
}

/** Runs `action` until it neither throws a SyscallError nor returns false. */
export function until<T>(action: () => T, thrown: () => void = () => {}): T {
  for (let attempt = 0; attempt < PATIENCE; attempt++) {
    try {
      const result = action();
      if (result !== false) return result;
    } catch (cause) {
      expectSyscallError(cause);
      thrown();
    }
  }
  throw new Error(`did not succeed in ${PATIENCE} attempts`);
}
