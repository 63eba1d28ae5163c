// The capture itself: waits for the source, lets it write into the output, closes files on time, and stops so that
// nothing the kernel accepted is left behind. One loop, one thread; README.md has a packet's way through it.
//
// Waiting is a synchronous poll(2) up to the next deadline, then one turn of the event loop with setImmediate, in which
// signals and timers are seen; a signal ends the poll by EINTR (native-notes/event-loop.md).
import { setImmediate, setTimeout } from 'node:timers/promises';
import type { Output } from '../savefile/output.ts';
import type { PacketSource, SourceStatistics } from './source.ts';

/** A signal that arrives just before poll(2) begins is seen when it ends: so it ends once a second at the latest. */
const MAX_WAIT_MS = 1000;
/** How often to try again when the output takes nothing more. */
const HELD_WAIT_MS = 10;
/** A packet that another processor has just let pass the old filter is in the ring after this time. */
const REFUSED_MS = 5;

export interface SessionOptions {
  /** Stop after this time, Infinity for never. */
  readonly durationMs: number;
  /** After this time the kernel has handed over every packet it had accepted. */
  readonly settleMs: number;
}

export interface SessionStatistics extends SourceStatistics {
  /** Packets in savefiles. */
  readonly written: number;
  /** Of these, packets older than their file's interval. */
  readonly late: number;
  /** Packets accepted by the kernel that were not read, because `-c` was reached or the output ended. */
  readonly unread: number;
}

export class CaptureSession {
  readonly #source: PacketSource;
  readonly #output: Output;
  readonly #options: SessionOptions;
  #stopping = false;
  #rotating = false;

  constructor(source: PacketSource, output: Output, options: SessionOptions) {
    this.#source = source;
    this.#output = output;
    this.#options = options;
  }

  /** Ends `run()` once everything accepted so far is written. */
  stop(): void {
    this.#stopping = true;
  }

  /** Begins the next savefile of a series at once. */
  rotate(): void {
    this.#rotating = true;
  }

  statistics(): SessionStatistics {
    const { written, late } = this.#output;
    const source = this.#source.statistics();
    return { ...source, written, late, unread: source.received - source.dropped - written };
  }

  /** Captures until stopped, or until the count or the duration is reached. Closes the output, not the source. */
  async run(): Promise<void> {
    const endMs = performance.now() + this.#options.durationMs;
    try {
      // The caller may be anywhere in a turn of the event loop; from here on each wait follows a look for signals.
      await setImmediate();
      while (!this.#stopping && this.#output.limits.records > 0) {
        const drained = this.#source.drain(this.#output);
        if (this.#rotating) this.#output.rotate();
        this.#rotating = false;
        // Not while older packets are still in the ring: they belong into the file that due() closes.
        if (drained === 'empty' && Date.now() >= this.#output.dueMs) this.#output.due(Date.now());
        const remainingMs = endMs - performance.now();
        if (remainingMs <= 0) break;
        if (drained === 'held') await setTimeout(HELD_WAIT_MS);
        if (drained === 'empty') {
          try {
            this.#source.wait(this.#waitMs(remainingMs));
          } catch (cause) {
            // The interface has gone, say; what it had brought before is still in the ring.
            await this.#drain();
            throw cause;
          }
        }
        await setImmediate();
      }
      await this.#drain();
    } finally {
      this.#output.close();
    }
  }

  #waitMs(remainingMs: number): number {
    const untilDueMs = this.#output.dueMs - Date.now();
    return Math.max(0, Math.ceil(Math.min(MAX_WAIT_MS, remainingMs, untilDueMs)));
  }

  /**
   * Lets nothing more in, then writes what the kernel had accepted, the block that it is still filling included: that one
   * is handed over when its retire time is up. Ends early only when the output takes nothing for that long.
   */
  async #drain(): Promise<void> {
    this.#source.refuse();
    await setTimeout(REFUSED_MS);
    let pending = this.#source.pending();
    let deadline = performance.now() + this.#options.settleMs;
    while (this.#output.limits.records > 0 && pending > 0 && performance.now() < deadline) {
      const drained = this.#source.drain(this.#output);
      if (drained === 'empty') this.#source.wait(HELD_WAIT_MS);
      else if (drained === 'held') await setTimeout(HELD_WAIT_MS);
      const before = pending;
      pending = this.#source.pending();
      if (pending < before) deadline = performance.now() + this.#options.settleMs;
    }
  }
}
