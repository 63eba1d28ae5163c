// Packets of each kind, whole and cut at every byte, against tshark, field by field. Packets are built here byte by byte;
// anything else by property.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { addressText4, addressText6 } from '../../../src/netlog/decode/address.ts';
import { INCOMING, OUTGOING, PacketDecoder, UNKNOWN } from '../../../src/netlog/decode/packet.ts';
import { encodeFileHeader, encodeRecord, RECORD_HEADER_LENGTH } from '../../../src/savefile/header.ts';

const folder = mkdtempSync(join(tmpdir(), 'netlog-packet-'));
afterAll(() => rmSync(folder, { recursive: true }));

type Bytes = readonly number[];
const be16 = (value: number): Bytes => [value >> 8, value & 255];
const be32 = (value: number): Bytes => [...be16(value >>> 16), ...be16(value & 0xffff)];
const zeros = (count: number): Bytes => new Array<number>(count).fill(0);
const text = (count: number): Bytes => Array.from({ length: count }, (_, at) => 97 + (at % 26));

const V4 = { src: [10, 137, 0, 10], dst: [192, 0, 2, 1] };
const V6 = {
  src: [0xfd, 9, 0x24, 0xef, 0x41, 0x79, 0, 0, 0, 0, 0, 0, 0x0a, 0x89, 0, 5],
  dst: [0x20, 1, 0x0d, 0xb8, ...zeros(11), 1],
};

interface Ipv4 {
  options?: Bytes;
  /** With the flags. */
  fragment?: number;
  length?: number;
}
function ipv4(protocol: number, payload: Bytes, { options = [], fragment = 0x4000, length }: Ipv4 = {}): Bytes {
  const headerLength = 20 + options.length;
  const total = be16(length ?? headerLength + payload.length);
  const header = [0x40 | (headerLength / 4), 0, ...total, ...be16(0xf671), ...be16(fragment), 63, protocol, 0, 0];
  return [...header, ...V4.src, ...V4.dst, ...options, ...payload];
}
function ipv6(next: number, payload: Bytes, length: number = payload.length): Bytes {
  return [...be32(0x60000000 | 480090), ...be16(length), next, 62, ...V6.src, ...V6.dst, ...payload];
}
const tcp = (payload: Bytes, flags: number, options: Bytes = []): Bytes => [
  ...be16(60054),
  ...be16(9443),
  ...be32(0xfedcba98),
  ...be32(77),
  ((20 + options.length) / 4) << 4,
  flags,
  ...be16(64240),
  ...zeros(4),
  ...options,
  ...payload,
];
const udp = (payload: Bytes, length: number = 8 + payload.length): Bytes => [
  ...be16(33408),
  ...be16(9997),
  ...be16(length),
  0,
  0,
  ...payload,
];
const TIMESTAMPS: Bytes = [1, 1, 8, 10, ...zeros(8)];
/** An extension header of 8 bytes times `units` + 1. */
const extension = (next: number, units = 0): Bytes => [next, units, 1, units * 8 + 4, ...zeros(units * 8 + 4)];
const routing = (next: number): Bytes => [next, 2, 4, 0, ...zeros(4), ...V6.dst];
const fragment6 = (next: number, offsetAndMore: number): Bytes => [next, 0, ...be16(offsetAndMore), ...be32(0xabcd)];
const authentication = (next: number): Bytes => [next, 4, 0, 0, ...be32(1), ...be32(1), ...zeros(12)];
const quoted4 = ipv4(17, udp(text(10)));
const quoted6 = ipv6(6, tcp([], 2, TIMESTAMPS));

/** IP packets by themselves, on every link type. */
const PACKETS: Readonly<Record<string, Bytes>> = {
  'TCP SYN': ipv4(6, tcp([], 2, TIMESTAMPS)),
  'TCP data, all flags': ipv4(6, tcp(text(40), 0xff)),
  'TCP with a short offset': ipv4(6, tcp(text(4), 2).with(12, 0x40)),
  UDP: ipv4(17, udp(text(30))),
  'UDP without length': ipv4(17, udp(text(30), 0)),
  'IPv4 options': ipv4(17, udp(text(5)), { options: [0x94, 4, 0, 0, 1, 1, 1, 0] }),
  'first fragment': ipv4(17, udp(text(40), 2008), { fragment: 0x2000 }),
  'later fragment': ipv4(17, text(40), { fragment: 0x2000 | 185 }),
  'last fragment': ipv4(6, text(40), { fragment: 300 }),
  'ICMP echo': ipv4(1, [8, 0, 0, 0, ...be16(7), ...be16(1), ...text(20)]),
  'ICMP unreachable': ipv4(1, [3, 3, ...zeros(6), ...quoted4]),
  'ICMP time exceeded, of a SYN': ipv4(1, [11, 0, ...zeros(6), ...ipv4(6, tcp([], 2))]),
  'ICMP redirect': ipv4(1, [5, 1, 0, 0, 192, 0, 2, 9, ...quoted4]),
  'ICMP about ICMP': ipv4(1, [3, 1, ...zeros(6), ...ipv4(1, [8, 0, ...zeros(14)])]),
  AH: ipv4(51, [...authentication(17), ...udp(text(8))]),
  ESP: ipv4(50, [...be32(1), ...be32(2), ...text(30)]),
  IGMP: ipv4(2, [0x16, 0, 0, 0, 224, 0, 0, 251]),
  SCTP: ipv4(132, [...be16(5000), ...be16(5001), ...zeros(8), 14, 0, 0, 4]),
  'UDP-Lite': ipv4(136, [...be16(33408), ...be16(9997), ...be16(8), 0, 0, ...text(9)]),
  'no payload': ipv4(17, []),
  'TCP over IPv6': ipv6(6, tcp(text(12), 0x18, TIMESTAMPS)),
  'UDP over IPv6': ipv6(17, udp(text(30))),
  'hop-by-hop, destination options': ipv6(0, [...extension(60), ...extension(17, 1), ...udp(text(8))]),
  'routing header': ipv6(43, [...routing(6), ...tcp([], 18)]),
  'IPv6 AH': ipv6(51, [...authentication(6), ...tcp([], 16)]),
  'IPv6 first fragment': ipv6(44, [...fragment6(17, 1), ...udp(text(40), 2000)]),
  'IPv6 later fragment': ipv6(44, [...fragment6(17, 1448), ...text(40)]),
  'IPv6 whole in a fragment header': ipv6(44, [...fragment6(6, 0), ...tcp([], 2)]),
  'ICMPv6 echo': ipv6(58, [128, 0, 0, 0, ...be16(7), ...be16(1), ...text(20)]),
  'neighbour solicitation': ipv6(58, [135, 0, ...zeros(6), ...V6.dst]),
  'ICMPv6 unreachable': ipv6(58, [1, 4, ...zeros(6), ...quoted6]),
  'ICMPv6 packet too big, behind options': ipv6(0, [...extension(58), 2, 0, 0, 0, ...be32(1280), ...quoted6]),
  'no next header': ipv6(59, []),
};

const MAC = [2, 0xfd, 0xf6, 0xf8, 0x0c, 0xb2, 0xea, 0x8d, 0x8e, 0xae, 0x2b, 0xb2];
const SLL = (pkttype: number, protocol: number): Bytes => [
  0,
  pkttype,
  0,
  1,
  0,
  6,
  ...MAC.slice(6),
  0,
  0,
  ...be16(protocol),
];
const SLL2 = (pkttype: number, protocol: number): Bytes => [
  ...be16(protocol),
  0,
  0,
  ...be32(70_000),
  0,
  1,
  pkttype,
  6,
  ...MAC.slice(6),
  0,
  0,
];
const ethertype = (packet: Bytes): number => ((packet[0] ?? 0) >> 4 === 6 ? 0x86dd : 0x0800);
const tagged = (packet: Bytes, ...tpids: number[]): Bytes => [
  ...MAC,
  ...tpids.flatMap((tpid) => [...be16(tpid), 0, 7]),
  ...be16(ethertype(packet)),
  ...packet,
];

interface Link {
  readonly linktype: number;
  readonly wrap: (packet: Bytes) => Bytes;
}
const LINKS: Readonly<Record<string, Link>> = {
  Ethernet: { linktype: 1, wrap: (packet) => [...MAC, ...be16(ethertype(packet)), ...packet] },
  'Ethernet with padding': {
    linktype: 1,
    wrap: (packet) => [...MAC, ...be16(ethertype(packet)), ...packet, ...zeros(Math.max(46 - packet.length, 6))],
  },
  '802.1Q': { linktype: 1, wrap: (packet) => tagged(packet, 0x8100) },
  QinQ: { linktype: 1, wrap: (packet) => tagged(packet, 0x88a8, 0x8100) },
  'old QinQ': { linktype: 1, wrap: (packet) => tagged(packet, 0x9100, 0x8100) },
  SLL: { linktype: 113, wrap: (packet) => [...SLL(0, ethertype(packet)), ...packet] },
  'SLL, outgoing': { linktype: 113, wrap: (packet) => [...SLL(4, ethertype(packet)), ...packet] },
  'SLL with a tag': {
    linktype: 113,
    wrap: (packet) => [...SLL(0, 0x8100), 0, 7, ...be16(ethertype(packet)), ...packet],
  },
  SLL2: { linktype: 276, wrap: (packet) => [...SLL2(0, ethertype(packet)), ...packet] },
  'SLL2, outgoing': { linktype: 276, wrap: (packet) => [...SLL2(4, ethertype(packet)), ...packet] },
  raw: { linktype: 101, wrap: (packet) => packet },
  NULL: { linktype: 0, wrap: (packet) => [ethertype(packet) === 0x0800 ? 2 : 30, 0, 0, 0, ...packet] },
  LOOP: { linktype: 108, wrap: (packet) => [0, 0, 0, ethertype(packet) === 0x0800 ? 2 : 24, ...packet] },
};

interface Frame {
  readonly about: string;
  readonly bytes: Uint8Array;
  readonly len: number;
}

/** What tshark calls the fields, in the order of `fieldsOf`. */
const FIELDS = [
  ['ip.src', 'ipv6.src'],
  ['ip.dst', 'ipv6.dst'],
  ['ip.id'],
  ['ip.ttl', 'ipv6.hlim'],
  ['ipv6.flow'],
  ['ip.frag_offset', 'ipv6.fraghdr.offset'],
  ['tcp.srcport', 'udp.srcport', 'sctp.srcport'],
  ['tcp.dstport', 'udp.dstport', 'sctp.dstport'],
  ['tcp.flags'],
  ['tcp.seq_raw'],
  ['icmp.type', 'icmpv6.type'],
  ['icmp.code', 'icmpv6.code'],
] as const;
const ICMP_TYPE = 10;
const TRANSPORT = /^tcp/;
/** And of the link layer; of the payload on the wire. */
const OTHER_FIELDS = ['sll.ifindex', 'sll.pkttype', 'tcp.len', 'udp.length'] as const;

function tshark(linktype: number, frames: readonly Frame[]): string[][] {
  const length = frames.reduce((sum, { bytes }) => sum + RECORD_HEADER_LENGTH + bytes.length, 24);
  const file = new Uint8Array(length);
  const view = new DataView(file.buffer);
  file.set(encodeFileHeader({ precision: 'micro', snaplen: 65535, linktype }));
  let at = 24;
  for (const { bytes, len } of frames) {
    encodeRecord(view, at, 1_795_403_290, 0, bytes.length, len);
    file.set(bytes, at + RECORD_HEADER_LENGTH);
    at += RECORD_HEADER_LENGTH + bytes.length;
  }
  const name = join(folder, 'frames.pcap');
  writeFileSync(name, file);
  const fields = [...FIELDS.flat(), ...OTHER_FIELDS].flatMap((field) => ['-e', field]);
  // Fragments each by themselves; and payload of no protocol, so that no other fields of these names come out of it.
  const settings = ['ip.defragment:FALSE', 'ipv6.defragment:FALSE', 'tcp.analyze_sequence_numbers:FALSE'];
  const options = settings.flatMap((setting) => ['-o', setting]);
  const out = execFileSync(
    'tshark',
    ['-n', '-r', name, '-T', 'fields', '-E', 'occurrence=a', '-E', 'aggregator=;', ...options, ...fields],
    { encoding: 'utf8', maxBuffer: 2 ** 28, stdio: ['ignore', 'pipe', 'ignore'] },
  );
  return out
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split('\t'));
}

/** Of the packet, and of that quoted in it; '' for none. */
function fieldsOf(decoder: PacketDecoder, bytes: Uint8Array): string[][] {
  const one = (packet: PacketDecoder): string[] => {
    if (packet.family === 0) return FIELDS.map(() => '');
    const address = (at: number): string => (packet.family === 4 ? addressText4(bytes, at) : addressText6(bytes, at));
    const numbers = [
      packet.ipId,
      packet.ttl,
      packet.flowLabel,
      packet.fragmentOffset / 8 || -1,
      packet.sourcePort,
      packet.destinationPort,
      packet.tcpFlags,
      packet.tcpSequence,
      packet.icmpType,
      packet.icmpCode,
    ];
    return [
      address(packet.sourceAt),
      address(packet.destinationAt),
      ...numbers.map((each) => (each < 0 ? '' : String(each))),
    ];
  };
  const { inner } = decoder;
  if (inner === undefined) throw new Error('no inner packet');
  return [one(decoder), one(inner)];
}

/** tshark's columns, of the packet and of that quoted. */
function judged(row: readonly string[]): string[][] {
  let at = 0;
  const values = FIELDS.map((names) => {
    const all = names.flatMap(() => (row[at++] ?? '').split(';').filter((value) => value !== ''));
    // An offset of 0 is said by IPv4 only.
    return all.map((value) =>
      names[0] === 'ip.frag_offset' && value === '0' ? '' : String(/^0x/.test(value) ? Number(value) : value),
    );
  });
  // What has ports within ICMP is what that quotes.
  const icmp = (values[ICMP_TYPE] ?? []).length > 0;
  return [0, 1].map((which) =>
    values.map((all, field) => (icmp && TRANSPORT.test(FIELDS[field]?.[0] ?? '') ? ['', all[0]] : all)[which] ?? ''),
  );
}

describe.each(Object.entries(LINKS))('%s', (_, { linktype, wrap }) => {
  const frames: Frame[] = [];
  for (const [about, packet] of Object.entries(PACKETS)) {
    const whole = Uint8Array.from(wrap(packet));
    for (let kept = whole.length; kept >= 0; kept--)
      frames.push({ about: `${about}, ${kept} of ${whole.length}`, bytes: whole.subarray(0, kept), len: whole.length });
  }

  it('says what tshark says, whole and cut at every byte', () => {
    const rows = tshark(linktype, frames).map(judged);
    expect(rows.length).toBe(frames.length);
    const decoder = new PacketDecoder();
    const wrong: string[] = [];
    let whole: string[][] = [];
    let compared = 0;
    for (const [index, { about, bytes, len }] of frames.entries()) {
      const theirs = rows[index] ?? [];
      if (bytes.length === len) whole = theirs;
      const padded = Uint8Array.from([...text(3), ...bytes, ...text(50)]);
      decoder.decode(linktype, padded, 3, 3 + bytes.length, len);
      for (const [which, ours] of fieldsOf(decoder, padded).entries())
        for (const [at, [name]] of FIELDS.entries()) {
          const mine = ours[at] ?? '';
          const yours = theirs[which]?.[at] ?? '';
          if (which === 1 && name === 'tcp.seq_raw') continue; // not said of what is quoted
          // Without both addresses we say nothing. Of a header that is cut, tshark says less than what is there.
          const right = yours === '' || ours[1] === '' ? mine === '' || mine === whole[which]?.[at] : mine === yours;
          if (!right)
            wrong.push(`${about}: ${which === 0 ? '' : 'quoted '}${name} is ${mine || '-'}, tshark ${yours || '-'}`);
          if (mine !== '' && mine === yours) compared++;
        }
    }
    expect(wrong.slice(0, 20)).toEqual([]);
    expect(compared).toBeGreaterThan(7000);
  });

  it('knows the interface, the direction and the length of payload that was not kept', () => {
    const short = Object.entries(PACKETS).flatMap(([about, packet]): Frame[] => {
      const whole = Uint8Array.from(wrap(packet));
      return [{ about, bytes: whole.subarray(0, 96), len: whole.length }];
    });
    const decoder = new PacketDecoder();
    let lengths = 0;
    for (const [index, row] of tshark(linktype, short).entries()) {
      const frame = short[index];
      if (frame === undefined || !decoder.decode(linktype, frame.bytes, 0, frame.bytes.length, frame.len)) continue;
      const [ifindex, pkttype, tcpLength, udpLength] = row.slice(-OTHER_FIELDS.length);
      expect(decoder.ifindex).toBe(Number(ifindex));
      expect(decoder.direction).toBe(pkttype === '' ? UNKNOWN : pkttype === '4' ? OUTGOING : INCOMING);
      if (decoder.payloadAt === -1 || decoder.icmpType !== -1 || /short|without length/.test(frame.about)) continue;
      // UDP says the length of the whole datagram, of which a first fragment has a part.
      const said = decoder.protocol === 6 ? Number(tcpLength) : Number(udpLength) - 8;
      if (!/fragment$/.test(frame.about)) expect([frame.about, decoder.payloadOnWire]).toEqual([frame.about, said]);
      expect(decoder.payloadLength).toBe(Math.min(decoder.payloadOnWire, frame.bytes.length - decoder.payloadAt));
      lengths++;
    }
    expect(lengths).toBeGreaterThan(10);
  });

  it('marks as cut what ends within a header, and nothing else', () => {
    const decoder = new PacketDecoder();
    const wrong: string[] = [];
    for (const { about, bytes, len } of frames) {
      if (/short offset/.test(about)) continue;
      decoder.decode(linktype, bytes, 0, bytes.length, len);
      const whole = bytes.length === len;
      if (whole && decoder.cut) wrong.push(about);
      if (!whole && bytes.length < 14 && !decoder.cut && len > 14 && linktype === 1) wrong.push(about);
      const ported = decoder.protocol === 6 || decoder.protocol === 17;
      if (!decoder.cut && decoder.family !== 0 && ported && decoder.fragmentOffset === 0 && !/no payload/.test(about))
        if (decoder.sourcePort === -1 || decoder.payloadAt === -1) wrong.push(about);
    }
    expect(wrong).toEqual([]);
  });
});

describe('anything', () => {
  it('never throws, and says nothing that lies outside', () => {
    const decoder = new PacketDecoder();
    const bytes = fc.uint8Array({ maxLength: 120 });
    const linktype = fc.constantFrom(0, 1, 12, 14, 101, 108, 113, 228, 229, 276, 147);
    // Often enough something that goes on: a version, a tag, an extension header.
    const likely = fc.tuple(bytes, fc.integer({ min: 0, max: 60 }), fc.constantFrom(0x45, 0x60, 0x81, 0x08, 0x86));
    fc.assert(
      fc.property(linktype, likely, fc.nat(200), (type, [some, place, value], more) => {
        if (place < some.length) some[place] = value;
        decoder.decode(type, some, 0, some.length, some.length + more);
        for (const packet of [decoder, decoder.inner]) {
          if (packet === undefined || packet.family === 0) continue;
          const size = packet.family === 4 ? 4 : 16;
          expect(packet.sourceAt + size).toBeLessThanOrEqual(some.length);
          expect(packet.destinationAt + size).toBeLessThanOrEqual(some.length);
          expect(packet.payloadLength).toBeGreaterThanOrEqual(0);
          if (packet.payloadLength > 0)
            expect(packet.payloadAt + packet.payloadLength).toBeLessThanOrEqual(some.length);
          expect(packet.ipLength).toBeGreaterThanOrEqual(0);
        }
      }),
      { numRuns: 20_000 },
    );
  });

  it('has nothing left of the packet before', () => {
    const decoder = new PacketDecoder();
    const packet = Uint8Array.from(PACKETS['ICMP unreachable'] ?? []);
    decoder.decode(101, packet, 0, packet.length, packet.length);
    expect(decoder.inner?.family).toBe(4);
    decoder.decode(276, packet, 0, 3, 3);
    expect({ ...decoder, inner: undefined }).toEqual({ ...new PacketDecoder(), cut: true, inner: undefined });
    expect(decoder.inner?.family).toBe(0);
  });
});
