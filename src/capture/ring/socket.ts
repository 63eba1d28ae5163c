// An AF_PACKET socket with a TPACKET_V3 ring mapped into memory. Set up in the one order that lets no unfiltered packet
// in: a socket of protocol 0 receives nothing, so the ring, and a filter that keeps nothing, are in place before bind()
// names a protocol; the capture's own filter comes when it is sure what the socket is bound to. Binding it again to
// another interface, ring and all, goes the same way. Used by the ring source and the interface watch.
import { SyscallError } from '../../errors.ts';
import * as if_packet from '../../native/if_packet.ts';
import * as libc from '../../native/libc.ts';

export interface RingSocketOptions {
  /** 0 for all interfaces. */
  readonly ifindex: number;
  /** SOCK_DGRAM: the kernel takes the link-layer header off, for cooked captures. */
  readonly cooked: boolean;
  readonly promiscuous: boolean;
  /** `struct sock_filter` after `struct sock_filter`. */
  readonly filter: Uint8Array;
  readonly blockSize: number;
  readonly blockCount: number;
  /** The kernel hands a block over after this time even when it is not full. */
  readonly blockRetireMs: number;
}

export interface BoundTo {
  /** 0: all interfaces. -1: it was removed, and nothing comes until the socket is bound to another one. */
  readonly ifindex: number;
  /** ARPHRD_ value of the interface, 0 where there is none. */
  readonly hatype: number;
}

/** Below this many blocks a ring can no longer absorb a write that takes a moment: better no capture than such a one. */
const MIN_BLOCKS = 2;
const ENODEV = 19;

export class RingSocket {
  readonly fd: number;
  /** May be fewer than asked for: the kernel had no memory for more. */
  readonly blockCount: number;
  readonly #options: RingSocketOptions;
  readonly #mapping: libc.Mapping;
  readonly #statistics = new Uint8Array(if_packet.tpacket_stats_v3.sizeof);
  readonly #counters = new DataView(this.#statistics.buffer);
  #received = 0;
  #dropped = 0;
  #queueFreezes = 0;
  #bound: BoundTo = { ifindex: -1, hatype: 0 };

  private constructor(fd: number, options: RingSocketOptions, blockCount: number, mapping: libc.Mapping) {
    this.fd = fd;
    this.blockCount = blockCount;
    this.#options = options;
    this.#mapping = mapping;
  }

  /** @throws SyscallError */
  static open(options: RingSocketOptions): RingSocket {
    const type = options.cooked ? libc.SOCK_DGRAM : libc.SOCK_RAW;
    const fd = libc.socket(libc.AF_PACKET, type | libc.SOCK_CLOEXEC, 0);
    let mapping: libc.Mapping | undefined;
    try {
      libc.setsockopt(fd, if_packet.SOL_PACKET, if_packet.PACKET_VERSION, int(if_packet.TPACKET_V3), 'PACKET_VERSION');
      libc.attachFilter(fd, RETURN_0);
      const blockCount = requestRing(fd, options);
      mapping = libc.mmapShared(fd, blockCount * options.blockSize);
      const socket = new RingSocket(fd, options, blockCount, mapping);
      socket.bind(options.ifindex);
      socket.admit();
      return socket;
    } catch (cause) {
      mapping?.unmap();
      libc.close(fd);
      throw cause;
    }
  }

  get memory(): ArrayBuffer {
    return this.#mapping.memory;
  }

  /**
   * Binds the socket to an interface, from which nothing is let in yet. Takes no privilege. @throws SyscallError ENODEV,
   * ENETDOWN, …
   */
  bind(ifindex: number): void {
    libc.bind(this.fd, linkAddress(ifindex));
    const error = this.takeError('bind'); // where it says that the interface is not up
    if (error !== undefined) throw error;
    this.#bound = this.boundTo();
    if (this.#bound.ifindex !== ifindex) throw new SyscallError('ENODEV', ENODEV, 'bind'); // removed since
  }

  /** Of the interface that it was bound to last, which may be gone by now. */
  get hatype(): number {
    return this.#bound.hatype;
  }

  /** Lets packets in from the interface that the socket was bound to. @throws SyscallError */
  admit(): void {
    libc.attachFilter(this.fd, this.#options.filter);
    if (this.#options.promiscuous) this.#setPromiscuous(if_packet.PACKET_ADD_MEMBERSHIP, 'PACKET_ADD_MEMBERSHIP');
  }

  /** Lets nothing in any more, and leaves the interface, if there still is one, as it was. @throws SyscallError */
  release(): void {
    this.refuse();
    if (this.#options.promiscuous) this.#setPromiscuous(if_packet.PACKET_DROP_MEMBERSHIP, 'PACKET_DROP_MEMBERSHIP');
  }

  #setPromiscuous(option: number, name: string): void {
    const { packet_mreq } = if_packet;
    const request = new Uint8Array(packet_mreq.sizeof);
    const view = new DataView(request.buffer);
    view.setInt32(packet_mreq.mr_ifindex, this.#bound.ifindex, true);
    view.setUint16(packet_mreq.mr_type, if_packet.PACKET_MR_PROMISC, true);
    libc.setsockopt(this.fd, if_packet.SOL_PACKET, option, request, name);
  }

  /** What it is bound to at present. */
  boundTo(): BoundTo {
    const { sockaddr_ll } = if_packet;
    const address = new Uint8Array(sockaddr_ll.sizeof);
    libc.getsockname(this.fd, address);
    const view = new DataView(address.buffer);
    const ifindex = view.getInt32(sockaddr_ll.sll_ifindex, true);
    return { ifindex, hatype: view.getUint16(sockaddr_ll.sll_hatype, true) };
  }

  /** From now on the kernel drops every packet before it reaches the ring, and does not count it. */
  refuse(): void {
    libc.attachFilter(this.fd, RETURN_0);
  }

  /** What POLLERR stands for, once: reading it clears it. */
  takeError(syscall: string): SyscallError | undefined {
    const value = new Uint8Array(4);
    libc.getsockopt(this.fd, libc.SOL_SOCKET, libc.SO_ERROR, value, 'SO_ERROR');
    const errno = new DataView(value.buffer).getInt32(0, true);
    return errno === 0 ? undefined : new SyscallError(libc.errorName(errno), errno, syscall);
  }

  /** Adds the kernel's 32-bit counters, which every read sets to zero, to ours. */
  readCounters(): { readonly received: number; readonly dropped: number; readonly queueFreezes: number } {
    const { tp_packets, tp_drops, tp_freeze_q_cnt } = if_packet.tpacket_stats_v3;
    libc.getsockopt(this.fd, if_packet.SOL_PACKET, if_packet.PACKET_STATISTICS, this.#statistics, 'PACKET_STATISTICS');
    this.#received += this.#counters.getUint32(tp_packets, true);
    this.#dropped += this.#counters.getUint32(tp_drops, true);
    this.#queueFreezes += this.#counters.getUint32(tp_freeze_q_cnt, true);
    return { received: this.#received, dropped: this.#dropped, queueFreezes: this.#queueFreezes };
  }

  /** Every view of `memory` is dead after this. */
  close(): void {
    this.#mapping.unmap();
    libc.close(this.fd);
  }
}

/** One instruction, BPF_RET | BPF_K with k = 0. */
const RETURN_0 = Uint8Array.of(0x06, 0, 0, 0, 0, 0, 0, 0);

function int(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, true);
  return bytes;
}

/** Asks for the ring and, when the kernel has not the memory, for three quarters of it until it has. */
function requestRing(fd: number, options: RingSocketOptions): number {
  const { tpacket_req3 } = if_packet;
  const request = new Uint8Array(tpacket_req3.sizeof);
  const view = new DataView(request.buffer);
  view.setUint32(tpacket_req3.tp_block_size, options.blockSize, true);
  // V3 has no frames; the kernel only checks that the numbers multiply out.
  view.setUint32(tpacket_req3.tp_frame_size, options.blockSize, true);
  view.setUint32(tpacket_req3.tp_retire_blk_tov, options.blockRetireMs, true);
  for (let blocks = options.blockCount; ; blocks = Math.max(MIN_BLOCKS, Math.floor(blocks * 0.75))) {
    view.setUint32(tpacket_req3.tp_block_nr, blocks, true);
    view.setUint32(tpacket_req3.tp_frame_nr, blocks, true);
    try {
      libc.setsockopt(fd, if_packet.SOL_PACKET, if_packet.PACKET_RX_RING, request, 'PACKET_RX_RING');
      return blocks;
    } catch (cause) {
      if (!(cause instanceof SyscallError && cause.code === 'ENOMEM') || blocks <= MIN_BLOCKS) throw cause;
    }
  }
}

function linkAddress(ifindex: number): Uint8Array {
  const { sockaddr_ll } = if_packet;
  const address = new Uint8Array(sockaddr_ll.sizeof);
  const view = new DataView(address.buffer);
  view.setUint16(sockaddr_ll.sll_family, libc.AF_PACKET, true);
  view.setUint16(sockaddr_ll.sll_protocol, libc.ETH_P_ALL, false);
  view.setInt32(sockaddr_ll.sll_ifindex, ifindex, true);
  return address;
}
