// `npm run bench:walk`: nanoseconds a packet that BlockWalk.compact() takes, over a ring of plain memory, by link type.
// No kernel and no file: it shows what a change in the walk does, without the noise of a live capture.
import { parseArgs } from 'node:util';
import { Block } from '../src/capture/ring/block.ts';
import { BlockWalk, type RecordFormat } from '../src/capture/ring/block-walk.ts';
import { parseWhole } from '../src/capture/values.ts';
import { sockaddr_ll, tpacket_block_desc, tpacket3_hdr } from '../src/native/if_packet.ts';
import { cookedLength, LINKTYPE_ETHERNET, LINKTYPE_LINUX_SLL, LINKTYPE_LINUX_SLL2 } from '../src/savefile/linktype.ts';

const BLOCK_SIZE = 1024 * 1024;
const BLOCKS = 16;
const SNAPLEN = 96;
/** Distance of packets and offset of their bytes in a ring of this kernel, for 96 bytes kept. */
const STRIDE = 208;
const MAC = { raw: 82, cooked: 96 } as const;
const NEVER = Number.POSITIVE_INFINITY;
const NO_LIMITS = { startSec: 0, endSec: NEVER, records: NEVER, bytes: NEVER };

const CASES: readonly (readonly [name: string, linktype: number, tci: number])[] = [
  ['Ethernet', LINKTYPE_ETHERNET, 0],
  ['Ethernet, VLAN tag', LINKTYPE_ETHERNET, 5],
  ['SLL2', LINKTYPE_LINUX_SLL2, 0],
  ['SLL', LINKTYPE_LINUX_SLL, 0],
];

/** Fills the block with packets as the kernel would; returns their number. The walk writes over them. */
function fill(block: Block, linktype: number, tci: number): number {
  const { view, bytes } = block;
  const cooked = cookedLength(linktype);
  bytes.fill(0);
  let count = 0;
  let at: number = tpacket_block_desc.sizeof;
  for (; at + STRIDE < BLOCK_SIZE; at += STRIDE, count++) {
    view.setUint32(at + tpacket3_hdr.tp_next_offset, STRIDE, true);
    view.setUint32(at + tpacket3_hdr.tp_sec, 1_700_000_000, true);
    view.setUint32(at + tpacket3_hdr.tp_nsec, count * 1000, true);
    view.setUint32(at + tpacket3_hdr.tp_snaplen, SNAPLEN - cooked, true);
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

function nanosecondsAPacket(format: RecordFormat, tci: number, rounds: number): number[] {
  const memory = new ArrayBuffer(BLOCKS * BLOCK_SIZE);
  const blocks = Array.from({ length: BLOCKS }, (_, index) => new Block(memory, BLOCK_SIZE, index));
  const walk = new BlockWalk(format);
  return Array.from({ length: rounds }, () => {
    let packets = 0;
    for (const block of blocks) packets += fill(block, format.linktype, tci);
    const startMs = performance.now();
    for (const block of blocks) {
      walk.begin(block);
      walk.compact(NO_LIMITS);
    }
    return ((performance.now() - startMs) * 1e6) / packets;
  });
}

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '60' } } });
const rounds = parseWhole('--rounds', values.rounds, 20, 10_000);
for (const [name, linktype, tci] of CASES) {
  const warm = nanosecondsAPacket({ linktype, snaplen: SNAPLEN, precision: 'micro' }, tci, rounds).slice(10);
  warm.sort((a, b) => a - b);
  const [least = Number.NaN] = warm;
  const median = warm[Math.floor(warm.length / 2)] ?? Number.NaN;
  process.stdout.write(`${name.padEnd(20)} ${least.toFixed(1)} ns a packet at best, median ${median.toFixed(1)}\n`);
}
