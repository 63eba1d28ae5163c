// Takes bytes from a stream of pieces in the portions that a format asks for.

export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #piece: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** `count` bytes, in memory; fewer at the end of the stream. */
  async take(count: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for await (const part of this.pass(count)) parts.push(part);
    return Buffer.concat(parts);
  }

  /** The next `count` bytes as they come; fewer at the end of the stream. Each is valid until the next. */
  async *pass(count: number): AsyncGenerator<Buffer> {
    for (let left = count; left > 0; ) {
      if (this.#piece.length === 0) {
        const next = await this.#source.next();
        if (next.done === true) return;
        this.#piece = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.length);
        continue;
      }
      const part = this.#piece.subarray(0, left);
      this.#piece = this.#piece.subarray(part.length);
      left -= part.length;
      yield part;
    }
  }

  /** The stream is not read on. */
  async close(): Promise<void> {
    await this.#source.return?.();
  }
}
