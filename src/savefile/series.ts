// A series of savefiles: one an interval of the wall clock, by the time of the packets, published in a file ring.
//
//   packets   … 12:59:59.9 | 13:00:00.1 …          the source cuts there: limits.endSec
//   clock     13:00:00.7: no packet, but everything older must be in the file by now: due() closes it
//
// A file begun by time is named by its boundary, also when its first packet comes later; the first file by the start of
// the capture; a file after rotate(), a full one or a clock that was set back by its first record. All end with the
// interval they lie in, so that boundaries never depend on when the program was started or told to rotate.
//
// Storage may fail at any time: the disk is full, the directory gone. Then the series is stuck: records wait in the
// source, which may make it lose them, and every offer is one more try.
import { fstatSync } from 'node:fs';
import { SyscallError } from '../errors.ts';
import { fallocate } from '../native/libc.ts';
import { isFull } from '../rotation/background.ts';
import type { Interval, IntervalClock } from '../rotation/clock.ts';
import type { FileRing } from '../rotation/file-ring.ts';
import type { KernelCounts, LedgerEvent, PacketTime } from '../rotation/ledger-entry.ts';
import type { OpenSavefile } from '../rotation/savefile-creator.ts';
import { packetTime } from '../rotation/savefile-scan.ts';
import { Trouble } from '../rotation/trouble.ts';
import { type FileHeader, record, recordEnds } from './header.ts';
import { Output } from './output.ts';
import type { RecordSpan } from './sink.ts';
import { PcapWriter } from './writer.ts';

export interface SeriesOptions {
  readonly clock: IntervalClock;
  readonly fileRing: FileRing;
  /** How long after a boundary the source may still hold packets from before it. */
  readonly settleMs: number;
  /** At how many packets, and before how many bytes, a file is full; Infinity for never. */
  readonly rotatePackets: number;
  readonly rotateSize: number;
  /** Sync the open file every so often; Infinity for never. */
  readonly syncSec: number;
  /** What the kernel has counted since the capture began. */
  readonly counts: () => KernelCounts;
  /** What a user should know, one line. */
  readonly notice: (text: string) => void;
}

/** How long to wait before a file is tried again that could not be opened when its time came. */
const RETRY_MS = 1000;

/** After so long without another loss the ledger is told of those before: not of each that a disk at its end costs. */
const LOST_AFTER_MS = 10_000;

/** The file being written, and what its `close` line will say. */
interface Open {
  readonly file: OpenSavefile;
  readonly writer: PcapWriter;
  readonly interval: Interval;
  readonly countsBefore: KernelCounts;
  readonly noSpaceBefore: number;
  readonly lateBefore: number;
  packets: number;
  first: PacketTime | null;
  lastSec: number;
  lastNsec: number;
}

export class Series extends Output {
  dueMs = 0;
  name = '';
  readonly #options: SeriesOptions;
  readonly #header: FileHeader;
  /** Of a record's fraction. */
  readonly #nsecPerUnit: number;
  readonly #trouble: Trouble;
  /** `noSpace` when storage began to fail. */
  #lostBefore = 0;
  /** `noSpace` as far as the ledger knows. */
  #lostTold = 0;
  /** When storage last began to fail, and when the first and the last loss began and ended that the ledger does not know. */
  #stuckSinceMs = 0;
  #lostFromMs = 0;
  #lostToMs = 0;
  #syncMs: number;
  #open: Open | undefined;
  /** Of the file that is open, or was last. */
  #interval: Interval = { startSec: 0, endSec: 0 };

  /** Opens the first file, named by `nowMs`. @throws SyscallError */
  constructor(options: SeriesOptions, header: FileHeader, count: number, nowMs: number) {
    super(count);
    this.#options = options;
    this.#header = header;
    this.#nsecPerUnit = header.precision === 'nano' ? 1 : 1000;
    this.#trouble = new Trouble(options.notice, 'packets wait in memory');
    this.#syncMs = performance.now() + options.syncSec * 1000;
    const sec = Math.floor(nowMs / 1000);
    this.#begin(sec, options.clock.intervalAt(sec));
  }

  protected get writer(): PcapWriter {
    if (this.#open === undefined) throw new Error('unreachable: no savefile is open');
    return this.#open.writer;
  }

  get stuck(): boolean {
    return this.#trouble.failing;
  }

  override lose(drain: () => void): void {
    const before = this.noSpace;
    super.lose(drain);
    if (this.noSpace === before) return;
    if (before === this.#lostTold) this.#lostFromMs = this.#stuckSinceMs;
    this.#lostToMs = Date.now();
  }

  cut(sec: number): boolean {
    if (this.done) return false; // the capture is over: no file for a packet that is not to come
    this.close();
    const interval = this.#options.clock.intervalAt(sec);
    const boundary = interval.startSec >= this.#interval.endSec;
    return this.#tryBegin(boundary ? interval.startSec : sec, interval);
  }

  due(nowMs: number): void {
    this.close();
    const sec = Math.floor(nowMs / 1000);
    const interval = this.#options.clock.intervalAt(sec);
    this.#tryBegin(interval.startSec >= this.#interval.endSec ? interval.startSec : sec, interval);
  }

  rotate(): void {
    this.close();
  }

  tick(nowMs: number): void {
    // The clock was set back past the start of the interval, and no packet came that would have shown it. Not while records
    // are held: they have begun to arrive in the file that this closes.
    const setBack = nowMs < this.#interval.startSec * 1000 - this.#options.settleMs;
    if (!this.stuck && (setBack || this.#wasRemoved())) this.due(nowMs);
    if (!this.stuck) this.#works();
    if (!this.stuck && Math.abs(nowMs - this.#lostToMs) >= LOST_AFTER_MS) this.#tellLost();
    if (this.#open !== undefined && performance.now() >= this.#syncMs) {
      this.#syncMs = performance.now() + this.#options.syncSec * 1000;
      this.#options.fileRing.sync(this.#open.file);
    }
    this.#options.fileRing.keepHouse();
  }

  /** Someone has deleted the open file, with its directory perhaps: nobody would find what is written into it. */
  #wasRemoved(): boolean {
    try {
      return this.#open !== undefined && fstatSync(this.#open.file.fd).nlink === 0;
    } catch {
      return false; // the next write will tell what is the matter
    }
  }

  record(event: LedgerEvent): void {
    this.#options.fileRing.record(event);
  }

  close(): void {
    if (this.#open === undefined) return;
    const { file, writer, ...open } = this.#open;
    this.#open = undefined;
    this.limits.records = 0; // whatever the next record is, the source calls cut() for it
    try {
      writer.finish();
    } catch (cause) {
      this.survives(failureOf(cause));
      this.#options.fileRing.forsake(file);
      return;
    }
    const { interval, packets, first, lastSec, lastNsec } = open;
    this.#options.fileRing.finish(file, {
      interval,
      packets,
      bytes: writer.size,
      first,
      last: packets === 0 ? null : packetTime({ sec: lastSec, nsec: lastNsec }),
      late: this.late - open.lateBefore,
      ...since(open.countsBefore, this.#options.counts()),
      noSpace: this.noSpace - open.noSpaceBefore,
    });
  }

  settled(stop: LedgerEvent): Promise<void> {
    this.#tellLost();
    return this.#options.fileRing.close(stop);
  }

  protected wrote(span: Readonly<RecordSpan>, from: number, to: number): void {
    const open = this.#open;
    if (open === undefined) throw new Error('unreachable: no savefile is open');
    const unit = this.#nsecPerUnit;
    if (open.packets === 0)
      open.first = packetTime({ sec: span.firstSec, nsec: span.firstNsec - (span.firstNsec % unit) });
    open.packets += to - from;
    this.limits.records = this.#recordsLeft(open);
    this.limits.bytes = this.#options.rotateSize - open.writer.size;
    if (to === span.records) {
      open.lastSec = span.lastSec;
      open.lastNsec = span.lastNsec - (span.lastNsec % unit);
      this.#works();
    } else {
      const view = new DataView(span.bytes.buffer, span.bytes.byteOffset, span.bytes.byteLength);
      const at = to === 1 ? 0 : ([...recordEnds(span.bytes)][to - 2] ?? 0);
      open.lastSec = view.getUint32(at + record.sec, true);
      open.lastNsec = view.getUint32(at + record.fraction, true) * unit;
    }
  }

  protected survives(failure: SyscallError): boolean {
    if (!this.#trouble.told) this.#lostBefore = this.noSpace;
    if (!this.stuck) this.#stuckSinceMs = Date.now();
    this.#trouble.failed(failure);
    if (isFull(failure)) this.#options.fileRing.makeRoom();
    return true;
  }

  #works(): void {
    if (!this.#trouble.told) return;
    const packets = this.noSpace - this.#lostBefore;
    this.#trouble.works(packets === 0 ? ', no packet was lost' : `, ${packets} packets were lost`);
  }

  #tellLost(): void {
    const packets = this.noSpace - this.#lostTold;
    if (packets === 0) return;
    this.#lostTold = this.noSpace;
    this.record({ type: 'lost', packets, fromMs: this.#lostFromMs, toMs: this.#lostToMs });
  }

  #recordsLeft(open: { readonly packets: number }): number {
    return Math.min(this.remaining, this.#options.rotatePackets - open.packets);
  }

  #tryBegin(startSec: number, interval: Interval): boolean {
    try {
      this.#begin(startSec, interval);
      this.#works();
      return true;
    } catch (cause) {
      this.survives(failureOf(cause));
      this.dueMs = Date.now() + RETRY_MS;
      return false;
    }
  }

  #begin(startSec: number, interval: Interval): void {
    const { fileRing, counts, rotateSize, settleMs } = this.#options;
    const file = fileRing.create(startSec);
    try {
      const writer = new PcapWriter(file.fd, this.#header, fallocate);
      const before = { countsBefore: counts(), noSpaceBefore: this.noSpace, lateBefore: this.late };
      this.#open = { file, writer, interval, ...before, packets: 0, first: null, lastSec: 0, lastNsec: 0 };
      fileRing.begun(file, interval);
    } catch (cause) {
      fileRing.discard(file); // no room for a file header: a restart would leave one more empty file
      throw cause;
    }
    this.name = file.path;
    this.#interval = interval;
    this.limits.startSec = interval.startSec;
    this.limits.endSec = interval.endSec;
    this.limits.records = this.#recordsLeft({ packets: 0 });
    this.limits.bytes = Number.POSITIVE_INFINITY;
    // A record that is larger than a file may be has one of its own: savefiles that are read hold any.
    if (rotateSize < Number.POSITIVE_INFINITY) this.limits.records = Math.min(1, this.limits.records);
    this.dueMs = interval.endSec * 1000 + settleMs;
  }
}

function since(before: KernelCounts, now: KernelCounts): KernelCounts {
  return {
    received: now.received - before.received,
    dropped: now.dropped - before.dropped,
    ifDropped: now.ifDropped - before.ifDropped,
    queueFreezes: now.queueFreezes - before.queueFreezes,
    filtered: now.filtered - before.filtered,
  };
}

/** What the system refused; anything else is a bug and thrown. */
function failureOf(cause: unknown): SyscallError {
  if (cause instanceof SyscallError) return cause;
  throw cause;
}
