// `--headers-only`: where a packet's headers end, as a number of bytes in A. Called by kept-bytes.ts behind the walk.
//
//   TCP with options, UDP, UDP-Lite, SCTP's common header, 8 bytes of ICMP and ICMPv6     behind the network headers
//   fragments but the first, other protocols of IP                                       link and network headers
//   more than three IPv6 extension headers     64 bytes from the IPv6 header on, which payload can't be among
//   ARP, RARP                                  all of it
//   anything else                              the link-layer header with its tags
import {
  loadTcpLength,
  M_NETWORK,
  M_PROTOCOL,
  M_TRANSPORT,
  PROTOCOL_ICMP,
  PROTOCOL_ICMPV6,
  PROTOCOL_SCTP,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  PROTOCOL_UDPLITE,
  TCP_LENGTH,
  type WalkEnds,
} from './ip-walk.ts';
import {
  BPF_ADD,
  BPF_ALU,
  BPF_IMM,
  BPF_JEQ,
  BPF_JGE,
  BPF_LD,
  BPF_LDX,
  BPF_MEM,
  BPF_X,
  Label,
  type ProgramBuilder,
} from './program.ts';

const SHORT_LENGTH = 8;
const SCTP_LENGTH = 12;
const DEEP_LENGTH = 64;
/** An Ethernet header with two tags is no longer; only less than that can be unreadable. */
const LINK_LENGTH = 22;

/**
 * Appended where the walk has ended at a transport header; places its other ends. Goes to `kept` with the length in A, and
 * to `all` where a packet ends within its headers, or is all header.
 */
export function appendHeadersLength(
  builder: ProgramBuilder,
  walk: Omit<WalkEnds, 'transport'>,
  kept: Label,
  all: Label,
): void {
  const [tcp, short, sctp, broken] = [new Label(), new Label(), new Label(), new Label()];
  const short8 = [PROTOCOL_UDP, PROTOCOL_ICMP, PROTOCOL_ICMPV6, PROTOCOL_UDPLITE];
  builder.add(BPF_LD | BPF_MEM, M_PROTOCOL);
  builder.jumpIf(BPF_JEQ, PROTOCOL_TCP, tcp);
  for (const protocol of short8) builder.jumpIf(BPF_JEQ, protocol, short);
  builder.jump(BPF_JEQ, PROTOCOL_SCTP, sctp, walk.network);

  builder.place(tcp);
  builder.add(BPF_LDX | BPF_MEM, M_TRANSPORT);
  builder.requireAtX(13, walk.cut);
  loadTcpLength(builder);
  builder.jumpUnless(BPF_JGE, TCP_LENGTH, broken);
  builder.add(BPF_ALU | BPF_ADD | BPF_X, 0);
  builder.goto(kept);
  for (const [label, from, length] of [
    [broken, M_TRANSPORT, TCP_LENGTH],
    [short, M_TRANSPORT, SHORT_LENGTH],
    [sctp, M_TRANSPORT, SCTP_LENGTH],
    [walk.network, M_TRANSPORT, 0],
    [walk.deep, M_NETWORK, DEEP_LENGTH],
    [walk.other, M_NETWORK, 0],
  ] as const) {
    builder.place(label);
    builder.add(BPF_LD | BPF_MEM, from);
    if (length > 0) builder.add(BPF_ALU | BPF_ADD, length);
    builder.goto(kept);
  }
  builder.place(walk.unreadable);
  builder.add(BPF_LD | BPF_IMM, LINK_LENGTH);
  builder.goto(kept);
  for (const label of [walk.arp, walk.cut]) builder.place(label);
  builder.goto(all);
}
