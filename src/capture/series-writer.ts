// A rotated series out of packets that a program brings itself, with all that a capture's series has: files cut by the time
// of the packets, published when complete, a ring of them, a ledger. For programs that use this package as a library.
//
// Packets are collected as records, and offered to the series as an engine does it: within its limits, cut where they end.
import { CaptureError } from '../errors.ts';
import { encodeRecord, type FileHeader, RECORD_HEADER_LENGTH } from '../savefile/header.ts';
import type { Series } from '../savefile/series.ts';
import { openSeries } from './open-series.ts';
import { RecordWalk } from './record-walk.ts';
import type { SeriesOutput } from './series-options.ts';
import { SpanOffer } from './span-offer.ts';
import { startWithoutDevice } from './start-event.ts';

/** As much as the writer of a savefile writes at a time. */
const BATCH_SIZE = 128 * 1024;
/** How often packets are written that do not fill a batch. */
const TICK_MS = 1000;
/** How much later than its time a packet may be brought, and still find the file open that it belongs to. */
const SETTLE_MS = 200;
/** What a kernel and a filter would have counted. */
const NOT_COUNTED = { dropped: 0, ifDropped: 0, queueFreezes: 0, filtered: 0 } as const;

/** How a SeriesWriter takes the time, and what it tells. */
export interface SeriesWriterOptions {
  /**
   * The packets come as they happen. The first file then begins at once, files end on time also when no packet comes, and
   * packets are written after a second at the latest; timers do that, which do not keep the process alive. A packet has to
   * be brought within 200 ms of its time, or may come too late for its file and begin another one. Default false: time is
   * that of the packets alone, and a file begins with the first of them.
   */
  readonly live?: boolean | undefined;
  /** Called with what a user should know, one line: storage fails, a file was left by a process that died. Default nothing. */
  readonly notice?: ((text: string) => void) | undefined;
}

/**
 * A series being written. Packets come in the order of their times; one that is more than 10 ms older than the interval of
 * the open file begins a new file, as after a clock that was set back.
 *
 * Complete files are synced, named and evicted in the background: where many files are written, let the event loop have a
 * turn now and then.
 */
export class SeriesWriter {
  readonly #output: SeriesOutput;
  readonly #header: FileHeader;
  readonly #notice: (text: string) => void;
  readonly #settleMs: number;
  readonly #offer = new SpanOffer();
  #series: Series | undefined;
  #batch = new Uint8Array(BATCH_SIZE);
  #view = new DataView(this.#batch.buffer);
  #walk: RecordWalk;
  #batched = 0;
  /** The batch is on its way to the series. */
  #offering = false;
  #timer: NodeJS.Timeout | undefined;

  /**
   * `output` is made by `planSeries`, `header` says what all files begin with. @throws if it is live SyscallError, and
   * CaptureError when another process writes this series
   */
  constructor(output: SeriesOutput, header: FileHeader, options: SeriesWriterOptions = {}) {
    const { live = false, notice = () => {} } = options;
    this.#output = output;
    this.#header = header;
    this.#notice = notice;
    this.#settleMs = live ? SETTLE_MS : 0;
    this.#walk = new RecordWalk(this.#batch, header.precision);
    if (!live) return;
    this.#open(Date.now());
    this.#schedule();
  }

  /** Packets in savefiles. */
  get written(): number {
    return this.#series?.written ?? 0;
  }

  /** The file being written; undefined before the first. */
  get name(): string | undefined {
    return this.#series?.name;
  }

  /**
   * Adds one packet: seconds since 1970, micro- or nanoseconds (as the header's precision says), the bytes kept, and the
   * length on the wire. Bytes beyond the header's snaplen are cut off. False: storage takes nothing at present, and the
   * packet was not taken; try again later, or go without it. @throws for the first packets as the constructor if live
   */
  writePacket(sec: number, fraction: number, packet: Uint8Array, len: number = packet.length): boolean {
    const caplen = Math.min(packet.length, this.#header.snaplen);
    const total = RECORD_HEADER_LENGTH + caplen;
    if (this.#offering || this.#batched + total > this.#batch.length) {
      if (!this.flush()) return false;
      if (total > this.#batch.length) this.#grow(total);
    }
    encodeRecord(this.#view, this.#batched, sec, fraction, caplen, len);
    this.#batch.set(packet.subarray(0, caplen), this.#batched + RECORD_HEADER_LENGTH);
    this.#batched += total;
    return true;
  }

  /** Hands all packets to the operating system. False: storage takes nothing at present. @throws as `writePacket` */
  flush(): boolean {
    if (this.#batched === 0) return true;
    if (!this.#offering) this.#walk.begin(this.#batched);
    this.#offering = true;
    const series = this.#series ?? this.#open(this.#walk.nextSec * 1000);
    if (!this.#offer.all(this.#walk, series)) return false;
    this.#offering = false;
    this.#batched = 0;
    return true;
  }

  /** Ends the open file; the next packet begins a new one. False as for `flush`. */
  rotate(): boolean {
    if (!this.flush()) return false;
    this.#series?.rotate();
    return true;
  }

  /**
   * Completes the last file, and resolves when all of them are complete. Rejects with CaptureError ERR_STORAGE when packets
   * could not be stored, with SyscallError when a file could not be completed, which the next start then does.
   */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    const whole = this.flush();
    const series = this.#series;
    if (series === undefined) return;
    if (!whole) series.lose(() => this.#offer.all(this.#walk, series));
    series.close();
    const { written, late, noSpace } = series;
    const received = this.#offer.offered;
    let cause: unknown;
    try {
      await series.settled({ type: 'stop', ...NOT_COUNTED, received, written, late, noSpace, unread: 0 });
    } catch (failure) {
      cause = failure;
    }
    if (noSpace > 0)
      throw new CaptureError('ERR_STORAGE', `${series.name}: ${noSpace} packets could not be stored`, { cause });
    if (cause !== undefined) throw cause;
  }

  #open(startMs: number): Series {
    const start = startWithoutDevice(this.#output, this.#header);
    this.#series = openSeries(this.#output, this.#header, Number.POSITIVE_INFINITY, start, {
      startMs,
      counts: () => ({ ...NOT_COUNTED, received: this.#offer.offered }),
      settleMs: this.#settleMs,
      notice: this.#notice,
    });
    return this.#series;
  }

  #grow(size: number): void {
    this.#batch = new Uint8Array(size);
    this.#view = new DataView(this.#batch.buffer);
    this.#walk = new RecordWalk(this.#batch, this.#header.precision);
  }

  #schedule(): void {
    const untilDueMs = Math.max(0, (this.#series?.dueMs ?? 0) - Date.now());
    this.#timer = setTimeout(() => this.#tick(), Math.min(TICK_MS, untilDueMs)).unref();
  }

  #tick(): void {
    const flushed = this.flush();
    const nowMs = Date.now();
    this.#series?.tick(nowMs);
    if (flushed && this.#series !== undefined && nowMs >= this.#series.dueMs) this.#series.due(nowMs);
    this.#schedule();
  }
}
