// The exclusions outside the kernel, when it can't take so many: their program, as it was made for the kernel, over the
// packets of the ring. Called by the sieve for each packet that the kernel has let through.
//
// In a cooked capture the kernel's program may look at the frame to see whether VLAN tags are in the packet; the ring has no
// frame. What it has is the protocol, which new kernels give as that behind all tags and old ones as the first tag's, and
// the packet, which begins at a tag or, when it was sent, behind all of them. So the tags are looked for and taken off, for
// an excluded packet is so with tags and without.
import type { PacketMetadata } from '../../filter/dialect.ts';
import type { PacketFilter } from '../../filter/packet-filter.ts';
import { ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_RARP, isTag, TAG_LENGTH } from '../../filter/tags.ts';
import { sockaddr_ll, TP_STATUS_VLAN_VALID, tpacket3_hdr } from '../../native/if_packet.ts';
import { cookedLength } from '../../savefile/linktype.ts';

const { tp_snaplen, tp_len, tp_status, tp_mac, tp_vlan_tci, tp_vlan_tpid } = tpacket3_hdr;
const SLL = tpacket3_hdr.sizeof;
/** So many tags the kernel's program looks behind. */
const MOST_TAGS = 2;

export class Excluder {
  readonly #filter: PacketFilter;
  readonly #cooked: boolean;
  readonly #metadata: PacketMetadata = {
    protocol: 0,
    pkttype: 0,
    ifindex: 0,
    hatype: 0,
    vlanTag: 0,
    vlanTagPresent: 0,
    vlanTpid: 0,
  };

  /** `filter` is in the kernel's dialect and returns 0 for what is excluded. */
  constructor(filter: PacketFilter, linktype: number) {
    this.#filter = filter;
    this.#cooked = cookedLength(linktype) > 0;
  }

  /** Of the packet whose tpacket3_hdr is at `at`, known to lie inside the view. */
  excludes(view: DataView, at: number): boolean {
    const metadata = this.#metadata;
    metadata.protocol = view.getUint16(at + SLL + sockaddr_ll.sll_protocol);
    metadata.ifindex = view.getInt32(at + SLL + sockaddr_ll.sll_ifindex, true);
    metadata.hatype = view.getUint16(at + SLL + sockaddr_ll.sll_hatype, true);
    metadata.pkttype = view.getUint8(at + SLL + sockaddr_ll.sll_pkttype);
    metadata.vlanTag = view.getUint32(at + tp_vlan_tci, true);
    metadata.vlanTpid = view.getUint16(at + tp_vlan_tpid, true);
    const tagged = metadata.vlanTag !== 0 || (view.getUint32(at + tp_status, true) & TP_STATUS_VLAN_VALID) !== 0;
    metadata.vlanTagPresent = tagged ? 1 : 0;
    const start = at + view.getUint16(at + tp_mac, true);
    const caplen = view.getUint32(at + tp_snaplen, true);
    const len = view.getUint32(at + tp_len, true);
    const tags = this.#cooked && (tagged || isTag(metadata.protocol)) ? takeOff(view, start, caplen, len, metadata) : 0;
    return this.#filter(view, start + tags, caplen - tags, len - tags, metadata) === 0;
  }
}

/** How many bytes of tags the packet begins with; `metadata.protocol` becomes the ethertype behind them. */
function takeOff(view: DataView, start: number, caplen: number, len: number, metadata: PacketMetadata): number {
  for (let tags = 0; ; tags++) {
    const skipped = TAG_LENGTH * tags;
    const at = start + skipped;
    if (caplen - skipped < TAG_LENGTH) return skipped;
    const ip = ipAt(view, at, caplen - skipped, len - skipped);
    const behind = view.getUint16(at + 2);
    const toCome = isTag(metadata.protocol);
    if (
      toCome ? ip !== 0 && !isTag(behind) && !NETWORK.includes(behind) : !isTag(behind) && behind !== metadata.protocol
    ) {
      if (toCome) metadata.protocol = ip;
      return skipped;
    }
    if (!toCome && ip === metadata.protocol) return skipped;
    if (tags === MOST_TAGS) {
      metadata.protocol = 0;
      return skipped;
    }
    if (toCome) metadata.protocol = behind;
  }
}

const NETWORK: readonly number[] = [ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_ARP, ETHERTYPE_RARP];
const IPV4_LENGTH = 20;
const IPV6_LENGTH = 40;

/** The ethertype of the IP header that seems to be there, whose length is one that the packet can have; else 0. */
function ipAt(view: DataView, at: number, caplen: number, len: number): number {
  const first = view.getUint8(at);
  if (first >= 0x45 && first <= 0x4f) {
    const length = view.getUint16(at + 2);
    return length >= IPV4_LENGTH && length <= len ? ETHERTYPE_IPV4 : 0;
  }
  if (first >> 4 !== 6 || caplen < 6) return 0;
  return view.getUint16(at + 4) + IPV6_LENGTH <= len ? ETHERTYPE_IPV6 : 0;
}
