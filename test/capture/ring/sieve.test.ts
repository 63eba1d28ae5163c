// The sieve over built blocks: what the walk finds behind it is what the filter keeps, and a damaged block ends in an error.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Block } from '../../../src/capture/ring/block.ts';
import { BlockWalk } from '../../../src/capture/ring/block-walk.ts';
import { plainMemory } from '../../../src/capture/ring/ring-memory.ts';
import { Sieve } from '../../../src/capture/ring/sieve.ts';
import { FormatError } from '../../../src/errors.ts';
import type { PacketFilter } from '../../../src/filter/packet-filter.ts';
import { tpacket_block_desc, tpacket3_hdr } from '../../../src/native/if_packet.ts';
import { BLOCK_SIZE, type BuiltPacket, buildBlock } from './block-builder.ts';

const NEVER = Number.POSITIVE_INFINITY;
const NO_LIMITS = { startSec: 0, endSec: NEVER, records: NEVER, bytes: NEVER };

function sieveOf(expression: PacketFilter, linktype: number): Sieve {
  return new Sieve({ expression, exclusions: undefined }, linktype);
}

function walked(memory: ArrayBuffer, linktype: number, sieve?: Sieve): { records: number; bytes: string } {
  const block = new Block(plainMemory(memory), BLOCK_SIZE, 0);
  sieve?.apply(block);
  const walk = new BlockWalk({ linktype, snaplen: 100, precision: 'nano' });
  walk.begin(block);
  walk.compact(NO_LIMITS);
  expect(walk.left).toBe(0);
  return { records: walk.records, bytes: Buffer.from(walk.bytes).toString('hex') };
}

const packet = fc.record({
  sec: fc.nat(0xffffffff),
  nsec: fc.nat(999_999_999),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 120 }),
  len: fc.nat(2000),
  keep: fc.boolean(),
});

test('property: the records are those of a block that never had the others', () => {
  const property = fc.property(fc.array(packet, { minLength: 1, maxLength: 100 }), (packets) => {
    const built = packets.map((each) => ({ ...each, bytes: Uint8Array.of(Number(each.keep), ...each.bytes) }));
    const sieve = sieveOf((view, at) => view.getUint8(at), 1);
    const found = walked(buildBlock(built, 82).memory, 1, sieve);
    const kept = built.filter(({ keep }) => keep);
    const expected = kept.length === 0 ? { records: 0, bytes: '' } : walked(buildBlock(kept, 82).memory, 1);
    expect(found).toEqual(expected);
    expect(sieve.filtered).toBe(packets.length - kept.length);
  });
  fc.assert(property, { numRuns: 500 });
});

const COOKED: BuiltPacket = {
  sec: 9,
  nsec: 5,
  bytes: Buffer.from('45000001', 'hex'),
  len: 60,
  vlan: { tci: 0x4007, tpid: 0x8100, status: 0x50 },
  address: {
    protocol: 0x0800,
    ifindex: 258,
    hatype: 1,
    pkttype: 4,
    halen: 6,
    address: Buffer.from('a1a2a3a4a5a6dead', 'hex'),
  },
};

test.each([
  ['SLL2', 276, `0800000000000102${'0001'}0406a1a2a3a4a5a60000`],
  ['SLL', 113, `0004${'0001'}0006a1a2a3a4a5a600000800`],
  ['raw', 101, ''],
])('the filter sees what libpcap would show it: %s', (_, linktype, header) => {
  let calls = 0;
  const sieve = sieveOf((view, at, caplen, len, metadata) => {
    calls++;
    const bytes = Buffer.from(view.buffer, view.byteOffset + at, caplen).toString('hex');
    expect([bytes, len]).toEqual([`${header}45000001`, 60]);
    expect(metadata).toMatchObject({ vlanTag: 0x4007, vlanTagPresent: 1 });
    return 1;
  }, linktype);
  const { memory } = buildBlock([COOKED, COOKED], 96);
  const unfiltered = walked(memory.slice(0), linktype);
  expect(walked(memory, linktype, sieve)).toEqual(unfiltered);
  expect(calls).toBe(2);
});

test.each([
  ['no tag', { tci: 0, tpid: 0, status: 0 }, 0, 0],
  ['a tag on an old kernel', { tci: 5, tpid: 0, status: 0 }, 5, 1],
  ['priority tag 0', { tci: 0, tpid: 0x8100, status: 0x50 }, 0, 1],
])('VLAN tags beside the packet: %s', (_, vlan, vlanTag, vlanTagPresent) => {
  const seen: unknown[] = [];
  const sieve = sieveOf((_view, _at, _caplen, _len, metadata) => seen.push({ ...metadata }), 1);
  walked(buildBlock([{ ...COOKED, vlan }], 82).memory, 1, sieve);
  expect(seen).toMatchObject([{ vlanTag, vlanTagPresent }]);
});

test.each([
  ['unaligned', (view: DataView, at: number) => view.setUint32(at + tpacket3_hdr.tp_next_offset, 131, true)],
  [
    'a few bytes before the end of the block',
    (view: DataView, at: number) => {
      view.setUint32(tpacket_block_desc.blk_len, BLOCK_SIZE, true);
      view.setUint32(at + tpacket3_hdr.tp_next_offset, BLOCK_SIZE - 8 - at, true);
    },
  ],
])('a next packet that is %s ends in a FormatError', (_, damage) => {
  const { memory, offsets } = buildBlock([COOKED, COOKED], 96);
  damage(new DataView(memory), offsets[0] ?? 0);
  expect(() => sieveOf(() => 1, 1).apply(new Block(plainMemory(memory), BLOCK_SIZE, 0))).toThrow(FormatError);
});

test('property: whatever bytes a block holds, the sieve ends, within the block, or throws a FormatError', () => {
  const word = fc.record({
    at: fc.nat(700),
    value: fc.oneof(fc.nat(200), fc.nat(0xffffffff), fc.constant(0xffffffff)),
  });
  let [threw, ended] = [0, 0];
  const property = fc.property(
    fc.array(word, { minLength: 1, maxLength: 12 }),
    fc.constantFrom(1, 113, 276),
    (words, linktype) => {
      const { memory } = buildBlock([COOKED, COOKED, COOKED, COOKED], 96);
      const guarded = new Uint8Array(memory.byteLength + 512).fill(0xee);
      guarded.set(new Uint8Array(memory), 0);
      const view = new DataView(guarded.buffer);
      for (const { at, value } of words) view.setUint32(at & ~3, value, true);
      const filter = (_: DataView, at: number, caplen: number): number => {
        expect(at).toBeGreaterThanOrEqual(48 + 68);
        expect(at + caplen).toBeLessThanOrEqual(BLOCK_SIZE);
        return caplen % 2;
      };
      try {
        sieveOf(filter, linktype).apply(new Block(plainMemory(guarded.buffer), BLOCK_SIZE, 0));
        ended++;
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError);
        threw++;
      }
      expect(guarded.subarray(memory.byteLength).every((byte) => byte === 0xee)).toBe(true);
    },
  );
  fc.assert(property, { numRuns: 2000 });
  expect(Math.min(threw, ended)).toBeGreaterThan(100);
});
