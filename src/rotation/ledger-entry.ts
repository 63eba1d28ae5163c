// What a line of the ledger says. Ledger writes them, `tsnetpcap verify` reads them, and FileRing takes the order of the
// savefiles from them.
//
// A ledger is one chain of lines over several files: NAME.ledger.jsonl is being written, NAME.ledger-YYYYmmddHHMMSS.jsonl
// were rotated away at that time (UTC), oldest first by name. Each line is one JSON object in UTF-8. `prev`, its last
// member, is the SHA-256 of the line before, without its line feed, in lower-case hexadecimal; of the first line of all 64
// zeros. A file that follows a rotated one begins with a `carry` line, whose `prev` is the hash of the last line there.

/** A packet's time as decimal seconds with nine digits behind the point, which a JSON number could not hold. */
export type PacketTime = string;

/** What a savefile holds. `first` and `last` are those of its first and last record, in the order of the file. */
export interface Contents {
  readonly packets: number;
  /** Of the file, its header included. */
  readonly bytes: number;
  readonly first: PacketTime | null;
  readonly last: PacketTime | null;
}

/** What the kernel, the network card and a filter outside the kernel counted, while a savefile was open or in a whole capture. */
export interface KernelCounts {
  readonly received: number;
  readonly dropped: number;
  readonly ifDropped: number;
  readonly queueFreezes: number;
  readonly filtered: number;
}

/** Why a complete savefile was deleted. */
export type EvictReason = 'ring' | 'max-age' | 'max-bytes' | 'min-free' | 'no-space' | 'released' | 'empty';

/** `name` is always the savefile's name when it is complete: no directory, no `.part`, no `.gz`. Seconds are since 1970. */
export type LedgerEvent =
  /** A capture begins: everything that decides what is in its savefiles. */
  | {
      readonly type: 'start';
      readonly version: string;
      readonly node: string;
      readonly host: string;
      readonly pid: number;
      /** Seconds east of UTC, at the start. */
      readonly zoneOffset: number;
      readonly pattern: string;
      /** '' where the packets came from a program, as `program` is then. */
      readonly device: string;
      readonly interfaces: readonly { readonly name: string; readonly ifindex: number }[];
      readonly linktype: number;
      readonly snaplen: number;
      readonly precision: 'micro' | 'nano';
      readonly filter: string;
      readonly exclude: readonly string[];
      /** What is kept of a packet where `snaplen`, the most of all, does not say it. */
      readonly kept?: {
        /** Where no class matches. */
        readonly snaplen: number;
        readonly classes: readonly { readonly expression: string; readonly bytes: number }[];
        readonly names: Readonly<Record<string, number>> | null;
        readonly headersOnly: boolean;
        /** One flow of so many. */
        readonly sampleFlows: number;
      };
      /** SHA-256 of the program attached to the socket, eight bytes an instruction. */
      readonly program: string;
      /** The same of what packets went through outside the kernel, exclusions first; left out when there was none. */
      readonly userSpace?: string;
    }
  /** A savefile was created, for records of [startSec, endSec). */
  | { readonly type: 'open'; readonly name: string; readonly startSec: number; readonly endSec: number }
  /**
   * It is closed and whole, and about to be published. What was counted while it was open: packets that the kernel had
   * received and not yet handed over at either end are counted with the file before the one they are in.
   */
  | (Contents &
      KernelCounts & {
        readonly type: 'close';
        readonly name: string;
        readonly startSec: number;
        readonly endSec: number;
        readonly late: number;
        readonly noSpace: number;
      })
  /** SHA-256 of the complete savefile. */
  | { readonly type: 'hash'; readonly name: string; readonly bytes: number; readonly sha256: string }
  /** NAME is about to be replaced by the file `as` (NAME.gz, NAME.zst), of which this is the size and the hash. */
  | {
      readonly type: 'compress';
      readonly name: string;
      readonly as: string;
      readonly bytes: number;
      readonly sha256: string;
    }
  | { readonly type: 'evict'; readonly name: string; readonly reason: EvictReason }
  /** A process died and left it; `cutBytes` behind its last whole record were cut off, now it is complete. */
  | (Contents & { readonly type: 'adopt'; readonly name: string; readonly cutBytes: number })
  /** The interface was away. */
  | {
      readonly type: 'gap';
      readonly device: string;
      readonly reason: 'down' | 'removed';
      readonly fromMs: number;
      readonly toMs: number;
    }
  /** The wall clock was set, by so much against the monotonic one. */
  | { readonly type: 'step'; readonly byMs: number }
  /** Packets that found no room on disk; times of the wall clock. */
  | { readonly type: 'lost'; readonly packets: number; readonly fromMs: number; readonly toMs: number }
  /** The ledger itself ended in so many bytes that were no line, which were cut off. */
  | { readonly type: 'torn'; readonly bytes: number }
  /** A capture ended as it should: every term of its balance. */
  | {
      readonly type: 'stop';
      readonly received: number;
      readonly written: number;
      readonly dropped: number;
      readonly noSpace: number;
      readonly filtered: number;
      readonly unread: number;
      readonly ifDropped: number;
      readonly queueFreezes: number;
      readonly late: number;
    }
  /** The chain goes on from the last line of this rotated file. */
  | { readonly type: 'carry'; readonly from: string };

/** A line as it is read: the event, when it was written (ISO 8601, UTC), and the hash of the line before. */
export type LedgerEntry = LedgerEvent & { readonly time: string; readonly prev: string };

/** `prev` of the first line of all. */
export const NO_HASH: string = '0'.repeat(64);
