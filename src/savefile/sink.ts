// The seam between a packet source and what becomes of its records. A source offers spans of finished savefile records
// (one record after the other, nothing between) and keeps to the limits of the open file; the sink owns files and names.

/**
 * A record this much older than `Limits.startSec` is one that another processor was slow to hand over: it is written where
 * it comes, and counted as late. Older ones mean that the clock was set back.
 */
export const LATE_NSEC = 10_000_000;

/** What the open file still takes. The source reads it before each span, the sink changes it as files come and go. */
export interface Limits {
  /** First second of the file's interval; records up to LATE_NSEC older still belong into the file. */
  startSec: number;
  /** First second that no longer belongs into the file, Infinity where time does not matter. */
  endSec: number;
  /** How many records may still come, Infinity for any number. */
  records: number;
  /** How many bytes may still come, Infinity for any number. */
  bytes: number;
}

/** A run of finished records and what the sink wants to know of it without walking it. */
export interface RecordSpan {
  /** The records, valid until the call returns: they lie in memory that goes back to the kernel. */
  bytes: Uint8Array;
  records: number;
  /** How many of them are older than `limits.startSec`. */
  late: number;
  firstSec: number;
  firstNsec: number;
  lastSec: number;
  lastNsec: number;
}

export interface RecordSink {
  readonly limits: Readonly<Limits>;
  /** Takes the records. False: it is not done with their memory (a pipe or the disk is full); keep it and call `resume()`. */
  take(span: Readonly<RecordSpan>): boolean;
  /** Goes on with the records that `take()` was not done with; false as there. */
  resume(): boolean;
  /** The next record, stamped `sec`, is beyond the limits: makes room for it. False: not at present, or never again. */
  cut(sec: number): boolean;
}
