// A packet of a savefile, from its link layer to its transport header, as far as its bytes were kept. The index decodes every
// packet with one of these, which it uses over and over: nothing is allocated. Bytes are anyone's; nothing throws, and what
// the snaplen cut off is none, never guessed. Where tshark says the same field it says the same value.
//
//   record  | link layer | VLAN tags | IP | options, extension headers | TCP, UDP, ICMP | payload
//   from                              networkAt                         transportAt      payloadAt              to
//
// Sources: pcap-linktype(7), IEEE 802.1Q, RFC 791, 8200, 4302 (AH), 9293, 768, 792, 4443.
import { LINKTYPE_ETHERNET, LINKTYPE_LINUX_SLL, LINKTYPE_LINUX_SLL2, LINKTYPE_RAW } from '../../savefile/linktype.ts';

export const PROTOCOL_ICMP = 1;
export const PROTOCOL_TCP = 6;
export const PROTOCOL_UDP = 17;
export const PROTOCOL_ICMPV6 = 58;
const AUTHENTICATION = 51;
const FRAGMENT = 44;
const DCCP = 33;
const SCTP = 132;
const UDPLITE = 136;

/** What `direction` is. */
export const UNKNOWN = 0;
export const INCOMING = 1;
export const OUTGOING = 2;

const LINKTYPE_NULL = 0;
/** DLT_RAW of Linux and of OpenBSD, which some programs put into files. */
const LINKTYPES_RAW_OLD: readonly number[] = [12, 14];
const LINKTYPE_LOOP = 108;
const LINKTYPE_IPV4 = 228;
const LINKTYPE_IPV6 = 229;
/** Without what the file says of an FCS. */
const LINKTYPE_MASK = 0x03ffffff;

const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;
/** Which IP is seen by its first byte. */
const ETHERTYPE_BY_VERSION = 0;
const ETHERTYPE_NONE = -1;
const SLL_OUTGOING = 4;
/** AF_INET, and AF_INET6 of Linux, NetBSD, FreeBSD and macOS. */
const AF_INET = 2;
const AF_INET6: readonly number[] = [10, 24, 28, 30];

const IPV4_LENGTH = 20;
const IPV6_LENGTH = 40;

export class PacketDecoder {
  /** 0: no IP, or its addresses were cut off. */
  family: 0 | 4 | 6 = 0;
  /** Of the transport header, as IANA numbers them; -1 where the headers before it were cut off. */
  protocol = -1;
  /** Where the addresses lie in the bytes given to `decode`: 4 bytes each, or 16. -1: nowhere. */
  sourceAt = -1;
  destinationAt = -1;
  /** -1: the protocol has none, this is no first fragment, or they were cut off. */
  sourcePort = -1;
  destinationPort = -1;
  /** The eight flags from FIN to CWR; -1: not TCP, or cut off. */
  tcpFlags = -1;
  /** -1: as above. */
  tcpSequence = -1;
  icmpType = -1;
  icmpCode = -1;
  /** Identification of IPv4; -1 for IPv6. */
  ipId = -1;
  /** Or the hop limit; -1 where there is no IP. */
  ttl = -1;
  /** Of IPv6; -1 for IPv4. */
  flowLabel = -1;
  /** In bytes; 0 for whole packets and first fragments. */
  fragmentOffset = 0;
  networkAt = -1;
  /** Bytes of the IP packet on the wire, from its header on. */
  ipLength = 0;
  transportAt = -1;
  /** Behind the transport header. -1 where that was cut off, and for all but TCP, UDP and ICMP. */
  payloadAt = -1;
  /** Bytes that were kept of it, and that it had on the wire. */
  payloadLength = 0;
  payloadOnWire = 0;
  /** Index of the interface, where the link type has it, else 0. */
  ifindex = 0;
  direction: typeof UNKNOWN | typeof INCOMING | typeof OUTGOING = UNKNOWN;
  /** The bytes end within one of the headers. */
  cut = false;
  /** The packet that an ICMP error is about: `inner.family` is 0 where there is none. An inner packet has no inner one. */
  readonly inner: PacketDecoder | undefined;

  constructor() {
    this.inner = new.target === PacketDecoder ? new InnerPacket() : undefined;
  }

  /**
   * Decodes the packet of which [from, to) of `bytes` was kept, and `len` bytes were on the wire. True: it has addresses.
   */
  decode(linktype: number, bytes: Uint8Array, from: number, to: number, len: number): boolean {
    this.ifindex = 0;
    this.direction = UNKNOWN;
    this.#clear();
    const ethertype = this.#link(linktype & LINKTYPE_MASK, bytes, from, to);
    return this.#network(ethertype, bytes, to, from + len);
  }

  /** An IP packet by itself, whose length on the wire its header says. */
  protected decodeQuoted(bytes: Uint8Array, from: number, to: number): void {
    this.#clear();
    this.networkAt = from;
    this.#network(ETHERTYPE_BY_VERSION, bytes, to, Number.POSITIVE_INFINITY);
  }

  #clear(): void {
    this.family = 0;
    this.protocol = -1;
    this.sourceAt = -1;
    this.destinationAt = -1;
    this.sourcePort = -1;
    this.destinationPort = -1;
    this.tcpFlags = -1;
    this.tcpSequence = -1;
    this.icmpType = -1;
    this.icmpCode = -1;
    this.ipId = -1;
    this.ttl = -1;
    this.flowLabel = -1;
    this.fragmentOffset = 0;
    this.networkAt = -1;
    this.ipLength = 0;
    this.transportAt = -1;
    this.payloadAt = -1;
    this.payloadLength = 0;
    this.payloadOnWire = 0;
    this.cut = false;
    if (this.inner !== undefined) this.inner.family = 0;
  }

  /** Finds the network header, and returns what it is of. */
  #link(linktype: number, bytes: Uint8Array, from: number, to: number): number {
    switch (linktype) {
      case LINKTYPE_ETHERNET:
        return this.#ethertype(bytes, from + 12, from + 14, to);
      case LINKTYPE_LINUX_SLL:
        if (from + 16 > to) break;
        this.direction = u16(bytes, from) === SLL_OUTGOING ? OUTGOING : INCOMING;
        return this.#ethertype(bytes, from + 14, from + 16, to);
      case LINKTYPE_LINUX_SLL2:
        if (from + 20 > to) break;
        this.ifindex = u32(bytes, from + 4);
        this.direction = bytes[from + 10] === SLL_OUTGOING ? OUTGOING : INCOMING;
        return this.#ethertype(bytes, from, from + 20, to);
      case LINKTYPE_RAW:
      case LINKTYPE_IPV4:
      case LINKTYPE_IPV6:
        this.networkAt = from;
        return ETHERTYPE_BY_VERSION;
      case LINKTYPE_NULL:
      case LINKTYPE_LOOP: {
        if (from + 4 > to) break;
        // In the byte order of the machine that captured, for the one; both are looked for.
        const family = bytes[from] || bytes[from + 3];
        this.networkAt = from + 4;
        if (family === AF_INET) return ETHERTYPE_IPV4;
        return AF_INET6.includes(family ?? 0) ? ETHERTYPE_IPV6 : ETHERTYPE_NONE;
      }
      default:
        if (!LINKTYPES_RAW_OLD.includes(linktype)) return ETHERTYPE_NONE;
        this.networkAt = from;
        return ETHERTYPE_BY_VERSION;
    }
    this.cut = true;
    return ETHERTYPE_NONE;
  }

  /** The ethertype at `at` with `next` behind it, or that behind the VLAN tags which begin there. */
  #ethertype(bytes: Uint8Array, at: number, next: number, to: number): number {
    let behind = next;
    let typeAt = at;
    for (;;) {
      if (behind > to) {
        this.cut = true;
        return ETHERTYPE_NONE;
      }
      const type = u16(bytes, typeAt);
      // 802.1Q, 802.1ad, and what came before that.
      if (type !== 0x8100 && type !== 0x88a8 && type !== 0x9100) {
        this.networkAt = behind;
        return type;
      }
      typeAt = behind + 2;
      behind += 4;
    }
  }

  /** `wireEnd`: where the packet ended on the wire. */
  #network(ethertype: number, bytes: Uint8Array, to: number, wireEnd: number): boolean {
    if (ethertype === ETHERTYPE_NONE) return false;
    const at = this.networkAt;
    if (at >= to) {
      this.cut = at < wireEnd;
      return false;
    }
    const version = (bytes[at] ?? 0) >> 4;
    if (version === 4 && (ethertype === ETHERTYPE_IPV4 || ethertype === ETHERTYPE_BY_VERSION))
      return this.#ipv4(bytes, at, to, wireEnd);
    if (version === 6 && (ethertype === ETHERTYPE_IPV6 || ethertype === ETHERTYPE_BY_VERSION))
      return this.#ipv6(bytes, at, to, wireEnd);
    return false;
  }

  #ipv4(bytes: Uint8Array, at: number, to: number, wireEnd: number): boolean {
    const headerLength = ((bytes[at] ?? 0) & 15) * 4;
    if (headerLength < IPV4_LENGTH) return false;
    if (at + IPV4_LENGTH > to) {
      this.cut = true;
      return false;
    }
    this.family = 4;
    this.#setLength(u16(bytes, at + 2), at, to, wireEnd);
    this.ipId = u16(bytes, at + 4);
    this.fragmentOffset = (u16(bytes, at + 6) & 0x1fff) * 8;
    this.ttl = bytes[at + 8] ?? 0;
    this.sourceAt = at + 12;
    this.destinationAt = at + 16;
    this.#headers(bytes[at + 9] ?? 0, bytes, at + headerLength, to);
    return true;
  }

  #ipv6(bytes: Uint8Array, at: number, to: number, wireEnd: number): boolean {
    if (at + IPV6_LENGTH > to) {
      this.cut = true;
      return false;
    }
    this.family = 6;
    const length = u16(bytes, at + 4);
    this.#setLength(length === 0 ? 0 : IPV6_LENGTH + length, at, to, wireEnd);
    this.flowLabel = u32(bytes, at) & 0xfffff;
    this.ttl = bytes[at + 7] ?? 0;
    this.sourceAt = at + 8;
    this.destinationAt = at + 24;
    this.#headers(bytes[at + 6] ?? 0, bytes, at + IPV6_LENGTH, to);
    return true;
  }

  /** `said`: 0 of a packet that the network card was to cut into segments, and of a jumbogram. */
  #setLength(said: number, at: number, to: number, wireEnd: number): void {
    if (said === 0) this.ipLength = Math.max(to, wireEnd === Number.POSITIVE_INFINITY ? 0 : wireEnd) - at;
    else this.ipLength = Math.min(said, wireEnd - at);
  }

  /** From the header `protocol` at `start` to the transport header: extension headers, of IPv4 only AH. */
  #headers(protocol: number, bytes: Uint8Array, start: number, to: number): void {
    let next = protocol;
    let at = start;
    // What is behind the packet is padding of the link layer.
    const end = Math.min(to, this.networkAt + this.ipLength);
    while (this.fragmentOffset === 0 && (next === AUTHENTICATION || (this.family === 6 && isExtension(next)))) {
      if (at + (next === FRAGMENT ? 8 : 2) > end) {
        this.cut = true;
        return;
      }
      const following = bytes[at] ?? 0;
      const units = bytes[at + 1] ?? 0;
      if (next === FRAGMENT) {
        this.fragmentOffset = u16(bytes, at + 2) & 0xfff8;
        at += 8;
      } else at += next === AUTHENTICATION ? (units + 2) * 4 : (units + 1) * 8;
      next = following;
    }
    this.protocol = next;
    this.transportAt = at;
    if (this.fragmentOffset > 0) return;
    if (at >= end) {
      this.cut = at < this.networkAt + this.ipLength;
      return;
    }
    this.#transport(next, bytes, at, end);
  }

  #transport(protocol: number, bytes: Uint8Array, at: number, end: number): void {
    const kept = end - at;
    const onWire = this.networkAt + this.ipLength - at;
    switch (protocol) {
      case PROTOCOL_TCP: {
        this.cut = kept < 20;
        this.#ports(bytes, at, kept);
        if (kept >= 8) this.tcpSequence = u32(bytes, at + 4);
        if (kept < 14) return;
        const length = ((bytes[at + 12] ?? 0) >> 4) * 4;
        if (length < 20) return;
        this.tcpFlags = bytes[at + 13] ?? 0;
        if (length > kept) this.cut = true;
        else this.#payload(at + length, end, onWire - length);
        return;
      }
      case PROTOCOL_UDP: {
        this.cut = kept < 8;
        this.#ports(bytes, at, kept);
        if (this.cut) return;
        const length = u16(bytes, at + 4);
        const said = length < 8 ? onWire : Math.min(length, onWire);
        this.#payload(at + 8, Math.min(end, at + said), said - 8);
        return;
      }
      case PROTOCOL_ICMP:
      case PROTOCOL_ICMPV6:
        this.cut = kept < 8;
        this.icmpType = bytes[at] ?? 0;
        if (kept > 1) this.icmpCode = bytes[at + 1] ?? 0;
        if (this.cut) return;
        this.#payload(at + 8, end, onWire - 8);
        if (isError(protocol, this.icmpType)) this.inner?.decodeQuoted(bytes, at + 8, end);
        return;
      case SCTP:
      case DCCP:
      case UDPLITE:
        this.cut = kept < 4;
        this.#ports(bytes, at, kept);
        return;
      default:
    }
  }

  #ports(bytes: Uint8Array, at: number, kept: number): void {
    if (kept < 4) return;
    this.sourcePort = u16(bytes, at);
    this.destinationPort = u16(bytes, at + 2);
  }

  #payload(at: number, end: number, onWire: number): void {
    this.payloadAt = at;
    this.payloadLength = Math.max(end - at, 0);
    this.payloadOnWire = Math.max(onWire, 0);
  }
}

class InnerPacket extends PacketDecoder {}

function u16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

function u32(bytes: Uint8Array, at: number): number {
  return ((u16(bytes, at) << 16) | u16(bytes, at + 2)) >>> 0;
}

/** Hop-by-hop options, routing, fragment, destination options, mobility, HIP, Shim6. */
function isExtension(number: number): boolean {
  switch (number) {
    case 0:
    case 43:
    case FRAGMENT:
    case 60:
    case 135:
    case 139:
    case 140:
      return true;
    default:
      return false;
  }
}

/** Whether an ICMP message has the packet it is about behind its header. */
function isError(protocol: number, type: number): boolean {
  if (protocol === PROTOCOL_ICMPV6) return type >= 1 && type <= 4;
  return type === 3 || type === 4 || type === 5 || type === 11 || type === 12;
}
