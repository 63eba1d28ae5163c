// An AF_PACKET socket with a TPACKET_V3 ring mapped into memory. Set up in the one order that lets no unfiltered packet
// in: a socket of protocol 0 receives nothing, so the ring, and a filter that keeps nothing, are in place before bind()
// names a protocol; the capture's own filter comes when it is sure what the socket is bound to. Binding it again to
// another interface, ring and all, goes the same way. Used by the ring source and the interface watch.
import { SyscallError } from '../../errors.ts';
import * as if_packet from '../../native/if_packet.ts';
import * as libc from '../../native/libc.ts';
import { PacketSocket, type PacketSocketOptions } from '../packet-socket.ts';
import { type MappedRing, mapRing } from './ring-memory.ts';

export interface RingSocketOptions extends PacketSocketOptions {
  /** 0 for all interfaces. */
  readonly ifindex: number;
  /** SOCK_DGRAM: the kernel takes the link-layer header off, for cooked captures. */
  readonly cooked: boolean;
  readonly blockSize: number;
  readonly blockCount: number;
  /** The kernel hands a block over after this time even when it is not full. */
  readonly blockRetireMs: number;
}

/** Below this many blocks a ring can no longer absorb a write that takes a moment: better no capture than such a one. */
const MIN_BLOCKS = 2;

export class RingSocket extends PacketSocket {
  /** May be fewer than asked for: the kernel had no memory for more. */
  readonly blockCount: number;
  /** Nothing may touch it after `close()`. */
  readonly memory: MappedRing;
  readonly #statistics = new Uint8Array(if_packet.tpacket_stats_v3.sizeof);
  readonly #counters = new DataView(this.#statistics.buffer);
  #received = 0;
  #dropped = 0;
  #queueFreezes = 0;

  private constructor(fd: number, options: RingSocketOptions, blockCount: number, memory: MappedRing) {
    super(fd, options);
    this.blockCount = blockCount;
    this.memory = memory;
  }

  /** @throws SyscallError */
  static open(options: RingSocketOptions): RingSocket {
    const type = options.cooked ? libc.SOCK_DGRAM : libc.SOCK_RAW;
    const fd = libc.socket(libc.AF_PACKET, type | libc.SOCK_CLOEXEC, 0);
    let memory: MappedRing | undefined;
    try {
      libc.setsockopt(fd, if_packet.SOL_PACKET, if_packet.PACKET_VERSION, int(if_packet.TPACKET_V3), 'PACKET_VERSION');
      PacketSocket.refuse(fd);
      const blockCount = requestRing(fd, options);
      memory = mapRing(fd, blockCount * options.blockSize);
      const socket = new RingSocket(fd, options, blockCount, memory);
      socket.bind(options.ifindex);
      socket.admit();
      return socket;
    } catch (cause) {
      memory?.unmap();
      libc.close(fd);
      throw cause;
    }
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

  close(): void {
    this.memory.unmap();
    libc.close(this.fd);
  }
}

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
