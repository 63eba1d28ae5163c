// `--sample-flows 1/N`: of each N flows, all packets of one, in both directions. A flow's hash takes its addresses, its
// protocol and, where that has any, its ports, each pair as sum and exclusive or, which don't know the direction; fragments
// have no ports but in the first, so all of them do without. What is no IP packet, or too short to say, is not sampled.
// Called by compile.ts.
import {
  appendWalk,
  loadAtX,
  M_FRAGMENT,
  M_NETWORK,
  M_PROTOCOL,
  M_TRANSPORT,
  PROTOCOL_SCTP,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  PROTOCOL_UDPLITE,
} from './ip-walk.ts';
import {
  BPF_ADD,
  BPF_ALU,
  BPF_H,
  BPF_JEQ,
  BPF_K,
  BPF_LD,
  BPF_LDX,
  BPF_MEM,
  BPF_MOD,
  BPF_MUL,
  BPF_RSH,
  BPF_ST,
  BPF_W,
  BPF_X,
  BPF_XOR,
  Label,
  type ProgramBuilder,
} from './program.ts';
import { ETHERTYPE_IPV4, M_ETHERTYPE } from './tags.ts';

const M_HASH = 0;
const M_FIRST = 1;
const M_SECOND = 2;
/** The odd constants of MurmurHash3's finalizer: each bit of the hash comes to depend on each of a word. */
const MIX = 0x85ebca6b;
const FINISH = 0xc2b2ae35;

/** A packet whose flow is not among the one of `flows` goes to `drop`, all else to what is appended next. */
export function appendSampling(builder: ProgramBuilder, flows: number, linktype: number, drop: Label): void {
  const [fragment, whole, ports] = [new Label(), new Label(), new Label()];
  const [addresses, ipv6, judged, kept] = [new Label(), new Label(), new Label(), new Label()];
  const walk = appendWalk(builder, linktype);
  for (const end of [walk.transport, walk.network, walk.deep]) builder.place(end);
  builder.add(BPF_LD | BPF_MEM, M_FRAGMENT);
  builder.jump(BPF_JEQ, 0, whole, fragment);

  builder.place(fragment);
  builder.add(BPF_ST, M_HASH);
  builder.goto(addresses);

  builder.place(whole);
  builder.add(BPF_LD | BPF_MEM, M_PROTOCOL);
  builder.add(BPF_ST, M_HASH);
  for (const protocol of [PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_SCTP]) builder.jumpIf(BPF_JEQ, protocol, ports);
  builder.jump(BPF_JEQ, PROTOCOL_UDPLITE, ports, addresses);
  builder.place(ports);
  builder.add(BPF_LDX | BPF_MEM, M_TRANSPORT);
  builder.requireAtX(4, addresses);
  mixPair(builder, BPF_H, 0, 2);

  builder.place(addresses);
  builder.add(BPF_LDX | BPF_MEM, M_NETWORK);
  builder.add(BPF_LD | BPF_MEM, M_ETHERTYPE);
  builder.jumpUnless(BPF_JEQ, ETHERTYPE_IPV4, ipv6);
  mixPair(builder, BPF_W, 12, 16);
  builder.goto(judged);
  builder.place(ipv6);
  for (let word = 0; word < 4; word++) {
    if (word > 0) builder.add(BPF_LDX | BPF_MEM, M_NETWORK);
    mixPair(builder, BPF_W, 8 + 4 * word, 24 + 4 * word);
  }
  builder.place(judged);
  builder.add(BPF_LD | BPF_MEM, M_HASH);
  builder.add(BPF_ALU | BPF_MUL, FINISH);
  foldDown(builder, 16);
  builder.add(BPF_ALU | BPF_MOD, flows);
  builder.jump(BPF_JEQ, 0, kept, drop);

  for (const end of [walk.arp, walk.other, walk.cut, walk.unreadable, kept]) builder.place(end);
}

/** Two values of one size, behind X, whichever way round. */
function mixPair(builder: ProgramBuilder, size: number, first: number, second: number): void {
  loadAtX(builder, size, first);
  builder.add(BPF_ST, M_FIRST);
  loadAtX(builder, size, second);
  builder.add(BPF_ST, M_SECOND);
  builder.add(BPF_LDX | BPF_MEM, M_FIRST);
  builder.add(BPF_ALU | BPF_ADD | BPF_X, 0);
  mix(builder);
  builder.add(BPF_LD | BPF_MEM, M_SECOND);
  builder.add(BPF_LDX | BPF_MEM, M_FIRST);
  builder.add(BPF_ALU | BPF_XOR | BPF_X, 0);
  mix(builder);
}

/** Takes A into the hash. */
function mix(builder: ProgramBuilder): void {
  builder.add(BPF_LDX | BPF_MEM, M_HASH);
  builder.add(BPF_ALU | BPF_XOR | BPF_X, 0);
  builder.add(BPF_ALU | BPF_MUL, MIX);
  foldDown(builder, 15);
}

/** A ^= A >> bits, into the hash. */
function foldDown(builder: ProgramBuilder, bits: number): void {
  builder.add(BPF_ST, M_HASH);
  builder.add(BPF_ALU | BPF_RSH | BPF_K, bits);
  builder.add(BPF_LDX | BPF_MEM, M_HASH);
  builder.add(BPF_ALU | BPF_XOR | BPF_X, 0);
  builder.add(BPF_ST, M_HASH);
}
