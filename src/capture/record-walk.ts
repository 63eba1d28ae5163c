// Walks finished savefile records that lie one behind the other in memory, and makes spans of them. Called by the engines
// that get their records from others: libpcap and `cap`.
import { type Precision, RECORD_HEADER_LENGTH, record, recordEnds } from '../savefile/header.ts';
import { LATE_NSEC, type Limits } from '../savefile/sink.ts';
import type { SpanWalk } from './span-offer.ts';

// As constants of this module: V8 compiles them into the loop (native-notes/ring-walk.md).
const { sec: recordSec, fraction: recordFraction, caplen: recordCaplen } = record;
const RECORD_HEADER = RECORD_HEADER_LENGTH;
const LATE_FROM_NSEC = 1e9 - LATE_NSEC;
const EMPTY = new Uint8Array(0);

export class RecordWalk implements SpanWalk {
  // RecordSpan: what the last compact() made.
  bytes: Uint8Array = EMPTY;
  records = 0;
  late = 0;
  firstSec = 0;
  firstNsec = 0;
  lastSec = 0;
  lastNsec = 0;
  /** Bytes of records that no span has had yet. */
  left = 0;

  readonly #memory: Uint8Array;
  readonly #view: DataView;
  /** Nanoseconds in the fraction of a record's time. */
  readonly #unit: number;
  #at = 0;

  constructor(memory: Uint8Array, precision: Precision) {
    this.#memory = memory;
    this.#view = new DataView(memory.buffer, memory.byteOffset, memory.byteLength);
    this.#unit = precision === 'nano' ? 1 : 1000;
  }

  /** The first `length` bytes of the memory are records. */
  begin(length: number): void {
    this.#at = 0;
    this.left = length;
  }

  /** How many records no span has had yet. */
  countLeft(): number {
    let records = 0;
    for (const _ of recordEnds(this.#memory.subarray(this.#at, this.#at + this.left))) records++;
    return records;
  }

  get nextSec(): number {
    return this.#view.getUint32(this.#at + recordSec, true);
  }

  compact(limits: Readonly<Limits>): void {
    const view = this.#view;
    const unit = this.#unit;
    const { startSec, endSec } = limits;
    const start = this.#at;
    const end = start + this.left;
    const outEnd = Math.min(start + limits.bytes, end);
    const most = limits.records;
    let at = start;
    let records = 0;
    let late = 0;
    let sec = 0;
    let nsec = 0;
    while (at < end && records < most) {
      const packetSec = view.getUint32(at + recordSec, true);
      if (packetSec >= endSec) break;
      const packetNsec = view.getUint32(at + recordFraction, true) * unit;
      if (packetSec < startSec && (packetSec < startSec - 1 || packetNsec < LATE_FROM_NSEC)) break;
      const next = at + RECORD_HEADER + view.getUint32(at + recordCaplen, true);
      if (next > outEnd) break;
      sec = packetSec;
      nsec = packetNsec;
      if (sec < startSec) late++;
      if (records === 0) {
        this.firstSec = sec;
        this.firstNsec = nsec;
      }
      records++;
      at = next;
    }
    this.records = records;
    this.late = late;
    this.lastSec = sec;
    this.lastNsec = nsec;
    this.bytes = this.#memory.subarray(start, at);
    this.#at = at;
    this.left = end - at;
  }
}
