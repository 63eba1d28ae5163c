// What the page of a day shows, as plain values: the index and the checks fill it (data.ts), render.ts writes it into the page
// as JSON, page/ reads it there. Times are milliseconds since the epoch. A list that can be long is a `Part`, so that the page
// can say what it leaves out.

/** The most telling rows of a list, and how long the list is. */
export interface Part<Row> {
  readonly rows: readonly Row[];
  readonly total: number;
}

export interface ReportData {
  /** When the page was made. */
  readonly made: number;
  /** The time zone that times are shown in, an IANA name. */
  readonly zone: string;
  /** The first and the last day of the bundles, `2026-11-27`. */
  readonly from: string;
  readonly to: string;
  readonly qubes: readonly ReportQube[];
  readonly bundles: readonly ReportBundle[];
  readonly gaps: ReportGaps;
  readonly checks: readonly ReportCheck[];
  /** Undefined where there is no day before. */
  readonly changes: ReportChanges | undefined;
  readonly timeline: ReportTimeline;
  readonly flows: ReportFlows;
}

/** What there is of a qube and a day. */
export interface ReportBundle {
  readonly host: string;
  readonly day: string;
  /** The time that it is about: by its manifests, otherwise by its packets and lines. */
  readonly since: number | null;
  readonly until: number | null;
  readonly savefiles: number;
  readonly packets: number;
  /** Of the savefiles. */
  readonly bytes: number;
  /** Of the nft log. */
  readonly lines: number;
  /** Packets that a capture did not get or keep. */
  readonly lost: number;
  /** Files that could not be read to their end. */
  readonly damaged: number;
  /** Bundles that could not be read. */
  readonly encrypted: number;
}

/** The longest, in order of time. */
export interface ReportGaps extends Part<ReportGap> {
  /** Over all of them. */
  readonly sums: readonly GapSum[];
}

export interface GapSum {
  readonly kind: GapKind;
  readonly times: number;
  readonly count: number;
}

/** A time in which something is not there that should be. */
export interface ReportGap {
  readonly host: string;
  /** null: not known. */
  readonly from: number | null;
  readonly to: number | null;
  readonly kind: GapKind;
  /** Packets, lines or files, as `kind` says; 0: not known. */
  readonly count: number;
  readonly about: string;
}

/**
 * `gap`: no capture ran. `lost`: packets that a capture could not keep. `dropped`: packets that the kernel had no room for.
 * `unlogged`: packets that nft did not write a line for. `missing`: savefiles that should be there. `damaged`: files that broke off.
 */
export type GapKind = 'gap' | 'lost' | 'dropped' | 'unlogged' | 'missing' | 'damaged';

/** One policy, what came of it, and what it saw. */
export interface ReportCheck {
  /** Short, as on the command line: `dns`. */
  readonly check: string;
  /** `unknown`: there was nothing to look at. */
  readonly status: 'passed' | 'failed' | 'unknown';
  /** One sentence: what was looked for, or what was found. */
  readonly about: string;
  readonly evidence: Part<ReportEvidence>;
}

/** null: it has none. */
export interface ReportEvidence {
  readonly host: string;
  readonly first: number;
  readonly client: string | null;
  readonly proto: string | null;
  readonly remote: string | null;
  readonly port: number | null;
  readonly name: string | null;
  /** How often, or how much was lost. */
  readonly count: number;
  readonly bytes: number | null;
  readonly about: string;
  /** Names the flow to `netlogs packets`. */
  readonly row: string | null;
}

/** What the days have that the day before them had not. */
export interface ReportChanges extends Part<ReportChange> {
  /** The day compared with. */
  readonly with: string;
  /** `total` are not all. */
  readonly more: boolean;
  /** Over `total`. */
  readonly sums: readonly { readonly kind: string; readonly times: number }[];
}

export interface ReportChange {
  readonly host: string;
  readonly client: string;
  /** `name`, `address`, `port`. */
  readonly kind: string;
  readonly value: string;
  readonly first: number;
  /** Flows, questions and nft lines with it. */
  readonly times: number;
  /** Names the first flow to `netlogs packets`. */
  readonly row: string | null;
}

/** Sums over equal steps of time. */
export interface ReportTimeline {
  readonly from: number;
  readonly stepMs: number;
  readonly steps: number;
  /** Packets and lines whose time lies outside. */
  readonly outside: number;
}

export interface ReportQube {
  readonly host: string;
  readonly packets: number;
  /** On the wire, of the network layer. */
  readonly bytes: number;
  readonly flows: number;
  readonly lines: number;
  /** One number a step of the timeline each; empty where there is nothing but zeros. */
  readonly packetsAt: readonly number[];
  readonly bytesAt: readonly number[];
  readonly linesAt: readonly number[];
  /** Most bytes first. */
  readonly names: Part<ReportPeer>;
  /** Most bytes first; the addresses that flows went to. */
  readonly addresses: Part<ReportPeer>;
  /** Most questions first. */
  readonly questions: Part<ReportQuestion>;
}

/** A name or an address that flows went to. */
export interface ReportPeer {
  readonly value: string;
  readonly flows: number;
  readonly bytes: number;
}

/** A name that was asked for. */
export interface ReportQuestion {
  readonly name: string;
  readonly count: number;
  /** Answers that said that there is none. */
  readonly refused: number;
}

/** A NAT's two ends are one flow here. */
export interface ReportFlows {
  /** Most bytes first. */
  readonly rows: readonly ReportFlow[];
  readonly total: number;
  /** The flows that have no row, summed for each qube and name; most bytes first. */
  readonly rest: Part<ReportRest>;
  /** The sum of the rest that has no row in `rest` either. */
  readonly others: ReportSum;
}

export interface ReportFlow {
  /** Names it to `netlogs packets`. */
  readonly row: string;
  readonly host: string;
  readonly first: number;
  readonly last: number;
  readonly proto: string;
  readonly src: string;
  readonly sport: number | null;
  readonly dst: string;
  readonly dport: number | null;
  readonly name: string | null;
  readonly packets: number;
  readonly bytesForward: number;
  readonly bytesBack: number;
}

export interface ReportSum {
  readonly flows: number;
  readonly packets: number;
  readonly bytes: number;
}

export interface ReportRest extends ReportSum {
  readonly host: string;
  /** Of the name, or of the address where there is none. */
  readonly value: string;
}
