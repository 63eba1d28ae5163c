// The ledger of a series: one line for everything that happens to its savefiles, each with the hash of the line before, so
// that nothing can be taken out or changed unseen by whoever keeps a copy of the last hash (ledger-entry.ts says what a
// line holds). FileRing is its one writer.
//
// rotating-file-stream rotates the files. It does not notice a short write and ends with its first error, so after each
// line we look at what is in the file: a line counts when all of it is there, else what there is of it is cut off and it is
// tried again, for as long as the capture lasts. Which file is the oldest it would tell by mtime, so we delete that.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, constants, mkdirSync, openSync, statSync, truncateSync, unlinkSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createStream, type RotatingFileStream, RotatingFileStreamError } from 'rotating-file-stream';
import { CaptureError, SyscallError, systemErrors } from '../errors.ts';
import { fallocate } from '../native/libc.ts';
import { type LedgerEntry, type LedgerEvent, NO_HASH } from './ledger-entry.ts';
import { ledgerFileName, ledgerFiles, readLedgerFile } from './ledger-file.ts';
import { DIRECTORY_MODE } from './savefile-creator.ts';
import { Trouble } from './trouble.ts';

export interface LedgerOptions {
  readonly directory: string;
  readonly series: string;
  readonly fileMode: number;
  /** What a user should know, one line. */
  readonly notice: (text: string) => void;
  /** At what size a file is rotated, as rotating-file-stream takes it. Default 8M, some ten thousand savefiles. */
  readonly size?: string;
  /** How many rotated files are kept. Default 12. */
  readonly maxFiles?: number;
}

const RETRY_MS = 250;
/** So many bytes of disk space are kept ahead of its end, so that what a full disk does can still be written down. */
const RESERVE = 64 * 1024;
/** How many of the files, the newest, are read for what they say of the savefiles there are. */
const FILES_READ = 3;

export class Ledger {
  /** What it said when it was opened, oldest first: the last 16 to 24 MB of it. Emptied by who has read it. */
  readonly past: LedgerEntry[];
  readonly #options: LedgerOptions;
  readonly #path: string;
  readonly #trouble: Trouble;
  #stream: RotatingFileStream | undefined;
  /** Hash of the last line. */
  #last: string;
  /** Of the current file, whole lines only. */
  #size: number;
  #reservedTo = 0;
  /** Where the stream is about to move the file, without directory; '' for nowhere. */
  #movingTo = '';
  /** Where the last line stands. */
  #lastPath = '';
  /** The file that was rotated away last, without directory; '' for none. */
  #rotatedTo: string;
  #queue: Promise<void> = Promise.resolve();
  /** Who is to be told when a line can't be written. */
  readonly #impatient: (() => void)[] = [];
  #closing = false;

  private constructor(options: LedgerOptions, past: LedgerEntry[], last: string, size: number, rotatedTo: string) {
    this.#options = options;
    this.#path = join(options.directory, ledgerFileName(options.series));
    this.#trouble = new Trouble(options.notice, 'lines of the ledger wait');
    this.past = past;
    this.#last = last;
    this.#size = size;
    this.#rotatedTo = rotatedTo;
  }

  /** Goes on where the last process stopped; a torn last line is cut off, and recorded. @throws SyscallError */
  static open(options: LedgerOptions): Ledger {
    const { directory, series } = options;
    const current = ledgerFileName(series);
    const files = ledgerFiles(directory, series);
    const past: LedgerEntry[] = [];
    let last = NO_HASH;
    let size = 0;
    let torn = 0;
    for (const file of files.slice(-FILES_READ)) {
      const { lines, wholeBytes, tornBytes } = readLedgerFile(join(directory, file));
      for (const { entry } of lines) if (entry !== undefined) past.push(entry);
      last = lines.at(-1)?.hash ?? last;
      if (file !== current) continue;
      size = wholeBytes;
      torn = tornBytes;
      if (torn > 0) systemErrors(() => truncateSync(join(directory, file), size));
    }
    const rotatedTo = files.filter((file) => file !== current).at(-1) ?? '';
    const ledger = new Ledger(options, past, last, size, rotatedTo);
    if (torn > 0) ledger.note({ type: 'torn', bytes: torn });
    return ledger;
  }

  /**
   * Adds a line behind all that were added before; with `sync` it is on disk when the promise resolves. Where storing fails
   * it is tried again until `hurry()` or `close()`; only then the promise rejects, with the last failure.
   */
  append(event: LedgerEvent, sync = false): Promise<void> {
    const time = new Date().toISOString();
    const written = this.#queue.then(() => this.#persist({ ...event, time }, sync));
    this.#queue = written.catch(() => {});
    return written;
  }

  /** As `append`, for who does not wait for it. */
  note(event: LedgerEvent): void {
    this.append(event).catch(() => {}); // said by Trouble
  }

  /** As `append`, but resolves as well when the line has to wait because storing fails. */
  async offer(event: LedgerEvent): Promise<void> {
    const written = this.append(event).catch(() => {});
    if (this.#trouble.failing) return;
    await Promise.race([written, new Promise<void>((resolve) => this.#impatient.push(resolve))]);
  }

  /** From now on a line that can't be stored is not tried again: who closes the ledger must not wait for one for ever. */
  hurry(): void {
    this.#closing = true;
  }

  /** Ends the trying; resolves when there is nothing more to write. */
  async close(): Promise<void> {
    this.hurry();
    await this.#queue;
    const stream = this.#stream;
    this.#stream = undefined;
    if (stream === undefined || stream.closed) return;
    await new Promise<void>((resolve) => stream.once('close', resolve).end());
    try {
      truncateSync(this.#path, this.#size); // returns the space kept ahead
    } catch {
      // It stays with the file, which does no harm.
    }
  }

  async #persist(event: LedgerEvent & { readonly time: string }, sync: boolean): Promise<void> {
    for (let written = false; ; ) {
      try {
        if (!written) await this.#write(event);
        written = true;
        if (sync) await this.#sync();
        this.#trouble.works();
        return;
      } catch (cause) {
        const failure = failureOf(cause);
        this.#trouble.failed(failure);
        for (const resolve of this.#impatient.splice(0)) resolve();
        if (failure.code === 'ENOENT') written = false; // someone removed the file, with the line in it
        if (this.#closing) throw failure;
        await sleep(RETRY_MS);
      }
    }
  }

  async #write(event: LedgerEvent & { readonly time: string }): Promise<void> {
    for (let written = false; !written; ) {
      // Someone may have moved the file away, and the directory with it: then the stream writes into nothing.
      if (this.#stream !== undefined && sizeOf(this.#path) < this.#size) this.#drop();
      this.#stream ??= await this.#openStream();
      const carries = this.#size === 0 && this.#last !== NO_HASH;
      const carry = { type: 'carry', from: this.#rotatedTo, time: event.time } as const;
      if (carries && !(await this.#writeLine(this.#stream, carry))) continue;
      written = await this.#writeLine(this.#stream, event);
    }
  }

  async #openStream(): Promise<RotatingFileStream> {
    const { directory, series, fileMode, size = '8M' } = this.#options;
    const there = sizeOf(this.#path);
    if (there > this.#size)
      truncateSync(this.#path, this.#size); // what is left of a line
    else this.#size = there;
    mkdirSync(directory, { recursive: true, mode: DIRECTORY_MODE });
    const generator = (time: Date | number | null, index?: number): string => {
      if (!(time instanceof Date)) return ledgerFileName(series);
      this.#movingTo = this.#nameAfter(time, index ?? 1);
      return this.#movingTo;
    };
    const stream = createStream(generator, { path: directory, size, mode: fileMode });
    await once(stream, 'open');
    stream.on('error', () => {}); // write's own callback has it as well
    if (sizeOf(this.#path) < this.#size) {
      this.#size = 0; // opening rotates a file that is large enough already
      this.#rotated();
    }
    this.#reservedTo = 0;
    return stream;
  }

  /** False where the line went with the file, which someone moved away meanwhile. */
  async #writeLine(stream: RotatingFileStream, event: LedgerEvent & { readonly time: string }): Promise<boolean> {
    const before = this.#size;
    const line = Buffer.from(JSON.stringify({ ...event, prev: this.#last }));
    const bytes = Buffer.concat([line, Buffer.of(0x0a)]);
    this.#movingTo = '';
    const failure = await new Promise<Error | null | undefined>((resolve) => stream.write(bytes, resolve));
    if (failure) this.#drop();
    // A line that is there is written, whatever failed behind it (the rotation, say).
    if (this.#arrived(bytes.length)) {
      this.#last = createHash('sha256').update(line).digest('hex');
      this.#reserve();
      return true;
    }
    if (!failure && this.#size < before) return false;
    throw failure ?? new CaptureError('ERR_SHORT_WRITE', `write ${this.#path}: a line arrived in part`);
  }

  /** Whether a line of this length stands behind those that did before. What there is of it is cut off otherwise. */
  #arrived(length: number): boolean {
    const before = this.#size;
    // The stream may have rotated after the write, or have begun to: it makes an empty file before it moves the full one.
    const movingTo = join(this.#options.directory, this.#movingTo);
    const moved = this.#movingTo !== '' && sizeOf(movingTo) >= Math.max(before, 1);
    if (moved) this.#rotated();
    this.#lastPath = moved ? movingTo : this.#path;
    const size = sizeOf(this.#lastPath);
    const whole = size === before + length;
    this.#size = moved ? 0 : whole ? size : Math.min(size, before);
    if (whole) return true;
    this.#drop();
    if (size > before) truncateSync(this.#lastPath, before);
    return false;
  }

  /** A name behind those of all files rotated before, also when the clock was set back. */
  #nameAfter(time: Date, index: number): string {
    const { series } = this.#options;
    const stamp = time.toISOString().replace(/\D/g, '').slice(0, 14);
    const newest = this.#rotatedFiles().at(-1) ?? '';
    const [, newestStamp = '', newestSuffix = '1'] = /-(\d{14})(?:-(\d+))?\.jsonl$/.exec(newest) ?? [];
    if (stamp > newestStamp && index === 1) return `${series}.ledger-${stamp}.jsonl`;
    const suffix = Math.max(index, Number(newestSuffix) + 1);
    return `${series}.ledger-${stamp > newestStamp ? stamp : newestStamp}-${suffix}.jsonl`;
  }

  /** A file was rotated away. */
  #rotated(): void {
    const { directory, maxFiles = 12 } = this.#options;
    this.#rotatedTo = this.#movingTo;
    this.#reservedTo = 0;
    try {
      const path = join(directory, this.#rotatedTo);
      truncateSync(path, sizeOf(path)); // returns the space kept ahead
      for (const file of this.#rotatedFiles().slice(0, -maxFiles)) unlinkSync(join(directory, file));
    } catch {
      // Space that is not returned does no harm, and a file that is left goes with the next one.
    }
  }

  /** Oldest first. */
  #rotatedFiles(): string[] {
    const { directory, series } = this.#options;
    return ledgerFiles(directory, series).filter((file) => file !== ledgerFileName(series));
  }

  #drop(): void {
    this.#stream?.destroy();
    this.#stream = undefined;
  }

  #reserve(): void {
    if (this.#size + RESERVE / 2 <= this.#reservedTo) return;
    try {
      const fd = openSync(this.#path, constants.O_WRONLY);
      try {
        fallocate(fd, this.#size, RESERVE);
        this.#reservedTo = this.#size + RESERVE;
      } finally {
        closeSync(fd);
      }
    } catch {
      // No such call on this file system, or no room at present: lines will wait then.
    }
  }

  async #sync(): Promise<void> {
    // Any descriptor of the file will do, and the stream shows none of its own.
    const file = await open(this.#lastPath, 'r+');
    try {
      await file.datasync();
    } finally {
      await file.close();
    }
  }
}

/** What the system or the stream refused; anything else is a bug and thrown. */
function failureOf(cause: unknown): CaptureError {
  const error = SyscallError.from(cause);
  if (error instanceof CaptureError) return error;
  if (error instanceof RotatingFileStreamError) return new CaptureError('ERR_LEDGER', error.message, { cause });
  throw error;
}

/** 0 for a file that is not there. */
function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
