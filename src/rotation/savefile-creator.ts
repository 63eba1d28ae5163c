// Creates the savefiles of a series under names that nothing has yet. FileRing's own part.
import { closeSync, constants, mkdirSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { systemErrors } from '../errors.ts';
import { exists } from './exists.ts';
import { COMPRESSED_EXTENSIONS, PART, type SavefileName } from './name.ts';

export interface CreatorOptions {
  readonly name: SavefileName;
  /** Write under NAME.part until complete. */
  readonly part: boolean;
  /** Of new savefiles, less the umask. */
  readonly fileMode: number;
}

/** A savefile being written; whoever has it gives its descriptor back to FileRing. */
export interface OpenSavefile {
  readonly fd: number;
  /** The name it will have, without directory, and where it will be. */
  readonly name: string;
  readonly path: string;
  /** Where it is. */
  readonly openPath: string;
}

export const DIRECTORY_MODE = 0o750;

export class SavefileCreator {
  readonly #options: CreatorOptions;
  /** The name last created, without its suffix, and the suffix: a name evicted within its own second must not recur. */
  #lastBase = '';
  #lastSuffix = 0;

  /** `last`: the savefile that was created last, by a process before this one, without directory. */
  constructor(options: CreatorOptions, last: string | undefined) {
    this.#options = options;
    if (last === undefined) return;
    this.#lastBase = options.name.base(last);
    this.#lastSuffix = options.name.parse(last)?.suffix ?? 0;
  }

  /** Opens a new, empty savefile named by `startSec`, with a suffix when that name is taken. @throws SyscallError */
  create(startSec: number): OpenSavefile {
    const { name } = this.#options;
    return systemErrors(() => {
      const base = name.at(startSec);
      let suffix = base === this.#lastBase ? this.#lastSuffix + 1 : 0;
      let file = this.#tryCreate(name.at(startSec, suffix));
      while (file === undefined) file = this.#tryCreate(name.at(startSec, ++suffix));
      this.#lastBase = base;
      this.#lastSuffix = suffix;
      return file;
    });
  }

  /** Closes and removes a savefile just created, as if it had never been: its name is free again. */
  undo(file: OpenSavefile): void {
    this.#lastSuffix--;
    systemErrors(() => {
      closeSync(file.fd);
      rmSync(file.openPath, { force: true });
    });
  }

  /** `name`, or the next after it that nothing has. Nobody of ours creates NAME while there is NAME.part. */
  freeName(name: string): string {
    let free = name;
    while (exists(join(this.#options.name.directory, free))) free = this.#options.name.next(free);
    return free;
  }

  #tryCreate(name: string): OpenSavefile | undefined {
    const { directory } = this.#options.name;
    const path = join(directory, name);
    if (['', PART, ...COMPRESSED_EXTENSIONS].some((ending) => exists(path + ending))) return undefined;
    const openPath = this.#options.part ? path + PART : path;
    // O_APPEND: the writer cuts a torn record off after a failed write, and the next one must not leave a hole.
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_APPEND;
    const open = (): OpenSavefile => ({ fd: openSync(openPath, flags, this.#options.fileMode), name, path, openPath });
    try {
      return open();
    } catch (cause) {
      if (!(cause instanceof Error && 'code' in cause && cause.code === 'ENOENT')) throw cause;
      mkdirSync(directory, { recursive: true, mode: DIRECTORY_MODE }); // it was removed
      return open();
    }
  }
}
