// Owns the savefiles of a series on disk: which are complete, which is the oldest, and the steps by which one more
// becomes complete. savefile/series.ts is its one caller; a lock sees to it that one process at a time owns a series.
//
//   create     NAME.part              under it, the writer writes; nobody else may take NAME while it exists
//   complete   its end is synced      fdatasync, in the background as all that follows
//              ledger: close
//              ledger: evict, unlink  the oldest, until one more is allowed
//              NAME.part -> NAME      published: more than `keep` complete files are never seen
//   then       hash, compress, -z     Finisher
//
// After a crash, whatever step it came between, the next start finds NAME.part, cuts it to its last whole record and
// publishes it. The directory may hold anything else. Only regular files with a name of the series and the magic of a
// savefile are counted, and only they are deleted.
import { close, fdatasync, mkdirSync } from 'node:fs';
import { rename, rm, statfs, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CaptureError, SyscallError, systemErrors } from '../errors.ts';
import { adopt } from './adoption.ts';
import { Background } from './background.ts';
import type { Interval } from './clock.ts';
import { exists } from './exists.ts';
import { Finisher, type FinisherOptions } from './finisher.ts';
import { Ledger } from './ledger.ts';
import type { Contents, EvictReason, KernelCounts, LedgerEvent } from './ledger-entry.ts';
import { SeriesLock } from './lock.ts';
import { COMPRESSED_EXTENSIONS, PART } from './name.ts';
import { enterReleased } from './released.ts';
import { type FileSystem, type Retention, reasonToEvict } from './retention.ts';
import { type CreatorOptions, DIRECTORY_MODE, type OpenSavefile, SavefileCreator } from './savefile-creator.ts';
import { readSavefileStart } from './savefile-start.ts';
import { type CompleteFile, type Stock, takeStock } from './stock.ts';
import { Trouble } from './trouble.ts';

export interface FileRingOptions extends Omit<FinisherOptions, 'directory' | 'ledger'>, CreatorOptions {
  readonly retention: Retention;
  /** Savefiles, their ledger lines and their compressed copies are on disk before they count as complete. */
  readonly sync: boolean;
  /** Keep a ledger. */
  readonly ledger: boolean;
}

/** What is told of a savefile at its end. */
export interface Closing extends Contents, KernelCounts {
  readonly interval: Interval;
  readonly late: number;
  readonly noSpace: number;
}

const closeFd = promisify(close);
const datasync = promisify(fdatasync);

export class FileRing {
  readonly #options: FileRingOptions;
  readonly #directory: string;
  readonly #lock: SeriesLock;
  readonly #ledger: Ledger | undefined;
  readonly #creator: SavefileCreator;
  readonly #finisher: Finisher;
  readonly #background: Background;
  readonly #listTrouble: Trouble;
  /** Oldest first, in the order in which they became complete: so a clock set back does not make the newest the oldest. */
  readonly #complete: CompleteFile[];
  readonly #missing: Set<string>;
  /** Files that were evicted and could not be deleted. */
  readonly #undeleted: Set<string> = new Set();
  #keepingHouse = false;
  #makingRoom: Promise<void> | undefined;
  #syncing: Promise<void> | undefined;

  private constructor(options: FileRingOptions, lock: SeriesLock, ledger: Ledger | undefined, stock: Stock) {
    this.#options = options;
    this.#directory = options.name.directory;
    this.#lock = lock;
    this.#ledger = ledger;
    this.#creator = new SavefileCreator(options, ledger?.past.findLast((entry) => entry.type === 'open')?.name);
    this.#finisher = new Finisher({ ...options, directory: this.#directory, ledger });
    this.#background = new Background(options.notice, 'finished savefiles wait as .part', () => this.makeRoom());
    this.#listTrouble = new Trouble(options.notice, 'released savefiles wait to be entered');
    this.#complete = stock.complete;
    this.#missing = stock.missing;
  }

  /**
   * Creates the directory if it is missing, takes stock of it, and in the background completes what a process left that
   * died, then evicts what may not stay. `start`: the ledger's first line of this capture.
   * @throws SyscallError, CaptureError when another process has the series
   */
  static open(options: FileRingOptions, start: LedgerEvent | undefined): FileRing {
    const { name, fileMode, notice } = options;
    const { directory, series } = name;
    return systemErrors(() => {
      mkdirSync(directory, { recursive: true, mode: DIRECTORY_MODE });
      const lock = SeriesLock.take(directory, series);
      let ledger: Ledger | undefined;
      try {
        if (options.ledger) ledger = Ledger.open({ directory, series, fileMode, notice });
        const stock = takeStock(name, options.part, ledger?.past ?? []);
        if (start !== undefined) ledger?.note(start);
        const ring = new FileRing(options, lock, ledger, stock);
        ring.#background.add(() => ring.#takeOver(stock));
        return ring;
      } catch (cause) {
        void ledger?.close(); // never rejects
        lock.release();
        throw cause;
      }
    });
  }

  /** Names of the complete savefiles, oldest first. */
  get complete(): readonly string[] {
    return this.#complete.map(({ name }) => name);
  }

  /** Opens a new, empty savefile named by `startSec`. Its next call is `begun` or `discard`. @throws SyscallError */
  create(startSec: number): OpenSavefile {
    return this.#creator.create(startSec);
  }

  /** Its file header has arrived. */
  begun({ name }: OpenSavefile, interval: Interval): void {
    this.#ledger?.note({ type: 'open', name, ...interval });
  }

  /**
   * Closes and removes a savefile that could not be begun, as if it had never been: on a full disk that happens over and
   * over, and must leave neither files nor descriptors nor lines of the ledger, nor use up names.
   */
  discard(file: OpenSavefile): void {
    try {
      this.#creator.undo(file);
    } catch (cause) {
      this.#tell(cause, 'an empty savefile may stay');
    }
  }

  /** Sees to the disk what is in an open savefile, in the background; not while it still does so. */
  sync(file: OpenSavefile): void {
    this.#syncing ??= this.#sync(file).finally(() => {
      this.#syncing = undefined;
    });
  }

  /** Closes a savefile and makes it complete, in the background. */
  finish(file: OpenSavefile, closing: Closing): void {
    this.#background.add(() => this.#publish(file, closing));
  }

  /** Closes a savefile that can't be brought to a whole end: the next start cuts and completes it. */
  forsake(file: OpenSavefile): void {
    this.#background.add(() => this.#close(file));
  }

  /** The disk is full: the oldest complete savefile goes, the newest never. */
  makeRoom(): void {
    if (this.#makingRoom !== undefined || this.#complete.length <= 1) return;
    this.#makingRoom = this.#evict('no-space').finally(() => {
      this.#makingRoom = undefined;
    });
  }

  /** Evicts what has become too old, frees disk space as asked, enters what was released. Call it about once a second. */
  keepHouse(): void {
    this.#background.throwBug();
    if (this.#keepingHouse) return;
    this.#keepingHouse = true;
    this.#background.add(async () => {
      try {
        for (const fileName of this.#undeleted) await this.#delete(fileName);
        await this.#enterReleased();
        await this.#evictUntilAllowed(0, 0);
      } finally {
        this.#keepingHouse = false;
      }
    });
  }

  /** Adds a line to the ledger, if there is one. */
  record(event: LedgerEvent): void {
    this.#ledger?.note(event);
  }

  /**
   * Resolves when all is complete, with `stop` as the ledger's last line; undefined when no capture began. What can't be
   * stored by now is left for the next start, and the promise rejects with the reason.
   */
  async close(stop: LedgerEvent | undefined): Promise<void> {
    this.#background.hurry();
    this.#ledger?.hurry();
    this.#finisher.hurry();
    const failure = await this.#background.settled();
    await this.#makingRoom;
    await this.#finisher.settled();
    if (stop !== undefined) this.#ledger?.append(stop, this.#options.sync).catch(() => {}); // said by its Trouble
    await this.#ledger?.close();
    this.#lock.release();
    if (failure !== undefined) throw failure;
  }

  async #publish(file: OpenSavefile, { interval, ...closing }: Closing): Promise<void> {
    if (this.#options.sync) await this.#sync(file);
    await this.#close(file);
    const name = this.#options.part ? this.#creator.freeName(file.name) : file.name;
    await this.#append({ type: 'close', name, ...interval, ...closing });
    await this.#evictUntilAllowed(1, closing.bytes);
    if (this.#options.part && !(await this.#rename(file.openPath, name))) return;
    const endMs = closing.last === null ? interval.endSec * 1000 : Number(closing.last) * 1000;
    this.#add({ name, fileName: name, bytes: closing.bytes, endMs, gone: false });
  }

  /** False when somebody has removed the file, or its directory: no further try would find it. */
  #rename(path: string, name: string): Promise<boolean> {
    return this.#background.persist(async () => {
      try {
        await rename(path, join(this.#directory, name));
        return true;
      } catch (cause) {
        if (exists(path)) throw cause;
        this.#tell(cause, 'it was removed by someone else');
        return false;
      }
    });
  }

  #add(file: CompleteFile): void {
    this.#complete.push(file);
    this.#finisher.add(file);
  }

  /** It turns out not to be there. */
  #lost(file: CompleteFile): void {
    const index = this.#complete.indexOf(file);
    if (index === -1) return;
    this.#complete.splice(index, 1);
    this.#missing.add(file.name);
  }

  async #sync(file: OpenSavefile): Promise<void> {
    try {
      await datasync(file.fd);
    } catch (cause) {
      // A second try would succeed without having written anything (fsync(2)).
      this.#tell(cause, `what is in ${file.path} may not be on disk`);
    }
  }

  async #close(file: OpenSavefile): Promise<void> {
    await this.#syncing; // which has its descriptor, and may not have begun
    try {
      await closeFd(file.fd);
    } catch (cause) {
      this.#tell(cause, `what is in ${file.path} may not be on disk`);
    }
  }

  #tell(cause: unknown, consequence: string): void {
    const error = SyscallError.from(cause);
    if (!(error instanceof CaptureError)) throw error;
    this.#options.notice(`${error.message}: ${consequence}`);
  }

  async #append(event: LedgerEvent): Promise<void> {
    await this.#ledger?.append(event, this.#options.sync);
  }

  async #evictUntilAllowed(files: number, bytes: number): Promise<void> {
    // Asked once: while someone reads a file that was deleted, and on some file systems for longer, its space is not free.
    const fileSystem = await this.#fileSystem();
    let freed = 0;
    for (;;) {
      await this.#makingRoom; // what is not counted any more is still there
      const [oldest] = this.#complete;
      const holdings = {
        files: this.#complete.length + files,
        bytes: this.#complete.reduce((sum, file) => sum + file.bytes, bytes),
        oldestEndMs: oldest?.endMs ?? Number.POSITIVE_INFINITY,
      };
      const then = fileSystem === undefined ? undefined : { ...fileSystem, free: fileSystem.free + freed };
      const reason = reasonToEvict(this.#options.retention, holdings, Date.now(), then);
      if (reason === undefined || oldest === undefined) return;
      freed += oldest.bytes;
      await this.#evict(reason);
    }
  }

  async #fileSystem(): Promise<FileSystem | undefined> {
    if (this.#options.retention.minFree === undefined) return undefined;
    const { bavail, blocks, bsize } = await this.#background.persist(() => statfs(this.#directory));
    return { free: bavail * bsize, total: blocks * bsize };
  }

  async #evict(reason: EvictReason): Promise<void> {
    const file = this.#complete.shift();
    if (file === undefined) return;
    const event: LedgerEvent = { type: 'evict', name: file.name, reason };
    // On a full disk the line may have to wait for the room that this makes.
    if (reason === 'no-space') await this.#ledger?.offer(event);
    else {
      try {
        await this.#append(event);
      } catch (cause) {
        this.#complete.unshift(file); // nothing is deleted that the ledger does not say
        throw cause;
      }
    }
    file.gone = true;
    await file.replacing;
    const endings = ['', ...COMPRESSED_EXTENSIONS].map((extension) => file.name + extension);
    for (const fileName of new Set([...endings, file.fileName])) await this.#delete(fileName);
  }

  async #delete(fileName: string): Promise<void> {
    const path = join(this.#directory, fileName);
    try {
      // Anyone may have put something else there. What is gone already is as good.
      const parsed = this.#options.name.parse(fileName);
      // Not rm, which says of a file that it may not delete that it is no directory.
      if (parsed !== undefined && readSavefileStart(path, parsed.compression) !== undefined) await unlink(path);
      this.#undeleted.delete(fileName);
    } catch (cause) {
      if (!exists(path)) return;
      if (!this.#undeleted.has(fileName)) this.#tell(cause, 'it is no longer counted, and deleted when that works');
      this.#undeleted.add(fileName);
    }
  }

  /** Completes what a process left that died. */
  async #takeOver({ unfinished, copies }: Stock): Promise<void> {
    // First: of a savefile that was released while it was being compressed the copy must not come back.
    await this.#enterReleased();
    for (const copy of copies) await this.#finisher.takeOver(copy);
    for (const { file } of copies) if (file?.gone === true) this.#lost(file);
    for (const { name, partial } of unfinished) {
      try {
        await this.#adopt(name, partial);
      } catch (cause) {
        if (this.#background.ending && cause instanceof SyscallError) throw cause;
        this.#tell(cause, `${name} is left as it is`);
      }
    }
    await this.#evictUntilAllowed(0, 0);
    const told = new Set<string>();
    for (const entry of this.#ledger?.past ?? []) {
      if (entry.type === 'close' || entry.type === 'adopt') told.add(entry.name);
      if (entry.type === 'hash') told.delete(entry.name);
    }
    for (const { name } of copies) told.add(name); // it has a hash, but was still being compressed
    for (const file of this.#complete) if (told.has(file.name)) this.#finisher.add(file);
    this.#ledger?.past.splice(0); // megabytes, perhaps
  }

  async #adopt(left: string, partial: boolean): Promise<void> {
    const path = join(this.#directory, partial ? left + PART : left);
    const adopted = await adopt(path, this.#options.sync);
    if (adopted === undefined) {
      await rm(path, { force: true }); // not even a file header arrived
      return this.#append({ type: 'evict', name: left, reason: 'empty' });
    }
    const name = partial ? this.#creator.freeName(left) : left;
    await this.#append({ type: 'adopt', name, ...adopted });
    await this.#evictUntilAllowed(1, adopted.bytes);
    if (partial && !(await this.#rename(path, name))) return;
    const endMs = adopted.last === null ? Date.now() : Number(adopted.last) * 1000;
    this.#add({ name, fileName: name, bytes: adopted.bytes, endMs, gone: false });
    const cut = adopted.cutBytes === 0 ? '' : `, ${adopted.cutBytes} bytes of a torn record cut off`;
    this.#options.notice(`${name}: left by a process that died, now complete: ${adopted.packets} packets${cut}`);
  }

  async #enterReleased(): Promise<void> {
    try {
      await enterReleased(this.#directory, this.#options.name.series, async (name) => {
        const index = this.#complete.findIndex((file) => file.name === name);
        const [file] = index === -1 ? [] : this.#complete.splice(index, 1);
        if (file !== undefined) file.gone = true;
        if (file !== undefined || this.#missing.delete(name))
          await this.#append({ type: 'evict', name, reason: 'released' });
      });
      this.#listTrouble.works();
    } catch (cause) {
      if (!(cause instanceof SyscallError)) throw cause;
      this.#listTrouble.failed(cause); // the list stays, and is tried again in a second, or by the next start
    }
  }
}
