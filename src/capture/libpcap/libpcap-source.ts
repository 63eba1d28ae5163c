// The `libpcap` engine: packets come over from a handle of the system's libpcap, whatever that opens. libpcap writes them
// into our memory as savefile records, thousands a call (native/libpcap-live.ts); here they are offered to the sink.
//
// Where the handle is an AF_PACKET socket, which for network interfaces it is, we do to it from outside what the ring
// engine does to its own: the same filter program, attached before it is bound to anything that packets come from; bound
// again to the next interface of the name; a filter that keeps nothing at the end. libpcap notices none of it. Other
// handles (nflog, bluetooth, usbmon, dbus, …) have their filter run by libpcap, in user space.
import { PcapError, SyscallError } from '../../errors.ts';
import { eventLoopFd } from '../../native/event-loop.ts';
import { isPacketSocket, POLLERR, POLLIN, Poll } from '../../native/libc.ts';
import * as pcap from '../../native/libpcap.ts';
import * as live from '../../native/libpcap-live.ts';
import { type Precision, RECORD_HEADER_LENGTH } from '../../savefile/header.ts';
import type { RecordSink } from '../../savefile/sink.ts';
import { InterfaceWatch, type InterfaceWatchOptions } from '../interface-watch.ts';
import { PacketSocket } from '../packet-socket.ts';
import { RecordWalk } from '../record-walk.ts';
import type { Absence, Drained, PacketSource, SourceStatistics } from '../source.ts';
import { SpanOffer } from '../span-offer.ts';

export interface LibpcapSourceOptions extends InterfaceWatchOptions {
  /** DLT_ value, one that the device offers. */
  readonly dlt: number;
  readonly snaplen: number;
  readonly precision: Precision;
  readonly promiscuous: boolean;
  /** `struct sock_filter` after `struct sock_filter`; returns how many of a packet's own bytes to keep. */
  readonly filter: Uint8Array;
  /** Bytes of libpcap's buffer. */
  readonly ringMemory: number;
  /** The kernel hands over a block that is not full after this time. */
  readonly blockRetireMs: number;
  /** Every packet by itself, at once. */
  readonly immediate: boolean;
  /** A name as pcap-tstamp(7) has them; undefined for the device's default. */
  readonly timestampType: string | undefined;
  /** Monitor mode, of wireless interfaces. */
  readonly monitor: boolean;
}

/** How many packets to fetch at a time: enough that a call costs nothing, few enough to stay in the processor's cache. */
const BATCH_PACKETS = 4096;
/** Address space, of which only what packets fill becomes memory. */
const MAX_BATCH_BYTES: number = 64 * 2 ** 20;
const COUNTERS_EVERY_MS = 10_000;
/** How often to look where nothing tells of a packet. */
const BLIND_LOOK_MS = 10;
/** A protocol that no frame has: such values are the kernel's own, and it has not given out this one. */
const NO_PROTOCOL = 0x00ff;
const ENETDOWN = 100;
/** poll(2) leaves it out. */
const NO_FD = -1;

export class LibpcapSource implements PacketSource {
  readonly #p: pcap.pcap_t;
  readonly #dumper: live.Dumper;
  readonly #socket: PacketSocket | undefined;
  readonly #watch: InterfaceWatch | undefined;
  readonly #poll: Poll;
  /** Only looks. Undefined where libpcap can be asked for packets when there are none. */
  readonly #ready: Poll | undefined;
  /** How long a wait may be, where not every packet ends it. */
  readonly #blindMs: number;
  readonly #walk: RecordWalk;
  readonly #offer = new SpanOffer();
  readonly #batchPackets: number;
  readonly #ringMemory: number;
  readonly #stats = new Uint8Array(live.pcap_stat.sizeof);
  readonly #received = new Counter32(this.#stats, live.pcap_stat.ps_recv);
  readonly #dropped = new Counter32(this.#stats, live.pcap_stat.ps_drop);
  readonly #ifDropped = new Counter32(this.#stats, live.pcap_stat.ps_ifdrop);
  #countersDueMs = 0;
  #droppedSeen = 0;

  private constructor(options: LibpcapSourceOptions, p: pcap.pcap_t, socket: PacketSocket | undefined) {
    this.#p = p;
    this.#socket = socket;
    this.#watch = socket && new InterfaceWatch(options, socket);
    const fd = live.pcap_get_selectable_fd(p);
    this.#poll = new Poll(fd, POLLIN, eventLoopFd());
    if (socket !== undefined || fd < 0) live.pcap_setnonblock(p, 1);
    else this.#ready = new Poll(fd, POLLIN, NO_FD); // nflog calls it an error not to have a packet without blocking
    const blindMs = live.pcap_get_required_select_timeout(p) ?? (fd < 0 ? BLIND_LOOK_MS : Number.POSITIVE_INFINITY);
    this.#blindMs = Math.ceil(blindMs);
    const recordLength = RECORD_HEADER_LENGTH + options.snaplen;
    this.#batchPackets = Math.min(BATCH_PACKETS, Math.floor(MAX_BATCH_BYTES / recordLength));
    const memory = new Uint8Array(this.#batchPackets * recordLength);
    this.#dumper = new live.Dumper(p, memory);
    this.#walk = new RecordWalk(memory, options.precision);
    this.#ringMemory = options.ringMemory;
  }

  /** @throws PcapError, SyscallError, CaptureError */
  static open(options: LibpcapSourceOptions): LibpcapSource {
    const p = activate(options);
    try {
      const socket = isPacketSocket(pcap.pcap_fileno(p)) ? takeOver(p, options) : undefined;
      if (socket === undefined) pcap.pcap_setfilter(p, pcap.bpf_program(options.filter));
      return new LibpcapSource(options, p, socket);
    } catch (cause) {
      pcap.pcap_close(p);
      throw cause;
    }
  }

  get away(): Absence | undefined {
    return this.#watch?.away;
  }

  wait(timeoutMs: number): void {
    const waitMs = Math.min(timeoutMs, this.#blindMs, this.#watch?.dueInMs ?? timeoutMs);
    const events = this.#poll.wait(waitMs);
    if (this.#socket === undefined || this.#watch === undefined) return;
    // Before libpcap sees it: it ends a capture when the interface is removed.
    const error = (events & POLLERR) === 0 ? undefined : this.#socket.takeError('poll');
    if (error !== undefined) this.#watch.failed(error);
    this.#watch.look();
  }

  look(): void {
    this.wait(0);
  }

  drain(sink: RecordSink, share = 1): Drained {
    if (performance.now() >= this.#countersDueMs) this.statistics();
    for (let budget = this.#ringMemory * share; budget > 0; ) {
      if (this.#walk.left === 0 && !this.#offer.held) {
        const length = this.#dispatch();
        if (length === 0) return 'empty';
        this.#walk.begin(length);
        budget -= length;
      }
      if (!this.#offer.all(this.#walk, sink)) return 'held';
    }
    return 'more';
  }

  #dispatch(): number {
    if (this.#ready?.wait(0) === 0) return 0;
    try {
      const length = this.#dumper.dispatch(this.#batchPackets);
      if (length === 0) this.#seesDown();
      return length;
    } catch (cause) {
      // The watch looks for the next one of its name; libpcap says this again until there is one.
      if (cause instanceof PcapError && this.#seesDown()) return 0;
      throw cause;
    }
  }

  /** libpcap was the first to see that the interface went down: it then wants to be called more often. */
  #seesDown(): boolean {
    if (this.#watch === undefined || live.pcap_get_required_select_timeout(this.#p) === undefined) return false;
    if (this.#watch.away === undefined) this.#watch.failed(new SyscallError('ENETDOWN', ENETDOWN, 'poll'));
    return true;
  }

  /** How full libpcap's buffer is can't be known; that it was found full can. */
  get crowded(): boolean {
    const { dropped } = this.statistics();
    const crowded = dropped > this.#droppedSeen;
    this.#droppedSeen = dropped;
    return crowded;
  }

  /** A handle that is no packet socket can't be told to refuse: what it has now is fetched, and counts as accepted. */
  refuse(): void {
    this.#watch?.end();
    if (this.#socket !== undefined) this.#socket.refuse();
    else if (this.#walk.left === 0 && !this.#offer.held) this.#walk.begin(this.#dispatch());
  }

  /**
   * Of an AF_PACKET socket, received are the packets that passed its filter, as ever. Other handles count in ways of their
   * own, before or behind the filter: then it is what libpcap has handed over and what it says was dropped.
   */
  statistics(): SourceStatistics {
    this.#countersDueMs = performance.now() + COUNTERS_EVERY_MS;
    live.pcap_stats(this.#p, this.#stats);
    const dropped = this.#dropped.read();
    const { offered } = this.#offer;
    const received = this.#socket === undefined ? offered + this.#walk.countLeft() + dropped : this.#received.read();
    const unread = received - dropped - offered;
    return { received, dropped, queueFreezes: 0, ifDropped: this.#ifDropped.read(), filtered: 0, unread };
  }

  close(): void {
    this.#dumper.close();
    pcap.pcap_close(this.#p);
  }
}

/** A counter of 32 bits that wraps, made exact: read it before it can wrap twice. */
class Counter32 {
  readonly #view: DataView;
  readonly #at: number;
  #seen = 0;
  #total = 0;

  constructor(stats: Uint8Array, at: number) {
    this.#view = new DataView(stats.buffer);
    this.#at = at;
  }

  read(): number {
    const value = this.#view.getUint32(this.#at, true);
    this.#total += (value - this.#seen) >>> 0;
    this.#seen = value;
    return this.#total;
  }
}

function activate(options: LibpcapSourceOptions): pcap.pcap_t {
  const { device } = options;
  const p = pcap.pcap_create(device);
  try {
    pcap.pcap_set_snaplen(p, options.snaplen);
    pcap.pcap_set_promisc(p, Number(options.promiscuous && device !== 'any'));
    pcap.pcap_set_timeout(p, options.blockRetireMs);
    pcap.pcap_set_buffer_size(p, options.ringMemory);
    if (options.immediate) live.pcap_set_immediate_mode(p, 1);
    if (options.monitor) pcap.pcap_set_rfmon(p, 1);
    if (options.timestampType !== undefined) live.setTimestampType(p, options.timestampType, device);
    if (options.precision === 'nano') live.pcap_set_tstamp_precision(p, live.PCAP_TSTAMP_PRECISION_NANO);
    live.pcap_set_protocol_linux(p, NO_PROTOCOL);
    pcap.pcap_activate(p, device); // its warnings were said when the filter was compiled
    if (pcap.pcap_datalink(p) !== options.dlt) pcap.pcap_set_datalink(p, options.dlt);
    return p;
  } catch (cause) {
    pcap.pcap_close(p);
    throw cause;
  }
}

/** Now that ring and filter are there, the handle's socket gets its packets. */
function takeOver(p: pcap.pcap_t, options: LibpcapSourceOptions): PacketSocket {
  const socket = new PacketSocket(pcap.pcap_fileno(p), {
    filter: options.filter,
    promiscuous: options.promiscuous && options.device !== 'any',
  });
  socket.attach();
  socket.bind(socket.boundTo().ifindex);
  return socket;
}
