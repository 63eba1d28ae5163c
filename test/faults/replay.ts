// Plays the log of a run's calls once more, on a directory that is only names, and holds against each call what may be
// done at that moment: what is on disk before what, and never more than so many complete savefiles.
import type { Event } from './faults.ts';

const COMPLETE = /\.pcap(\.gz)?$/;
const COPY = /\.pcap\.gz\.part$/;
const LEDGER = /\.ledger.*\.jsonl$/;
const LINE = /^\{"type":"(close|adopt|evict|compress)","name":"([^"]+)"/;

/** So many files may become complete before something is tried again that was refused: time passes in no time here. */
const PATIENCE = 10;

/** What the ledger says of a savefile. */
interface Told {
  /** It is complete, and that line is on disk. */
  complete?: 'written' | 'synced';
  compress?: 'written' | 'synced';
  evict?: true;
}

/**
 * `names`: what is in the directory at first. Throws at the first call that should not have been, as it was. Returns the
 * savefiles that were deleted to make room on a full disk, which then had none for the line that says so.
 */
export function replay(events: readonly Event[], names: readonly string[], keep: number): ReadonlySet<string> {
  const replay = new Replay(names, keep);
  replay.play(events);
  return replay.unsaid;
}

class Replay {
  readonly unsaid: Set<string> = new Set();
  readonly #names: Set<string>;
  readonly #keep: number;
  /** Files with bytes that may not be on disk, unless fdatasync failed: it would not do better a second time. */
  readonly #dirty: Set<string> = new Set();
  readonly #told: Map<string, Told> = new Map();
  /** Evicted, and the system refused to delete it. */
  readonly #undeleted: Set<string> = new Set();
  /** What was refused and must be tried again, and how many files have become complete since. */
  readonly #refused: Map<string, number> = new Map();
  readonly #released: Set<string> = new Set();
  #wasFull = false;

  constructor(names: readonly string[], keep: number) {
    this.#names = new Set(names);
    this.#keep = keep;
  }

  play(events: readonly Event[]): void {
    for (const [index, event] of events.entries()) {
      const broken = this.#judge(event);
      if (broken !== undefined) {
        const before = events
          .slice(0, index + 1)
          .filter((each, at) => at > index - 12 || each.name.startsWith(event.name.slice(0, 19)))
          .map((each) => JSON.stringify(each));
        throw new Error([`${event.call} ${event.name}: ${broken}, behind`, ...before].join('\n      '));
      }
    }
  }

  /** What is wrong with the call. */
  #judge({ call, name, to, detail, failure }: Event): string | undefined {
    if (call === 'fdatasync' && failure !== 'half') this.#synced(name, failure === undefined);
    if (failure !== undefined && failure !== 'half') {
      if (/No space|quota/.test(failure)) this.#wasFull = true;
      // Before it is deleted it is looked at. Nobody can do more than try again.
      const evicted = this.#wasFull || this.#told.get(name.replace(/\.gz$/, ''))?.evict === true;
      if (['open', 'close', 'unlink'].includes(call) && evicted) this.#undeleted.add(name);
      if (
        (call === 'unlink' && this.#undeleted.has(name)) ||
        (call === 'rename' && COPY.test(name) && this.#names.has(name))
      )
        this.#refused.set(name, 0);
      return undefined;
    }
    this.#refused.delete(name);
    switch (call) {
      case 'create':
        return this.#create(name, detail === 'exclusive');
      case 'write':
      case 'writev':
      case 'pwrite':
      case 'ftruncate':
        if (COMPLETE.test(name)) return 'changes a complete savefile';
        this.#dirty.add(name);
        if (LEDGER.test(name)) this.#line(detail);
        if (name.endsWith('.released')) this.#released.add(detail);
        return undefined;
      case 'rename':
        return this.#rename(name, to);
      case 'unlink':
        return this.#unlink(name);
      default:
        return undefined;
    }
  }

  #create(name: string, exclusive: boolean): string | undefined {
    if (COMPLETE.test(name) || (name.endsWith('.part') && !exclusive)) return 'might have emptied a savefile';
    this.#names.add(name);
    return undefined;
  }

  #line(text: string): void {
    const [, type, name = ''] = LINE.exec(text) ?? [];
    if (type === undefined) return;
    const told = this.#told.get(name) ?? {};
    if (type === 'close' || type === 'adopt') this.#told.set(name, { complete: 'written' });
    if (type === 'compress') this.#told.set(name, { ...told, compress: 'written' });
    if (type === 'evict') this.#told.set(name, { evict: true });
    if (type === 'evict') this.unsaid.delete(name);
  }

  #synced(name: string, worked: boolean): void {
    this.#dirty.delete(name);
    if (!LEDGER.test(name) || !worked) return;
    for (const told of this.#told.values()) {
      if (told.complete !== undefined) told.complete = 'synced';
      if (told.compress !== undefined) told.compress = 'synced';
    }
  }

  #rename(name: string, to: string): string | undefined {
    this.#names.delete(name);
    if (this.#names.has(to) && COMPLETE.test(to)) return 'replaces a complete savefile';
    this.#names.add(to);
    if (!COMPLETE.test(to)) return undefined;
    if (this.#dirty.has(name)) return 'is not on disk yet';
    const told = this.#told.get(to.replace(/\.gz$/, ''));
    if (!to.endsWith('.gz') && told?.complete !== 'synced') return 'its line is not on disk yet';
    for (const [each, since] of this.#refused) {
      if (since === PATIENCE) return `${each} was refused, and not tried again`;
      this.#refused.set(each, since + 1);
    }
    const complete = [...this.#names].filter((each) => COMPLETE.test(each) && !this.#undeleted.has(each));
    return complete.length > this.#keep ? `makes ${complete.length} complete savefiles` : undefined;
  }

  #unlink(name: string): string | undefined {
    this.#names.delete(name);
    this.#undeleted.delete(name);
    const base = name.replace(/(\.gz)?(\.part)?$/, '');
    const told = this.#told.get(base);
    const only = name.endsWith('.gz.part') && !this.#names.has(base) && !this.#names.has(`${base}.gz`);
    if (!COMPLETE.test(name) && !only) return undefined;
    if (told?.evict || this.#released.has(base)) return undefined;
    // On a full disk the line may have to wait for the room that this makes, or for as long as the capture lasts.
    if (this.#wasFull && (name !== base || told?.compress === undefined)) this.unsaid.add(base);
    if (this.#wasFull) return undefined;
    if (told?.compress !== 'synced') return 'no line says so';
    return this.#dirty.has(`${name}.gz.part`) ? 'its copy is not on disk yet' : undefined;
  }
}
