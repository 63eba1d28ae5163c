// One savefile under its final name from start to end, or a stream (`-w -`, a FIFO, a device), as tcpdump writes it.
import { fchownSync, fstatSync } from 'node:fs';
import { systemErrors } from '../errors.ts';
import { eventLoopFd } from '../native/event-loop.ts';
import { fallocate, POLLOUT, Poll, setNonBlocking } from '../native/libc.ts';
import type { FileHeader } from './header.ts';
import { Output } from './output.ts';
import type { RecordSpan } from './sink.ts';
import { PcapWriter } from './writer.ts';

const STDOUT = 1;

export interface SingleFileOptions {
  /** `-` for standard output. */
  readonly path: string;
  /** Refuse an existing file instead of emptying it. Default false. */
  readonly noClobber?: boolean | undefined;
  /**
   * A stream whose reader is slow does not hold up this process: what it has no room for is offered again. At the end it is
   * waited for only as long as it reads. Default false.
   */
  readonly neverBlock?: boolean | undefined;
  /** Whose a regular file is to be; ours by default. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
}

export class SingleFile extends Output {
  readonly name: string;
  readonly dueMs: number = Number.POSITIVE_INFINITY;
  readonly stuck: boolean = false;
  protected readonly writer: PcapWriter;
  /** Of a stream that does not block. */
  readonly #room: Poll | undefined;

  /** @throws SyscallError */
  constructor(options: SingleFileOptions, header: FileHeader, count: number) {
    super(count);
    this.name = options.path;
    const { path, noClobber, neverBlock = false, owner } = options;
    this.writer = path === '-' ? new PcapWriter(STDOUT, header) : PcapWriter.create(path, header, noClobber, fallocate);
    const { fd } = this.writer;
    const isFile = systemErrors(() => fstatSync(fd).isFile());
    if (neverBlock && !isFile) {
      setNonBlocking(fd);
      this.#room = new Poll(fd, POLLOUT, eventLoopFd());
    }
    if (path !== '-' && isFile && owner !== undefined) systemErrors(() => fchownSync(fd, owner.uid, owner.gid));
  }

  override waitForRoom(timeoutMs: number): boolean {
    this.#room?.wait(timeoutMs);
    return this.#room !== undefined;
  }

  /** Only the count of records limits a single file, and then the capture is over. */
  cut(): boolean {
    return false;
  }

  protected wrote(_: Readonly<RecordSpan>, from: number, to: number): void {
    this.limits.records -= to - from;
  }

  /** Whoever wants one file wants all of it. */
  protected survives(): boolean {
    return false;
  }

  due(): void {}

  rotate(): void {}

  tick(): void {}

  record(): void {}

  close(): void {
    this.writer.close();
  }

  async settled(): Promise<void> {}
}
