// What the programs of our own should make of a packet, worked out from its bytes in TypeScript: the judge of the property
// tests. Written from the RFCs and the manual, not from the programs.

const TAGS = [0x8100, 0x88a8, 0x9100];
const EXTENSIONS = [0, 43, 60, 135, 139, 140];

/** Thrown where the packet ends. */
class End extends Error {}

class Reader {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  number(at: number, size: number): number {
    if (at + size > this.#bytes.length) throw new End();
    return this.#bytes.subarray(at, at + size).reduce((value, byte) => value * 256 + byte, 0);
  }

  has(at: number, size: number): boolean {
    return at + size <= this.#bytes.length;
  }
}

interface Found {
  readonly kind: 'transport' | 'network' | 'deep' | 'arp' | 'other' | 'cut' | 'unreadable';
  readonly network: number;
  readonly version: number;
  /** Behind the network headers. */
  readonly end: number;
  readonly protocol: number;
  /** Protocol number of a fragment. */
  readonly fragment: number | undefined;
}

export type Link = 'ethernet' | 'raw';

function dissect(packet: Uint8Array, link: Link): Found {
  const read = new Reader(packet);
  const nothing = { network: 0, version: 0, end: 0, protocol: 0, fragment: undefined };
  let network = 0;
  let type: number;
  try {
    if (link === 'raw') type = { 4: 0x0800, 6: 0x86dd }[read.number(0, 1) >> 4] ?? 0;
    else {
      network = 14;
      type = read.number(12, 2);
      for (let tags = 0; tags < 2 && TAGS.includes(type); tags++) {
        type = read.number(network + 2, 2);
        network += 4;
      }
    }
  } catch {
    return { ...nothing, kind: 'unreadable' };
  }
  const at = { ...nothing, network };
  try {
    if (type === 0x0806 || type === 0x8035) return { ...at, kind: 'arp' };
    if (type === 0x0800) return ipv4(read, at);
    if (type === 0x86dd) return ipv6(read, at);
    return { ...at, kind: 'other' };
  } catch {
    return { ...at, kind: 'cut' };
  }
}

function ipv4(read: Reader, at: Omit<Found, 'kind'>): Found {
  const { network } = at;
  read.number(network, 20);
  if (read.number(network, 1) >> 4 !== 4) return { ...at, kind: 'other' };
  const length = (read.number(network, 1) % 16) * 4;
  const protocol = read.number(network + 9, 1);
  const found = { ...at, version: 4, protocol, end: network + Math.max(20, length) };
  const flags = read.number(network + 6, 2);
  if (length < 20 || flags % 8192 > 0) return { ...found, kind: 'network', fragment: protocol };
  return { ...found, kind: 'transport', fragment: Math.floor(flags / 8192) % 2 === 1 ? protocol : undefined };
}

function ipv6(read: Reader, at: Omit<Found, 'kind'>): Found {
  const { network } = at;
  read.number(network, 40);
  if (read.number(network, 1) >> 4 !== 6) return { ...at, kind: 'other' };
  let protocol = read.number(network + 6, 1);
  let end = network + 40;
  let fragment: number | undefined;
  for (let headers = 0; [...EXTENSIONS, 44, 51].includes(protocol); headers++) {
    if (headers === 3) return { ...at, version: 6, end, protocol, fragment, kind: 'deep' };
    const next = read.number(end, 1);
    if (protocol === 44) {
      const offset = read.number(end, 8) && read.number(end + 2, 2);
      end += 8;
      if (offset >= 8 || offset % 2 === 1) fragment = next;
      if (offset >= 8) return { ...at, version: 6, end, protocol: next, fragment, kind: 'network' };
    } else end += protocol === 51 ? read.number(end + 1, 1) * 4 + 8 : read.number(end + 1, 1) * 8 + 8;
    protocol = next;
  }
  return { ...at, version: 6, end, protocol, fragment, kind: 'transport' };
}

/** Bytes that --headers-only keeps, before --snaplen has its say; Infinity for all. */
export function headerBytes(packet: Uint8Array, link: Link): number {
  const { kind, network, end, protocol } = dissect(packet, link);
  switch (kind) {
    case 'unreadable':
      return 22;
    case 'arp':
    case 'cut':
      return Number.POSITIVE_INFINITY;
    case 'other':
      return Math.max(1, network);
    case 'deep':
      return network + 64;
    case 'network':
      return end;
    case 'transport':
      if (protocol !== 6) return end + ({ 1: 8, 17: 8, 58: 8, 132: 12, 136: 8 }[protocol] ?? 0);
      if (end + 13 > packet.length) return Number.POSITIVE_INFINITY;
      return end + Math.max(20, ((packet[end + 12] ?? 0) >> 4) * 4);
  }
}

export function nameOf(packet: Uint8Array, link: Link): 'DNS' | 'TLS' | 'QUIC' | undefined {
  const { kind, end, protocol } = dissect(packet, link);
  if (kind !== 'transport' || (protocol !== 6 && protocol !== 17)) return undefined;
  const read = new Reader(packet);
  try {
    if (read.number(end, 2) === 53 || (read.has(end, 4) && read.number(end + 2, 2) === 53)) {
      return read.has(end, 4) ? 'DNS' : undefined;
    }
    if (protocol === 17) {
      const version = read.number(end + 9, 4);
      const first = read.number(end + 8, 1) >> 4;
      return (version === 1 && first === 12) || (version === 0x6b3343cf && first === 13) ? 'QUIC' : undefined;
    }
    read.number(end, 20);
    const length = (read.number(end + 12, 1) >> 4) * 4;
    if (length < 20) return undefined;
    const [type, major, minor] = [0, 1, 2].map((at) => read.number(end + length + at, 1));
    const handshake = read.number(end + length + 5, 1);
    return type === 22 && major === 3 && (minor ?? 9) <= 4 && [1, 2, 11].includes(handshake) ? 'TLS' : undefined;
  } catch {
    return undefined;
  }
}

/** Whether --sample-flows 1/`flows` keeps it. */
export function sampled(packet: Uint8Array, link: Link, flows: number): boolean {
  const { kind, network, version, end, protocol, fragment } = dissect(packet, link);
  if (kind !== 'transport' && kind !== 'network' && kind !== 'deep') return true;
  const read = new Reader(packet);
  let hash = fragment === undefined ? protocol : fragment + 1;
  const mix = (value: number): void => {
    hash = Math.imul(hash ^ value, 0x85ebca6b) >>> 0;
    hash = (hash ^ (hash >>> 15)) >>> 0;
  };
  const pair = (first: number, second: number, size: number): void => {
    const [a, b] = [read.number(first, size), read.number(second, size)];
    mix((a + b) >>> 0);
    mix((a ^ b) >>> 0);
  };
  if (kind !== 'network' && fragment === undefined && [6, 17, 132, 136].includes(protocol) && read.has(end, 4)) {
    pair(end, end + 2, 2);
  }
  if (version === 4) pair(network + 12, network + 16, 4);
  else for (let word = 0; word < 16; word += 4) pair(network + 8 + word, network + 24 + word, 4);
  hash = Math.imul(hash, 0xc2b2ae35) >>> 0;
  return ((hash ^ (hash >>> 16)) >>> 0) % flows === 0;
}
