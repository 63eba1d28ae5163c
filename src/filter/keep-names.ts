// `--keep-names`: the packets that say who is being talked to, each kept at a length that holds the name. Called by
// kept-bytes.ts behind the walk. A packet of which the deciding bytes are missing has no name.
import { loadAtX, loadTcpLength, M_PROTOCOL, M_TRANSPORT, PROTOCOL_TCP, PROTOCOL_UDP, TCP_LENGTH } from './ip-walk.ts';
import {
  BPF_ADD,
  BPF_ALU,
  BPF_AND,
  BPF_B,
  BPF_H,
  BPF_JEQ,
  BPF_JGE,
  BPF_JGT,
  BPF_LD,
  BPF_LDX,
  BPF_MEM,
  BPF_MISC,
  BPF_TAX,
  BPF_W,
  BPF_X,
  Label,
  type ProgramBuilder,
} from './program.ts';

/** Bytes kept of a packet. GRO hands a ClientHello over whole; a QUIC Initial packet is at least 1200 bytes long. */
export const NAME_BYTES = { DNS: 512, TLS: 4096, QUIC: 1600 } as const;

export type NameLabels = Readonly<Record<keyof typeof NAME_BYTES, Label>>;

const DNS_PORT = 53;
const UDP_LENGTH = 8;
/** RFC 8446: a record of this type, a version 3.x, and a handshake message of one of these types at its beginning. */
const TLS_HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const SERVER_HELLO = 2;
const CERTIFICATE = 11;
/** Versions of QUIC and the upper half of the first byte of their Initial packets: RFC 9000 and RFC 9369. */
const QUIC_INITIALS = [
  [0x00000001, 0xc0],
  [0x6b3343cf, 0xd0],
] as const;

/** The walk has ended at a transport header. Without a name it goes on to what is appended next. */
export function appendNames(builder: ProgramBuilder, { DNS, TLS, QUIC }: NameLabels): void {
  const [udp, tcp, none] = [new Label(), new Label(), new Label()];
  builder.add(BPF_LDX | BPF_MEM, M_TRANSPORT);
  builder.add(BPF_LD | BPF_MEM, M_PROTOCOL);
  builder.jumpIf(BPF_JEQ, PROTOCOL_UDP, udp);
  builder.jump(BPF_JEQ, PROTOCOL_TCP, tcp, none);

  builder.place(udp);
  dnsPorts(builder, DNS, none);
  builder.requireAtX(UDP_LENGTH + 5, none);
  for (const [version, upperHalf] of QUIC_INITIALS) {
    const next = new Label();
    loadAtX(builder, BPF_W, UDP_LENGTH + 1);
    builder.jumpUnless(BPF_JEQ, version, next);
    loadAtX(builder, BPF_B, UDP_LENGTH);
    builder.add(BPF_ALU | BPF_AND, 0xf0);
    builder.jump(BPF_JEQ, upperHalf, QUIC, none);
    builder.place(next);
  }
  builder.goto(none);

  builder.place(tcp);
  dnsPorts(builder, DNS, none);
  builder.requireAtX(TCP_LENGTH, none);
  loadTcpLength(builder);
  builder.jumpUnless(BPF_JGE, TCP_LENGTH, none);
  builder.add(BPF_ALU | BPF_ADD | BPF_X, 0);
  builder.add(BPF_MISC | BPF_TAX, 0);
  builder.requireAtX(6, none);
  loadAtX(builder, BPF_B, 0);
  builder.jumpUnless(BPF_JEQ, TLS_HANDSHAKE, none);
  loadAtX(builder, BPF_B, 1);
  builder.jumpUnless(BPF_JEQ, 3, none);
  loadAtX(builder, BPF_B, 2);
  builder.jumpIf(BPF_JGT, 4, none);
  loadAtX(builder, BPF_B, 5);
  for (const type of [CLIENT_HELLO, SERVER_HELLO]) builder.jumpIf(BPF_JEQ, type, TLS);
  builder.jump(BPF_JEQ, CERTIFICATE, TLS, none);
  builder.place(none);
}

function dnsPorts(builder: ProgramBuilder, dns: Label, otherwise: Label): void {
  builder.requireAtX(4, otherwise);
  for (const port of [0, 2]) {
    loadAtX(builder, BPF_H, port);
    builder.jumpIf(BPF_JEQ, DNS_PORT, dns);
  }
}
