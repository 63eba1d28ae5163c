// One block of a TPACKET_V3 ring: who owns it, and what its descriptor says.
//
// Ownership: a block's memory belongs to the kernel while block_status is 0. The kernel sets TP_STATUS_USER when it
// retires the block (full, or its time is up); from then on it is ours to read and to write on, until we store 0 again.
// Blocks are retired in ring order and must be returned in ring order: the kernel never skips one that is still ours.
// Everything here is plain memory, so that tests build blocks without a kernel.
import { FormatError } from '../../errors.ts';
import { TP_STATUS_KERNEL, TP_STATUS_USER, tpacket_block_desc, tpacket3_hdr } from '../../native/if_packet.ts';
import type { RingMemory } from './ring-memory.ts';

export class Block {
  /** Views over the block alone, so that every offset is one within the block. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Where the block begins in the ring. */
  readonly start: number;
  // Their offsets are of the ring.
  readonly copy: RingMemory['copy'];
  readonly plain: RingMemory['plain'];
  readonly #words: Int32Array;
  readonly #name: string;

  constructor(memory: RingMemory, size: number, index: number) {
    const { buffer, copy, plain } = memory;
    this.start = index * size;
    this.copy = copy;
    this.plain = plain;
    this.bytes = new Uint8Array(buffer, this.start, size);
    this.view = new DataView(buffer, this.start, size);
    this.#words = new Int32Array(buffer, this.start, size / 4);
    this.#name = `ring block ${index}`;
  }

  /** An atomic load, because it orders the reads of the block's contents behind it. Other status bits may be set too. */
  ownedByUser(): boolean {
    return (Atomics.load(this.#words, tpacket_block_desc.block_status / 4) & TP_STATUS_USER) !== 0;
  }

  /** An atomic store, because it orders our last reads and writes of the block before it. */
  returnToKernel(): void {
    Atomics.store(this.#words, tpacket_block_desc.block_status / 4, TP_STATUS_KERNEL);
  }

  get sequence(): bigint {
    return this.view.getBigUint64(tpacket_block_desc.seq_num, true);
  }

  get packets(): number {
    return this.view.getUint32(tpacket_block_desc.num_pkts, true);
  }

  /** Bytes used, descriptor included. @throws FormatError when more than the block has */
  get length(): number {
    const length = this.view.getUint32(tpacket_block_desc.blk_len, true);
    if (length < tpacket_block_desc.sizeof || length > this.bytes.length) {
      throw this.broken(tpacket_block_desc.blk_len, `a length from 48 to ${this.bytes.length}`, length);
    }
    return length;
  }

  /** Offset of the first packet's tpacket3_hdr. @throws FormatError when it is not inside the block */
  get firstPacket(): number {
    const at = this.view.getUint32(tpacket_block_desc.offset_to_first_pkt, true);
    if (at < tpacket_block_desc.sizeof || at % 8 !== 0 || at + tpacket3_hdr.sizeof > this.bytes.length) {
      throw this.broken(tpacket_block_desc.offset_to_first_pkt, 'an aligned offset inside the block', at);
    }
    return at;
  }

  broken(offset: number, expected: string, found: number): FormatError {
    return new FormatError(this.#name, offset, expected, found);
  }
}
