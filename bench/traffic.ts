// Savefiles of made-up traffic that compresses about as real traffic does: connections with their own addresses, ports and
// sequence numbers, every other packet an acknowledgement, the rest encrypted. Frames of bench/frames.ts are too alike.
import { randomFillSync } from 'node:crypto';
import { encodeFileHeader } from '../src/savefile/header.ts';

const RECORD_HEADER = 16;
/** Ethernet, IPv4 and TCP with the timestamp option. */
const HEADERS = 66;
const CONNECTIONS = 200;
const LINKTYPE_ETHERNET = 1;

interface Connection {
  readonly headers: Uint8Array;
  sequence: number;
  identification: number;
}

function connect(random: () => number): Connection {
  const headers = new Uint8Array(HEADERS);
  const view = new DataView(headers.buffer);
  headers.set([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45]);
  view.setUint16(20, 0x4000);
  headers.set([64, 6], 22);
  headers.set([10, 137, 0, 1 + Math.floor(random() * 20)], 26);
  view.setUint32(30, Math.floor(random() * 2 ** 32));
  view.setUint16(34, 32768 + Math.floor(random() * 28000));
  view.setUint16(36, 443);
  headers.set([0x80, 0x10], 46);
  view.setUint16(48, 501);
  headers.set([1, 1, 8, 10], 54);
  view.setUint32(62, Math.floor(random() * 2 ** 32));
  return { headers, sequence: Math.floor(random() * 2 ** 32), identification: Math.floor(random() * 65536) };
}

/** A savefile of at most `bytes` bytes: whole records of up to `snaplen` bytes, 1 to 200 µs apart. */
export function trafficSavefile(bytes: number, snaplen: number): Uint8Array {
  const file = new Uint8Array(bytes);
  const view = new DataView(file.buffer);
  const noise = randomFillSync(new Uint32Array(16384));
  let drawn = 0;
  const random = (): number => (noise[drawn++ % noise.length] ?? 0) / 2 ** 32;
  const connections = Array.from({ length: CONNECTIONS }, () => connect(random));
  file.set(encodeFileHeader({ precision: 'micro', snaplen, linktype: LINKTYPE_ETHERNET }));
  let at = 24;
  let usec = 1_767_225_600e6;
  while (at + RECORD_HEADER + snaplen <= bytes) {
    // Squared: a few connections carry most of the packets.
    const connection = connections[Math.floor(random() ** 2 * CONNECTIONS)];
    if (connection === undefined) throw new Error('unreachable: no such connection');
    const len = random() < 0.5 ? HEADERS : HEADERS + 1 + Math.floor(random() * 1448);
    const caplen = Math.min(len, snaplen);
    usec += 1 + Math.floor(random() * 200);
    view.setUint32(at, Math.floor(usec / 1e6), true);
    view.setUint32(at + 4, usec % 1e6, true);
    view.setUint32(at + 8, caplen, true);
    view.setUint32(at + 12, len, true);
    const packet = at + RECORD_HEADER;
    file.set(connection.headers.subarray(0, caplen), packet);
    view.setUint16(packet + 16, len - 14);
    view.setUint16(packet + 18, connection.identification++);
    view.setUint16(packet + 24, random() * 65536); // stands for the checksum
    view.setUint32(packet + 38, connection.sequence);
    view.setUint16(packet + 50, random() * 65536);
    view.setUint32(packet + 58, Math.floor(usec / 1000));
    connection.sequence += len - HEADERS;
    randomFillSync(file, packet + HEADERS, Math.max(0, caplen - HEADERS));
    at = packet + caplen;
  }
  return file.subarray(0, at);
}
