// The `ring` engine: hands out the records of retired blocks, in order, and gives each block back once the sink has all
// of it. No packet is copied anywhere but within its own block; no byte waits in this process.
import { readFileSync } from 'node:fs';
import { FormatError } from '../../errors.ts';
import { eventLoopFd } from '../../native/event-loop.ts';
import { POLLERR, POLLIN, Poll } from '../../native/libc.ts';
import { readNetDevice } from '../../native/netdevice.ts';
import { cookedLength } from '../../savefile/linktype.ts';
import type { RecordSink } from '../../savefile/sink.ts';
import { gone, InterfaceWatch, type InterfaceWatchOptions } from '../interface-watch.ts';
import type { Absence, Drained, PacketSource, SourceStatistics } from '../source.ts';
import { SpanOffer } from '../span-offer.ts';
import { Block } from './block.ts';
import { BlockWalk, type RecordFormat } from './block-walk.ts';
import { ringGeometry } from './geometry.ts';
import { Sieve, type UserSpaceFilters } from './sieve.ts';
import { RingSocket } from './socket.ts';

export interface RingSourceOptions extends RecordFormat, InterfaceWatchOptions {
  readonly promiscuous: boolean;
  /** The program to attach; returns how many of a packet's own bytes to keep. */
  readonly filter: Uint8Array;
  /** What the kernel could not take of the filter, to be applied here. */
  readonly userSpace: UserSpaceFilters | undefined;
  /** Bytes of ring asked for; rounded up to whole blocks. */
  readonly ringMemory: number;
  readonly blockRetireMs: number;
}

const COUNTERS_EVERY_MS = 10_000;
/**
 * A wake-up costs 60 µs of CPU (npm run bench:wake-up), so while blocks fill faster than one in this time we sleep it
 * through, but never longer than it takes to fill this part of the ring.
 */
const MAX_NAP_MS = 10;
const NAP_SHARE = 1 / 4;
const CROWDED_SHARE = 3 / 4;

export class RingSource implements PacketSource {
  readonly #device: string;
  readonly #promiscuous: boolean;
  readonly #socket: RingSocket;
  readonly #watch: InterfaceWatch;
  readonly #poll: Poll;
  /** Waits for errors only. */
  readonly #nap: Poll;
  readonly #blocks: readonly Block[];
  readonly #sieve: Sieve | undefined;
  readonly #walk: BlockWalk;
  readonly #offer = new SpanOffer();
  /** Of interfaces up to now, and what the present one's counters were when they were last read. */
  #ifDropped = 0;
  #ifDroppedSeen: number | undefined;
  #index = 0;
  #sequence: bigint | undefined;
  #walking = false;
  #countersDueMs = 0;
  #napMs = 0;
  /** When the ring was last found empty, and how many blocks were returned since. */
  #emptyMs = 0;
  #returned = 0;

  private constructor(options: RingSourceOptions, socket: RingSocket, blockSize: number) {
    this.#device = options.device;
    this.#promiscuous = options.promiscuous;
    this.#socket = socket;
    this.#watch = new InterfaceWatch(options, socket);
    this.#poll = new Poll(socket.fd, POLLIN, eventLoopFd());
    this.#nap = new Poll(socket.fd, 0, eventLoopFd());
    this.#blocks = Array.from({ length: socket.blockCount }, (_, index) => new Block(socket.memory, blockSize, index));
    this.#sieve = options.userSpace && new Sieve(options.userSpace, options.linktype);
    this.#walk = new BlockWalk(options);
    this.#ifDroppedSeen = this.#readIfDropped();
  }

  /** @throws SyscallError, CaptureError */
  static open(options: RingSourceOptions): RingSource {
    const any = options.device === 'any';
    const ifindex = any ? 0 : readNetDevice(options.device)?.ifindex;
    if (ifindex === undefined) throw gone(options.device);
    const { blockSize, blockCount } = ringGeometry(options.ringMemory, options.snaplen);
    const socket = RingSocket.open({
      ifindex,
      cooked: cookedLength(options.linktype) > 0,
      promiscuous: options.promiscuous && !any,
      filter: options.filter,
      blockSize,
      blockCount,
      blockRetireMs: options.blockRetireMs,
    });
    try {
      if (socket.blockCount < blockCount) {
        const mib = (blocks: number): string => `${(blocks * blockSize) / 2 ** 20} MiB`;
        options.notice(
          `ring of ${mib(socket.blockCount)} instead of ${mib(blockCount)}: the kernel has no memory for more`,
        );
      }
      return new RingSource(options, socket, blockSize);
    } catch (cause) {
      socket.close();
      throw cause;
    }
  }

  get away(): Absence | undefined {
    return this.#watch.away;
  }

  wait(timeoutMs: number): void {
    const waitMs = Math.min(timeoutMs, this.#watch.dueInMs);
    const napMs = Math.floor(Math.min(this.#napMs, waitMs));
    this.#napMs = 0;
    const events = napMs > 0 ? this.#nap.wait(napMs) : this.#poll.wait(waitMs);
    const error = (events & POLLERR) === 0 ? undefined : this.#socket.takeError('poll');
    if (error !== undefined) this.#watch.failed(error);
    if (this.#watch.look()) this.#ifDroppedSeen = this.#readIfDropped();
  }

  look(): void {
    this.wait(0);
  }

  drain(sink: RecordSink, share = 1): Drained {
    this.#keepCounters();
    for (let turns = Math.ceil(this.#blocks.length * share); turns > 0; turns--) {
      const block = this.#blocks[this.#index];
      if (block === undefined) throw new Error('unreachable: no block at the ring index');
      if (!this.#walking) {
        if (!block.ownedByUser()) {
          this.#planNap();
          return 'empty';
        }
        this.#begin(block);
      }
      if (!this.#offer.all(this.#walk, sink)) return 'held'; // the block stays ours
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

  /** The kernel's counters have 32 bits: read them before they can wrap, and the interface's before it goes. */
  #keepCounters(): void {
    const now = performance.now();
    if (now < this.#countersDueMs) return;
    this.#countersDueMs = now + COUNTERS_EVERY_MS;
    this.statistics();
  }

  #begin(block: Block): void {
    const { sequence } = block;
    if (this.#sequence !== undefined && sequence !== this.#sequence + 1n) {
      throw new FormatError('ring block', this.#index, `sequence number ${this.#sequence + 1n}`, String(sequence));
    }
    this.#sieve?.apply(block);
    this.#walk.begin(block);
    this.#sequence = sequence;
    this.#walking = true;
  }

  get crowded(): boolean {
    const ahead = Math.ceil(this.#blocks.length * CROWDED_SHARE) - 1;
    return this.#blocks[(this.#index + ahead) % this.#blocks.length]?.ownedByUser() === true;
  }

  refuse(): void {
    this.#watch.end();
    this.#socket.refuse();
  }

  statistics(): SourceStatistics {
    const counters = this.#socket.readCounters();
    const filtered = this.#sieve?.filtered ?? 0;
    const unread = counters.received - counters.dropped - filtered - this.#offer.offered;
    if (this.away === undefined) this.#addIfDropped();
    return { ...counters, ifDropped: this.#ifDropped, filtered, unread };
  }

  close(): void {
    this.#socket.close();
  }

  #addIfDropped(): void {
    const seen = this.#readIfDropped();
    if (seen === undefined) return;
    this.#ifDropped += Math.max(0, seen - (this.#ifDroppedSeen ?? seen));
    this.#ifDroppedSeen = seen;
  }

  /** As libpcap counts it: only a promiscuous interface's own losses concern this capture. */
  #readIfDropped(): number | undefined {
    if (!this.#promiscuous || this.#device === 'any') return undefined;
    let sum = 0;
    for (const counter of ['rx_missed_errors', 'rx_fifo_errors']) {
      try {
        sum += Number(readFileSync(`/sys/class/net/${this.#device}/statistics/${counter}`, 'latin1'));
      } catch {
        return undefined; // the interface is gone, or sysfs is not mounted: nothing to add
      }
    }
    return sum;
  }
}
