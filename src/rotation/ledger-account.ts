// What a ledger says in all: of each savefile what must be there now, and of the captures how they went. LedgerChain adds
// the entries, oldest first; `tsnetpcap verify` and `tsnetpcap release` ask.
import type { Interval } from './clock.ts';
import type { Digest } from './digest.ts';
import type { Contents, EvictReason, LedgerEntry } from './ledger-entry.ts';

export interface SavefileAccount {
  readonly state: 'open' | 'complete' | 'evicted';
  /** That of its records, undefined when no line that is left says it. */
  readonly interval: Interval | undefined;
  /** Undefined until it is complete, and when that line was rotated away. */
  readonly contents: Contents | undefined;
  /** How many records may be older than the interval; undefined for one that was adopted. */
  readonly late: number | undefined;
  /** Of the savefile, and of what it was compressed to; undefined when there is no such line. */
  readonly digest: Digest | undefined;
  readonly compressed: (Digest & { readonly as: string }) | undefined;
  readonly evicted: EvictReason | undefined;
}

const NOTHING: SavefileAccount = {
  state: 'complete',
  interval: undefined,
  contents: undefined,
  late: undefined,
  digest: undefined,
  compressed: undefined,
  evicted: undefined,
};

export class LedgerAccount {
  /** By the name that each has when it is complete, in the order of their first lines. */
  readonly savefiles: ReadonlyMap<string, SavefileAccount>;
  /** Those of them that are evicted and may not be deleted yet: their lines come last, but for lines that come any time. */
  readonly evicting: ReadonlySet<string>;
  /** Of the last capture, undefined when no line that is left says it. */
  pattern: string | undefined;
  readonly #savefiles: Map<string, SavefileAccount> = new Map();
  readonly #evicting: Set<string> = new Set();
  #captures = 0;
  #crashes = 0;
  #lastCrash = '';
  /** When the capture began that has not ended; empty for none. */
  #running = '';
  readonly #gaps: { count: number; ms: number; last: string } = { count: 0, ms: 0, last: '' };
  readonly #steps: { count: number; byMs: number; last: string } = { count: 0, byMs: 0, last: '' };
  readonly #lost: { count: number; packets: number; last: string } = { count: 0, packets: 0, last: '' };
  readonly #torn: { count: number; bytes: number; last: string } = { count: 0, bytes: 0, last: '' };

  constructor() {
    this.savefiles = this.#savefiles;
    this.evicting = this.#evicting;
  }

  add(entry: LedgerEntry): void {
    if (entry.type === 'evict') this.#evicting.add(entry.name);
    if (['open', 'close', 'stop'].includes(entry.type)) this.#evicting.clear();
    switch (entry.type) {
      case 'start':
        this.pattern = entry.pattern;
        this.#captures++;
        if (this.#running !== '') {
          this.#crashes++;
          this.#lastCrash = this.#running;
        }
        this.#running = entry.time;
        break;
      case 'stop':
        this.#running = '';
        break;
      case 'gap':
        this.#gaps.count++;
        this.#gaps.ms += entry.toMs - entry.fromMs;
        this.#gaps.last = entry.time;
        break;
      case 'step':
        this.#steps.count++;
        this.#steps.byMs = entry.byMs;
        this.#steps.last = entry.time;
        break;
      case 'lost':
        this.#lost.count++;
        this.#lost.packets += entry.packets;
        this.#lost.last = entry.time;
        break;
      case 'torn':
        this.#torn.count++;
        this.#torn.bytes += entry.bytes;
        this.#torn.last = entry.time;
        break;
      case 'carry':
        break;
      default:
        this.#savefiles.set(entry.name, accountAfter(this.#savefiles.get(entry.name) ?? NOTHING, entry));
    }
  }

  /** What befell the captures, a line each, for a person. */
  notices(): string[] {
    const notices: string[] = [];
    if (this.#crashes > 0) {
      const captures = `${this.#crashes} of ${this.#captures} captures ended without a stop line`;
      notices.push(`${captures}, as a crash does; the last of them began at ${this.#lastCrash}`);
    }
    if (this.#running !== '')
      notices.push(`the last capture began at ${this.#running} and has no stop line: it runs, or it crashed`);
    const [gaps, steps, lost, torn] = [this.#gaps, this.#steps, this.#lost, this.#torn];
    if (gaps.count > 0)
      notices.push(`an interface was away ${times(gaps)}, for ${(gaps.ms / 1000).toFixed(3)} s in all`);
    if (steps.count > 0) notices.push(`the clock was set ${times(steps)}, by ${(steps.byMs / 1000).toFixed(3)} s`);
    if (lost.count > 0) notices.push(`packets found no room on disk ${times(lost)}, ${lost.packets} in all`);
    if (torn.count > 0) notices.push(`a torn end of the ledger was cut off ${times(torn)}, ${torn.bytes} bytes in all`);
    return notices;
  }
}

function times({ count, last }: { readonly count: number; readonly last: string }): string {
  return count === 1 ? `once, said at ${last}` : `${count} times, the last said at ${last}`;
}

type SavefileEntry = Extract<LedgerEntry, { readonly name: string }>;

function accountAfter(before: SavefileAccount, entry: SavefileEntry): SavefileAccount {
  switch (entry.type) {
    case 'open':
      return { ...NOTHING, state: 'open', interval: { startSec: entry.startSec, endSec: entry.endSec } };
    case 'close': {
      const interval = { startSec: entry.startSec, endSec: entry.endSec };
      return { ...NOTHING, interval, contents: contentsOf(entry), late: entry.late };
    }
    case 'adopt': // the line before was its `open`, which says the interval, if it is left
      return { ...NOTHING, interval: before.interval, contents: contentsOf(entry) };
    case 'hash':
      return { ...before, digest: { bytes: entry.bytes, sha256: entry.sha256 } };
    case 'compress':
      return { ...before, compressed: { as: entry.as, bytes: entry.bytes, sha256: entry.sha256 } };
    case 'evict':
      return { ...before, state: 'evicted', evicted: entry.reason };
  }
}

function contentsOf({ packets, bytes, first, last }: Contents): Contents {
  return { packets, bytes, first, last };
}
