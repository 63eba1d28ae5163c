// Ethernet frames for benchmarks and live tests, complete with checksums, from gen0's address to cap0's. Called by the
// generator and by tests that need to know what was sent. Each frame carries a sequence number, so no two are alike.
import { CAPTURE, GENERATOR } from './lab.ts';

/** `vlan`: udp4 behind one 802.1Q tag (vid 100); `qinq`: behind an 802.1ad tag (vid 200) and an 802.1Q tag (vid 100). */
export const FRAME_KINDS = ['udp4', 'udp6', 'arp', 'vlan', 'qinq'] as const;
export type FrameKind = (typeof FRAME_KINDS)[number];

const ETHERTYPE = { ipv4: 0x0800, arp: 0x0806, vlan: 0x8100, ipv6: 0x86dd, qinq: 0x88a8 } as const;
const VLAN_TAG = [ETHERTYPE.vlan, 100] as const;
const QINQ_TAG = [ETHERTYPE.qinq, 200] as const;
const UDP = 17;
const SOURCE_PORT = 40_000;
const DESTINATION_PORT = 40_001;
const IPV4_SOURCE = [10, 77, 0, 1];
const IPV4_DESTINATION = [10, 77, 0, 2];
const IPV6_PREFIX = [0xfd, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/** Offset of the sequence number, 32 bits in network order: the head of the UDP payload, ARP's target address. */
export const SEQUENCE_AT: Readonly<Record<FrameKind, number>> = { udp4: 42, udp6: 62, arp: 38, vlan: 46, qinq: 50 };

/** The lengths of the simple Internet mix (IMIX), 7 : 4 : 1, frame checksums not included: 358 bytes on average. */
export const MIX = [
  { length: 60, weight: 7 },
  { length: 590, weight: 4 },
  { length: 1514, weight: 1 },
] as const;

/** `length`: bytes of the whole frame, checksum (FCS) not included; what is behind the sequence number is filling. */
export function buildFrame(kind: FrameKind, length: number, sequence: number): Uint8Array {
  const least = SEQUENCE_AT[kind] + 4;
  if (length < least) throw new RangeError(`frame of ${length} bytes: ${kind} has at least ${least}`);
  const frame = new Uint8Array(length);
  const view = new DataView(frame.buffer);
  frame.set([...macBytes(CAPTURE.mac), ...macBytes(GENERATOR.mac)]);
  const at = putTags(view, kind);
  if (kind === 'arp') putArpRequest(frame, at);
  else {
    for (let filling = least; filling < length; filling++) frame[filling] = filling;
  }
  view.setUint32(SEQUENCE_AT[kind], sequence);
  if (kind === 'udp6') putIpv6(frame, at);
  else if (kind !== 'arp') putIpv4(frame, at, sequence);
  return frame;
}

/** The number given to `buildFrame`; works on a frame that was cut off behind it, too. */
export function readSequence(kind: FrameKind, frame: Uint8Array): number {
  return new DataView(frame.buffer, frame.byteOffset, frame.byteLength).getUint32(SEQUENCE_AT[kind]);
}

/** Writes VLAN tags and ethertype; returns where the network header starts. */
function putTags(view: DataView, kind: FrameKind): number {
  const words: number[] = [];
  if (kind === 'qinq') words.push(...QINQ_TAG);
  if (kind === 'qinq' || kind === 'vlan') words.push(...VLAN_TAG);
  words.push(kind === 'arp' ? ETHERTYPE.arp : kind === 'udp6' ? ETHERTYPE.ipv6 : ETHERTYPE.ipv4);
  for (const [index, word] of words.entries()) view.setUint16(12 + 2 * index, word);
  return 12 + 2 * words.length;
}

/** RFC 826; the target address is the sequence number. */
function putArpRequest(frame: Uint8Array, at: number): void {
  frame.set([0, 1, 8, 0, 6, 4, 0, 1, ...macBytes(GENERATOR.mac), ...IPV4_SOURCE], at);
}

/** RFC 791. Payload must be in place: the UDP checksum covers it. */
function putIpv4(frame: Uint8Array, at: number, sequence: number): void {
  const view = new DataView(frame.buffer, at);
  view.setUint8(0, 0x45);
  view.setUint16(2, view.byteLength);
  view.setUint16(4, sequence & 0xffff);
  view.setUint8(8, 64);
  view.setUint8(9, UDP);
  frame.set([...IPV4_SOURCE, ...IPV4_DESTINATION], at + 12);
  view.setUint16(10, checksum(frame.subarray(at, at + 20), 0));
  putUdp(frame, at + 20, frame.subarray(at + 12, at + 20));
}

/** RFC 8200. */
function putIpv6(frame: Uint8Array, at: number): void {
  const view = new DataView(frame.buffer, at);
  view.setUint8(0, 0x60);
  view.setUint16(4, view.byteLength - 40);
  view.setUint8(6, UDP);
  view.setUint8(7, 64);
  frame.set([...IPV6_PREFIX, 1, ...IPV6_PREFIX, 2], at + 8);
  putUdp(frame, at + 40, frame.subarray(at + 8, at + 40));
}

/** RFC 768; `addresses` is the part of the pseudo header that depends on the IP version. */
function putUdp(frame: Uint8Array, at: number, addresses: Uint8Array): void {
  const view = new DataView(frame.buffer, at);
  view.setUint16(0, SOURCE_PORT);
  view.setUint16(2, DESTINATION_PORT);
  view.setUint16(4, view.byteLength);
  const pseudoHeader = onesSum(addresses, UDP + view.byteLength);
  view.setUint16(6, checksum(frame.subarray(at), pseudoHeader) || 0xffff);
}

/** RFC 1071: the one's complement sum of 16-bit words, an odd last byte padded, not yet folded. */
function onesSum(bytes: Uint8Array, start: number): number {
  let sum = start;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  return sum;
}

function checksum(bytes: Uint8Array, start: number): number {
  let sum = onesSum(bytes, start);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function macBytes(mac: string): number[] {
  return mac.split(':').map((byte) => Number.parseInt(byte, 16));
}
