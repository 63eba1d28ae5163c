// The block walk over memory such as a ring's, by link type, and its two halves: without a packet's bytes, and the copying of
// these alone. No kernel and no file: it shows what a change in the walk does, without the noise of a live capture.
import { Block } from '../../src/capture/ring/block.ts';
import { BlockWalk } from '../../src/capture/ring/block-walk.ts';
import { allocate } from '../../src/capture/ring/ring-memory.ts';
import { sockaddr_ll, tpacket_block_desc, tpacket3_hdr } from '../../src/native/if_packet.ts';
import { RECORD_HEADER_LENGTH } from '../../src/savefile/header.ts';
import {
  cookedLength,
  LINKTYPE_ETHERNET,
  LINKTYPE_LINUX_SLL,
  LINKTYPE_LINUX_SLL2,
} from '../../src/savefile/linktype.ts';
import type { Prepared, Task } from './task.ts';

const BLOCK_SIZE = 1024 * 1024;
const BLOCKS = 16;
const SNAPLEN = 96;
/** Distance of packets and offset of their bytes in a ring of this kernel, for 96 bytes kept. */
const STRIDE = 184;
const MAC = { raw: 82, cooked: 96 } as const;
const NEVER = Number.POSITIVE_INFINITY;
const NO_LIMITS = { startSec: 0, endSec: NEVER, records: NEVER, bytes: NEVER };

interface Traffic {
  readonly linktype: number;
  /** Of the VLAN tag, 0 for none. */
  readonly tci: number;
  /** Bytes of a record behind its header. */
  readonly caplen: number;
}

const ETHERNET: Traffic = { linktype: LINKTYPE_ETHERNET, tci: 0, caplen: SNAPLEN };

export const WALK_TASKS: Readonly<Record<string, Task>> = {
  'walk-ethernet': { title: 'block walk, Ethernet', prepare: () => walk(ETHERNET) },
  'walk-vlan': { title: 'block walk, Ethernet with a VLAN tag', prepare: () => walk({ ...ETHERNET, tci: 5 }) },
  'walk-sll2': { title: 'block walk, SLL2', prepare: () => walk({ ...ETHERNET, linktype: LINKTYPE_LINUX_SLL2 }) },
  'walk-sll': { title: 'block walk, SLL', prepare: () => walk({ ...ETHERNET, linktype: LINKTYPE_LINUX_SLL }) },
  stamping: { title: 'block walk, no bytes kept: headers only', prepare: () => walk({ ...ETHERNET, caplen: 0 }) },
  compaction: { title: 'moving the bytes of packets together, alone', prepare: compaction },
};

/** Fills the block with packets as the kernel would; returns their number. The walk writes over them. */
function fill(block: Block, { linktype, tci, caplen }: Traffic): number {
  const { view, bytes } = block;
  const cooked = cookedLength(linktype);
  bytes.fill(0);
  let count = 0;
  let at: number = tpacket_block_desc.sizeof;
  for (; at + STRIDE < BLOCK_SIZE; at += STRIDE, count++) {
    view.setUint32(at + tpacket3_hdr.tp_next_offset, STRIDE, true);
    view.setUint32(at + tpacket3_hdr.tp_sec, 1_700_000_000, true);
    view.setUint32(at + tpacket3_hdr.tp_nsec, count * 1000, true);
    view.setUint32(at + tpacket3_hdr.tp_snaplen, caplen === 0 ? 0 : caplen - cooked, true);
    view.setUint32(at + tpacket3_hdr.tp_len, 128, true);
    view.setUint32(at + tpacket3_hdr.tp_vlan_tci, tci, true);
    view.setUint16(at + tpacket3_hdr.tp_mac, cooked > 0 ? MAC.cooked : MAC.raw, true);
    view.setUint8(at + tpacket3_hdr.sizeof + sockaddr_ll.sll_halen, 6);
  }
  view.setUint32(tpacket_block_desc.num_pkts, count, true);
  view.setUint32(tpacket_block_desc.offset_to_first_pkt, tpacket_block_desc.sizeof, true);
  view.setUint32(tpacket_block_desc.blk_len, at, true);
  return count;
}

function createBlocks(): readonly Block[] {
  const memory = allocate(BLOCKS * BLOCK_SIZE);
  if (memory === undefined) throw new Error('WebAssembly is not to be had');
  return Array.from({ length: BLOCKS }, (_, index) => new Block(memory, BLOCK_SIZE, index));
}

function walk(traffic: Traffic): Prepared {
  const blocks = createBlocks();
  const blockWalk = new BlockWalk({ linktype: traffic.linktype, snaplen: SNAPLEN, precision: 'micro' });
  const before = (): number => blocks.reduce((packets, block) => packets + fill(block, traffic), 0);
  const turn = (): void => {
    for (const block of blocks) {
      blockWalk.begin(block);
      blockWalk.compact(NO_LIMITS);
    }
  };
  return { packets: before(), before, turn };
}

function compaction(): Prepared {
  const blocks = createBlocks();
  const packets = blocks.reduce((sum, block) => sum + fill(block, ETHERNET), 0);
  const turn = (): void => {
    for (const { copy, start } of blocks) {
      let out: number = tpacket_block_desc.sizeof;
      for (let at = out; at + STRIDE < BLOCK_SIZE; at += STRIDE) {
        out += RECORD_HEADER_LENGTH;
        copy(start + out, start + at + MAC.raw, SNAPLEN);
        out += SNAPLEN;
      }
    }
  };
  return { packets, turn };
}
