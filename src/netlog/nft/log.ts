// A log of packet lines as a stream: `nft-DAY.log.gz` of a bundle, or what a person saved with journalctl, dmesg or from
// /dev/kmsg. It is hostile: lines, their length and their number are bounded, and nothing that can't be read is lost without
// being counted. The index builder takes the records, in batches of one piece of the file.
import { BoundError } from '../bound-error.ts';
import { type NftLine, readNftLine } from './line.ts';
import { beginsExport, ExportReader, readJsonRecord } from './record.ts';
import { readStamp, type Stamped, type Surroundings } from './stamp.ts';

export interface NftRecord {
  /** When the packet came as the log says it, in microseconds since 1970. */
  readonly timeUs: number;
  readonly line: NftLine;
  /** The kernel's words. */
  readonly message: string;
}

/** How many lines there were of each kind; `lines` is the sum of the others. */
export interface NftLogCounts {
  lines: number;
  /** Given as records. */
  read: number;
  /** Empty, or fields of a record. */
  beside: number;
  /** Lines of something else, or of a packet log that was cut off or forged. */
  unread: number;
  /** Lines of a packet log that do not say when. */
  untimed: number;
  /** Longer than a line may be. */
  tooLong: number;
}

export interface NftLogBounds {
  /** Bytes of a line; longer ones are counted and left out. */
  readonly lineLength: number;
  readonly lines: number;
}

/** A record of the journal in JSON has two KiB. Ten million lines are a hundred a second all day long. */
const DEFAULT_BOUNDS: NftLogBounds = { lineLength: 16 * 1024, lines: 10_000_000 };
const LINE_FEED = 10;

export class NftLog {
  readonly name: string;
  readonly counts: NftLogCounts = { lines: 0, read: 0, beside: 0, unread: 0, untimed: 0, tooLong: 0 };
  readonly #surroundings: Surroundings;
  readonly #bounds: NftLogBounds;
  #export: ExportReader | undefined;

  /** `name`: for errors. */
  constructor(name: string, surroundings: Surroundings = {}, bounds: NftLogBounds = DEFAULT_BOUNDS) {
    this.name = name;
    this.#surroundings = surroundings;
    this.#bounds = bounds;
  }

  /**
   * The records of `source`, to be asked for once. Throws BoundError behind as many lines as there may be, and whatever
   * `source` throws; the records before that were given.
   */
  async *read(source: AsyncIterable<Uint8Array>): AsyncGenerator<readonly NftRecord[]> {
    let rest: Buffer = Buffer.alloc(0);
    let skipping = false;
    for await (const piece of source) {
      const bytes = Buffer.concat([rest, piece]);
      const records: NftRecord[] = [];
      let start = 0;
      for (let end = bytes.indexOf(LINE_FEED); end !== -1; end = bytes.indexOf(LINE_FEED, start)) {
        if (skipping) skipping = false;
        else if (!this.#take(bytes, start, end, records)) {
          if (records.length > 0) yield records;
          throw new BoundError(this.name, 'lines', this.#bounds.lines);
        }
        start = end + 1;
      }
      rest = bytes.subarray(start);
      if (rest.length > this.#bounds.lineLength) {
        if (!skipping) this.#count('tooLong');
        skipping = true;
        rest = Buffer.alloc(0);
      }
      if (records.length > 0) yield records;
    }
    const records: NftRecord[] = [];
    if (!skipping && rest.length > 0) this.#take(rest, 0, rest.length, records);
    // The last record of an export may have no empty line behind it.
    const last = this.#export?.add('');
    if (last !== undefined) this.#add(last, records);
    if (records.length > 0) yield records;
  }

  /** What of the log could not be read, a line each, for a person. */
  problems(): string[] {
    const { lines, unread, untimed, tooLong } = this.counts;
    const said: readonly (readonly [number, string])[] = [
      [unread, 'are no packet log'],
      [untimed, 'do not say when'],
      [tooLong, `are longer than ${this.#bounds.lineLength} bytes`],
    ];
    return said.flatMap(([count, what]) => (count > 0 ? [`${this.name}: ${count} of ${lines} lines ${what}`] : []));
  }

  /** False when there are more lines than there may be. */
  #take(bytes: Buffer, start: number, end: number, records: NftRecord[]): boolean {
    if (this.counts.lines >= this.#bounds.lines) return false;
    if (end - start > this.#bounds.lineLength) this.#count('tooLong');
    else this.#addLine(bytes.toString('utf8', start, bytes[end - 1] === 13 ? end - 1 : end), records);
    return true;
  }

  #addLine(text: string, records: NftRecord[]): void {
    if (this.counts.lines === 0 && beginsExport(text)) this.#export = new ExportReader();
    if (this.#export !== undefined) {
      const stamped = this.#export.add(text);
      if (stamped === undefined) this.#count('beside');
      else this.#add(stamped, records);
    } else if (text === '' || text.startsWith('-- ')) this.#count('beside');
    else this.#add(text.startsWith('{') ? readJsonRecord(text) : readStamp(text, this.#surroundings), records, text);
  }

  #add(stamped: Stamped | undefined, records: NftRecord[], text?: string): void {
    // A line without any stamp, of `-o cat`, can't be placed; it is still told from one that is none at all.
    const message = stamped?.message ?? text ?? '';
    const line = readNftLine(message);
    if (line === undefined) this.#count('unread');
    else if (stamped?.timeUs === undefined) this.#count('untimed');
    else {
      this.#count('read');
      records.push({ timeUs: stamped.timeUs, line, message });
    }
  }

  #count(kind: Exclude<keyof NftLogCounts, 'lines'>): void {
    this.counts.lines++;
    this.counts[kind]++;
  }
}
