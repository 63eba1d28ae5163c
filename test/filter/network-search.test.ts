// The search for excluded networks, run by the kernel: short lists against libpcap's program for the same expression, long
// ones against a model that knows only what a network is. Needs root.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compileFilter } from '../../src/filter/compile.ts';
import { type Network, parseNetwork, reduceNetworks } from '../../src/filter/network.ts';
import { compileOwnFilter } from '../../src/filter/packet-filter.ts';
import { Namespace } from './namespace.ts';
import { SocketFilter } from './socket-filter.ts';

let namespace: Namespace;
beforeAll(() => {
  namespace = new Namespace();
  namespace.ip('link add v0 type veth peer v1');
  for (const device of ['v0', 'v1']) namespace.ip(`link set ${device} up`);
  namespace.ip('tuntap add dev t0 mode tun');
  namespace.ip('link set t0 up');
});
afterAll(() => namespace.close());

function compile(device: string, exclude: readonly string[], expression = ''): SocketFilter {
  const options = { device, snaplen: 262144, linktype: undefined, expression, exclude };
  const { program } = namespace.run(() => compileFilter(options));
  return new SocketFilter(program);
}

interface Address {
  readonly bits: 32 | 128;
  readonly value: bigint;
}

/** Few different bytes, so that networks cover, touch and repeat each other. */
const byte = fc.oneof(fc.constantFrom(0, 1, 127, 128, 255), fc.integer({ min: 0, max: 255 }));
const addressOf = (bits: 32 | 128): fc.Arbitrary<Address> =>
  fc.array(byte, { minLength: bits / 8, maxLength: bits / 8 }).map((bytes) => ({ bits, value: number(bytes) }));
const network = fc
  .constantFrom<(32 | 128)[]>(32, 128)
  .chain((bits) => fc.tuple(addressOf(bits), fc.oneof(fc.integer({ min: 0, max: bits }), fc.constant(bits))))
  .map(([{ bits, value }, prefix]): Network => {
    const host = BigInt(bits - prefix);
    return { bits, first: (value >> host) << host, prefix };
  });

function number(bytes: Iterable<number>): bigint {
  let value = 0n;
  for (const each of bytes) value = (value << 8n) | BigInt(each);
  return value;
}

function bytesOf({ bits, value }: Address): number[] {
  return Array.from({ length: bits / 8 }, (_, index) => Number((value >> BigInt(bits - 8 - 8 * index)) & 0xffn));
}

function text({ bits, first, prefix }: Network): string {
  const bytes = bytesOf({ bits, value: first });
  const words = Array.from({ length: 8 }, (_, index) =>
    (((bytes[2 * index] ?? 0) << 8) | (bytes[2 * index + 1] ?? 0)).toString(16),
  );
  return `${bits === 32 ? bytes.join('.') : words.join(':')}/${prefix}`;
}

/** Addresses inside, at and just outside the edges of these networks, and others. */
function probes(networks: readonly Network[]): fc.Arbitrary<Address> {
  const edges = networks.flatMap(({ bits, first, prefix }): Address[] => {
    const size = 1n << BigInt(bits - prefix);
    const limit = 1n << BigInt(bits);
    return [first, first + size - 1n, first + size / 2n, first - 1n, first + size]
      .filter((value) => value >= 0n && value < limit)
      .map((value) => ({ bits, value }));
  });
  return fc.oneof(fc.constantFrom(...edges), addressOf(32), addressOf(128));
}

type Kind = 'ip' | 'arp' | 'rarp';

interface Packet {
  readonly kind: Kind;
  readonly source: Address;
  readonly destination: Address;
  readonly tags: number;
  /** Bytes that are there from the network header on. */
  readonly cut: number;
}

function packetsFor(networks: readonly Network[]): fc.Arbitrary<Packet[]> {
  const packet = fc
    .record({
      kind: fc.constantFrom<Kind[]>('ip', 'ip', 'arp', 'rarp'),
      source: probes(networks),
      destination: probes(networks),
      tags: fc.integer({ min: 0, max: 2 }),
      cut: fc.oneof({ weight: 5, arbitrary: fc.constant(60) }, fc.integer({ min: 0, max: 60 })),
    })
    .filter(({ source, destination }) => source.bits === destination.bits);
  return fc.array(packet, { minLength: 20, maxLength: 40 });
}

const whole = ({ tags, cut }: Packet): boolean => tags === 0 && cut === 60;

/** From the network header on; offsets of the addresses in it. */
function network3({ kind, source, destination, cut }: Packet): { type: number; bytes: number[]; at: [number, number] } {
  const ipv4 = source.bits === 32;
  const [type, at]: [number, [number, number]] =
    kind === 'arp' && ipv4
      ? [0x0806, [14, 24]]
      : kind === 'rarp' && ipv4
        ? [0x8035, [14, 24]]
        : ipv4
          ? [0x0800, [12, 16]]
          : [0x86dd, [8, 24]];
  const bytes = new Array<number>(60).fill(0);
  if (type === 0x0800) bytes[0] = 0x45;
  if (type === 0x86dd) bytes[0] = 0x60;
  bytes.splice(at[0], source.bits / 8, ...bytesOf(source));
  bytes.splice(at[1], destination.bits / 8, ...bytesOf(destination));
  return { type, bytes: bytes.slice(0, cut), at };
}

function ethernet(packet: Packet): Uint8Array {
  const { type, bytes } = network3(packet);
  const tags = [0x88, 0xa8, 0, 5, 0x81, 0, 0, 6].slice(8 - 4 * packet.tags);
  return Uint8Array.of(2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, ...tags, type >> 8, type & 255, ...bytes);
}

function excluded(networks: readonly Network[], packet: Packet): boolean {
  const { at } = network3(packet);
  return [packet.source, packet.destination].some(
    ({ bits, value }, index) =>
      (at[index] ?? 0) + bits / 8 <= packet.cut &&
      networks.some((network) => {
        const host = BigInt(bits - network.prefix);
        return network.bits === bits && value >> host === network.first >> host;
      }),
  );
}

describe('the kernel runs the program', () => {
  const lists = (minLength: number, maxLength: number): fc.Arbitrary<[Network[], Packet[]]> =>
    fc
      .array(network, { minLength, maxLength, size: 'max' })
      .chain((networks) => fc.tuple(fc.constant(networks), packetsFor(networks)));

  test('as libpcap does, on whole packets without tags', () => {
    fc.assert(
      fc.property(lists(1, 6), ([networks, packets]) => {
        const ours = compile('v0', networks.map(text));
        const theirs = compile('v0', [], networks.map((each) => `not net ${text(each)}`).join(' and '));
        try {
          for (const packet of packets.filter(whole)) {
            expect(ours.passed(ethernet(packet))).toBe(theirs.passed(ethernet(packet)));
          }
        } finally {
          ours.close();
          theirs.close();
        }
      }),
      { numRuns: 60 },
    );
  });

  test.each([
    [1, 3],
    [10, 60],
    [150, 200],
  ])('as the model does, tagged and cut packets too, %i to %i networks', (least, most) => {
    fc.assert(
      fc.property(lists(least, most), ([networks, packets]) => {
        const filter = compile('v0', networks.map(text));
        try {
          for (const packet of packets) {
            const bytes = ethernet(packet);
            expect(filter.passed(bytes)).toBe(excluded(networks, packet) ? 0 : bytes.length);
          }
        } finally {
          filter.close();
        }
      }),
      { numRuns: most > 100 ? 15 : 60 },
    );
  });

  test('on raw IP', () => {
    fc.assert(
      fc.property(lists(1, 20), ([networks, packets]) => {
        const filter = compile('t0', networks.map(text));
        try {
          for (const packet of packets) {
            if (packet.kind !== 'ip' || packet.cut === 0) continue;
            expect(filter.passed(Uint8Array.from(network3(packet).bytes))).toBe(
              excluded(networks, packet) ? 0 : packet.cut,
            );
          }
        } finally {
          filter.close();
        }
      }),
      { numRuns: 40 },
    );
  });
});

const DOCUMENTATION: Network = { bits: 32, first: 0xc0000200n, prefix: 24 };

test('outside the kernel, when a long list does not fit: the verdicts of a short one that does', () => {
  const far = Array.from({ length: 1200 }, (_, n): Network => {
    const first = (BigInt((n * 40503) & 0xffff) << 16n) | BigInt((n * 7919) & 0xffff);
    return { bits: 128, first: ((0x2400n << 32n) | first) << 80n, prefix: 48 };
  });
  const property = fc.property(
    fc
      .array(network, { minLength: 1, maxLength: 20 })
      .map((networks) => networks.map((each) => (each.prefix < 20 ? DOCUMENTATION : each))) // which would cover the others
      .chain((each) => fc.tuple(fc.constant(each), packetsFor(each))),
    ([networks, packets]) => {
      const inside = compile('v0', networks.map(text));
      const options = { device: 'v0', snaplen: 96, linktype: undefined, expression: '' };
      const exclude = [...networks, ...far].map(text);
      const { userSpace } = namespace.run(() => compileFilter({ ...options, exclude }));
      if (userSpace?.exclusions === undefined) throw new Error('the kernel has taken them');
      const outside = compileOwnFilter(userSpace.exclusions);
      try {
        for (const packet of packets.filter((each) => !excluded(far, each))) {
          const bytes = ethernet(packet);
          const kept = outside(new DataView(bytes.buffer), 0, bytes.length, bytes.length);
          expect(kept).toBe(inside.passed(bytes) === 0 ? 0 : 1);
        }
      } finally {
        inside.close();
      }
    },
  );
  fc.assert(property, { numRuns: 15 });
});

/** Networks without order, of the lengths that such lists have. */
function thousand(): string[] {
  let state = 1;
  const random = (): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state >>> 8;
  };
  return Array.from({ length: 1000 }, (_, index) => {
    const address = (random() << 8) >>> 0;
    const prefix = [32, 32, 24, 24, 22, 20, 16, 28, 19, 12][index % 10] ?? 32;
    if (index % 20 === 7) return text({ bits: 128, first: BigInt(0x20010000 + (random() % 65536)) << 96n, prefix: 32 });
    const host = 32 - prefix;
    const first = host === 0 ? BigInt(address) : (BigInt(address) >> BigInt(host)) << BigInt(host);
    return text({ bits: 32, first, prefix });
  });
}

test.each(['v0', 't0', 'any'])('the kernel takes a thousand mixed networks on %s', (device) => {
  const options = { device, snaplen: 96, linktype: undefined, expression: 'not port 9999', exclude: thousand() };
  expect(namespace.run(() => compileFilter(options)).userSpace).toBeUndefined();
});

describe('reduced', () => {
  test.each([
    [['10.0.0.0/8', '10.1.0.0/16', '10.0.0.0/8'], ['10.0.0.0/8']],
    [['10.0.0.0/25', '10.0.0.128/25', '10.0.1.0/24'], ['10.0.0.0/23']],
    [
      ['10.0.1.0/24', '10.0.2.0/24'],
      ['10.0.1.0/24', '10.0.2.0/24'],
    ],
    [['128.0.0.0/1', '0.0.0.0/1'], ['0.0.0.0/0']],
    [['192.0.2.1', '192.0.2.0', '192.0.2.2/31'], ['192.0.2.0/30']],
  ])('%j to %j', (before, after) => {
    const networks = before.flatMap((each) => parseNetwork(each) ?? []);
    expect(reduceNetworks(networks).map(text)).toEqual(after);
  });
});

test.each([
  '10.0.0.1/8',
  '10.0.0.0/33',
  '::1%lo',
  '::ffff:1.2.3.4',
  'fd00::1/8',
  '10.0.0.0/08',
  '10',
  'fd00::/129',
  '',
])("'%s' is left to libpcap", (value) => expect(parseNetwork(value)).toBeUndefined());

test.each([
  ['0.0.0.0/0', '0.0.0.0/0'],
  ['255.255.255.255', '255.255.255.255/32'],
  ['::', '0:0:0:0:0:0:0:0/128'],
  ['fd00::/8', 'fd00:0:0:0:0:0:0:0/8'],
  ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8/128'],
  ['2001:db8::a:1', '2001:db8:0:0:0:0:a:1/128'],
])('%s is %s', (value, canonical) => {
  const network = parseNetwork(value);
  expect(network && text(network)).toBe(canonical);
});
