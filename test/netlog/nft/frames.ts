// Ethernet frames of all kinds that the kernel's packet log has words for, and what is to be read of each. Made by hand:
// checksums are not looked at where they are logged, in the ingress hook.
import type { NftLine } from '../../../src/netlog/nft/line.ts';

export interface Frame {
  readonly name: string;
  readonly bytes: Buffer;
  readonly expected: Partial<NftLine>;
  /** Where a rule with `flags all` says other things. */
  readonly all?: Partial<NftLine>;
}

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);

const MACS = hex('02aabbccdd01 02aabbccdd02');
const ethernet = (type: string, payload: Buffer, tag = ''): Buffer => {
  const frame = Buffer.concat([MACS, hex(tag), hex(type), payload]);
  return Buffer.concat([frame, Buffer.alloc(Math.max(0, 14 - frame.length))]);
};

interface Ip4 {
  readonly flags?: number;
  readonly options?: string;
  /** What the header says, where the packet is shorter. */
  readonly length?: number;
}
const ip4 = (protocol: number, payload: Buffer, { flags = 0x4000, options = '', length }: Ip4 = {}): Buffer => {
  const extra = hex(options);
  const size = 20 + extra.length;
  const start = Buffer.from([0x40 | (size / 4), 0xb8]);
  const total = u16(length ?? size + payload.length);
  const rest = Buffer.concat([u16(0xabcd), u16(flags), Buffer.from([63, protocol]), hex('0000 c0000201 0a89000a')]);
  return Buffer.concat([start, total, rest, extra, payload]);
};
const IP4 = { src: '192.0.2.1', dst: '10.137.0.10', ttl: 63, ipId: 0xabcd } as const;

const ip6 = (next: number, payload: Buffer): Buffer =>
  Buffer.concat([
    hex('6b2abcde'),
    u16(payload.length),
    Buffer.from([next, 62]),
    hex('20010db8000000000000000000000001 fd0924ef41790000000000000a890005'),
    payload,
  ]);
const IP6 = { src: '2001:db8::1', dst: 'fd09:24ef:4179::a89:5', ttl: 62, flowLabel: 0xabcde } as const;

const udp = (size = 8): Buffer => Buffer.concat([u16(5353), u16(53), u16(size), u16(0), Buffer.alloc(size - 8)]);
const UDP = { proto: 'UDP', sport: 5353, dport: 53 } as const;
const tcp = (flags: number, options = ''): Buffer => {
  const extra = hex(options);
  const start = Buffer.concat([u16(443), u16(60054), hex('00000001ffffffff')]);
  return Buffer.concat([start, u16(((5 + extra.length / 4) << 12) | flags), hex('faf000000007'), extra]);
};
const TCP = { proto: 'TCP', sport: 443, dport: 60054 } as const;
const icmp = (type: number, code: number, rest: string | Buffer): Buffer =>
  Buffer.concat([Buffer.from([type, code, 0, 0]), typeof rest === 'string' ? hex(rest) : rest]);
const NONE = Buffer.alloc(4);
const inner4 = ip4(17, udp());
const inner6 = ip6(17, udp());

const frame = (name: string, bytes: Buffer, expected: Partial<NftLine>): Frame => ({ name, bytes, expected });
const v4 = (name: string, payload: Buffer, expected: Partial<NftLine>, tag?: string): Frame =>
  frame(name, ethernet('0800', payload, tag), { ...IP4, len: payload.length, ...expected });
const v6 = (name: string, payload: Buffer, expected: Partial<NftLine>): Frame =>
  frame(name, ethernet('86dd', payload), { ...IP6, len: payload.length, ...expected });
const CUT_OPTIONS = hex('4f00001c 00000000 40060000 0a000001 0a000002');
const CUT = { src: '10.0.0.1', dst: '10.0.0.2', len: 28, ttl: 64, ipId: 0 };
const IN4 = { ...IP4, ...UDP, len: 28 };
const IN6 = { ...IP6, ...UDP, len: 48 };

export const FRAMES: readonly Frame[] = [
  v4('udp', ip4(17, udp(20)), UDP),
  v4('tcp, all flags, options', ip4(6, tcp(0x1ff, '020405b4 01030307')), {
    ...TCP,
    tcpFlags: 'AE CWR ECE URG ACK PSH RST SYN FIN',
  }),
  v4('tcp syn ack', ip4(6, tcp(0x12)), { ...TCP, tcpFlags: 'ACK SYN' }),
  v4('tcp without flags', ip4(6, tcp(0)), TCP),
  v4('tcp cut off', ip4(6, tcp(2).subarray(0, 9)), { proto: 'TCP' }),
  v4('udp cut off', ip4(17, udp().subarray(0, 3)), { proto: 'UDP' }),
  v4('udplite', ip4(136, udp()), { ...UDP, proto: '136' }),
  v4('options of IP', ip4(17, udp(), { options: '94040000 01010100' }), UDP),
  v4('first fragment', ip4(17, udp(64), { flags: 0x2000 }), UDP),
  v4('later fragment', ip4(17, udp(64), { flags: 0x0123 }), { proto: 'UDP' }),
  v4('all bits of a fragment', ip4(6, tcp(2), { flags: 0xe001 }), { proto: 'TCP' }),
  v4('vlan', ip4(17, udp()), UDP, '8100 2064'),
  v4('echo', ip4(1, icmp(8, 0, '12340001')), { proto: 'ICMP', icmpType: 8, icmpCode: 0 }),
  v4('port unreachable', ip4(1, icmp(3, 3, Buffer.concat([NONE, inner4]))), {
    proto: 'ICMP',
    icmpType: 3,
    icmpCode: 3,
    inner: IN4,
  }),
  v4('fragmentation needed', ip4(1, icmp(3, 4, Buffer.concat([hex('000005dc'), inner4]))), {
    proto: 'ICMP',
    icmpType: 3,
    icmpCode: 4,
    inner: IN4,
  }),
  v4('redirect', ip4(1, icmp(5, 1, Buffer.concat([hex('c0000209'), ip4(6, tcp(2))]))), {
    proto: 'ICMP',
    icmpType: 5,
    icmpCode: 1,
    inner: { ...IP4, ...TCP, len: 40, tcpFlags: 'SYN' },
  }),
  v4(
    'error about an error',
    ip4(1, icmp(11, 0, Buffer.concat([NONE, ip4(1, icmp(3, 1, Buffer.concat([NONE, inner4])))]))),
    {
      proto: 'ICMP',
      icmpType: 11,
      icmpCode: 0,
      inner: { ...IP4, len: 56, proto: 'ICMP', icmpType: 3, icmpCode: 1 },
    },
  ),
  v4('error about a packet cut off', ip4(1, icmp(11, 0, Buffer.concat([NONE, ip4(6, tcp(2).subarray(0, 8))]))), {
    proto: 'ICMP',
    icmpType: 11,
    icmpCode: 0,
    inner: { ...IP4, len: 28, proto: 'TCP' },
  }),
  {
    ...v4('error about options cut off', ip4(1, icmp(3, 1, Buffer.concat([NONE, CUT_OPTIONS]))), {
      proto: 'ICMP',
      icmpType: 3,
      icmpCode: 1,
      inner: { ...CUT, proto: 'TCP' },
    }),
    all: { inner: CUT },
  },
  v4('error without a packet', ip4(1, icmp(3, 1, NONE)), { proto: 'ICMP', icmpType: 3, icmpCode: 1 }),
  v4('parameter problem', ip4(1, icmp(12, 0, Buffer.concat([hex('14000000'), inner4]))), {
    proto: 'ICMP',
    icmpType: 12,
    icmpCode: 0,
  }),
  v4('ah', ip4(51, hex('11040000deadbeef00000001000000000000000000000000')), { proto: '51' }),
  v4('esp', ip4(50, hex('deadbeef00000001')), { proto: '50' }),
  v4('esp cut off', ip4(50, hex('dead')), { proto: '50' }),
  v4('gre', ip4(47, hex('00000800')), { proto: '47' }),
  frame('ip cut off', ethernet('0800', hex('4500')), {}),
  v6('udp over IPv6', ip6(17, udp(30)), UDP),
  v6('tcp over IPv6', ip6(6, tcp(0x18)), { ...TCP, tcpFlags: 'ACK PSH' }),
  v6('echo over IPv6', ip6(58, icmp(128, 0, '63dd0001')), { proto: 'ICMPv6', icmpType: 128, icmpCode: 0 }),
  v6('too big', ip6(58, icmp(2, 0, Buffer.concat([hex('00000500'), inner6]))), {
    proto: 'ICMPv6',
    icmpType: 2,
    icmpCode: 0,
    inner: IN6,
  }),
  v6('parameter problem over IPv6', ip6(58, icmp(4, 1, Buffer.concat([hex('00000028'), inner6]))), {
    proto: 'ICMPv6',
    icmpType: 4,
    icmpCode: 1,
    inner: IN6,
  }),
  v6('neighbour solicitation', ip6(58, icmp(135, 0, Buffer.alloc(20))), {
    proto: 'ICMPv6',
    icmpType: 135,
    icmpCode: 0,
  }),
  v6('hop-by-hop options', ip6(0, Buffer.concat([hex('1100050200000100'), udp()])), UDP),
  v6('first fragment over IPv6', ip6(44, Buffer.concat([hex('110000010badcafe'), udp()])), UDP),
  v6('later fragment over IPv6', ip6(44, Buffer.concat([hex('110005a00badcafe'), udp()])), { proto: 'UDP' }),
  v6('fragment with options', ip6(44, Buffer.concat([hex('000005a00badcafe'), hex('1100050200000100'), udp()])), {}),
  v6('fragment cut off', ip6(44, hex('1100000b')), {}),
  v6('ah over IPv6', ip6(51, Buffer.concat([hex('11040000deadbeef00000001000000000000000000000000'), udp()])), UDP),
  v6('esp over IPv6', ip6(50, hex('deadbeef00000001')), {}),
  v6('mobility', ip6(135, hex('3b00000000000000')), { proto: '135' }),
  v6('no next header', ip6(59, Buffer.alloc(0)), { proto: '59' }),
  frame('arp', ethernet('0806', hex('0001 0800 06 04 0001 02aabbccdd02 c0000201 000000000000 c0000202')), {
    proto: 'ARP',
    src: '192.0.2.1',
    dst: '192.0.2.2',
  }),
  frame('arp cut off', ethernet('0806', hex('0001 0800 06 04 0002 02aa')), { proto: 'ARP' }),
  frame('another protocol', ethernet('88cc', hex('0207040002')), {}),
];
