// A series of savefiles: one an interval of the wall clock, by the time of the packets, published in a file ring.
//
//   packets   … 12:59:59.9 | 13:00:00.1 …          the source cuts there: limits.endSec
//   clock     13:00:00.2: no packet, but everything older must be in the file by now: due() closes it
//
// A file begun by time is named by its boundary, also when its first packet comes later; the first file by the start of
// the capture; a file after rotate() by its first record. All end with the interval they lie in, so that boundaries never
// depend on when the program was started or told to rotate. There is never more than one open file.
import { fallocate } from '../native/libc.ts';
import type { Interval, IntervalClock } from '../rotation/clock.ts';
import type { FileRing, OpenSavefile } from '../rotation/file-ring.ts';
import type { FileHeader } from './header.ts';
import { Output } from './output.ts';
import { PcapWriter } from './writer.ts';

export interface SeriesOptions {
  readonly clock: IntervalClock;
  readonly fileRing: FileRing;
  /** How long after a boundary the source may still hold packets from before it. */
  readonly settleMs: number;
}

interface Open {
  readonly file: OpenSavefile;
  readonly writer: PcapWriter;
}

export class Series extends Output {
  dueMs = 0;
  name = '';
  readonly #options: SeriesOptions;
  readonly #header: FileHeader;
  #open: Open | undefined;
  #intervalEnd = 0;

  /** Opens the first file, named by `nowMs`. @throws SyscallError */
  constructor(options: SeriesOptions, header: FileHeader, count: number, nowMs: number) {
    super(count);
    this.#options = options;
    this.#header = header;
    const sec = Math.floor(nowMs / 1000);
    this.#begin(sec, options.clock.intervalAt(sec));
  }

  protected get writer(): PcapWriter {
    if (this.#open === undefined) throw new Error('unreachable: no savefile is open');
    return this.#open.writer;
  }

  cut(sec: number): void {
    if (this.limits.records === 0) return; // the capture is over: no file for a packet that is not to come
    this.close();
    const interval = this.#options.clock.intervalAt(sec);
    this.#begin(sec < this.#intervalEnd ? sec : interval.startSec, interval);
  }

  due(nowMs: number): void {
    this.close();
    const interval = this.#options.clock.intervalAt(Math.floor(nowMs / 1000));
    this.#begin(interval.startSec, interval);
  }

  rotate(): void {
    this.close();
    this.limits.endSec = 0; // whatever the next record is, the source calls cut() for it
  }

  close(): void {
    if (this.#open === undefined) return;
    const { file, writer } = this.#open;
    this.#open = undefined;
    writer.close();
    this.#options.fileRing.publish(file);
  }

  #begin(startSec: number, interval: Interval): void {
    const file = this.#options.fileRing.create(startSec);
    try {
      this.#open = { file, writer: new PcapWriter(file.fd, this.#header, fallocate) };
    } catch (cause) {
      this.#options.fileRing.discard(file); // no room for a file header: a restart would leave one more empty file
      throw cause;
    }
    this.name = file.path;
    this.#intervalEnd = interval.endSec;
    this.limits.startSec = interval.startSec;
    this.limits.endSec = interval.endSec;
    this.dueMs = interval.endSec * 1000 + this.#options.settleMs;
  }
}
