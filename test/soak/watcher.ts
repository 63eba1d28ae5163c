// Looks at the directory of a series every few milliseconds, holds it against the promises of the file ring, and keeps a
// link to every savefile, so that its packets can be looked at after it was evicted. It links what is being written, too:
// a capture that catches up publishes and evicts faster than anyone can look.
import { linkSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { byAge, list } from './evidence.ts';

const LOOK_MS = 5;

export interface Watched {
  readonly directory: string;
  /** Where to keep links, on the same file system; '' for nowhere. */
  readonly kept: string;
  /** How many complete savefiles there may be. */
  readonly keep: number;
}

export class Watcher {
  /** In sight at once. */
  mostComplete = 0;
  leastComplete: number = Number.POSITIVE_INFINITY;
  looks = 0;
  /** Files that may be there beside the ring under the name of a complete one: with `--no-part` what is not complete. */
  spare = 0;
  readonly #watched: Watched;
  /** Of savefiles that have been complete, by name. */
  readonly #inodes = new Map<string, number>();
  /** Of links, also of those that were taken. */
  readonly #linked = new Map<string, number>();
  /** Linked, not taken yet, by name. */
  readonly #links = new Map<string, string>();
  #newestGone: string | undefined;
  #present: ReadonlySet<string> = new Set();
  #failure: unknown;
  readonly #timer: NodeJS.Timeout;

  constructor(watched: Watched, everyMs: number = LOOK_MS) {
    this.#watched = watched;
    for (const each of [watched.directory, watched.kept]) if (each !== '') mkdirSync(each, { recursive: true });
    this.#timer = setInterval(() => this.look(), everyMs);
  }

  /** How many savefiles have been seen complete so far. */
  get seen(): number {
    return this.#inodes.size;
  }

  /** Whether the savefile has been in sight. */
  has(name: string): boolean {
    return this.#linked.has(name);
  }

  /** Throws what was wrong in any look so far. */
  check(): void {
    this.look();
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Paths of the kept links to savefiles for which `ready` is true, by name, oldest first. They are the caller's to remove. */
  take(ready: (name: string) => boolean): [name: string, path: string][] {
    this.check();
    const taken = [...this.#links].filter(([name]) => ready(name)).sort(([a], [b]) => byAge(a, b));
    for (const [name] of taken) this.#links.delete(name);
    return taken;
  }

  end(): void {
    clearInterval(this.#timer);
  }

  look(): void {
    try {
      this.#look();
    } catch (cause) {
      this.#failure ??= cause;
    }
  }

  #look(): void {
    const { directory, keep } = this.#watched;
    const { complete, partial, between } = list(directory);
    this.looks++;
    this.mostComplete = Math.max(this.mostComplete, complete.length);
    for (const fileName of partial) this.#link(fileName.replace(/\.part$/, ''), fileName);
    for (const { name, fileName } of complete) this.#meet(name, fileName);
    const present = new Set([...complete.map(({ name }) => name), ...between]);
    for (const name of this.#present) {
      if (present.has(name)) continue;
      if (this.#newestGone === undefined || byAge(name, this.#newestGone) > 0) this.#newestGone = name;
    }
    this.#present = present;
    const names = complete.map(({ name }) => name).join(' ');
    if (complete.length > keep + this.spare) throw new Error(`${complete.length} files are complete: ${names}`);
    const [oldest] = complete;
    if (this.#newestGone !== undefined && oldest !== undefined && byAge(oldest.name, this.#newestGone) < 0)
      throw new Error(`${this.#newestGone} is gone before ${oldest.name}`);
    if (this.seen <= keep) return;
    this.leastComplete = Math.min(this.leastComplete, complete.length);
    // The oldest goes before the newest is renamed: for that instant the newest is still there as .part.
    const left = complete.length + between.length;
    if (left < keep - 1 || left + partial.length < keep)
      throw new Error(`of the last ${keep} files these are left: ${names}, ${partial.join(' ')}`);
  }

  /** A name is used for one savefile, whatever comes in its place when that is compressed. */
  #meet(name: string, fileName: string): void {
    const inode = this.#link(name, fileName);
    if (inode === undefined || (fileName !== name && this.#inodes.has(name))) return;
    const known = this.#inodes.get(name);
    if (known !== undefined && known !== inode) throw new Error(`${name} was used twice`);
    this.#inodes.set(name, inode);
  }

  /** Keeps a link, unless it has one of the same file or its original; undefined when that is gone since it was listed. */
  #link(name: string, fileName: string): number | undefined {
    const { directory, kept } = this.#watched;
    const inode = statSync(join(directory, fileName), { throwIfNoEntry: false })?.ino;
    const known = this.#linked.get(name);
    const copy = fileName.endsWith('.gz');
    if (kept === '' || inode === undefined || known === inode || (copy && known !== undefined)) return inode;
    const link = join(kept, copy ? `${name}.gz` : name);
    rmSync(link, { force: true });
    try {
      linkSync(join(directory, fileName), link);
    } catch (cause) {
      if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
      throw cause;
    }
    this.#linked.set(name, inode);
    this.#links.set(name, link);
    return inode;
  }
}

/** Removes what `take` gave. */
export function removeLinks(taken: readonly (readonly [name: string, path: string])[]): void {
  for (const [, path] of taken) rmSync(path);
}
