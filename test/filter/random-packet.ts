// Packets of all shapes that the programs of our own tell apart, whole, broken and cut anywhere. Used by the property tests
// of filter/ and, the well-formed ones, by what asks tshark.
import fc from 'fast-check';
import type { Link } from './packet-model.ts';

const be16 = (value: number): number[] => [(value >> 8) & 255, value & 255];
const be32 = (value: number): number[] => [...be16(value >>> 16), ...be16(value)];

const bytes = (minLength: number, maxLength = minLength): fc.Arbitrary<number[]> =>
  fc.array(fc.integer({ min: 0, max: 255 }), { minLength, maxLength, size: 'max' });
const port = fc.constantFrom(53, 53, 443, 1024, 40000);

const tls = fc
  .tuple(
    fc.constantFrom(22, 22, 22, 23),
    fc.constantFrom(3, 3, 2),
    fc.integer({ min: 0, max: 5 }),
    fc.constantFrom(1, 2, 11, 4),
  )
  .map(([type, major, minor, handshake]) => [
    type,
    major,
    minor,
    2,
    0,
    handshake,
    0,
    1,
    252,
    ...new Array<number>(60).fill(7),
  ]);
const quic = fc
  .tuple(fc.constantFrom(0xc0, 0xc3, 0xd1, 0xe0, 0x40), fc.constantFrom(1, 0x6b3343cf, 2))
  .map(([first, version]) => [first, ...be32(version), ...new Array<number>(60).fill(8)]);
const payload = fc.oneof(bytes(0, 40), tls, quic);

interface Shape {
  /** Header lengths that no sender would write, protocols with too little behind them. */
  readonly broken: boolean;
}

const tcp = ({ broken }: Shape): fc.Arbitrary<number[]> =>
  fc
    .tuple(port, port, fc.integer({ min: broken ? 0 : 5, max: 15 }), payload)
    .map(([source, destination, words, data]) => [
      ...be16(source),
      ...be16(destination),
      ...be32(1),
      ...be32(0),
      words << 4,
      0x18,
      ...be16(1000),
      ...be16(0),
      ...be16(0),
      ...new Array<number>(Math.max(0, words - 5) * 4).fill(1),
      ...data,
    ]);
const udp = fc
  .tuple(port, port, payload)
  .map(([source, destination, data]) => [
    ...be16(source),
    ...be16(destination),
    ...be16(8 + data.length),
    0,
    0,
    ...data,
  ]);
const echo = (type: number): fc.Arbitrary<number[]> => bytes(4, 40).map((data) => [type, 0, 0, 0, 0, 1, 0, 1, ...data]);

/** Protocol number and what is behind it. */
type Transport = readonly [number, number[]];

const transport = (shape: Shape, icmp: number, type: number): fc.Arbitrary<Transport> =>
  fc.oneof(
    tcp(shape).map((data): Transport => [6, data]),
    udp.map((data): Transport => [17, data]),
    echo(type).map((data): Transport => [icmp, data]),
    ...(shape.broken
      ? [
          fc.tuple(fc.constantFrom(132, 136, 47, 50, 4, 41, 59, 255), bytes(0, 40)),
          fc.tuple(fc.constantFrom(6, 17, 1, 58), bytes(0, 40)),
        ]
      : []),
  );

const address = (size: number): fc.Arbitrary<number[]> =>
  fc.array(fc.integer({ min: 1, max: 3 }), { minLength: size, maxLength: size });

const ipv4 = (shape: Shape): fc.Arbitrary<number[]> =>
  fc
    .record({
      words: fc.integer({ min: shape.broken ? 0 : 5, max: 15 }),
      fragment: fc.constantFrom(0, 0, 0, 0x4000, 0x2000, 0x2010, 0x0010),
      source: address(4),
      destination: address(4),
      transport: transport(shape, 1, 8),
      version: shape.broken ? fc.constantFrom(4, 4, 4, 6, 5) : fc.constant(4),
    })
    .map(({ words, fragment, source, destination, transport: [protocol, data], version }) => {
      const options = new Array<number>(Math.max(0, words - 5) * 4).fill(1);
      const length = be16(20 + options.length + data.length);
      const start = [(version << 4) | words, 0, ...length, 0, 9, ...be16(fragment), 64, protocol, 0, 0];
      return [...start, ...source, ...destination, ...options, ...data];
    });

interface Extension {
  readonly number: number;
  readonly units: number;
  readonly fragment: number;
}

const extension: fc.Arbitrary<Extension> = fc.record({
  number: fc.constantFrom(0, 43, 60, 44, 51, 135),
  units: fc.integer({ min: 0, max: 3 }),
  fragment: fc.constantFrom(0, 1, 8, 9),
});

/** Of the header that `next` follows. */
function extensionBytes({ number, units, fragment }: Extension, next: number): number[] {
  if (number === 44) return [next, 0, ...be16(fragment), 0, 0, 0, 7];
  const length = number === 51 ? units * 4 + 8 : units * 8 + 8;
  // PadN, so that options make sense
  return [next, units, 1, length - 4, ...new Array<number>(length - 4).fill(0)];
}

const ipv6 = (shape: Shape): fc.Arbitrary<number[]> =>
  fc
    .record({
      extensions: fc.oneof(fc.constant<Extension[]>([]), fc.array(extension, { maxLength: 5 })),
      source: address(16),
      destination: address(16),
      transport: transport(shape, 58, 128),
      version: shape.broken ? fc.constantFrom(6, 6, 6, 4) : fc.constant(6),
    })
    .map(({ extensions, source, destination, transport: [protocol, data], version }) => {
      const nexts = [...extensions.map(({ number }) => number), protocol];
      const headers = extensions.flatMap((each, index) => extensionBytes(each, nexts[index + 1] ?? 59));
      const length = be16(headers.length + data.length);
      return [version << 4, 0, 0, 0, ...length, nexts[0] ?? 59, 64, ...source, ...destination, ...headers, ...data];
    });

const arp = fc.tuple(address(4), address(4)).map(([sender, target]) => {
  return [
    0,
    1,
    8,
    0,
    6,
    4,
    0,
    1,
    2,
    0,
    0,
    0,
    0,
    2,
    ...sender,
    0,
    0,
    0,
    0,
    0,
    0,
    ...target,
    ...new Array<number>(18).fill(0),
  ];
});

/** Ethertype and what is behind it. */
const network = (shape: Shape): fc.Arbitrary<readonly [number, number[]]> =>
  fc.oneof(
    { weight: 4, arbitrary: ipv4(shape).map((data) => [0x0800, data] as const) },
    { weight: 4, arbitrary: ipv6(shape).map((data) => [0x86dd, data] as const) },
    { weight: 1, arbitrary: arp.map((data) => [0x0806, data] as const) },
    ...(shape.broken
      ? [{ weight: 1, arbitrary: fc.tuple(fc.constantFrom(0x8035, 0x88cc, 0x8847, 100, 0x8100, 0x88a8), bytes(0, 60)) }]
      : []),
  );

const tags = fc.array(fc.constantFrom(0x8100, 0x88a8, 0x9100), { maxLength: 2 });
const ADDRESSES = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];

/** On Ethernet, as a sender would make them. */
export const wellFormed: fc.Arbitrary<Uint8Array> = fc
  .tuple(fc.array(fc.constant(0x8100), { maxLength: 1 }), network({ broken: false }))
  .map(([before, [type, data]]) =>
    Uint8Array.from([...ADDRESSES, ...before.flatMap((tag) => be32(((tag << 16) >>> 0) | 5)), ...be16(type), ...data]),
  );

/** Never empty. */
export function anyPacket(link: Link): fc.Arbitrary<Uint8Array> {
  return fc
    .tuple(
      tags,
      network({ broken: true }),
      fc.oneof({ weight: 2, arbitrary: fc.constant(400) }, fc.integer({ min: 1, max: 200 })),
    )
    .map(([before, [type, data], cut]) => {
      const header = [...ADDRESSES, ...before.flatMap((tag) => [...be16(tag), 0, 5]), ...be16(type)];
      const whole = link === 'raw' ? [...data, ...(data.length === 0 ? [0] : [])] : [...header, ...data];
      return Uint8Array.from(whole.slice(0, cut));
    });
}
