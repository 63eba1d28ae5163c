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
  /** Of the record at `at`. */
  sec: number;
  fraction: number;
  /** Of those taken last: where the last one begins, and how many. */
  last: number;
  records: number;
}

export class MergedReader implements RecordReader {
  readonly name: string;
  readonly linktype: number;
  readonly bigEndian: boolean;
  readonly snaplen: number;
  readonly precision: Precision;
  readonly #readers: readonly RecordReader[];
  readonly #failed: (cause: unknown) => void;
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
    let { linktype } = this;
    for (let head = heads[0]; head !== undefined; head = heads[0]) {
      if (head.at >= head.run.end) {
        if (!(await this.#refill(head))) removeFirst(heads);
        else sink(heads, 0);
        continue;
      }
      const { run, at } = head;
      walk(head, earliest(heads[1], heads[2]));
      const size = head.at - at;
      if (records === 0 && size >= WORTH_HANDING_ON) {
        const { last, records } = head;
        const handedOn = { ...run, start: at, end: head.at, last, records };
        settle(heads, head);
        return handedOn;
      }
      if (size > BUFFER_SIZE - out || (records > 0 && run.linktype !== linktype)) {
        if (records === 0) throw new Error('unreachable: records that are neither handed on nor fit the buffer');
        head.at = at; // they come next
        break;
      }
      linktype = run.linktype; // a later interface of a pcapng file may have another
      this.#bytes.set(run.bytes.subarray(at, head.at), out);
      last = out + head.last - at;
      out += size;
      records += head.records;
      settle(heads, head);
    }
    if (records === 0) return undefined;
    return { bytes: this.#bytes, view: this.#view, start: 0, end: out, last, records, linktype };
  }

  async close(): Promise<void> {
    for (const reader of this.#readers) await reader.close();
  }

  async #begin(): Promise<Head[]> {
    const heads: Head[] = [];
    for (const [order, reader] of this.#readers.entries()) {
      const run = await this.#nextOf(reader);
      if (run === undefined) continue;
      const head = { reader, order, run, at: run.start, sec: 0, fraction: 0, last: 0, records: 0 };
      readTime(head);
      heads.push(head);
    }
    for (let at = heads.length >> 1; at >= 0; at--) sink(heads, at);
    return heads;
  }

  async #nextOf(reader: RecordReader): Promise<RecordRun | undefined> {
    try {
      const run = await reader.next();
      if (run !== undefined) return run;
    } catch (cause) {
      this.#failed(cause);
    }
    await reader.close(); // its memory is for the others
    return undefined;
  }

  async #refill(head: Head): Promise<boolean> {
    const run = await this.#nextOf(head.reader);
    if (run === undefined) return false;
    head.run = run;
    head.at = run.start;
    readTime(head);
    return true;
  }
}

// Heads are a binary heap: none comes before the one at half its place.

function comesBefore(a: Head, b: Head): boolean {
  if (a.sec !== b.sec) return a.sec < b.sec;
  return a.fraction === b.fraction ? a.order < b.order : a.fraction < b.fraction;
}

function earliest(a: Head | undefined, b: Head | undefined): Head | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return comesBefore(a, b) ? a : b;
}

/** Puts the head at `place` where it belongs, below those that come before it. */
function sink(heads: Head[], place: number): void {
  const head = heads[place];
  if (head === undefined) return;
  let at = place;
  for (;;) {
    const child = 2 * at + 1;
    const left = heads[child];
    const right = heads[child + 1];
    const next = earliest(left, right);
    if (next === undefined || comesBefore(head, next)) break;
    heads[at] = next;
    at = next === left ? child : child + 1;
  }
  heads[at] = head;
}

function removeFirst(heads: Head[]): void {
  const last = heads.pop();
  if (heads.length === 0 || last === undefined) return;
  heads[0] = last;
  sink(heads, 0);
}

function readTime(head: Head): void {
  head.sec = head.run.view.getUint32(head.at + record.sec, true);
  head.fraction = head.run.view.getUint32(head.at + record.fraction, true);
}

/** The first of the heads has gone on. At the end of its run it stays first: its next record may be the oldest again. */
function settle(heads: Head[], head: Head): void {
  if (head.at >= head.run.end) return;
  readTime(head);
  sink(heads, 0);
}

/** Takes the records of `head` that come before the first of `other`, and describes them in its `last` and `records`. */
function walk(head: Head, other: Head | undefined): void {
  const { view, end, start } = head.run;
  if (other === undefined && head.at === start) {
    head.last = head.run.last;
    head.records = head.run.records;
    head.at = end;
    return;
  }
  const otherSec = other === undefined ? Number.POSITIVE_INFINITY : other.sec;
  const otherFraction = other === undefined ? 0 : other.fraction;
  const first = other === undefined || head.order < other.order;
  let at = head.at;
  let last = at;
  let records = 0;
  while (at < end) {
    const sec = view.getUint32(at + record.sec, true);
    if (sec > otherSec) break;
    if (sec === otherSec) {
      const fraction = view.getUint32(at + record.fraction, true);
      if (fraction > otherFraction || (fraction === otherFraction && !first)) break;
    }
    last = at;
    at += RECORD_HEADER_LENGTH + view.getUint32(at + record.caplen, true);
    records++;
  }
  head.at = at;
  head.last = last;
  head.records = records;
}
