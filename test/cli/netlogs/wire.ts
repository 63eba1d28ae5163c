// Packets of IPv4 as a capture on `any` has them (SLL2), for small savefiles of a test's own, and DNS messages in them.
import { LINKTYPE_LINUX_SLL2 } from '../../../src/savefile/linktype.ts';
import { PcapWriter } from '../../../src/savefile/writer.ts';

export interface Sent {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly ifindex: number;
  readonly out?: boolean;
  /** `10.137.0.10:40000` */
  readonly from: string;
  readonly to: string;
  readonly id?: number;
  readonly ttl?: number;
  /** TCP with these flags; else UDP. */
  readonly tcp?: number;
  readonly payload?: Buffer;
}

export const SYN = 2;
export const SYN_ACK = 18;

/** So much of a packet is kept, as with `--keep-names`. */
const SNAPLEN = 512;

export function writeSavefile(path: string, packets: readonly Sent[]): void {
  const writer = PcapWriter.create(path, { precision: 'micro', snaplen: SNAPLEN, linktype: LINKTYPE_LINUX_SLL2 });
  for (const packet of packets) {
    const bytes = cooked(packet);
    const sec = Math.floor(packet.time / 1000);
    writer.writePacket(sec, Math.round((packet.time - sec * 1000) * 1000), bytes.subarray(0, SNAPLEN), bytes.length);
  }
  writer.close();
}

function cooked(packet: Sent): Buffer {
  const link = Buffer.alloc(20);
  link.writeUInt16BE(0x0800, 0);
  link.writeUInt32BE(packet.ifindex, 4);
  link.writeUInt16BE(1, 8);
  link[10] = packet.out === true ? 4 : 0;
  link[11] = 6;
  return Buffer.concat([link, ip(packet)]);
}

function ip({ from, to, id = 1, ttl = 64, tcp, payload = Buffer.alloc(0) }: Sent): Buffer {
  const [[source, sport], [destination, dport]] = [endOf(from), endOf(to)];
  const transport = Buffer.alloc(tcp === undefined ? 8 : 20);
  transport.writeUInt16BE(sport, 0);
  transport.writeUInt16BE(dport, 2);
  if (tcp === undefined) transport.writeUInt16BE(8 + payload.length, 4);
  else {
    transport[12] = 0x50;
    transport[13] = tcp;
  }
  const header = Buffer.alloc(20);
  header[0] = 0x45;
  header.writeUInt16BE(20 + transport.length + payload.length, 2);
  header.writeUInt16BE(id, 4);
  header[8] = ttl;
  header[9] = tcp === undefined ? 17 : 6;
  source.copy(header, 12);
  destination.copy(header, 16);
  return Buffer.concat([header, transport, payload]);
}

function endOf(text: string): [Buffer, number] {
  const [address = '', port] = text.split(':');
  return [Buffer.from(address.split('.').map(Number)), Number(port)];
}

/** A question of type A, or with `answer`, an address, its reply. */
export function dns(id: number, name: string, answer?: string): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(id, 0);
  header.writeUInt16BE(answer === undefined ? 0x0100 : 0x8180, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(answer === undefined ? 0 : 1, 6);
  const labels = name.split('.').flatMap((label) => [Buffer.from([label.length]), Buffer.from(label, 'latin1')]);
  const question = Buffer.concat([header, ...labels, Buffer.from([0, 0, 1, 0, 1])]);
  if (answer === undefined) return question;
  const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...answer.split('.').map(Number)]);
  return Buffer.concat([question, record]);
}
