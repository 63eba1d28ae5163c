// Where the records of a capture go: the part that is the same for a single file and for a series of files. The session
// owns one and tells it the time; the packet source writes into it.
import type { Limits, RecordSink, RecordSpan } from './sink.ts';
import type { PcapWriter } from './writer.ts';

export abstract class Output implements RecordSink {
  /** Records handed to the operating system, over all files. */
  written = 0;
  /** Of these, records older than the interval of the file they are in. */
  late = 0;
  readonly limits: Limits;
  protected abstract readonly writer: PcapWriter;
  #held: Readonly<RecordSpan> | undefined;

  /** `count`: after how many records to stop, Infinity for never. */
  constructor(count: number) {
    this.limits = { startSec: 0, endSec: Number.POSITIVE_INFINITY, records: count };
  }

  /** The file being written, as a user would name it. */
  abstract readonly name: string;
  /** When `due()` wants to be called, in milliseconds since 1970; Infinity for never. */
  abstract readonly dueMs: number;

  take(span: Readonly<RecordSpan>): boolean {
    if (this.writer.writeRecords(span.bytes)) this.#count(span);
    else this.#held = span;
    return this.#held === undefined;
  }

  resume(): boolean {
    if (!this.writer.flush()) return false;
    if (this.#held !== undefined) this.#count(this.#held);
    this.#held = undefined;
    return true;
  }

  #count(span: Readonly<RecordSpan>): void {
    this.written += span.records;
    this.late += span.late;
    this.limits.records -= span.records;
  }

  abstract cut(sec: number): void;
  /** Time has passed `dueMs` and everything older has been written. */
  abstract due(nowMs: number): void;
  /** Begins the next file now, where there is one to begin. */
  abstract rotate(): void;
  /** Makes the last file complete. */
  abstract close(): void;
}
