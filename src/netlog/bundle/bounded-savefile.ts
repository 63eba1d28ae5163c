// A savefile from a bundle, which may be compressed to a thousandth by who made it: it is read up to a bound, and what is
// wrong with it is said with its own name instead of that of the temporary file it was unpacked to.
import { SavefileError } from '../../errors.ts';
import type { Precision } from '../../savefile/header.ts';
import { openSavefile } from '../../savefile/reading/open.ts';
import type { RecordReader, RecordRun } from '../../savefile/reading/record-run.ts';
import { BoundError } from '../bound-error.ts';
import { DamageError, FREE_BYTES, MOST_RATIO } from './bounds.ts';

/**
 * `bytes`: of the file. `next` rejects with BoundError where there is more than such a file honestly has, and with
 * DamageError where it is damaged, after the records before that. Rejects with these, too.
 */
export async function openBounded(path: string, bytes: number, name: string): Promise<RecordReader> {
  try {
    return new BoundedReader(await openSavefile(path), bytes * MOST_RATIO + FREE_BYTES, name);
  } catch (cause) {
    throw named(cause, name);
  }
}

class BoundedReader implements RecordReader {
  readonly name: string;
  readonly linktype: number;
  readonly bigEndian: boolean;
  readonly snaplen: number;
  readonly precision: Precision;
  readonly #reader: RecordReader;
  #left: number;

  constructor(reader: RecordReader, most: number, name: string) {
    this.#reader = reader;
    this.#left = most;
    this.name = name;
    this.linktype = reader.linktype;
    this.bigEndian = reader.bigEndian;
    this.snaplen = reader.snaplen;
    this.precision = reader.precision;
  }

  get readAs(): Precision {
    return this.#reader.readAs;
  }

  set readAs(precision: Precision) {
    this.#reader.readAs = precision;
  }

  async next(): Promise<RecordRun | undefined> {
    try {
      const run = await this.#reader.next();
      this.#left -= run === undefined ? 0 : run.end - run.start;
      if (this.#left < 0) throw new BoundError(this.name, 'times its bytes when decompressed', MOST_RATIO);
      return run;
    } catch (cause) {
      throw named(cause, this.name);
    }
  }

  close(): Promise<void> {
    return this.#reader.close();
  }
}

function named(cause: unknown, name: string): unknown {
  if (!(cause instanceof SavefileError)) return cause;
  return new DamageError(name, cause.message.slice(cause.file.length + ': '.length), { cause });
}
