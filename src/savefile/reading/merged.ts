// Several readers as one, in the order of time: of the records that are next in each, the oldest comes first, and of equal
// ones that of the earlier reader. Records of one reader that follow each other are handed on as they are; where readers
// alternate, records are put together in a buffer. Like mergecap, it does not sort what is unsorted within one file.
import { type Precision, RECORD_HEADER_LENGTH, record } from '../header.ts';
import type { RecordReader, RecordRun } from './record-run.ts';
import { Tournament } from './tournament.ts';

/** Runs that are shorter are copied together. */
const WORTH_HANDING_ON = 64 * 1024;
const BUFFER_SIZE = 1024 * 1024;

/** Fewer bytes are copied four words a turn: for 112 a call of TypedArray.set() takes twice as long (native-notes/offline.md). */
const WORTH_A_CALL = 256;
const TURN = 16;

/** A reader and what it has given last, of which all before `at` is taken; without a run it is at its end. */
interface Head {
  readonly reader: RecordReader;
  run: RecordRun | undefined;
  at: number;
}

export class MergedReader implements RecordReader {
  readonly name: string;
  readonly linktype: number;
  readonly bigEndian: boolean;
  readonly snaplen: number;
  readonly precision: Precision;
  readonly #readers: readonly RecordReader[];
  readonly #failed: (cause: unknown) => void;
  readonly #heads: readonly Head[];
  readonly #gathered = new Gathered();
  #tournament: Tournament | undefined;
  /** Who had the oldest record before. */
  #previous = -1;

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
    this.#heads = readers.map((reader) => ({ reader, run: undefined, at: 0 }));
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
    this.#tournament ??= await this.#begin();
    const tournament = this.#tournament;
    this.#gathered.clear();
    while (!tournament.over) {
      const head = this.#heads[tournament.winner];
      const run = head?.run;
      if (head === undefined || run === undefined) throw new Error('unreachable: a winner without records');
      if (head.at < run.end) {
        const merged = this.#merge(tournament);
        if (merged !== undefined) return merged;
      } else {
        await this.#refill(head);
        tournament.advance(secOf(head), fractionOf(head));
      }
    }
    return this.#gathered.records > 0 ? this.#gathered : undefined;
  }

  async close(): Promise<void> {
    for (const reader of this.#readers) await reader.close();
  }

  async #begin(): Promise<Tournament> {
    for (const head of this.#heads) await this.#refill(head);
    return new Tournament(this.#heads.map((head) => ({ sec: secOf(head), fraction: fractionOf(head) })));
  }

  async #refill(head: Head): Promise<void> {
    head.run = undefined;
    try {
      head.run = await head.reader.next();
    } catch (cause) {
      this.#failed(cause);
    }
    if (head.run === undefined)
      await head.reader.close(); // its memory is for the others
    else head.at = head.run.start;
  }

  /**
   * Merges until there is something to hand on, or until a winner is at the end of its run, and then returns undefined. It
   * goes round once a record where readers alternate: it waits for nothing, and for short records allocates nothing.
   */
  #merge(tournament: Tournament): RecordRun | undefined {
    const gathered = this.#gathered;
    for (;;) {
      const { winner } = tournament;
      const head = this.#heads[winner];
      const run = head?.run;
      if (head === undefined || run === undefined || head.at >= run.end) return undefined;
      const { at } = head;
      const { view, end } = run;
      let last = at;
      let next = at + RECORD_HEADER_LENGTH + view.getUint32(at + record.caplen, true);
      let records = 1;
      // Twice the same one: perhaps it is the first for long.
      if (winner === this.#previous) {
        const second = tournament.second();
        const sec = tournament.secOf(second);
        const fraction = tournament.fractionOf(second);
        for (; next < end && isBefore(view, next, sec, fraction, winner < second); records++) {
          last = next;
          next += RECORD_HEADER_LENGTH + view.getUint32(next + record.caplen, true);
        }
      }
      const handedOn = gathered.records === 0 && next - at >= WORTH_HANDING_ON;
      if (!handedOn && !gathered.add(run, at, next, last, records)) return gathered;
      this.#previous = winner;
      head.at = next;
      // At the end of its run it stays the winner: its next record may be the oldest again.
      if (next < end) tournament.advance(secOf(head), fractionOf(head));
      if (handedOn) return { ...run, start: at, end: next, last, records };
    }
  }
}

/** Short stretches of several readers, one behind the other. */
class Gathered implements RecordRun {
  readonly bytes: Uint8Array = new Uint8Array(BUFFER_SIZE);
  readonly view: DataView = new DataView(this.bytes.buffer);
  readonly start = 0;
  end = 0;
  last = 0;
  records = 0;
  /** Of all of these; a later interface of a pcapng file may have another. */
  linktype = 0;

  clear(): void {
    this.end = 0;
    this.records = 0;
  }

  /** Appends what lies in the run between `from` and `to`. False where that does not fit, and then nothing is done. */
  add(run: RecordRun, from: number, to: number, last: number, records: number): boolean {
    const { bytes, view, end } = this;
    if (to - from > BUFFER_SIZE - end || (this.records > 0 && run.linktype !== this.linktype)) {
      if (this.records === 0) throw new Error('unreachable: records that are neither handed on nor fit the buffer');
      return false;
    }
    if (to - from >= WORTH_A_CALL) bytes.set(run.bytes.subarray(from, to), end);
    else copyShort(run.view, from, to, view, end);
    this.linktype = run.linktype;
    this.last = end + last - from;
    this.end = end + to - from;
    this.records += records;
    return true;
  }
}

function copyShort(source: DataView, from: number, to: number, target: DataView, begin: number): void {
  let at = from;
  let out = begin;
  for (; at <= to - TURN; at += TURN, out += TURN) {
    target.setInt32(out, source.getInt32(at, true), true);
    target.setInt32(out + 4, source.getInt32(at + 4, true), true);
    target.setInt32(out + 8, source.getInt32(at + 8, true), true);
    target.setInt32(out + 12, source.getInt32(at + 12, true), true);
  }
  for (; at < to; at++, out++) target.setUint8(out, source.getUint8(at));
}

/** Of the next record, Infinity where there is none. */
function secOf({ run, at }: Head): number {
  return run === undefined ? Number.POSITIVE_INFINITY : run.view.getUint32(at + record.sec, true);
}

function fractionOf({ run, at }: Head): number {
  return run === undefined ? 0 : run.view.getUint32(at + record.fraction, true);
}

/** Whether the record at `at` comes before one of that time; `first`: also if their times are equal. */
function isBefore(view: DataView, at: number, sec: number, fraction: number, first: boolean): boolean {
  const recordSec = view.getUint32(at + record.sec, true);
  if (recordSec !== sec) return recordSec < sec;
  const recordFraction = view.getUint32(at + record.fraction, true);
  return recordFraction === fraction ? first : recordFraction < fraction;
}
