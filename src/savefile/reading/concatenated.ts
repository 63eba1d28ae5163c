// Several savefiles one after the other, as they are in a series: one is open at a time, and the next is opened when the
// one before has ended. What is wrong with one does not keep the others from being read.
import { CaptureError } from '../../errors.ts';
import type { Precision } from '../header.ts';
import type { RecordReader, RecordRun } from './record-run.ts';

export class ConcatenatedReader implements RecordReader {
  readonly name: string;
  readonly linktype: number;
  readonly bigEndian: boolean;
  readonly snaplen: number;
  readonly precision: Precision;
  readAs: Precision;
  #current: RecordReader | undefined;
  readonly #rest: string[];
  readonly #open: (name: string) => Promise<RecordReader>;
  readonly #failed: (cause: unknown) => void;

  /**
   * `first` is open already; `rest` are the names of those behind it, for `open`. `failed` is given what one fails with, or
   * that it is of another link type. `snaplen`: the largest of all; by default the first one's, as tcpdump has it.
   */
  constructor(
    name: string,
    first: RecordReader,
    rest: readonly string[],
    open: (name: string) => Promise<RecordReader>,
    failed: (cause: unknown) => void,
    snaplen: number = first.snaplen,
  ) {
    this.name = name;
    this.linktype = first.linktype;
    this.bigEndian = first.bigEndian;
    this.snaplen = snaplen;
    this.precision = first.precision;
    this.readAs = first.precision;
    this.#current = first;
    this.#rest = [...rest];
    this.#open = open;
    this.#failed = failed;
  }

  async next(): Promise<RecordRun | undefined> {
    for (;;) {
      const current = this.#current;
      if (current !== undefined) {
        const run = await this.#nextOf(current);
        if (run !== undefined) return run;
        this.#current = undefined;
        await current.close();
      }
      const name = this.#rest.shift();
      if (name === undefined) return undefined;
      this.#current = await this.#opened(name);
    }
  }

  async close(): Promise<void> {
    await this.#current?.close();
  }

  async #nextOf(reader: RecordReader): Promise<RecordRun | undefined> {
    reader.readAs = this.readAs;
    try {
      return await reader.next();
    } catch (cause) {
      this.#failed(cause);
      return undefined;
    }
  }

  async #opened(name: string): Promise<RecordReader | undefined> {
    try {
      const reader = await this.#open(name);
      if (reader.linktype === this.linktype) return reader;
      await reader.close();
      throw new CaptureError(
        'ERR_LINKTYPE',
        `${name}: link type ${reader.linktype}, but ${this.name} begins with ${this.linktype}`,
      );
    } catch (cause) {
      this.#failed(cause);
      return undefined;
    }
  }
}
