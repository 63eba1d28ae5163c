// What a reader of savefiles gives: whole records in this machine's byte order and in one precision, many at a time. The
// seam between the formats, merging, and what chooses records and offers them to an output.
import { SavefileError } from '../../errors.ts';
import type { Precision } from '../header.ts';

/**
 * Records of pcap-savefile(5) one behind the other, valid until the next `next()`; whoever takes them may change them in
 * place.
 */
export interface RecordRun {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** The records lie in `bytes` from here to there. */
  readonly start: number;
  readonly end: number;
  /** Where the last one begins. */
  readonly last: number;
  readonly records: number;
  readonly linktype: number;
}

/** An open savefile, or several as one. Not one `next()` before another has settled. */
export interface RecordReader {
  /** What to call it, for a user. */
  readonly name: string;
  /** Of the file, or of its first interface; as LINKTYPE_ value with the bits for an FCS. */
  readonly linktype: number;
  /** Of the file, or of its first section: some link types have headers in this order, which filters must know. */
  readonly bigEndian: boolean;
  /** No record keeps more bytes. */
  readonly snaplen: number;
  /** What the file's own times are fit for. */
  readonly precision: Precision;
  /** Whether these are read as micro- or nanoseconds: `precision` until it is set, and to be set before the first `next()`. */
  readAs: Precision;
  /**
   * Undefined at the end. Rejects with SavefileError where the file is damaged, when all records before that were given;
   * with SyscallError.
   */
  next(): Promise<RecordRun | undefined>;
  /** The last run is no longer valid. To be called once or more. */
  close(): Promise<void>;
}

/** Of a file with several link types only the first can be filtered, or become one pcap file. @throws SavefileError */
export function checkLinktype({ name, linktype }: RecordReader, run: RecordRun): void {
  if (run.linktype === linktype) return;
  const text = `an interface has a type ${run.linktype} different from the type of the first interface`;
  throw new SavefileError(name, 0, `${text}, ${linktype}: one pcap file has one link type`);
}
