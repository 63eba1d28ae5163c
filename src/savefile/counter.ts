// Counts records and keeps none of them: the output of `--count`.
import type { LedgerEvent } from '../rotation/ledger-entry.ts';
import type { Limits, RecordSink, RecordSpan } from './sink.ts';

export class Counter implements RecordSink {
  written = 0;
  readonly stuck: boolean = false;
  readonly name: string = 'counting';
  readonly limits: Limits;

  /** `count`: after how many records to stop, Infinity for never. */
  constructor(count: number) {
    const endless = Number.POSITIVE_INFINITY;
    this.limits = { startSec: 0, endSec: endless, records: count, bytes: endless };
  }

  get done(): boolean {
    return this.limits.records === 0;
  }

  take({ records }: Readonly<RecordSpan>): boolean {
    this.written += records;
    this.limits.records -= records;
    return true;
  }

  resume(): boolean {
    return true;
  }

  cut(): boolean {
    return false;
  }

  close(): void {}

  async settled(_: LedgerEvent): Promise<void> {}
}
