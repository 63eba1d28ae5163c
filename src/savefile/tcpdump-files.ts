// The files of -C, -G and -W, as tcpdump(8) has them to the letter: they begin empty under their final name, whatever was
// there, and nobody keeps account of them. What differs is that a file of -G ends on time also when no packet comes, and
// that packets are in it by their own time. Used by captures and for what is read from savefiles.
//
//   -C      F    F1    F2   …    the record that makes a file too large is its last
//   -C -W   F00  F01 … F47  F00 …
//   -G      strftime of the start, then of each S seconds after it; with -W that many files, and the end
import { SyscallError } from '../errors.ts';
import { fallocate } from '../native/libc.ts';
import type { Zone } from '../native/time.ts';
import { isFull } from '../rotation/background.ts';
import { Trouble } from '../rotation/trouble.ts';
import type { CompletionCommand } from '../service/completion-command.ts';
import type { FileHeader } from './header.ts';
import { Output } from './output.ts';
import { PcapWriter } from './writer.ts';

export interface TcpdumpFilesOptions {
  /** `-w`, with strftime conversions for `-G`. */
  readonly pattern: string;
  readonly zone: Zone;
  /** `-C` in bytes: a file that has more is full. Infinity for never. */
  readonly fullAt: number;
  /** `-G`; Infinity for never. */
  readonly durationSec: number;
  /** `-W` */
  readonly files: number | undefined;
  /** How long after a file's end the source may still hold packets from before it. */
  readonly settleMs: number;
  /** To be run with each complete file. */
  readonly command: CompletionCommand | undefined;
  /** Throws where a file must not be overwritten. */
  readonly guard?: (path: string) => void;
  /** What a user should know, one line. */
  readonly notice: (text: string) => void;
}

/** How long to wait before a file is tried again that there was no room for. */
const RETRY_MS = 1000;

export class TcpdumpFiles extends Output {
  name = '';
  dueMs: number = Number.POSITIVE_INFINITY;
  readonly #options: TcpdumpFilesOptions;
  readonly #header: FileHeader;
  readonly #trouble: Trouble;
  #writer: PcapWriter | undefined;
  /** Of the period of -G that the open file is in, seconds since 1970. */
  #startSec: number;
  /** How many periods are over, and how many files of the present one are full. */
  #periods = 0;
  #full = 0;
  #limitReached = false;

  /** Opens the first file. `nowMs`: the start. @throws SyscallError, CaptureError when the pattern makes no name */
  constructor(options: TcpdumpFilesOptions, header: FileHeader, count: number, nowMs: number) {
    super(count);
    this.#options = options;
    this.#header = header;
    this.#trouble = new Trouble(options.notice, 'packets wait in memory');
    this.#startSec = Math.floor(nowMs / 1000);
    this.#open();
  }

  protected get writer(): PcapWriter {
    if (this.#writer === undefined) throw new Error('unreachable: no savefile is open');
    return this.#writer;
  }

  get stuck(): boolean {
    return this.#trouble.failing;
  }

  override get done(): boolean {
    return this.#limitReached || super.done;
  }

  override get ending(): string | undefined {
    return this.#limitReached ? `Maximum file limit reached: ${this.#options.files}` : undefined;
  }

  cut(sec: number): boolean {
    if (this.done) return false;
    if (sec >= this.#endSec) return this.#beginPeriod(sec);
    if (this.#writer === undefined) return this.#tryOpen();
    if (this.#writer.size > this.#options.fullAt) return this.#beginNext();
    // The next record does not fit; so it is the one that makes the file too large.
    this.limits.records = 1;
    this.limits.bytes = Number.POSITIVE_INFINITY;
    return true;
  }

  due(nowMs: number): void {
    const sec = Math.floor(nowMs / 1000);
    if (sec >= this.#endSec) this.#beginPeriod(sec);
    else this.#tryOpen();
  }

  close(): void {
    if (this.#writer === undefined) return;
    const writer = this.#writer;
    this.#writer = undefined;
    this.limits.records = 0; // whatever the next record is, the source calls cut() for it
    writer.close();
    this.#options.command?.run(this.name);
  }

  async settled(): Promise<void> {
    await this.#options.command?.settled();
  }

  protected wrote(): void {
    this.#limit();
    this.#trouble.works();
  }

  /** A full disk may have room again; of everything else there is no telling. */
  protected survives(failure: SyscallError): boolean {
    if (!isFull(failure)) return false;
    this.#trouble.failed(failure);
    return true;
  }

  rotate(): void {}

  tick(): void {}

  record(): void {}

  get #endSec(): number {
    return this.#startSec + this.#options.durationSec;
  }

  #beginPeriod(sec: number): boolean {
    const { durationSec, files, fullAt } = this.#options;
    this.close();
    this.#periods++;
    if (fullAt === Number.POSITIVE_INFINITY && files !== undefined && this.#periods >= files) {
      this.#limitReached = true;
      return false;
    }
    this.#startSec += Math.floor((sec - this.#startSec) / durationSec) * durationSec;
    this.#full = 0;
    return this.#tryOpen();
  }

  #beginNext(): boolean {
    this.close();
    this.#full++;
    if (this.#full === this.#options.files) this.#full = 0;
    return this.#tryOpen();
  }

  #tryOpen(): boolean {
    try {
      this.#open();
      this.#trouble.works();
      return true;
    } catch (cause) {
      if (!(cause instanceof SyscallError) || !this.survives(cause)) throw cause;
      this.dueMs = Date.now() + RETRY_MS;
      return false;
    }
  }

  #open(): void {
    this.name = this.#nextName();
    this.#options.guard?.(this.name);
    this.#writer = PcapWriter.create(this.name, this.#header, false, fallocate);
    this.#limit();
    this.limits.endSec = this.#endSec;
    this.dueMs = this.#endSec * 1000 + this.#options.settleMs;
  }

  #nextName(): string {
    const { pattern, zone, fullAt, durationSec, files } = this.#options;
    const text = durationSec === Number.POSITIVE_INFINITY ? pattern : zone.format(pattern, this.#startSec);
    if (fullAt === Number.POSITIVE_INFINITY) return text;
    const digits = files === undefined || files === 1 ? 0 : String(files - 1).length;
    return this.#full === 0 && digits === 0 ? text : `${text}${String(this.#full).padStart(digits, '0')}`;
  }

  #limit(): void {
    const room = this.#options.fullAt - this.writer.size;
    this.limits.bytes = Math.max(0, room);
    this.limits.records = room < 0 ? 0 : this.remaining;
  }
}
