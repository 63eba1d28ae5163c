// An output that is no file: each packet of a capture goes to a function of the caller's, from the memory that the kernel
// has put it into. Made by open.ts for programs that use this package as a library.
import type { FileHeader } from '../savefile/header.ts';
import { type Packet, packetsIn } from '../savefile/packets.ts';
import type { Limits, RecordSpan } from '../savefile/sink.ts';
import type { SessionOutput } from './session.ts';

export class PacketOutput implements SessionOutput {
  written = 0;
  /** Of a span during which the caller's function has thrown. */
  held = 0;
  noSpace = 0;
  readonly late: number = 0;
  readonly name: string = 'packets';
  readonly dueMs: number = Number.POSITIVE_INFINITY;
  readonly stuck: boolean = false;
  readonly ending: undefined;
  readonly limits: Limits;
  readonly #each: (packet: Packet) => void;
  readonly #header: FileHeader;

  /** `count`: after how many packets to stop, Infinity for never. */
  constructor(each: (packet: Packet) => void, header: FileHeader, count: number) {
    this.#each = each;
    this.#header = header;
    const endless = Number.POSITIVE_INFINITY;
    this.limits = { startSec: 0, endSec: endless, records: count, bytes: endless };
  }

  get done(): boolean {
    return this.limits.records === 0;
  }

  take({ bytes, records }: Readonly<RecordSpan>): boolean {
    this.held = records;
    for (const packet of packetsIn(bytes, this.#header.precision, this.#header.linktype)) {
      this.held--;
      this.written++;
      this.limits.records--;
      this.#each(packet);
    }
    return true;
  }

  resume(): boolean {
    throw new Error('unreachable: everything is taken');
  }

  lose(): void {
    throw new Error('unreachable: it is never stuck');
  }

  waitForRoom(): boolean {
    return false;
  }

  /** Only the count limits it, and then the capture is over. */
  cut(): boolean {
    return false;
  }

  due(): void {}

  rotate(): void {}

  tick(): void {}

  record(): void {}

  close(): void {}

  async settled(): Promise<void> {}
}
