// Where the records of a capture go: the part that is the same for a single file and for a series of files, which is the
// counting. The session owns one and tells it the time; the packet source writes into it.
import { SyscallError } from '../errors.ts';
import type { LedgerEvent } from '../rotation/ledger-entry.ts';
import type { Limits, RecordSink, RecordSpan } from './sink.ts';
import type { PcapWriter } from './writer.ts';

const UNLIMITED: Readonly<Limits> = {
  startSec: 0,
  endSec: Number.POSITIVE_INFINITY,
  records: Number.POSITIVE_INFINITY,
  bytes: Number.POSITIVE_INFINITY,
};

export abstract class Output implements RecordSink {
  /** Records in savefiles. */
  written = 0;
  /** Of these, records older than the interval of the file they are in. */
  late = 0;
  /** Records lost because storage took nothing for too long. */
  noSpace = 0;
  readonly limits: Limits;
  protected abstract readonly writer: PcapWriter;
  /** How many records may still come. */
  protected remaining: number;
  #held: Readonly<RecordSpan> | undefined;
  /** How many records of `#held` are in the savefile. */
  #arrived = 0;
  #losing = false;

  /** `count`: after how many records to stop, Infinity for never. */
  constructor(count: number) {
    this.remaining = count;
    this.limits = { ...UNLIMITED, records: count };
  }

  /** The file being written, as a user would name it. */
  abstract readonly name: string;
  /** When `due()` wants to be called, in milliseconds since 1970; Infinity for never. */
  abstract readonly dueMs: number;
  /** Storage fails at present, and what comes meanwhile may be lost. */
  abstract readonly stuck: boolean;

  /** Records offered that are not in a savefile yet, and not lost. */
  get held(): number {
    return this.#held === undefined ? 0 : this.#held.records - this.#arrived;
  }

  /** As many records as asked for are written, or as many files. */
  get done(): boolean {
    return this.remaining === 0;
  }

  /** What is to be said of the reason for which it is done. */
  get ending(): string | undefined {
    return undefined;
  }

  take(span: Readonly<RecordSpan>): boolean {
    if (this.#losing) {
      this.noSpace += span.records;
      return true;
    }
    this.#held = span;
    this.#arrived = 0;
    return this.#send(() => this.writer.writeRecords(span.bytes));
  }

  resume(): boolean {
    if (!this.#losing) return this.#send(() => this.writer.flush());
    this.writer.abandon();
    this.noSpace += (this.#held?.records ?? 0) - this.#arrived;
    this.#held = undefined;
    return true;
  }

  /** What `drain` hands over is not written but counted: it has waited for too long. */
  lose(drain: () => void): void {
    const limits = { ...this.limits };
    Object.assign(this.limits, UNLIMITED);
    this.#losing = true;
    try {
      drain();
    } finally {
      this.#losing = false;
      Object.assign(this.limits, limits);
    }
  }

  #send(write: () => boolean): boolean {
    const span = this.#held;
    if (span === undefined) throw new Error('unreachable: no records to send');
    try {
      if (!write()) return false;
    } catch (cause) {
      this.#count(span, span.records - this.writer.pendingRecords);
      if (!(cause instanceof SyscallError) || !this.survives(cause)) throw cause;
      return false;
    }
    this.#count(span, span.records);
    this.#held = undefined;
    return true;
  }

  /** The first `arrived` records of the span are in the savefile. */
  #count(span: Readonly<RecordSpan>, arrived: number): void {
    const before = this.#arrived;
    if (arrived === before) return;
    this.written += arrived - before;
    this.remaining -= arrived - before;
    this.late += Math.min(span.late, arrived) - Math.min(span.late, before);
    this.#arrived = arrived;
    this.wrote(span, before, arrived);
  }

  /** Records `from` up to, not including, `to` of the span are in the savefile. */
  protected abstract wrote(span: Readonly<RecordSpan>, from: number, to: number): void;

  /** Storage has failed: whether the capture goes on, and the records are to be offered again. */
  protected abstract survives(failure: SyscallError): boolean;

  /** Where it can be told when more will be taken, waits for that, no longer than this; else false, at once. */
  waitForRoom(_timeoutMs: number): boolean {
    return false;
  }

  abstract cut(sec: number): boolean;
  /** Time has passed `dueMs` and everything older has been written. */
  abstract due(nowMs: number): void;
  /** Begins the next file now, where there is one to begin. */
  abstract rotate(): void;
  /** For what is to be done now and then; about once a second. */
  abstract tick(nowMs: number): void;
  /** Tells whoever reads of this capture later what has happened. */
  abstract record(event: LedgerEvent): void;
  /** Makes the last file complete; nothing more is taken. */
  abstract close(): void;
  /** Resolves when everything is done that goes on in the background, with `stop` as the last thing told. */
  abstract settled(stop: LedgerEvent): Promise<void>;
}
