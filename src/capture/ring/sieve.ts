// Leaves packets out of a retired block that a filter outside the kernel does not keep, before the walk makes records of
// it. Called by the ring source for each block when the kernel could not take the filter or the exclusions.
//
//   before  | descriptor: 4 packets | packet 1 -> packet 2 -> packet 3 -> packet 4 |
//   after   | descriptor: 2 packets |             packet 2 -------------> packet 4 |
//
// The packets of a block are a list, linked by their distances: those left out are taken out of the list, so that the walk
// never meets them and has nothing to ask. What is read here is checked as in the walk.
import type { PacketMetadata } from '../../filter/dialect.ts';
import type { PacketFilter } from '../../filter/packet-filter.ts';
import { sockaddr_ll, TP_STATUS_VLAN_VALID, tpacket_block_desc, tpacket3_hdr } from '../../native/if_packet.ts';
import { cookedLength, LINKTYPE_LINUX_SLL2 } from '../../savefile/linktype.ts';
import type { Block } from './block.ts';
import { writeSll, writeSll2 } from './cooked.ts';
import { Excluder } from './excluder.ts';

const { tp_next_offset, tp_snaplen, tp_len, tp_status, tp_mac, tp_vlan_tci } = tpacket3_hdr;
const SLL = tpacket3_hdr.sizeof;
const HEADERS = SLL + sockaddr_ll.sizeof;

/** What the kernel could not take of the filter; undefined what it could. */
export interface UserSpaceFilters {
  /** In libpcap's dialect; sees a packet as libpcap shows it: cooked header in front, no VLAN tag back in. */
  readonly expression: PacketFilter | undefined;
  /** In the kernel's dialect, 0 for what is excluded. */
  readonly exclusions: PacketFilter | undefined;
}

export class Sieve {
  /** Packets left out up to now. */
  filtered = 0;
  readonly #filter: PacketFilter | undefined;
  readonly #excluder: Excluder | undefined;
  readonly #cooked: number;
  readonly #sll2: boolean;
  readonly #metadata: PacketMetadata = {
    protocol: 0,
    pkttype: 0,
    ifindex: 0,
    hatype: 0,
    vlanTag: 0,
    vlanTagPresent: 0,
    vlanTpid: 0,
  };

  constructor({ expression, exclusions }: UserSpaceFilters, linktype: number) {
    this.#filter = expression;
    this.#excluder = exclusions && new Excluder(exclusions, linktype);
    this.#cooked = cookedLength(linktype);
    this.#sll2 = linktype === LINKTYPE_LINUX_SLL2;
  }

  /** @throws FormatError */
  apply(block: Block): void {
    const { view } = block;
    const end = block.length;
    const cooked = this.#cooked;
    const packets = block.packets;
    let at = block.firstPacket;
    let first = at;
    let last = at;
    let kept = 0;
    for (let left = packets; left > 0; left--) {
      if (at + HEADERS > end) throw block.broken(at, `a packet header before ${end}`, at);
      const next = view.getUint32(at + tp_next_offset, true);
      const length = view.getUint32(at + tp_snaplen, true);
      const mac = view.getUint16(at + tp_mac, true);
      if (mac < HEADERS + cooked || at + mac + length > end) {
        throw block.broken(at, `a packet inside ${HEADERS + cooked} to ${end - at}`, mac + length);
      }
      if (left > 1 && (next < mac + length || next % 8 !== 0)) {
        throw block.broken(at, `a next packet from ${mac + length}`, next);
      }
      if (this.#keeps(view, at, at + mac - cooked, cooked + length)) {
        if (kept === 0) first = at;
        else view.setUint32(last + tp_next_offset, at - last, true);
        last = at;
        kept++;
      }
      at += next;
    }
    view.setUint32(tpacket_block_desc.offset_to_first_pkt, first, true);
    view.setUint32(tpacket_block_desc.num_pkts, kept, true);
    this.filtered += packets - kept;
  }

  /** `start`: where the packet begins, cooked header included, which is yet to be written. */
  #keeps(view: DataView, at: number, start: number, caplen: number): boolean {
    if (this.#excluder?.excludes(view, at)) return false;
    if (this.#filter === undefined) return true;
    if (this.#cooked !== 0) {
      if (this.#sll2) writeSll2(view, start, at + SLL);
      else writeSll(view, start, at + SLL);
    }
    const tci = view.getUint32(at + tp_vlan_tci, true);
    this.#metadata.vlanTag = tci;
    this.#metadata.vlanTagPresent =
      tci !== 0 || (view.getUint32(at + tp_status, true) & TP_STATUS_VLAN_VALID) !== 0 ? 1 : 0;
    // As in libpcap, the length on the wire is without the cooked header here, though the record's is with it.
    return this.#filter(view, start, caplen, view.getUint32(at + tp_len, true), this.#metadata) !== 0;
  }
}
