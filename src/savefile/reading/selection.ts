// Chooses records of a run (filter, times), cuts them if asked, and makes spans of what is left, as long as the limits of a
// sink allow. What is chosen moves up to what was chosen before, within the run; a run of which all is wanted becomes a
// span as it is, untouched. The walk of capture/offline.ts.
import { type Precision, RECORD_HEADER_LENGTH, record } from '../header.ts';
import { LATE_NSEC, type Limits, type RecordSpan } from '../sink.ts';
import type { RecordRun } from './record-run.ts';

/** Whether the packet at `at` is wanted: 0 for no, as a filter program returns it (filter/packet-filter.ts). */
export type PacketFilter = (view: DataView, at: number, caplen: number, len: number) => number;

/** A point in time, as records have it. */
export interface RecordInstant {
  readonly sec: number;
  readonly nsec: number;
}

export interface SelectionOptions {
  readonly filter: PacketFilter | undefined;
  /** The first instant that is wanted, and the first that no longer is. */
  readonly from: RecordInstant | undefined;
  readonly to: RecordInstant | undefined;
  /** Keep no more bytes of a packet, Infinity for all. */
  readonly snaplen: number;
  /** Of the runs. */
  readonly precision: Precision;
}

const NSEC_PER_SEC = 1e9;
const EMPTY = new Uint8Array(0);

export class Selection implements RecordSpan {
  bytes: Uint8Array = EMPTY;
  records = 0;
  late = 0;
  firstSec = 0;
  firstNsec = 0;
  lastSec = 0;
  lastNsec = 0;
  readonly #options: SelectionOptions;
  readonly #nsecPerUnit: number;
  #run: RecordRun | undefined;
  #at = 0;
  #out = 0;

  constructor(options: SelectionOptions) {
    this.#options = options;
    this.#nsecPerUnit = options.precision === 'nano' ? 1 : 1000;
  }

  /** The next run, when the one before was offered to its end. */
  begin(run: RecordRun): void {
    this.#run = run;
    this.#at = run.start;
    this.#out = run.start;
  }

  /** Bytes of the run in which no span was looked for yet. */
  get left(): number {
    return this.#run === undefined ? 0 : this.#run.end - this.#at;
  }

  /** The second of the next record, which is wanted if it was beyond the limits of `compact()`; only while `left` > 0. */
  get nextSec(): number {
    if (this.#run === undefined) throw new Error('unreachable: nextSec before begin()');
    return this.#run.view.getUint32(this.#at + record.sec, true);
  }

  /**
   * Makes the span of the next wanted records within the limits; `records` is 0 when the very next one is beyond them, or
   * when there is none any more, and then `left` is 0, too.
   */
  compact(limits: Readonly<Limits>): void {
    const run = this.#run;
    if (run === undefined) throw new Error('unreachable: compact() before begin()');
    if (this.#isWanted(run, limits)) this.#takeAll(run);
    else this.#choose(run, limits);
  }

  /** Whether all of the run is, without a look at its records. */
  #isWanted(run: RecordRun, limits: Readonly<Limits>): boolean {
    const { filter, from, to, snaplen } = this.#options;
    const all = filter === undefined && from === undefined && to === undefined && snaplen === Number.POSITIVE_INFINITY;
    const unlimited = limits.startSec === 0 && limits.endSec === Number.POSITIVE_INFINITY;
    const fits = limits.records >= run.records && limits.bytes >= run.end - run.start;
    return all && unlimited && fits && this.#at === run.start;
  }

  #takeAll(run: RecordRun): void {
    const { view, start, last, end } = run;
    this.records = run.records;
    this.late = 0;
    this.#describe(view, start, last);
    this.bytes = run.bytes.subarray(start, end);
    this.#at = end;
  }

  /** Once a packet: it allocates nothing, and copies wanted records that follow each other at once. */
  #choose(run: RecordRun, limits: Readonly<Limits>): void {
    const { bytes, view, end } = run;
    const { filter, from, to, snaplen } = this.#options;
    const timed = from !== undefined || to !== undefined;
    const { startSec, endSec, records: most } = limits;
    const unit = this.#nsecPerUnit;
    const begin = this.#out;
    const room = Math.min(limits.bytes, bytes.length);
    let at = this.#at;
    let out = begin;
    /** Wanted records from here up to `at` are still to be moved to `out`. */
    let wanted = at;
    let records = 0;
    let late = 0;
    let last = begin;
    while (at < end) {
      const caplen = view.getUint32(at + record.caplen, true);
      const next = at + RECORD_HEADER_LENGTH + caplen;
      if (
        (filter !== undefined &&
          filter(view, at + RECORD_HEADER_LENGTH, caplen, view.getUint32(at + record.len, true)) === 0) ||
        (timed && !isBetween(view, at, unit, from, to))
      ) {
        if (wanted < at) {
          if (wanted !== out) bytes.copyWithin(out, wanted, at);
          out += at - wanted;
        }
        wanted = next;
        at = next;
        continue;
      }
      const sec = view.getUint32(at + record.sec, true);
      const kept = caplen > snaplen ? snaplen : caplen;
      const place = out + at - wanted;
      if (records >= most || sec >= endSec || place - begin + RECORD_HEADER_LENGTH + kept > room) break;
      if (sec < startSec) {
        if (sec < startSec - 1 || view.getUint32(at + record.fraction, true) * unit < NSEC_PER_SEC - LATE_NSEC) break;
        late++;
      }
      last = place;
      records++;
      if (kept < caplen) {
        view.setUint32(at + record.caplen, kept, true);
        const keptEnd = at + RECORD_HEADER_LENGTH + kept;
        if (wanted !== out) bytes.copyWithin(out, wanted, keptEnd);
        out += keptEnd - wanted;
        wanted = next;
      }
      at = next;
    }
    if (wanted < at) {
      if (wanted !== out) bytes.copyWithin(out, wanted, at);
      out += at - wanted;
    }
    this.#at = at;
    this.#out = out;
    this.records = records;
    this.late = late;
    this.#describe(view, begin, last);
    this.bytes = bytes.subarray(begin, out);
  }

  #describe(view: DataView, first: number, last: number): void {
    this.firstSec = view.getUint32(first + record.sec, true);
    this.firstNsec = view.getUint32(first + record.fraction, true) * this.#nsecPerUnit;
    this.lastSec = view.getUint32(last + record.sec, true);
    this.lastNsec = view.getUint32(last + record.fraction, true) * this.#nsecPerUnit;
  }
}

function isBetween(
  view: DataView,
  at: number,
  nsecPerUnit: number,
  from: RecordInstant | undefined,
  to: RecordInstant | undefined,
): boolean {
  const sec = view.getUint32(at + record.sec, true);
  const nsec = view.getUint32(at + record.fraction, true) * nsecPerUnit;
  if (from !== undefined && (sec < from.sec || (sec === from.sec && nsec < from.nsec))) return false;
  return to === undefined || sec < to.sec || (sec === to.sec && nsec < to.nsec);
}
