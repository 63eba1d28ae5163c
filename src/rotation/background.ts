// Work that goes on beside the capture, one job after the other, and steps of it that are tried until storage takes them.
// FileRing completes savefiles so, Finisher hashes and compresses them.
import { setTimeout as sleep } from 'node:timers/promises';
import { SyscallError } from '../errors.ts';
import { Trouble } from './trouble.ts';

const RETRY_MS = 250;

export class Background {
  readonly #trouble: Trouble;
  readonly #whenFull: () => void;
  #work: Promise<void> = Promise.resolve();
  #failure: unknown;
  #ending = false;

  /** `waiting`: what has to wait while storing fails, for the message. `whenFull`: makes room on a disk that is full. */
  constructor(notice: (text: string) => void, waiting: string, whenFull: () => void = () => {}) {
    this.#trouble = new Trouble(notice, waiting);
    this.#whenFull = whenFull;
  }

  /** Nothing is tried again any more. */
  get ending(): boolean {
    return this.#ending;
  }

  add(job: () => Promise<void>): void {
    this.#work = this.#work.then(job).catch((cause: unknown) => {
      this.#failure ??= SyscallError.from(cause);
    });
  }

  /** Tries a step until it works; its failure is thrown when the end has come, or `hopeless` says so. */
  async persist<T>(step: () => Promise<T>, hopeless: () => boolean = () => false): Promise<T> {
    for (;;) {
      try {
        const result = await step();
        this.#trouble.works();
        return result;
      } catch (cause) {
        const error = SyscallError.from(cause);
        if (!(error instanceof SyscallError) || this.#ending || hopeless()) throw error;
        this.#trouble.failed(error);
        if (isFull(error)) this.#whenFull();
        await sleep(RETRY_MS);
      }
    }
  }

  /** From now on nothing is tried again: who waits for the end must not wait for ever. */
  hurry(): void {
    this.#ending = true;
  }

  /** Resolves when all that was added is done, to the first failure of a job. */
  async settled(): Promise<unknown> {
    await this.#work;
    return this.#failure;
  }

  /** Throws the failure of a job that no system call is the reason of. */
  throwBug(): void {
    if (this.#failure !== undefined && !(this.#failure instanceof SyscallError)) throw this.#failure;
  }
}

/** No room, on the disk or of what we may use of it. */
export function isFull(error: SyscallError): boolean {
  return error.code === 'ENOSPC' || error.code === 'EDQUOT';
}
