// A scripted source and output for tests of the capture's loop, and what happened to them in order.
import { setTimeout } from 'node:timers/promises';
import { afterAll, afterEach, vi } from 'vitest';
import { CaptureSession } from '../../src/capture/session.ts';
import type { Absence, Drained, PacketSource, SourceStatistics } from '../../src/capture/source.ts';
import type { LedgerEvent } from '../../src/rotation/ledger-entry.ts';
import { Output } from '../../src/savefile/output.ts';
import type { RecordSink } from '../../src/savefile/sink.ts';
import type { PcapWriter } from '../../src/savefile/writer.ts';

/** Long for a machine that is busy, and shorter than the test takes in which packets keep coming. */
export const SETTLE_MS = 150;
export const RECEIVED = 100;
export const NEVER: number = Number.POSITIVE_INFINITY;

const EMPTY = new Uint8Array(0);

/** Whatever happens to the source and the output, in order. */
export const log: string[] = [];
export const notices: string[] = [];

export class ScriptedOutput extends Output {
  readonly name: string = 'scripted';
  dueMs: number = NEVER;
  stuck = false;
  /** What the capture told, in order. */
  readonly events: LedgerEvent[] = [];

  /** It is never asked to write: the source below counts its packets itself. */
  protected get writer(): PcapWriter {
    throw new Error('unreachable: no source takes bytes');
  }

  write(records: number): void {
    this.written += records;
    this.remaining -= records;
  }

  /** Loses records as `take()` does while losing. */
  give(records: number): void {
    this.take({ bytes: EMPTY, records, late: 0, firstSec: 0, firstNsec: 0, lastSec: 0, lastNsec: 0 });
  }

  cut(): boolean {
    log.push('cut');
    return true;
  }

  override lose(drain: () => void): void {
    log.push('lose');
    super.lose(drain);
  }

  tick(): void {
    log.push('output tick');
  }

  record(event: LedgerEvent): void {
    this.events.push(event);
  }

  protected wrote(): void {
    throw new Error('unreachable: nothing is written');
  }

  protected survives(): boolean {
    throw new Error('unreachable: nothing is written');
  }

  due(): void {
    log.push('due');
    this.dueMs = NEVER;
  }

  rotate(): void {
    log.push('rotate');
  }

  close(): void {
    log.push('close');
  }

  async settled(stop: LedgerEvent): Promise<void> {
    await setTimeout(5);
    this.record(stop);
    log.push('settled');
  }
}

/** Each `drain()` does the next of `steps`, then always `rest`. */
export class ScriptedSource implements PacketSource {
  left = 0;
  crowded = false;
  away: Absence | undefined;
  /** What each drain() was asked for. */
  readonly shares: number[] = [];
  rest: () => Drained = () => 'empty';
  readonly waitedMs: number[] = [];
  onWait: () => void = () => undefined;
  onLook: () => void = () => undefined;
  readonly #steps: (() => Drained)[];

  constructor(...steps: (Drained | (() => Drained))[]) {
    this.#steps = steps.map((step) => (typeof step === 'string' ? () => step : step));
  }

  wait(timeoutMs: number): void {
    log.push('wait');
    this.waitedMs.push(timeoutMs);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Math.min(timeoutMs, 10));
    this.onWait();
  }

  look(): void {
    this.onLook();
  }

  drain(_sink: RecordSink, share = 1): Drained {
    log.push('drain');
    this.shares.push(share);
    return (this.#steps.shift() ?? this.rest)();
  }

  refuse(): void {
    log.push('refuse');
  }

  statistics(): SourceStatistics {
    return { received: RECEIVED, dropped: 10, queueFreezes: 0, ifDropped: 0, filtered: 0, unread: this.left };
  }

  close(): void {
    log.push('source closed');
  }
}

const ticker = setInterval(() => log.push('tick'), 1);
afterAll(() => clearInterval(ticker));
afterEach(() => {
  vi.useRealTimers();
  log.length = 0;
  notices.length = 0;
});

export function session(source: PacketSource, output: Output, durationMs: number = NEVER): CaptureSession {
  return new CaptureSession(source, output, { durationMs, settleMs: SETTLE_MS, notice: (text) => notices.push(text) });
}

/** What happened, without the ticks of the event loop and the output's own. */
export const happened = (): string[] => log.filter((entry) => !entry.endsWith('tick'));
