// The first so many packets of a reader that a filter wants, as `-c` has them of each file of `-V`. Those that it does not
// want are handed on with them: this decides where to stop, and what is wanted is for others to choose.
import { type Precision, RECORD_HEADER_LENGTH, record } from '../header.ts';
import type { RecordReader, RecordRun } from './record-run.ts';
import type { PacketFilter } from './selection.ts';

/** Reads another reader and closes it. */
export class FirstPackets implements RecordReader {
  readonly name: string;
  readonly linktype: number;
  readonly bigEndian: boolean;
  readonly snaplen: number;
  readonly precision: Precision;
  readonly #reader: RecordReader;
  readonly #filter: () => PacketFilter | undefined;
  #left: number;

  /** `filter`: asked for when the first packets are there; undefined wants all. */
  constructor(reader: RecordReader, count: number, filter: () => PacketFilter | undefined) {
    this.name = reader.name;
    this.linktype = reader.linktype;
    this.bigEndian = reader.bigEndian;
    this.snaplen = reader.snaplen;
    this.precision = reader.precision;
    this.#reader = reader;
    this.#left = count;
    this.#filter = filter;
  }

  get readAs(): Precision {
    return this.#reader.readAs;
  }

  set readAs(precision: Precision) {
    this.#reader.readAs = precision;
  }

  async next(): Promise<RecordRun | undefined> {
    if (this.#left === 0) return undefined;
    const run = await this.#reader.next();
    return run === undefined ? undefined : this.#upToLast(run);
  }

  close(): Promise<void> {
    return this.#reader.close();
  }

  #upToLast(run: RecordRun): RecordRun {
    const { view, start, end } = run;
    const filter = this.#filter();
    let last = start;
    let records = 0;
    let at = start;
    while (at < end && this.#left > 0) {
      const caplen = view.getUint32(at + record.caplen, true);
      const len = view.getUint32(at + record.len, true);
      const packet = at + RECORD_HEADER_LENGTH;
      if (filter === undefined || filter(view, packet, caplen, len) !== 0) this.#left--;
      last = at;
      at = packet + caplen;
      records++;
    }
    return { ...run, end: at, last, records };
  }
}
