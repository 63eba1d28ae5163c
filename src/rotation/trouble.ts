// Storing fails for a while and works again: a full disk, a directory that is gone, too many open files. Whoever stores
// something over and over tells a Trouble how it went, and the user is told once when it begins, when the reason
// changes, and when it is over: when nothing has failed for a while, since a disk that is all but full fails every other
// second, and each eviction helps for another.
import type { CaptureError } from '../errors.ts';

const CALM_MS = 10_000;

export class Trouble {
  readonly #notice: (text: string) => void;
  /** What is the matter meanwhile, for the message. */
  readonly #consequence: string;
  #reason: string | undefined;
  #failing = false;
  #sinceMs = 0;
  #lastFailureMs = 0;

  constructor(notice: (text: string) => void, consequence: string) {
    this.#notice = notice;
    this.#consequence = consequence;
  }

  /** The last try has failed. */
  get failing(): boolean {
    return this.#failing;
  }

  /** The user knows of it, and not yet of its end. */
  get told(): boolean {
    return this.#reason !== undefined;
  }

  /** When it began, in milliseconds since 1970; only while `told`. */
  get sinceMs(): number {
    return this.#sinceMs;
  }

  failed(error: CaptureError): void {
    if (!this.told) this.#sinceMs = Date.now();
    if (this.#reason !== error.code) this.#notice(`${error.message}: ${this.#consequence}`);
    this.#reason = error.code;
    this.#failing = true;
    this.#lastFailureMs = performance.now();
  }

  /** The last try worked. True when that is the end of it; `summary`: what it has cost, for the message. */
  works(summary = ''): boolean {
    this.#failing = false;
    if (!this.told || performance.now() - this.#lastFailureMs < CALM_MS) return false;
    const seconds = Math.max(0, Math.round((Date.now() - this.#sinceMs) / 1000));
    this.#notice(`storage works again, ${seconds} s after it began to fail${summary}`);
    this.#reason = undefined;
    return true;
  }
}
