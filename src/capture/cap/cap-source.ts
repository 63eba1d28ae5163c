// The `cap` engine: packets come from the npm package of that name, one call of JavaScript for each, into memory where they
// become savefile records. It has no kernel timestamps, no lengths but those of what was captured, and no counts.
//
// What it does not offer we do from outside, to the packet socket that it has opened: its filter is ours, attached before
// the first packet that is kept; it is bound again to the next interface of the name; it refuses packets at the end.
import { readdirSync } from 'node:fs';
import { CaptureError, SyscallError } from '../../errors.ts';
import { BPF_K, BPF_RET, Program } from '../../filter/program.ts';
import { type Cap, loadCap } from '../../native/cap.ts';
import { eventLoopFd } from '../../native/event-loop.ts';
import { PACKET_STATISTICS, SOL_PACKET, tpacket_stats_v3 } from '../../native/if_packet.ts';
import { getsockopt, isPacketSocket, POLLERR, Poll } from '../../native/libc.ts';
import { RECORD_HEADER_LENGTH, record, recordEnds } from '../../savefile/header.ts';
import type { RecordSink } from '../../savefile/sink.ts';
import { InterfaceWatch, type InterfaceWatchOptions } from '../interface-watch.ts';
import { PacketSocket } from '../packet-socket.ts';
import { RecordWalk } from '../record-walk.ts';
import type { Absence, Drained, PacketSource, SourceStatistics } from '../source.ts';
import { SpanOffer } from '../span-offer.ts';

export interface CapSourceOptions extends InterfaceWatchOptions {
  readonly snaplen: number;
  /** `struct sock_filter` after `struct sock_filter`. Of what it returns, only whether it is 0 counts. */
  readonly filter: Uint8Array;
  /** Bytes of libpcap's buffer. */
  readonly ringMemory: number;
}

/** The snaplen that `cap` asks for. */
const CAP_SNAPLEN = 65535;
/** Of records, in each of two pieces of memory: one that is filled, one that is being written. */
const MEMORY_BYTES: number = 2 ** 20;
/** A packet that another processor has just let pass the old filter is in the ring after this time. */
const SETTLE_MS = 5;
/** While packets come faster than they are taken, `cap` lets nobody else have a turn: after this time we shut them out. */
const MAX_TURN_MS = 100;
const ENETDOWN = 100;

/** A piece of memory with records, and the walk over them. */
class Records {
  readonly walk: RecordWalk;
  readonly #bytes = new Uint8Array(MEMORY_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);
  #filled = 0;

  constructor() {
    this.walk = new RecordWalk(this.#bytes, 'micro');
  }

  get empty(): boolean {
    return this.#filled === 0;
  }

  /** False when there is no room for it. */
  add(timeMs: number, packet: Uint8Array, caplen: number, len: number): boolean {
    const at = this.#filled;
    const body = at + RECORD_HEADER_LENGTH;
    if (body + caplen > MEMORY_BYTES) return false;
    this.#view.setUint32(at + record.sec, Math.floor(timeMs / 1000), true);
    this.#view.setUint32(at + record.fraction, (timeMs % 1000) * 1000, true);
    this.#view.setUint32(at + record.caplen, caplen, true);
    this.#view.setUint32(at + record.len, len, true);
    this.#bytes.set(packet.subarray(0, caplen), body);
    this.#filled = body + caplen;
    return true;
  }

  /** How many were added since `close`. */
  count(): number {
    let records = 0;
    for (const _ of recordEnds(this.#bytes.subarray(0, this.#filled))) records++;
    return records;
  }

  /** From now on they are walked, until nothing is left of them. */
  close(): void {
    this.walk.begin(this.#filled);
    this.#filled = 0;
  }
}

export class CapSource implements PacketSource {
  readonly #cap: Cap;
  readonly #socket: PacketSocket;
  readonly #watch: InterfaceWatch;
  /** Packets wake the event loop, and that wakes us. */
  readonly #poll = new Poll(-1, 0, eventLoopFd());
  readonly #errors: Poll;
  readonly #snaplen: number;
  readonly #packet: Uint8Array;
  readonly #offer = new SpanOffer();
  #filling = new Records();
  #walked = new Records();
  /** Packets that passed before the filter was there, still to come. */
  #unfiltered: number;
  /** Packets that came while both pieces of memory were full. */
  #dropped = 0;
  #droppedSeen = 0;
  #sink: RecordSink | undefined;
  #failure: unknown;
  #turnMs = 0;
  #refused = false;
  #shutOut = false;

  private constructor(
    options: CapSourceOptions,
    cap: Cap,
    packet: Uint8Array,
    socket: PacketSocket,
    unfiltered: number,
  ) {
    this.#cap = cap;
    this.#socket = socket;
    this.#watch = new InterfaceWatch(options, socket);
    this.#errors = new Poll(socket.fd, 0, -1);
    this.#snaplen = options.snaplen;
    this.#packet = packet;
    this.#unfiltered = unfiltered;
    cap.on('packet', (caplen) => this.#take(caplen));
  }

  /** @throws CaptureError, SyscallError */
  static open(options: CapSourceOptions): CapSource {
    const cap = new (loadCap())();
    const packet = Buffer.alloc(CAP_SNAPLEN);
    const before = packetSockets();
    try {
      cap.open(options.device, '', options.ringMemory, packet);
    } catch (cause) {
      throw new CaptureError('ERR_CAP', `--engine cap: ${cause instanceof Error ? cause.message : cause}`, { cause });
    }
    try {
      const fd = packetSockets().find((each) => !before.includes(each));
      if (fd === undefined) throw new CaptureError('ERR_CAP', `--engine cap: ${options.device} has no packet socket`);
      const promiscuous = options.device !== 'any';
      const socket = new PacketSocket(fd, { promiscuous, filter: wholePackets(options.filter) });
      socket.refuse();
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, SETTLE_MS);
      const unfiltered = packetsInRing(fd);
      socket.bind(socket.boundTo().ifindex); // as it is, for the watch to know
      socket.attach();
      options.notice(
        '--engine cap: timestamps of when a packet is read, in milliseconds, no count of what the kernel drops, always promiscuous, a call of JavaScript for each packet, which has at most 65535 bytes',
      );
      return new CapSource(options, cap, packet, socket, unfiltered);
    } catch (cause) {
      cap.close();
      throw cause;
    }
  }

  /** A packet lies in `#packet`: `cap` calls this in a turn of the event loop. */
  #take(len: number): void {
    if (this.#unfiltered > 0) {
      this.#unfiltered--;
      return;
    }
    const nowMs = Date.now();
    const caplen = Math.min(len, this.#snaplen);
    if (this.#filling.add(nowMs, this.#packet, caplen, len)) return;
    this.#yield(nowMs);
    // There may be no end to this turn: what is full is written in it.
    try {
      if (this.#sink !== undefined) this.drain(this.#sink);
    } catch (cause) {
      this.#failure = cause; // nobody here could catch it
    }
    if (!this.#filling.add(nowMs, this.#packet, caplen, len)) this.#dropped++;
  }

  /** `cap` ends its turn when the ring is empty, and then signals are heard. */
  #yield(nowMs: number): void {
    if (this.#turnMs === 0) this.#turnMs = nowMs;
    if (this.#shutOut || nowMs < this.#turnMs + MAX_TURN_MS) return;
    this.#socket.refuse();
    this.#shutOut = true;
  }

  get away(): Absence | undefined {
    return this.#watch.away;
  }

  wait(timeoutMs: number): void {
    this.#turnMs = 0;
    if (this.#shutOut && !this.#refused && this.away === undefined) this.#socket.attach();
    this.#shutOut = false;
    if (this.#filling.empty && this.#walked.walk.left === 0) this.#poll.wait(Math.min(timeoutMs, this.#watch.dueInMs));
    // An error that libuv finds ends the process. One that libpcap has found shows in what the socket is bound to.
    const error = (this.#errors.wait(0) & POLLERR) === 0 ? undefined : this.#socket.takeError('poll');
    const removed = this.away === undefined && this.#socket.boundTo().ifindex < 0;
    if (error !== undefined) this.#watch.failed(error);
    else if (removed) this.#watch.failed(new SyscallError('ENETDOWN', ENETDOWN, 'poll'));
    this.#watch.look();
  }

  look(): void {
    this.wait(0);
  }

  drain(sink: RecordSink): Drained {
    this.#sink = sink;
    if (this.#failure !== undefined) throw this.#failure;
    for (;;) {
      if (this.#walked.walk.left === 0 && !this.#offer.held) {
        if (this.#filling.empty) return 'empty';
        [this.#walked, this.#filling] = [this.#filling, this.#walked];
        this.#walked.close();
      }
      if (!this.#offer.all(this.#walked.walk, sink)) return 'held';
    }
  }

  get crowded(): boolean {
    const crowded = this.#dropped > this.#droppedSeen;
    this.#droppedSeen = this.#dropped;
    return crowded;
  }

  refuse(): void {
    this.#watch.end();
    this.#refused = true;
    this.#socket.refuse();
  }

  statistics(): SourceStatistics {
    const unread = this.#filling.count() + this.#walked.walk.countLeft();
    const received = this.#offer.offered + unread + this.#dropped;
    return { received, dropped: this.#dropped, queueFreezes: 0, ifDropped: 0, filtered: 0, unread };
  }

  close(): void {
    this.#cap.close();
  }
}

/** The descriptors of this process that are packet sockets; that of the listing itself is among those listed. */
function packetSockets(): number[] {
  return readdirSync('/proc/self/fd').map(Number).filter(isPacketSocket);
}

/** What the socket has accepted by now and has or had room for. */
function packetsInRing(fd: number): number {
  const statistics = new Uint8Array(tpacket_stats_v3.sizeof); // that of the older rings is its beginning
  getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, statistics, 'PACKET_STATISTICS');
  const view = new DataView(statistics.buffer);
  return view.getUint32(tpacket_stats_v3.tp_packets, true) - view.getUint32(tpacket_stats_v3.tp_drops, true);
}

/** The same packets, uncut: `cap` tells no other length of a packet than that of what it has of it. */
function wholePackets(filter: Uint8Array): Uint8Array {
  const whole = filter.slice();
  const view = new DataView(whole.buffer);
  for (const [index, { code, k }] of new Program(filter).instructions().entries()) {
    if (code === (BPF_RET | BPF_K) && k !== 0) view.setUint32(index * SOCK_FILTER + K_AT, WHOLE, true);
  }
  return whole;
}

const SOCK_FILTER = 8;
const K_AT = 4;
const WHOLE = 0xffffffff;
