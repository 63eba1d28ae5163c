// Where the network header is in a cooked packet with VLAN tags, as the ring tells it: by kernels that give the protocol
// behind all tags, and by those before them, which give the first tag's. test/capture/exclude-outside.test.ts has the
// kernel of this machine.
import { expect, test } from 'vitest';
import { Excluder } from '../../../src/capture/ring/excluder.ts';
import { buildBlock } from './block-builder.ts';

const MAC = 96;
const HOST = 0;
const OUTGOING = 4;

function be16(...values: readonly number[]): number[] {
  return values.flatMap((value) => [value >> 8, value & 255]);
}

const IPV4 = [...be16(0x4500, 28, 0, 0, 0x4011, 0), ...new Array<number>(16).fill(10)];
const IPV4_OF_2048 = [...be16(0x4500, 2048, 0, 0, 0x4011, 0), ...new Array<number>(2036).fill(10)];
const IPV6 = [...be16(0x6000, 0x86dd, 8, 0x1140), ...new Array<number>(40).fill(10)];
const ARP = [...be16(1, 0x0800, 0x0604, 1), ...new Array<number>(20).fill(10)];
const VALID = 0x50;

test.each<
  [what: string, pkttype: number, protocol: number, vlan: boolean, bytes: number[], skipped: number, type: number]
>([
  ['no tag', HOST, 0x0800, false, IPV4, 0, 0x0800],
  ['no tag, and a length like an ethertype', HOST, 0x0800, false, IPV4_OF_2048, 0, 0x0800],
  ['a tag beside it', HOST, 0x0800, true, IPV4, 0, 0x0800],
  ['a tag beside it, and a length like an ethertype', HOST, 0x0800, true, IPV4_OF_2048, 0, 0x0800],
  ['a tag beside it, and a flow label like an ethertype', HOST, 0x86dd, true, IPV6, 0, 0x86dd],
  ['a tag beside it, ARP', HOST, 0x0806, true, ARP, 0, 0x0806],
  ['a second one in it', HOST, 0x0800, true, [...be16(7, 0x0800), ...IPV4], 4, 0x0800],
  ['the same before', HOST, 0x8100, true, [...be16(7, 0x0800), ...IPV4], 4, 0x0800],
  ['priority 2 of a second one', HOST, 0x0800, true, [...be16(0x4507, 0x0800), ...IPV4], 4, 0x0800],
  ['priority 3 of a second one', HOST, 0x86dd, true, [...be16(0x6007, 0x86dd), ...IPV6], 4, 0x86dd],
  ['sent, one in it', OUTGOING, 0x0806, true, [...be16(7, 0x0806), ...ARP], 4, 0x0806],
  ['sent, one in it, before', OUTGOING, 0x8100, false, [...be16(7, 0x0806), ...ARP], 4, 0x0806],
  ['sent, two in it', OUTGOING, 0x86dd, true, [...be16(7, 0x8100, 8, 0x86dd), ...IPV6], 8, 0x86dd],
  ['sent, two in it, before', OUTGOING, 0x88a8, false, [...be16(7, 0x8100, 8, 0x86dd), ...IPV6], 8, 0x86dd],
  ['sent from behind the tag', OUTGOING, 0x0800, true, IPV4, 0, 0x0800],
  ['sent from behind the tag, before', OUTGOING, 0x8100, false, IPV4, 0, 0x0800],
  [
    'sent from behind the tag, IPv6, before',
    OUTGOING,
    0x8100,
    false,
    [...be16(0x6000, 1, 8), ...IPV6.slice(6)],
    0,
    0x86dd,
  ],
  ['another protocol behind a tag', HOST, 0x8100, false, [...be16(7, 0x88cc), 2, 7, 4], 4, 0x88cc],
  ['a tag that is cut', HOST, 0x8100, false, be16(7), 0, 0x8100],
  ['three tags', HOST, 0x8100, false, [...be16(7, 0x8100, 8, 0x8100, 9, 0x0800), ...IPV4], 8, 0],
])('%s', (_, pkttype, protocol, vlan, bytes, skipped, type) => {
  const packet = {
    sec: 0,
    nsec: 0,
    bytes: Uint8Array.from(bytes),
    len: bytes.length,
    vlan: vlan ? { tci: 5, tpid: 0x8100, status: VALID } : { tci: 0, tpid: 0, status: 0 },
    address: { protocol, ifindex: 3, hatype: 1, pkttype, halen: 6, address: new Uint8Array(8) },
  };
  const { memory, offsets } = buildBlock([packet], MAC);
  const [at = 0] = offsets;
  let seen: unknown;
  const excluder = new Excluder((_view, start, caplen, len, metadata) => {
    seen = { skipped: start - at - MAC, caplen, len, ...metadata };
    return 0;
  }, 276);
  expect(excluder.excludes(new DataView(memory), at)).toBe(true);
  const rest = bytes.length - skipped;
  expect(seen).toMatchObject({ skipped, caplen: rest, len: rest, protocol: type, pkttype, ifindex: 3, hatype: 1 });
});
