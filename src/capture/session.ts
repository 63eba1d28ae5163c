// The capture itself: waits for the source, lets it write into the output, closes files on time, and stops so that
// nothing the kernel accepted is left behind. One loop, one thread; README.md has a packet's way through it.
//
// Waiting is a synchronous poll(2) up to the next deadline, then one turn of the event loop with setImmediate, in which
// signals, timers and background work are seen; they end the poll as a packet does (native-notes/event-loop.md).
import { setImmediate, setTimeout } from 'node:timers/promises';
import type { Output } from '../savefile/output.ts';
import type { Absence, PacketSource, SourceStatistics } from './source.ts';

/** Timers do not end a wait, and the output has something to look after about so often. */
const MAX_WAIT_MS = 1000;
/** The wall clock and the monotonic one drift apart by less than this between two looks, unless the clock is set. */
const STEP_MS = 500;
/** Of the room between kernel and program, what is given up at a time when the output takes nothing. */
const LOST_SHARE = 1 / 4;
/** How often to try again when the output takes nothing more. */
const HELD_WAIT_MS = 10;
/** A packet that another processor has just let pass the old filter is in the ring after this time. */
const REFUSED_MS = 5;

/** As much of an Output as a session needs. */
export type SessionOutput = Pick<Output, keyof Output>;

export interface SessionOptions {
  /** Stop after this time, Infinity for never. */
  readonly durationMs: number;
  /** After this time the kernel has handed over every packet it had accepted. */
  readonly settleMs: number;
  /** What a user should know, one line. */
  readonly notice: (text: string) => void;
}

/** Who wants to know that a session gets on, beside the packets: a service manager. */
export interface SessionObserver {
  /**
   * The loop has come round: every packet that the kernel had handed over is stored, or waits because the output has said
   * that it takes nothing at present. Called about once a second; what it throws ends the capture.
   */
  readonly alive: () => void;
  /** From here on nothing more is captured; what has been is still to be stored, and files to be completed. */
  readonly stopping: () => void;
}

/**
 * received = written + dropped + noSpace + filtered + unread. At the end of a capture, unread are the packets that never
 * will be, because `-c` was reached or the output ended.
 */
export interface SessionStatistics extends SourceStatistics {
  /** Packets in savefiles. */
  readonly written: number;
  /** Of these, packets older than their file's interval. */
  readonly late: number;
  /** Packets lost because storage took nothing for too long. */
  readonly noSpace: number;
}

/** A capture that goes on from `run()` until `stop()`, or until it has as much as it was asked for. */
export class CaptureSession {
  readonly #source: PacketSource;
  readonly #output: SessionOutput;
  readonly #options: SessionOptions;
  #stopping = false;
  #rotating = false;
  #tickMs = 0;
  #wallOffsetMs = 0;
  /** Of the whole capture, when it is over. */
  #ended: SessionStatistics | undefined;
  /** As the source last saw it. */
  #away: Absence | undefined;

  constructor(source: PacketSource, output: SessionOutput, options: SessionOptions) {
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

  /** Up to now, and when `run()` is over, of the whole capture, also when the source is closed. */
  statistics(): SessionStatistics {
    if (this.#ended !== undefined) return this.#ended;
    const { written, late, noSpace, held } = this.#output;
    const source = this.#source.statistics();
    return { ...source, written, late, noSpace, unread: source.unread + held };
  }

  /**
   * Captures until stopped, or until the count or the duration is reached. Closes the output, not the source, and resolves
   * when the last savefile is complete. To be called once.
   *
   * While it waits for packets, nothing else runs in this thread but what a packet, a signal or a descriptor wakes: timers
   * are up to a second late. Rejects with CaptureError when no packet will ever come again, and with what the output fails
   * with, SyscallError where it is a file.
   */
  async run(observer?: SessionObserver): Promise<void> {
    const endMs = performance.now() + this.#options.durationMs;
    this.#wallOffsetMs = Date.now() - performance.now();
    try {
      // The caller may be anywhere in a turn of the event loop; from here on each wait follows a look for signals.
      await setImmediate();
      while (!this.#stopping && !this.#output.done) {
        const drained = this.#source.drain(this.#output);
        if (this.#rotating && drained !== 'held') {
          this.#output.rotate();
          this.#rotating = false;
        }
        this.#tick(observer);
        // Not while older packets are still in the ring: they belong into the file that due() closes.
        if (drained === 'empty' && Date.now() >= this.#output.dueMs) this.#output.due(Date.now());
        const remainingMs = endMs - performance.now();
        if (remainingMs <= 0) break;
        if (drained === 'held') await this.#waitForOutput();
        // The turn comes last before the wait: what has just been begun in the background must be on its way.
        await setImmediate();
        if (drained !== 'empty' || this.#stopping || this.#rotating) continue;
        await this.#attend(() => this.#source.wait(this.#waitMs(remainingMs)));
      }
      observer?.stopping();
      await this.#drain();
    } finally {
      if (this.#source.away !== undefined) this.#recordGap(this.#source.away);
      this.#output.close();
      this.#ended = this.statistics();
      await this.#output.settled({ type: 'stop', ...this.#ended });
    }
  }

  /** Lets the source wait, or only look, and tells of an absence that is over. */
  async #attend(wait: () => void): Promise<void> {
    try {
      wait();
    } catch (cause) {
      // The interface has gone, say; what it had brought before is still in the ring.
      await this.#drain();
      throw cause;
    }
    if (this.#away !== undefined && this.#source.away === undefined) this.#recordGap(this.#away);
    this.#away = this.#source.away;
  }

  /** Until now, when it is over or the capture is. */
  #recordGap(away: Absence): void {
    this.#output.record({ type: 'gap', ...away, toMs: Date.now() });
  }

  /** What is to be done about once a second, behind a look at all that the kernel had handed over. */
  #tick(observer: SessionObserver | undefined): void {
    const nowMs = performance.now();
    if (nowMs < this.#tickMs) return;
    this.#tickMs = nowMs + MAX_WAIT_MS;
    const wallOffsetMs = Date.now() - performance.now();
    const byMs = Math.round(wallOffsetMs - this.#wallOffsetMs);
    this.#wallOffsetMs = wallOffsetMs;
    if (Math.abs(byMs) >= STEP_MS) {
      this.#options.notice(`the clock was set ${byMs > 0 ? 'forward' : 'back'} by ${Math.abs(byMs) / 1000} s`);
      this.#output.record({ type: 'step', byMs });
    }
    this.#output.tick(Date.now());
    observer?.alive();
  }

  #waitMs(remainingMs: number): number {
    const untilDueMs = this.#output.dueMs - Date.now();
    return Math.max(0, Math.ceil(Math.min(MAX_WAIT_MS, remainingMs, untilDueMs)));
  }

  /** The output takes nothing: packets wait in the ring. Where they will soon be too many, the oldest are given up. */
  async #waitForOutput(): Promise<void> {
    if (this.#output.stuck && this.#source.crowded)
      this.#output.lose(() => this.#source.drain(this.#output, LOST_SHARE));
    else {
      await this.#attend(() => this.#source.look());
      if (!this.#output.waitForRoom(HELD_WAIT_MS)) await setTimeout(HELD_WAIT_MS);
    }
  }

  /**
   * Lets nothing more in, then writes what the kernel had accepted, the block that it is still filling included: that one
   * is handed over when its retire time is up. Ends early only when the output takes nothing for that long.
   */
  async #drain(): Promise<void> {
    this.#source.refuse();
    await setTimeout(REFUSED_MS);
    let pending = this.statistics().unread;
    let deadline = performance.now() + this.#options.settleMs;
    while (!this.#output.done && pending > 0 && performance.now() < deadline) {
      const drained = this.#source.drain(this.#output);
      const before = pending;
      pending = this.statistics().unread;
      if (pending === 0) break;
      if (pending < before) deadline = performance.now() + this.#options.settleMs;
      if (drained === 'empty') {
        await setImmediate(); // what the event loop has to do would end the wait at once, again and again
        this.#source.wait(Math.max(0, Math.ceil(deadline - performance.now())));
      } else if (drained === 'held') await setTimeout(HELD_WAIT_MS);
    }
    if (this.#output.stuck) this.#output.lose(() => this.#source.drain(this.#output));
  }
}
