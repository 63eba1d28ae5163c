// Reading savefiles into an output: what a capture session is to a live source. Run by run, as the reader gives them; the
// event loop turns between two runs, so that signals and timers are seen.
import { setTimeout } from 'node:timers/promises';
import { CaptureError } from '../errors.ts';
import type { LedgerEvent } from '../rotation/ledger-entry.ts';
import { checkLinktype, type RecordReader, type RecordRun } from '../savefile/reading/record-run.ts';
import type { Selection } from '../savefile/reading/selection.ts';
import type { Limits, RecordSink } from '../savefile/sink.ts';
import { SpanOffer } from './span-offer.ts';

/** How often to try again when the output takes nothing more: a pipe that is full. */
const HELD_WAIT_MS = 1;
const NOTHING: Readonly<Limits> = {
  startSec: 0,
  endSec: Number.POSITIVE_INFINITY,
  records: 0,
  bytes: Number.POSITIVE_INFINITY,
};

/** As much of an Output as this needs. */
export interface OfflineOutput extends RecordSink {
  /** Records that it has. */
  readonly written: number;
  /** As many as asked for. */
  readonly done: boolean;
  readonly stuck: boolean;
  /** What is being written, for a user. */
  readonly name: string;
  close(): void;
  settled(stop: LedgerEvent): Promise<void>;
}

/** The kernel counts nothing here. */
const NOT_COUNTED = { dropped: 0, noSpace: 0, filtered: 0, unread: 0, ifDropped: 0, queueFreezes: 0, late: 0 } as const;

export class OfflineSession {
  readonly #reader: RecordReader;
  readonly #selection: Selection;
  readonly #open: ((firstSec: number) => OfflineOutput) | undefined;
  readonly #offer = new SpanOffer();
  #output: OfflineOutput | undefined;
  #stopping = false;

  /**
   * `output` may be what makes it when the first record is to be written, whose second it is given: a series is named by
   * that. Then nothing to write makes no output.
   */
  constructor(
    reader: RecordReader,
    selection: Selection,
    output: OfflineOutput | ((firstSec: number) => OfflineOutput),
  ) {
    this.#reader = reader;
    this.#selection = selection;
    if (typeof output === 'function') this.#open = output;
    else this.#output = output;
  }

  /** Records in savefiles. */
  get written(): number {
    return this.#output?.written ?? 0;
  }

  /** The file being written, undefined before the first. */
  get name(): string | undefined {
    return this.#output?.name;
  }

  /** Ends `run()` after the records at hand. */
  stop(): void {
    this.#stopping = true;
  }

  /**
   * Reads and writes until the end, until stopped, or until the output has enough, and completes the output. Rejects with
   * what the reader fails with, when all before that is written; with SyscallError; with CaptureError ERR_STORAGE where a
   * series finds no room, for which nothing offline would make it wait.
   */
  async run(): Promise<void> {
    try {
      while (!this.#stopping && this.#output?.done !== true) {
        const run = await this.#reader.next();
        if (run === undefined) break;
        await this.#write(run);
      }
    } finally {
      this.#output?.close();
      await this.#output?.settled({ type: 'stop', ...NOT_COUNTED, received: this.written, written: this.written });
    }
  }

  async #write(run: RecordRun): Promise<void> {
    checkLinktype(this.#reader, run);
    const selection = this.#selection;
    selection.begin(run);
    if (this.#output === undefined) {
      selection.compact(NOTHING); // up to the first record that is wanted
      if (selection.left === 0) return;
      this.#output = this.#open?.(selection.nextSec);
    }
    const output = this.#output;
    if (output === undefined) throw new Error('unreachable: no output');
    while (!this.#offer.all(selection, output)) {
      if (output.done) return;
      if (output.stuck) throw new CaptureError('ERR_STORAGE', `${output.name}: the rest can't be stored`);
      await setTimeout(HELD_WAIT_MS);
    }
  }
}
