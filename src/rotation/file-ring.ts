// Owns the savefiles of a series on disk: which are complete, which is the oldest, and the steps by which one more
// becomes complete. savefile/series.ts is its one caller. One process at a time may own a series.
//
//   create    NAME.part          under it, the writer writes; nobody else may take NAME while it exists
//   publish   evict the oldest   while `keep` are complete
//             NAME.part -> NAME  so that more than `keep` complete files are never seen, not even after a crash between
//
// The directory may hold anything else. Only regular files with a name of the series and the magic of a savefile are
// counted, and only they are deleted. A NAME.part left by a process that died stays, and its NAME is not taken.
import { closeSync, constants, lstatSync, mkdirSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { constants as system } from 'node:os';
import { join } from 'node:path';
import { SyscallError } from '../errors.ts';
import { PART, type SavefileName } from './name.ts';
import { type RecordTime, readSavefileStart } from './savefile-start.ts';

export interface FileRingOptions {
  readonly name: SavefileName;
  /** How many complete savefiles may exist, at least 1; undefined for any number. */
  readonly keep: number | undefined;
  /** Of new savefiles, less the umask. Default 0640. */
  readonly fileMode?: number;
}

/** A savefile being written; whoever has it closes `fd`, then publishes. */
export interface OpenSavefile {
  readonly fd: number;
  /** The name it will have, without directory, and where it will be. */
  readonly name: string;
  readonly path: string;
}

const DIRECTORY_MODE = 0o750;
const FILE_MODE = 0o640;
/** Where a compressed copy may stand in for NAME. */
const COMPRESSED = ['.gz', '.zst'];

export class FileRing {
  readonly #name: SavefileName;
  readonly #keep: number;
  readonly #fileMode: number;
  readonly #complete: string[];
  /** The name last created, without its suffix, and the suffix: a name evicted within its own second must not recur. */
  #lastBase = '';
  #lastSuffix = 0;

  private constructor(options: FileRingOptions, complete: string[]) {
    this.#name = options.name;
    this.#keep = options.keep ?? Number.POSITIVE_INFINITY;
    this.#fileMode = options.fileMode ?? FILE_MODE;
    this.#complete = complete;
  }

  /** Creates the directory if it is missing, takes stock of it, and evicts down to `keep`. @throws SyscallError */
  static open(options: FileRingOptions): FileRing {
    return systemErrors(() => {
      mkdirSync(options.name.directory, { recursive: true, mode: DIRECTORY_MODE });
      const ring = new FileRing(options, completeFiles(options.name));
      ring.#evictTo(ring.#keep);
      return ring;
    });
  }

  /**
   * Names of the complete savefiles, oldest first: those found by `open` by their first record (without one, by their
   * name) and suffix, then as they were published. So a clock that was set back does not make the newest the oldest.
   */
  get complete(): readonly string[] {
    return this.#complete;
  }

  /** Opens a new, empty savefile named by `startSec`, with a suffix when that name is taken. @throws SyscallError */
  create(startSec: number): OpenSavefile {
    return systemErrors(() => {
      const base = this.#name.at(startSec);
      let suffix = base === this.#lastBase ? this.#lastSuffix + 1 : 0;
      let file = this.#tryCreate(this.#name.at(startSec, suffix));
      while (file === undefined) file = this.#tryCreate(this.#name.at(startSec, ++suffix));
      this.#lastBase = base;
      this.#lastSuffix = suffix;
      return file;
    });
  }

  /** Makes a savefile complete whose `fd` is closed. The oldest go first, where there is no room. @throws SyscallError */
  publish(file: OpenSavefile): void {
    systemErrors(() => {
      this.#evictTo(this.#keep - 1);
      // A check and rename(2), not link(2) and unlink(2): one step that a crash can't halve, on any file system. Nobody
      // of ours creates NAME while we have NAME.part, so the check only has to see what was put there by hand.
      if (exists(file.path)) throw new SyscallError('EEXIST', system.errno.EEXIST, 'rename', file.path);
      renameSync(file.path + PART, file.path);
      this.#complete.push(file.name);
    });
  }

  /** Closes and removes a savefile into which nothing could be written. @throws SyscallError */
  discard(file: OpenSavefile): void {
    systemErrors(() => {
      closeSync(file.fd);
      rmSync(file.path + PART);
    });
  }

  #tryCreate(name: string): OpenSavefile | undefined {
    const path = join(this.#name.directory, name);
    if (COMPRESSED.some((extension) => exists(path + extension)) || exists(path) || exists(path + PART))
      return undefined;
    // O_APPEND: the writer cuts a torn record off after a failed write, and the next one must not leave a hole.
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_APPEND;
    return { fd: openSync(path + PART, flags, this.#fileMode), name, path };
  }

  #evictTo(count: number): void {
    while (this.#complete.length > count) {
      const [oldest = ''] = this.#complete;
      // Anyone may have compressed it in the meantime, or put something else there. A file that is gone was released, which
      // is as good.
      for (const name of [oldest, ...COMPRESSED.map((extension) => oldest + extension)]) {
        const path = join(this.#name.directory, name);
        const parsed = this.#name.parse(name);
        if (parsed !== undefined && readSavefileStart(path, parsed.compression) !== undefined)
          rmSync(path, { force: true });
      }
      this.#complete.shift();
    }
  }
}

/** The names of the complete savefiles in the directory, oldest first. */
function completeFiles(name: SavefileName): string[] {
  const found: { readonly fileName: string; readonly time: RecordTime; readonly suffix: number }[] = [];
  for (const fileName of readdirSync(name.directory)) {
    const parsed = name.parse(fileName);
    if (parsed === undefined || parsed.partial) continue;
    const start = readSavefileStart(join(name.directory, fileName), parsed.compression);
    if (start === undefined) continue;
    found.push({ fileName, time: start.firstRecord ?? { sec: parsed.sec ?? 0, nsec: 0 }, suffix: parsed.suffix });
  }
  found.sort((a, b) => a.time.sec - b.time.sec || a.time.nsec - b.time.nsec || a.suffix - b.suffix);
  return found.map(({ fileName }) => fileName);
}

/** Also true for a link that leads nowhere. */
function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

function systemErrors<T>(action: () => T): T {
  try {
    return action();
  } catch (cause) {
    throw SyscallError.from(cause);
  }
}
