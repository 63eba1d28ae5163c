// Several readers as one, in the order of time: of the records that are next in each, the oldest comes first, and of equal
// ones that of the earlier reader. Records of one reader that follow each other are handed on as they are; where readers
// alternate, records are put together in a buffer. Like mergecap, it does not sort what is unsorted within one file.
import { type Precision, RECORD_HEADER_LENGTH, record } from '../header.ts';
import type { RecordReader, RecordRun } from './record-run.ts';

/** Runs that are shorter are copied together. */
const WORTH_HANDING_ON = 64 * 1024;
const BUFFER_SIZE = 1024 * 1024;

/** What a reader holds at present. */
interface Head {
  readonly reader: RecordReader;
  /** Its place among the readers. */
  readonly order: number;
  run: RecordRun;
  at: number;
  sec: number;
  fraction: number;
}

export class MergedReader implements RecordReader {
  readonly name: string;
  readonly linktype: number;
  readonly bigEndian: boolean;
  readonly snaplen: number;
  readonly precision: Precision;
  readonly #readers: readonly RecordReader[];
  readonly #failed: (cause: unknown) => void;
  /** Oldest first. */
  #heads: Head[] | undefined;
  readonly #bytes = new Uint8Array(BUFFER_SIZE);
  readonly #view = new DataView(this.#bytes.buffer);

  /**
   * `readers`: all of one link type, at least one, closed with this one. `failed` is given what a reader fails with, whose
   * records before that are merged all the same.
   */
  constructor(readers: readonly RecordReader[], failed: (cause: unknown) => void) {
    const [first] = readers;
    if (first === undefined) throw new Error('unreachable: nothing to merge');
    this.name = readers.map(({ name }) => name).join(', ');
    this.linktype = first.linktype;
    this.bigEndian = first.bigEndian;
    this.snaplen = Math.max(...readers.map(({ snaplen }) => snaplen));
    this.precision = readers.some(({ precision }) => precision === 'nano') ? 'nano' : 'micro';
    this.#readers = readers;
    this.#failed = failed;
    this.readAs = this.precision;
  }

  get readAs(): Precision {
    return this.#readers[0]?.readAs ?? this.precision;
  }

  set readAs(precision: Precision) {
    for (const reader of this.#readers) reader.readAs = precision;
  }

  async next(): Promise<RecordRun | undefined> {
    this.#heads ??= await this.#begin();
    const heads = this.#heads;
    let out = 0;
    let last = 0;
    let records = 0;
    for (;;) {
      const head = heads[0];
      if (head === undefined) break;
      if (head.at >= head.run.end) {
        heads.shift();
        if (await this.#refill(head)) insert(heads, head);
        continue;
      }
      const stretch = this.#stretch(head, heads[1]);
      const size = stretch.end - head.at;
      if (records === 0 && size >= WORTH_HANDING_ON) {
        const { bytes, view, linktype } = head.run;
        const run = {
          bytes,
          view,
          start: head.at,
          end: stretch.end,
          last: stretch.last,
          records: stretch.records,
          linktype,
        };
        this.#advance(heads, head, stretch.end);
        return run;
      }
      if (size > BUFFER_SIZE - out) {
        if (records > 0) break;
        throw new Error('unreachable: a stretch that is neither handed on nor fits the buffer');
      }
      this.#bytes.set(head.run.bytes.subarray(head.at, stretch.end), out);
      last = out + stretch.last - head.at;
      out += size;
      records += stretch.records;
      this.#advance(heads, head, stretch.end);
    }
    if (records === 0) return undefined;
    return { bytes: this.#bytes, view: this.#view, start: 0, end: out, last, records, linktype: this.linktype };
  }

  async close(): Promise<void> {
    for (const reader of this.#readers) await reader.close();
  }

  async #begin(): Promise<Head[]> {
    const heads: Head[] = [];
    for (const [order, reader] of this.#readers.entries()) {
      const run = await this.#nextOf(reader);
      if (run !== undefined) insert(heads, headAt({ reader, order, run, at: run.start, sec: 0, fraction: 0 }));
    }
    return heads;
  }

  async #nextOf(reader: RecordReader): Promise<RecordRun | undefined> {
    try {
      return await reader.next();
    } catch (cause) {
      this.#failed(cause);
      return undefined;
    }
  }

  async #refill(head: Head): Promise<boolean> {
    const run = await this.#nextOf(head.reader);
    if (run === undefined) return false;
    head.run = run;
    head.at = run.start;
    headAt(head);
    return true;
  }

  /** The records of `head` that come before the first of `other`. */
  #stretch(
    head: Head,
    other: Head | undefined,
  ): { readonly end: number; readonly last: number; readonly records: number } {
    const { run, at } = head;
    const { view, end } = run;
    if (other === undefined && at === run.start) return { end, last: run.last, records: run.records };
    const { sec: otherSec, fraction: otherFraction } = other ?? { sec: Number.POSITIVE_INFINITY, fraction: 0 };
    const first = other === undefined || head.order < other.order;
    let next = at;
    let last = at;
    let records = 0;
    while (next < end) {
      const sec = view.getUint32(next + record.sec, true);
      if (sec > otherSec) break;
      if (sec === otherSec) {
        const fraction = view.getUint32(next + record.fraction, true);
        if (fraction > otherFraction || (fraction === otherFraction && !first)) break;
      }
      last = next;
      next += RECORD_HEADER_LENGTH + view.getUint32(next + record.caplen, true);
      records++;
    }
    return { end: next, last, records };
  }

  /** `head`, the first of `heads`, goes on at `at`. */
  #advance(heads: Head[], head: Head, at: number): void {
    head.at = at;
    if (at >= head.run.end) return; // it stays first until it is refilled: its next record may be the oldest again
    headAt(head);
    heads.shift();
    insert(heads, head);
  }
}

function headAt(head: Head): Head {
  head.sec = head.run.view.getUint32(head.at + record.sec, true);
  head.fraction = head.run.view.getUint32(head.at + record.fraction, true);
  return head;
}

/** There are few heads, and the one that is put back most often belongs near the front. */
function insert(heads: Head[], head: Head): void {
  let place = 0;
  for (const other of heads) {
    const order = other.sec - head.sec || other.fraction - head.fraction || other.order - head.order;
    if (order > 0) break;
    place++;
  }
  heads.splice(place, 0, head);
}
