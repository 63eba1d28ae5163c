// Savefiles of packets that a test describes: SLL2, of microseconds.
import { writeFileSync } from 'node:fs';
import { encodeFileHeader, encodeRecord, RECORD_HEADER_LENGTH } from '../../../src/savefile/header.ts';

export interface SmallPacket {
  /** Microseconds since 1970. */
  readonly time: number;
  readonly ifindex?: number;
  readonly src: string;
  readonly dst: string;
  readonly proto?: 'TCP' | 'UDP';
  readonly sport: number;
  readonly dport: number;
  /** Of TCP. */
  readonly flags?: number;
  readonly sequence?: number;
  readonly ttl?: number;
  readonly ipId?: number;
  readonly payload?: Uint8Array;
}

export const FIN = 1;
export const SYN = 2;
export const PSH = 8;
export const ACK = 16;
const SLL2_LENGTH = 20;

export function writeSmallSavefile(path: string, packets: readonly SmallPacket[]): void {
  const records = packets.map((packet) => {
    const bytes = bytesOf(packet);
    const record = new Uint8Array(RECORD_HEADER_LENGTH + bytes.length);
    const view = new DataView(record.buffer);
    encodeRecord(view, 0, Math.floor(packet.time / 1e6), packet.time % 1e6, bytes.length, bytes.length);
    record.set(bytes, RECORD_HEADER_LENGTH);
    return record;
  });
  writeFileSync(
    path,
    Buffer.concat([encodeFileHeader({ precision: 'micro', snaplen: 65535, linktype: 276 }), ...records]),
  );
}

function bytesOf(packet: SmallPacket): Uint8Array {
  const { src, dst, proto = 'TCP', sport, dport, payload = new Uint8Array(0), ttl = 64, ipId = 1 } = packet;
  const header = proto === 'TCP' ? 20 : 8;
  const bytes = new Uint8Array(SLL2_LENGTH + 20 + header + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0x0800);
  view.setUint32(4, packet.ifindex ?? 2);
  bytes.set([0x45, 0], 20);
  view.setUint16(22, bytes.length - SLL2_LENGTH);
  view.setUint16(24, ipId);
  bytes.set([0x40, 0, ttl, proto === 'TCP' ? 6 : 17, 0, 0], 26);
  bytes.set(src.split('.').map(Number), 32);
  bytes.set(dst.split('.').map(Number), 36);
  view.setUint16(40, sport);
  view.setUint16(42, dport);
  if (proto === 'UDP') view.setUint16(44, header + payload.length);
  else {
    view.setUint32(44, packet.sequence ?? 0);
    bytes.set([0x50, packet.flags ?? ACK], 52);
  }
  bytes.set(payload, SLL2_LENGTH + 20 + header);
  return bytes;
}

/** A message with one question, and an answer where `address` is given. */
export function dnsMessage(id: number, name: string, address?: string): Uint8Array {
  const labels = name.split('.').flatMap((label) => [label.length, ...Buffer.from(label)]);
  const answer =
    address === undefined ? [] : [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...address.split('.').map(Number)];
  const flags = address === undefined ? [1, 0] : [0x81, 0x80];
  return Uint8Array.from([
    id >> 8,
    id & 255,
    ...flags,
    0,
    1,
    0,
    address === undefined ? 0 : 1,
    0,
    0,
    0,
    0,
    ...labels,
    0,
    0,
    1,
    0,
    1,
    ...answer,
  ]);
}
