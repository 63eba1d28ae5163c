// The `ring` engine: hands out the records of retired blocks, in order, and gives each block back once the sink has all
// of it. No packet is copied anywhere but within its own block; no byte waits in this process.
import { readFileSync } from 'node:fs';
import { CaptureError, FormatError } from '../../errors.ts';
import { if_nametoindex, POLLERR, POLLIN, Poll } from '../../native/libc.ts';
import { cookedLength } from '../../savefile/linktype.ts';
import type { RecordSink } from '../../savefile/sink.ts';
import type { Drained, PacketSource, SourceStatistics } from '../source.ts';
import { Block } from './block.ts';
import { BlockWalk, type RecordFormat } from './block-walk.ts';
import { RingSocket } from './socket.ts';

export interface RingSourceOptions extends RecordFormat {
  /** An interface name, or `any`. */
  readonly device: string;
  readonly promiscuous: boolean;
  /** The program to attach; returns how many of a packet's own bytes to keep. */
  readonly filter: Uint8Array;
  /** Bytes of ring asked for; rounded up to whole blocks. */
  readonly ringMemory: number;
  readonly blockRetireMs: number;
  /** What a user should know, one line. */
  readonly notice: (text: string) => void;
}

/** We are woken once a block, so a large one saves wake-ups, as long as a good many make up the ring. */
const MAX_BLOCK_SIZE = 1024 * 1024;
const MIN_BLOCK_SIZE = 256 * 1024;
const BLOCKS_WANTED = 16;
/** Block descriptor, packet header, link address and alignment: what a block needs beside one packet's bytes. */
const BLOCK_OVERHEAD = 1024;
const COUNTERS_EVERY_MS = 10_000;
/**
 * A wake-up costs 60 µs of CPU (npm run bench:wake-up), so while blocks fill faster than one in this time we sleep it
 * through, but never longer than it takes to fill this part of the ring.
 */
const MAX_NAP_MS = 10;
const NAP_SHARE = 1 / 4;

export class RingSource implements PacketSource {
  readonly #device: string;
  readonly #ifindex: number;
  readonly #promiscuous: boolean;
  readonly #notice: (text: string) => void;
  readonly #socket: RingSocket;
  readonly #poll: Poll;
  /** Waits for errors only. */
  readonly #nap: Poll;
  readonly #blocks: readonly Block[];
  readonly #walk: BlockWalk;
  readonly #ifDroppedBefore: number;
  #index = 0;
  #sequence: bigint | undefined;
  #walking = false;
  #held = false;
  #drained = 0;
  #countersDueMs = 0;
  #napMs = 0;
  /** When the ring was last found empty, and how many blocks were returned since. */
  #emptyMs = 0;
  #returned = 0;

  private constructor(options: RingSourceOptions, ifindex: number, socket: RingSocket, blockSize: number) {
    this.#device = options.device;
    this.#ifindex = ifindex;
    this.#promiscuous = options.promiscuous;
    this.#notice = options.notice;
    this.#socket = socket;
    this.#poll = new Poll(socket.fd, POLLIN);
    this.#nap = new Poll(socket.fd, 0);
    this.#blocks = Array.from({ length: socket.blockCount }, (_, index) => new Block(socket.memory, blockSize, index));
    this.#walk = new BlockWalk(options);
    this.#ifDroppedBefore = this.#readIfDropped();
  }

  /** @throws SyscallError, CaptureError */
  static open(options: RingSourceOptions): RingSource {
    const any = options.device === 'any';
    const ifindex = any ? 0 : if_nametoindex(options.device);
    if (ifindex === undefined) throw gone(options.device);
    // The kernel takes memory for blocks in powers of two, and cuts a packet that is larger than a block.
    let blockSize = MIN_BLOCK_SIZE;
    while (blockSize < options.snaplen + BLOCK_OVERHEAD) blockSize *= 2;
    while (blockSize < MAX_BLOCK_SIZE && 2 * blockSize * BLOCKS_WANTED <= options.ringMemory) blockSize *= 2;
    const blockCount = Math.max(2, Math.ceil(options.ringMemory / blockSize));
    const socket = RingSocket.open({
      ifindex,
      cooked: cookedLength(options.linktype) > 0,
      promiscuous: options.promiscuous && !any,
      filter: options.filter,
      blockSize,
      blockCount,
      blockRetireMs: options.blockRetireMs,
    });
    if (socket.blockCount < blockCount) {
      const mib = (blocks: number): string => `${(blocks * blockSize) / 2 ** 20} MiB`;
      options.notice(
        `ring of ${mib(socket.blockCount)} instead of ${mib(blockCount)}: the kernel has no memory for more`,
      );
    }
    return new RingSource(options, ifindex, socket, blockSize);
  }

  wait(timeoutMs: number): void {
    const napMs = Math.floor(Math.min(this.#napMs, timeoutMs));
    this.#napMs = 0;
    const events = napMs > 0 ? this.#nap.wait(napMs) : this.#poll.wait(timeoutMs);
    if ((events & POLLERR) === 0) return;
    const error = this.#socket.takeError('poll');
    if (error === undefined) return;
    if (error.code !== 'ENETDOWN') throw error;
    // Another interface of the same name is not this one, and the kernel won't bind the socket to it.
    if (this.#device !== 'any' && if_nametoindex(this.#device) !== this.#ifindex) throw gone(this.#device);
    this.#notice(`${this.#device}: the interface went down`); // the kernel binds again by itself when it comes back
  }

  drain(sink: RecordSink): Drained {
    this.#keepCounters();
    // At most once round, so that signals and timers get their turn however fast packets come.
    for (let turns = this.#blocks.length; turns > 0; turns--) {
      const block = this.#blocks[this.#index];
      if (block === undefined) throw new Error('unreachable: no block at the ring index');
      if (!this.#walking) {
        if (!block.ownedByUser()) {
          this.#planNap();
          return 'empty';
        }
        this.#begin(block);
      }
      if (!this.#drainBlock(sink)) return 'held';
      block.returnToKernel();
      this.#walking = false;
      this.#returned++;
      this.#index = (this.#index + 1) % this.#blocks.length;
    }
    return 'more';
  }

  #planNap(): void {
    const now = performance.now();
    const blockMs = (now - this.#emptyMs) / this.#returned;
    this.#napMs = blockMs < MAX_NAP_MS ? Math.min(MAX_NAP_MS, blockMs * this.#blocks.length * NAP_SHARE) : 0;
    this.#emptyMs = now;
    this.#returned = 0;
  }

  /** The kernel's counters have 32 bits: read them before they can wrap, also while nobody asks. */
  #keepCounters(): void {
    const now = performance.now();
    if (now < this.#countersDueMs) return;
    this.#countersDueMs = now + COUNTERS_EVERY_MS;
    this.#socket.readCounters();
  }

  #begin(block: Block): void {
    const { sequence } = block;
    if (this.#sequence !== undefined && sequence !== this.#sequence + 1n) {
      throw new FormatError('ring block', this.#index, `sequence number ${this.#sequence + 1n}`, String(sequence));
    }
    this.#walk.begin(block);
    this.#sequence = sequence;
    this.#walking = true;
  }

  /** False when the sink takes no more at present; the block stays ours. */
  #drainBlock(sink: RecordSink): boolean {
    const walk = this.#walk;
    if (this.#held) {
      if (!sink.resume()) return false;
      this.#held = false;
      this.#drained += walk.records;
    }
    while (walk.left > 0) {
      if (sink.limits.records === 0 || walk.nextSec >= sink.limits.endSec) sink.cut(walk.nextSec);
      if (sink.limits.records === 0) return false;
      walk.compact(sink.limits);
      if (walk.records === 0) throw new Error('unreachable: a file was opened that the record does not fit');
      this.#held = !sink.take(walk);
      if (this.#held) return false;
      this.#drained += walk.records;
    }
    return true;
  }

  refuse(): void {
    this.#socket.refuse();
  }

  pending(): number {
    const { received, dropped } = this.#socket.readCounters();
    return received - dropped - this.#drained;
  }

  statistics(): SourceStatistics {
    return { ...this.#socket.readCounters(), ifDropped: this.#readIfDropped() - this.#ifDroppedBefore };
  }

  close(): void {
    this.#socket.close();
  }

  /** As libpcap counts it: only a promiscuous interface's own losses concern this capture. */
  #readIfDropped(): number {
    if (!this.#promiscuous || this.#device === 'any') return 0;
    let sum = 0;
    for (const counter of ['rx_missed_errors', 'rx_fifo_errors']) {
      try {
        sum += Number(readFileSync(`/sys/class/net/${this.#device}/statistics/${counter}`, 'latin1'));
      } catch {
        return 0; // the interface is gone, or sysfs is not mounted: nothing to add
      }
    }
    return sum;
  }
}

function gone(device: string): CaptureError {
  return new CaptureError('ERR_INTERFACE_GONE', `${device}: the interface disappeared`);
}
