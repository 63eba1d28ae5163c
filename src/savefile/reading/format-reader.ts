// What the readers of the two formats have in common: runs come from the bytes at hand, and from more of them until the file
// ends or is damaged. What came before a damage is given first.
import type { SavefileError } from '../../errors.ts';
import type { Precision } from '../header.ts';
import type { Input } from './input.ts';
import type { RecordReader, RecordRun } from './record-run.ts';

export abstract class FormatReader implements RecordReader {
  readonly name: string;
  abstract readonly linktype: number;
  abstract readonly bigEndian: boolean;
  abstract readonly snaplen: number;
  abstract readonly precision: Precision;
  abstract readAs: Precision;
  protected readonly input: Input;
  /** What is wrong with the bytes behind those that `walk()` has read. */
  protected damage: SavefileError | undefined;

  constructor(input: Input) {
    this.input = input;
    this.name = input.name;
  }

  async next(): Promise<RecordRun | undefined> {
    for (;;) {
      if (this.damage !== undefined) throw this.damage;
      const run = this.walk();
      if (run.records > 0) return run;
      if (this.damage === undefined && !(await this.input.more())) {
        this.damage = this.truncated();
        if (this.damage === undefined) return undefined;
      }
    }
  }

  close(): Promise<void> {
    return this.input.close();
  }

  /** The whole records at hand, none where the next one is not all here or `damage`. */
  protected abstract walk(): RecordRun;

  /** What libpcap says of the bytes behind the last whole record when there are no more, undefined when there are none. */
  protected abstract truncated(): SavefileError | undefined;
}
