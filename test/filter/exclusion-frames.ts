// Frames with VLAN tags and without, of which a list of exclusions leaves some out: for the tests of exclusions, in the kernel
// and outside it.

export interface Frame {
  readonly what: string;
  readonly bytes: Uint8Array;
  readonly excluded: boolean;
  /** The kernel itself drops it where it arrives: taking the tag off, it wants to see something behind it. */
  readonly runt: boolean;
}

export const EXCLUDE: readonly string[] = ['10.0.0.0/8', 'fd00::/8', '192.0.2.7', '2001:db8::7', 'udp port 5353'];

const NETWORK: readonly { what: string; type: number; bytes: readonly number[]; excluded: boolean }[] = [
  { what: 'IPv4 from the net', type: 0x0800, bytes: ipv4('10.1.2.3', '198.51.100.1'), excluded: true },
  { what: 'IPv4 to the net', type: 0x0800, bytes: ipv4('198.51.100.1', '10.1.2.3'), excluded: true },
  { what: 'IPv4 to the host', type: 0x0800, bytes: ipv4('198.51.100.1', '192.0.2.7'), excluded: true },
  { what: 'IPv4 elsewhere', type: 0x0800, bytes: ipv4('198.51.100.1', '192.0.2.8'), excluded: false },
  {
    what: 'IPv4 with options, port excluded',
    type: 0x0800,
    bytes: ipv4('198.51.100.1', '192.0.2.8', 5353, 40),
    excluded: true,
  },
  {
    what: 'IPv4 with options, other port',
    type: 0x0800,
    bytes: ipv4('198.51.100.1', '192.0.2.8', 53, 40),
    excluded: false,
  },
  { what: 'IPv6 from the net', type: 0x86dd, bytes: ipv6('fd00::1', '2001:db8::1'), excluded: true },
  { what: 'IPv6 to the net', type: 0x86dd, bytes: ipv6('2001:db8::1', 'fdff::1'), excluded: true },
  { what: 'IPv6 to the host', type: 0x86dd, bytes: ipv6('2001:db8::1', '2001:db8::7'), excluded: true },
  { what: 'IPv6 elsewhere', type: 0x86dd, bytes: ipv6('2001:db8::1', '2001:db8::8'), excluded: false },
  { what: 'IPv6 port excluded', type: 0x86dd, bytes: ipv6('2001:db8::1', '2001:db8::8', 5353), excluded: true },
  { what: 'ARP from the net', type: 0x0806, bytes: arp('10.1.2.3', '192.0.2.8'), excluded: true },
  { what: 'ARP for the net', type: 0x0806, bytes: arp('192.0.2.8', '10.1.2.3'), excluded: true },
  { what: 'ARP elsewhere', type: 0x0806, bytes: arp('192.0.2.8', '192.0.2.9'), excluded: false },
  // Cut short: what the program would look at is not there.
  { what: 'IPv4 of 14 bytes', type: 0x0800, bytes: ipv4('10.1.2.3', '10.1.2.4').slice(0, 14), excluded: false },
  { what: 'IPv4 of 16 bytes', type: 0x0800, bytes: ipv4('10.1.2.3', '192.0.2.8').slice(0, 16), excluded: true },
  { what: 'IPv4 of 19 bytes', type: 0x0800, bytes: ipv4('192.0.2.8', '10.1.2.3').slice(0, 19), excluded: false },
  {
    what: 'IPv4 with options cut',
    type: 0x0800,
    bytes: ipv4('192.0.2.8', '192.0.2.9', 5353, 40).slice(0, 40),
    excluded: false,
  },
  { what: 'IPv6 of 30 bytes', type: 0x86dd, bytes: ipv6('2001:db8::1', 'fd00::1').slice(0, 23), excluded: false },
  { what: 'IPv6 of 40 bytes', type: 0x86dd, bytes: ipv6('2001:db8::1', '2001:db8::8').slice(0, 40), excluded: false },
  { what: 'ARP of 16 bytes', type: 0x0806, bytes: arp('10.1.2.3', '10.1.2.4').slice(0, 16), excluded: false },
  { what: 'nothing behind IPv4', type: 0x0800, bytes: [], excluded: false },
  { what: 'nothing behind IPv6', type: 0x86dd, bytes: [], excluded: false },
  { what: 'another protocol', type: 0x88cc, bytes: [2, 7, 4, 2, 0, 0, 0, 0, 1], excluded: false },
  // A length by which the IPv4 header begins like a tag of this test (0x4500) and an ethertype (0x0800).
  { what: 'IPv4 of 2048 bytes', type: 0x0800, bytes: ipv4('10.1.2.3', '192.0.2.8', 1, 20, 2048), excluded: true },
  { what: 'IPv4 of 8000 bytes', type: 0x0800, bytes: ipv4('10.1.2.3', '192.0.2.8', 1, 20, 8000), excluded: true },
  {
    what: 'IPv4 of 8000 bytes elsewhere',
    type: 0x0800,
    bytes: ipv4('192.0.2.9', '192.0.2.8', 1, 20, 8000),
    excluded: false,
  },
];

export const TAGS: readonly { what: string; tags: readonly number[] }[] = [
  { what: 'untagged', tags: [] },
  { what: '802.1Q', tags: [0x8100, 5] },
  { what: '802.1ad', tags: [0x88a8, 5] },
  { what: '0x9100', tags: [0x9100, 5] },
  { what: '802.1Q in 802.1ad', tags: [0x88a8, 6, 0x8100, 7] },
  { what: '802.1Q twice', tags: [0x8100, 6, 0x8100, 7] },
  { what: '802.1Q in 0x9100', tags: [0x9100, 6, 0x8100, 7] },
  { what: 'priority 2', tags: [0x8100, 0x4005] },
];

export function frames(tags: readonly { what: string; tags: readonly number[] }[] = TAGS): Frame[] {
  return tags.flatMap(({ what, tags }) =>
    NETWORK.map((network) => ({
      what: `${what}, ${network.what}`,
      bytes: Uint8Array.of(...ADDRESSES, ...tags.flatMap(be16), ...be16(network.type), ...network.bytes),
      excluded: network.excluded,
      runt: (tags[0] === 0x8100 || tags[0] === 0x88a8) && tags.length === 2 && network.bytes.length === 0,
    })),
  );
}

/** The destination is no frame's source: a bridge would learn where that one is, and not send the frame on. */
export const ADDRESSES: readonly number[] = [2, 255, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0];

export function be16(value: number): number[] {
  return [value >> 8, value & 0xff];
}

function address4(text: string): number[] {
  return text.split('.').map(Number);
}

function address6(text: string): number[] {
  const [head = '', tail = ''] = text.split('::');
  const words = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((word) => Number.parseInt(word, 16));
  const [first, last] = [words(head), words(tail)];
  const zeros = Array.from({ length: 8 - first.length - last.length }, () => 0);
  return [...first, ...zeros, ...last].flatMap(be16);
}

function ipv4(source: string, destination: string, port = 1, header = 20, length = header + 8): number[] {
  const start = [0x40 | (header / 4), 0, ...be16(length), 0, 0, 0, 0, 64, 17, 0, 0];
  const options = Array.from({ length: header - 20 }, () => 1);
  const payload = Array.from({ length: length - header - 8 }, () => 0);
  return [...start, ...address4(source), ...address4(destination), ...options, ...udp(port), ...payload];
}

function ipv6(source: string, destination: string, port = 1): number[] {
  return [0x60, 0, 0, 0, 0, 8, 17, 64, ...address6(source), ...address6(destination), ...udp(port)];
}

function udp(port: number): number[] {
  return [...be16(40000), ...be16(port), 0, 8, 0, 0];
}

function arp(sender: string, target: string): number[] {
  return [0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 2, ...address4(sender), 0, 0, 0, 0, 0, 0, ...address4(target)];
}

/** A frame's number is in its source address, which the kernel reports beside the packet. */
export function numbered(bytes: Uint8Array, index: number): Uint8Array {
  const copy = bytes.slice();
  new DataView(copy.buffer).setUint16(10, index);
  return copy;
}
