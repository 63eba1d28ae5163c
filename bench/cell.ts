// What a benchmark is made of: cells, each the measurement behind one group of rows of a table. Every file that measures
// exports a `Benchmark` (benchmarks.ts lists them); the runner (main.ts) decides which cells run, and what they return goes
// into a results file as it is (results.ts). Medians and ratios are computed by whoever shows them, never stored.
import type { Lab } from './lab.ts';

/** One number of a run. The first metric of a cell is the one that its chart shows and that its ratio to the peer is of. */
export interface Metric {
  /** Of `Measured.values`. */
  readonly key: string;
  /** As a table's column says it, without the unit: `CPU a million packets`. */
  readonly title: string;
  /** `s`, `MiB`, empty for a bare number. */
  readonly unit: string;
  /** Which direction is good; `neither` is shown and never compared. */
  readonly better: 'less' | 'more' | 'neither';
  /** Behind the decimal point. */
  readonly digits: number;
}

/** One run of one contestant. */
export interface Measured {
  /** `tsnetpcap`, `tcpdump`, ... as tables name it. */
  readonly program: string;
  /** From 0: runs of one round are neighbours in time, and ratios to the peer are taken within it. */
  readonly round: number;
  /** By `Metric.key`; a metric that a program has no number for is absent. */
  readonly values: Readonly<Record<string, number>>;
  /** Why the run says nothing: it is shown as void and enters no median. */
  readonly flaw?: string;
}

export interface Cell {
  /** Unique in its benchmark, stable over time: kebab-case, names the row in the results file. */
  readonly id: string;
  /** As the page says it: what is varied, with its unit. */
  readonly title: string;
  /** Part of the short form, `npm run bench` without a name. */
  readonly short: boolean;
  /** The program the others are compared with, undefined when there is none. */
  readonly peer: string | undefined;
  readonly metrics: readonly Metric[];
  /** All that decides the result besides programs and machine; a stored result with other settings is measured anew. */
  readonly settings: Readonly<Record<string, string | number>>;
  /** Bytes that its files have at a time, at most: the runner has memory for them ready. Default none. */
  readonly fileBytes?: number;
  /** All rounds, interleaved (`inTurns`). Rejects when a run can't be made at all, or by `bench.signal`. */
  measure(bench: Bench): Promise<Measured[]>;
}

/** What a cell is given by the runner, which removes directory and lab afterwards. */
export interface Bench {
  /** The built program. */
  readonly program: string;
  /** Empty, on a real file system. */
  readonly directory: string;
  /** A network of the cell's own. */
  readonly lab: Lab;
  /** How often each contestant runs. */
  readonly rounds: number;
  /** Interrupts: every wait must end by it. */
  readonly signal: AbortSignal;
  /** `count`, or the part of it that --scale asks for, at least 1: for numbers of packets, seconds, files. */
  scaled(count: number): number;
  /** A line on stderr: what is under way. */
  say(text: string): void;
}

/** A chart of some cells' bars, one a program, beside the benchmark's table. */
export interface Chart {
  /** Unique in its benchmark: names the file. */
  readonly id: string;
  readonly title: string;
  /** `Metric.key`. */
  readonly metric: string;
  /** `Cell.id`s; those without a result are left out. */
  readonly cells: readonly string[];
}

export interface Benchmark {
  /** What `npm run bench -- NAME` says, and the name of the results file. */
  readonly name: string;
  readonly title: string;
  /** Paragraphs of Markdown above the table: the question, how it is measured, what is void. */
  readonly about: string;
  readonly cells: readonly Cell[];
  readonly charts: readonly Chart[];
}
