// The first bytes of a stream whose pieces come in any order, twice or never: a TCP stream, the CRYPTO frames of QUIC. Used by
// hello-assembler.ts. Memory is bounded by LONGEST_HEAD and MOST_PIECES for each stream; what is beyond is left out.

/** More than any ClientHello of a browser: about 2,000 bytes with a post-quantum key, more with a session to resume. */
export const LONGEST_HEAD = 16384;
const MOST_PIECES = 64;
const FIRST_CAPACITY = 2048;

export class StreamHead {
  #bytes: Uint8Array = new Uint8Array(0);
  #length = 0;
  /** Pieces behind a hole: [from, to). */
  #ahead: (readonly [from: number, to: number])[] = [];

  /** The stream's bytes; valid up to `length`, and until the next `put`. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** So many bytes are there without a hole from the start. */
  get length(): number {
    return this.#length;
  }

  /** The memory that it holds. */
  get capacity(): number {
    return this.#bytes.length;
  }

  /** Adds bytes [from, to) of `bytes`, which lie at `offset` of the stream. What was there already stays. */
  put(offset: number, bytes: Uint8Array, from: number, to: number): void {
    const end = Math.min(offset + to - from, LONGEST_HEAD);
    const start = Math.max(offset, this.#length);
    if (start >= end || (start > this.#length && this.#ahead.length === MOST_PIECES)) return;
    this.#reserve(end);
    this.#bytes.set(bytes.subarray(from + start - offset, from + end - offset), start);
    if (start > this.#length) {
      this.#ahead.push([start, end]);
      return;
    }
    this.#length = end;
    this.#join();
  }

  /** Takes in the pieces that the hole before has closed. Each round takes one away, so it ends. */
  #join(): void {
    for (;;) {
      const next = this.#ahead.findIndex(([from]) => from <= this.#length);
      if (next < 0) return;
      for (const [, to] of this.#ahead.splice(next, 1)) this.#length = Math.max(this.#length, to);
    }
  }

  #reserve(end: number): void {
    if (end <= this.#bytes.length) return;
    let capacity = Math.max(this.#bytes.length, FIRST_CAPACITY);
    while (capacity < end) capacity *= 2;
    const bytes = new Uint8Array(capacity);
    bytes.set(this.#bytes);
    this.#bytes = bytes;
  }
}
