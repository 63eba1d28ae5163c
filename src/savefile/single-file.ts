// One savefile under its final name from start to end, or a stream (`-w -`, a FIFO, a device), as tcpdump writes it.
import { fchownSync, fstatSync } from 'node:fs';
import { systemErrors } from '../errors.ts';
import { fallocate } from '../native/libc.ts';
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
  /** Whose a regular file is to be; ours by default. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined;
}

export class SingleFile extends Output {
  readonly name: string;
  readonly dueMs: number = Number.POSITIVE_INFINITY;
  readonly stuck: boolean = false;
  protected readonly writer: PcapWriter;

  /** @throws SyscallError */
  constructor(options: SingleFileOptions, header: FileHeader, count: number) {
    super(count);
    this.name = options.path;
    const { path, noClobber, owner } = options;
    this.writer = path === '-' ? new PcapWriter(STDOUT, header) : PcapWriter.create(path, header, noClobber, fallocate);
    if (path === '-' || owner === undefined) return;
    systemErrors(() => {
      if (fstatSync(this.writer.fd).isFile()) fchownSync(this.writer.fd, owner.uid, owner.gid);
    });
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
