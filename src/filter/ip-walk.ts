// Instructions that walk from a packet's first byte to its transport header, behind VLAN tags, IPv4 options and up to three
// IPv6 extension headers, and never load beyond its end. Used by what decides by headers: sample-flows.ts, keep-names.ts and
// headers-only.ts. Sources: RFC 791, 8200 (headers, fragments), 4302 (AH).
import {
  BPF_ADD,
  BPF_ALU,
  BPF_AND,
  BPF_B,
  BPF_H,
  BPF_IMM,
  BPF_IND,
  BPF_JEQ,
  BPF_JGE,
  BPF_JSET,
  BPF_K,
  BPF_LD,
  BPF_LDX,
  BPF_LSH,
  BPF_MEM,
  BPF_MISC,
  BPF_RSH,
  BPF_ST,
  BPF_TAX,
  BPF_TXA,
  BPF_X,
  Label,
  type ProgramBuilder,
} from './program.ts';
import {
  appendNetworkHeader,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  ETHERTYPE_RARP,
  M_ETHERTYPE,
} from './tags.ts';

// Scratch memory that a walk leaves filled. Offsets count from the first byte that the program sees.
export const M_NETWORK = 13;
/** Where the transport header begins, or what stands in its place. */
export const M_TRANSPORT = 12;
/** Number of the protocol found there. */
export const M_PROTOCOL = 11;
/** One more than the number of the fragmented protocol, the same in all fragments of a packet; 0 for a whole packet. */
export const M_FRAGMENT = 10;

export const PROTOCOL_ICMP = 1;
export const PROTOCOL_TCP = 6;
export const PROTOCOL_UDP = 17;
export const PROTOCOL_ICMPV6 = 58;
export const PROTOCOL_SCTP = 132;
export const PROTOCOL_UDPLITE = 136;

/** Without options. */
export const TCP_LENGTH = 20;

const EXTENSION_HEADERS = 3;
/** Hop-by-hop options, routing, destination options, mobility, HIP, Shim6: their length is in units of eight bytes. */
const EXTENSIONS = [0, 43, 60, 135, 139, 140];
const FRAGMENT = 44;
const AUTHENTICATION = 51;
const IPV4_LENGTH = 20;
const IPV6_LENGTH = 40;

/** Where a walk ends. Whoever appends one places all of them. */
export interface WalkEnds {
  /** At a protocol's own header, of which nothing need be there. */
  readonly transport: Label;
  /** Behind the network headers of a fragment other than the first, or of a broken IPv4 header. */
  readonly network: Label;
  /** At a fourth extension header, whose number is in M_PROTOCOL. */
  readonly deep: Label;
  readonly arp: Label;
  /** Neither IP nor ARP. */
  readonly other: Label;
  /** The packet ends within a network header. */
  readonly cut: Label;
  /** It ends within the link-layer header, or where the network header begins can't be seen; nothing is stored. */
  readonly unreadable: Label;
}

/** Only for link types that `hasNetworkHeader`. */
export function appendWalk(builder: ProgramBuilder, linktype: number): WalkEnds {
  const ends: WalkEnds = {
    transport: new Label(),
    network: new Label(),
    deep: new Label(),
    arp: new Label(),
    other: new Label(),
    cut: new Label(),
    unreadable: new Label(),
  };
  const [ipv4, ipv6] = [new Label(), new Label()];
  const start = appendNetworkHeader(builder, linktype, ends.unreadable);
  builder.add(BPF_MISC | BPF_TXA, 0);
  builder.add(BPF_ALU | BPF_ADD, start);
  builder.add(BPF_ST, M_NETWORK);
  builder.add(BPF_MISC | BPF_TAX, 0);
  builder.add(BPF_LD | BPF_IMM, 0);
  builder.add(BPF_ST, M_FRAGMENT);
  builder.add(BPF_LD | BPF_MEM, M_ETHERTYPE);
  builder.jumpIf(BPF_JEQ, ETHERTYPE_IPV4, ipv4);
  builder.jumpIf(BPF_JEQ, ETHERTYPE_IPV6, ipv6);
  builder.jumpIf(BPF_JEQ, ETHERTYPE_ARP, ends.arp);
  builder.jump(BPF_JEQ, ETHERTYPE_RARP, ends.arp, ends.other);
  builder.place(ipv4);
  walkIpv4(builder, ends);
  builder.place(ipv6);
  walkIpv6(builder, ends);
  return ends;
}

export function loadAtX(builder: ProgramBuilder, size: number, k: number): void {
  builder.add(BPF_LD | size | BPF_IND, k);
}

/** As the TCP header at X says it. Its 13th byte must be there. */
export function loadTcpLength(builder: ProgramBuilder): void {
  loadAtX(builder, BPF_B, 12);
  builder.add(BPF_ALU | BPF_AND, 0xf0);
  builder.add(BPF_ALU | BPF_RSH | BPF_K, 2);
}

/** X is where the header begins. */
function walkIpv4(builder: ProgramBuilder, { transport, network, other, cut }: WalkEnds): void {
  const [broken, later, first] = [new Label(), new Label(), new Label()];
  builder.requireAtX(IPV4_LENGTH, cut);
  requireVersion(builder, 4, other);
  loadAtX(builder, BPF_B, 9);
  builder.add(BPF_ST, M_PROTOCOL);
  loadAtX(builder, BPF_B, 0);
  builder.add(BPF_ALU | BPF_AND, 0x0f);
  builder.add(BPF_ALU | BPF_LSH | BPF_K, 2);
  builder.jumpUnless(BPF_JGE, IPV4_LENGTH, broken);
  builder.add(BPF_ALU | BPF_ADD | BPF_X, 0);
  builder.add(BPF_ST, M_TRANSPORT);
  loadAtX(builder, BPF_H, 6);
  builder.jumpIf(BPF_JSET, 0x1fff, later);
  builder.jump(BPF_JSET, 0x2000, first, transport);

  builder.place(first);
  storeFragment(builder);
  builder.goto(transport);
  builder.place(broken);
  builder.add(BPF_LD | BPF_IMM, IPV4_LENGTH);
  builder.add(BPF_ALU | BPF_ADD | BPF_X, 0);
  builder.add(BPF_ST, M_TRANSPORT);
  builder.place(later);
  storeFragment(builder);
  builder.goto(network);
}

function walkIpv6(builder: ProgramBuilder, { transport, network, deep, other, cut }: WalkEnds): void {
  builder.requireAtX(IPV6_LENGTH, cut);
  requireVersion(builder, 6, other);
  loadAtX(builder, BPF_B, 6);
  builder.add(BPF_ST, M_PROTOCOL);
  builder.add(BPF_LD | BPF_IMM, IPV6_LENGTH);
  builder.add(BPF_ALU | BPF_ADD | BPF_X, 0);
  builder.add(BPF_ST, M_TRANSPORT);
  for (let header = 0; header < EXTENSION_HEADERS; header++) {
    const [extension, fragment, first, authentication, next] = [
      new Label(),
      new Label(),
      new Label(),
      new Label(),
      new Label(),
    ];
    builder.add(BPF_LDX | BPF_MEM, M_TRANSPORT);
    builder.add(BPF_LD | BPF_MEM, M_PROTOCOL);
    for (const number of EXTENSIONS) builder.jumpIf(BPF_JEQ, number, extension);
    builder.jumpIf(BPF_JEQ, AUTHENTICATION, authentication);
    builder.jump(BPF_JEQ, FRAGMENT, fragment, transport);

    builder.place(fragment);
    builder.requireAtX(8, cut);
    loadAtX(builder, BPF_B, 0);
    builder.add(BPF_ST, M_PROTOCOL);
    builder.add(BPF_LD | BPF_IMM, 8);
    builder.add(BPF_ALU | BPF_ADD | BPF_X, 0);
    builder.add(BPF_ST, M_TRANSPORT);
    loadAtX(builder, BPF_H, 2);
    builder.jumpUnless(BPF_JSET, 0xfff9, next);
    builder.jumpUnless(BPF_JSET, 0xfff8, first);
    storeFragment(builder);
    builder.goto(network);
    builder.place(first);
    storeFragment(builder);
    builder.goto(next);

    for (const [label, shift] of [
      [extension, 3],
      [authentication, 2],
    ] as const) {
      builder.place(label);
      builder.requireAtX(2, cut);
      loadAtX(builder, BPF_B, 0);
      builder.add(BPF_ST, M_PROTOCOL);
      loadAtX(builder, BPF_B, 1);
      builder.add(BPF_ALU | BPF_LSH | BPF_K, shift);
      builder.add(BPF_ALU | BPF_ADD, 8);
      builder.add(BPF_ALU | BPF_ADD | BPF_X, 0);
      builder.add(BPF_ST, M_TRANSPORT);
      if (label === extension) builder.goto(next);
    }
    builder.place(next);
  }
  builder.add(BPF_LD | BPF_MEM, M_PROTOCOL);
  for (const number of [...EXTENSIONS, AUTHENTICATION]) builder.jumpIf(BPF_JEQ, number, deep);
  builder.jump(BPF_JEQ, FRAGMENT, deep, transport);
}

function requireVersion(builder: ProgramBuilder, version: number, otherwise: Label): void {
  loadAtX(builder, BPF_B, 0);
  builder.add(BPF_ALU | BPF_AND, 0xf0);
  builder.jumpUnless(BPF_JEQ, version << 4, otherwise);
}

function storeFragment(builder: ProgramBuilder): void {
  builder.add(BPF_LD | BPF_MEM, M_PROTOCOL);
  builder.add(BPF_ALU | BPF_ADD, 1);
  builder.add(BPF_ST, M_FRAGMENT);
}
