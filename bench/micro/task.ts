// What is measured alone, without a kernel or a disk in it: one part of the program, over packets in memory. The tables of
// walk.ts, filter.ts and files.ts are made of these; worker.ts runs one of them.

/** One part, ready to run. */
export interface Prepared {
  /** How many packets a turn goes through. */
  readonly packets: number;
  /** Before each turn, and not measured. */
  readonly before?: () => void;
  readonly turn: () => void | Promise<void>;
  /** What was measured while it was made ready, by the key of a metric. */
  readonly values?: Readonly<Record<string, number>>;
}

export interface Task {
  readonly title: string;
  /** `directory`: where files may be made. */
  prepare(directory: string): Prepared | Promise<Prepared>;
}
