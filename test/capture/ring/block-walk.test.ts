import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Block } from '../../../src/capture/ring/block.ts';
import { BlockWalk, type RecordFormat } from '../../../src/capture/ring/block-walk.ts';
import { allocate, plainMemory, type RingMemory } from '../../../src/capture/ring/ring-memory.ts';
import { FormatError } from '../../../src/errors.ts';
import { tpacket_block_desc, tpacket3_hdr } from '../../../src/native/if_packet.ts';
import { BLOCK_SIZE, type BuiltPacket, buildBlock } from './block-builder.ts';

const ETHERNET: RecordFormat = { linktype: 1, snaplen: 96, precision: 'micro' };
const SLL: RecordFormat = { linktype: 113, snaplen: 96, precision: 'micro' };
const SLL2: RecordFormat = { linktype: 276, snaplen: 96, precision: 'nano' };
const NEVER = Number.POSITIVE_INFINITY;
const ANY_NUMBER = { startSec: 0, endSec: NEVER, records: NEVER, bytes: NEVER };
const MAC = 82;

const ring = allocate(2 * BLOCK_SIZE);

/** The bytes of a built block where those of a ring would be; the next call is for others. */
function inRing(block: ArrayBuffer): RingMemory {
  if (ring === undefined) throw new Error('WebAssembly is not to be had');
  new Uint8Array(ring.buffer).set(new Uint8Array(block));
  return ring;
}

function walk(memory: ArrayBuffer, format: RecordFormat, limits = ANY_NUMBER): BlockWalk {
  const blockWalk = new BlockWalk(format);
  blockWalk.begin(new Block(inRing(memory), BLOCK_SIZE, 0));
  blockWalk.compact(limits);
  return blockWalk;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** A record as text: sec, fraction, caplen, len as the 32-bit little-endian words they are, then the bytes. */
function record(sec: number, fraction: number, len: number, bytes: string): string {
  const header = Buffer.alloc(16);
  header.writeUInt32LE(sec, 0);
  header.writeUInt32LE(fraction, 4);
  header.writeUInt32LE(bytes.length / 2, 8);
  header.writeUInt32LE(len, 12);
  return header.toString('hex') + bytes;
}

const ADDRESSES = '010203040506a1a2a3a4a5a6';
const ETHERNET_BYTES = Buffer.from(`${ADDRESSES}0800${'45'.repeat(20)}`, 'hex');

test('an Ethernet packet becomes its record, cut to the snaplen', () => {
  const { memory } = buildBlock([{ sec: 7, nsec: 123_456_789, bytes: ETHERNET_BYTES, len: 1514 }], MAC);
  expect(hex(walk(memory, ETHERNET).bytes)).toBe(record(7, 123_456, 1514, hex(ETHERNET_BYTES)));
  const again = buildBlock([{ sec: 7, nsec: 123_456_789, bytes: ETHERNET_BYTES, len: 1514 }], MAC);
  const short = walk(again.memory, { ...ETHERNET, snaplen: 20, precision: 'nano' });
  expect(hex(short.bytes)).toBe(record(7, 123_456_789, 1514, hex(ETHERNET_BYTES).slice(0, 40)));
});

test.each([
  ['TPID as the kernel says', { tci: 0x2064, tpid: 0x88a8, status: 0x50 }, '88a82064'],
  ['TPID missing on an old kernel', { tci: 0x0064, tpid: 0, status: 0x10 }, '81000064'],
  ['priority tag 0 is a tag all the same', { tci: 0, tpid: 0x8100, status: 0x50 }, '81000000'],
])('a VLAN tag goes back behind the addresses: %s', (_, vlan, tag) => {
  const { memory } = buildBlock([{ sec: 1, nsec: 2000, bytes: ETHERNET_BYTES, len: 100, vlan }], MAC);
  const expected = `${ADDRESSES}${tag}0800${'45'.repeat(20)}`;
  expect(hex(walk(memory, ETHERNET).bytes)).toBe(record(1, 2, 104, expected));
});

test('a VLAN tag does not make a record longer than the snaplen, however short that is', () => {
  for (let snaplen = 1; snaplen <= 40; snaplen++) {
    const vlan = { tci: 5, tpid: 0x8100, status: 0x50 };
    const bytes = ETHERNET_BYTES.subarray(0, Math.min(snaplen, ETHERNET_BYTES.length));
    const packet = { sec: 1, nsec: 0, bytes, len: 34, vlan };
    const { memory } = buildBlock([packet, packet], MAC);
    const tagged = snaplen >= 12;
    const whole = tagged ? `${ADDRESSES}81000005${hex(bytes).slice(24)}` : hex(bytes);
    const one = record(1, 0, tagged ? 38 : 34, whole.slice(0, snaplen * 2));
    expect(hex(walk(memory, { ...ETHERNET, snaplen }).bytes)).toBe(one + one);
  }
});

const COOKED: BuiltPacket = {
  sec: 9,
  nsec: 5,
  bytes: Buffer.from('45000001', 'hex'),
  len: 60,
  address: {
    protocol: 0x0800,
    ifindex: 258,
    hatype: 1,
    pkttype: 4,
    halen: 6,
    address: Buffer.from('a1a2a3a4a5a6dead', 'hex'),
  },
};

test('cooked records carry the link header in network order, zeros behind a short address', () => {
  const sll2 = `0800000000000102${'0001'}0406a1a2a3a4a5a60000`;
  expect(hex(walk(buildBlock([COOKED], 96).memory, SLL2).bytes)).toBe(record(9, 5, 80, `${sll2}45000001`));
  const sll = `0004${'0001'}0006a1a2a3a4a5a600000800`;
  expect(hex(walk(buildBlock([COOKED], 96).memory, SLL).bytes)).toBe(record(9, 0, 76, `${sll}45000001`));
});

test.each([
  [0, '0000000000000000'],
  [3, 'a1a2a30000000000'],
  [4, 'a1a2a3a400000000'],
  [7, 'a1a2a3a4a5a6de00'],
  [8, 'a1a2a3a4a5a6dead'],
  [20, 'a1a2a3a4a5a6dead'],
])('a link address of %i bytes', (halen, expected) => {
  const address = { ...(COOKED.address as NonNullable<BuiltPacket['address']>), halen };
  const bytes = walk(buildBlock([{ ...COOKED, address }], 96).memory, SLL2).bytes;
  expect(hex(bytes.subarray(16 + 12, 16 + 20))).toBe(expected);
});

test('on SLL a VLAN tag goes before the protocol, on SLL2 it is left off', () => {
  const packet = { ...COOKED, vlan: { tci: 7, tpid: 0x8100, status: 0x50 } };
  const sll = `0004${'0001'}0006a1a2a3a4a5a60000${'81000007'}0800`;
  expect(hex(walk(buildBlock([packet], 96).memory, SLL).bytes)).toBe(record(9, 0, 80, `${sll}45000001`));
  expect(walk(buildBlock([packet], 96).memory, SLL2).bytes.length).toBe(16 + 20 + 4);
});

const packet = fc.record({
  sec: fc.nat(0xffffffff),
  nsec: fc.nat(999_999_999),
  bytes: fc.uint8Array({ minLength: 0, maxLength: 120 }),
  extra: fc.nat(2000),
});

test('property: build a block, walk it, get the packets back', () => {
  const property = fc.property(
    fc.array(packet, { minLength: 1, maxLength: 200 }),
    fc.constantFrom(68, 82, 96),
    (made, mac) => {
      const packets = made.map(({ extra, ...rest }) => ({ ...rest, len: rest.bytes.length + extra }));
      const { memory } = buildBlock(packets, mac);
      const result = walk(memory, { ...ETHERNET, precision: 'nano', snaplen: 100 });
      const expected = packets.map((p) => record(p.sec, p.nsec, p.len, hex(p.bytes.subarray(0, 100))));
      expect(hex(result.bytes)).toBe(expected.join(''));
      expect(result.records).toBe(packets.length);
      expect(result.left).toBe(0);
    },
  );
  fc.assert(property, { numRuns: 300 });
});

test('property: limits cut between records and lose none', () => {
  const property = fc.property(
    fc.array(fc.nat(9), { minLength: 1, maxLength: 100 }),
    fc.integer({ min: 1, max: 7 }),
    (steps, most) => {
      let sec = 100;
      const packets = steps.map((step, index) => {
        sec += step === 9 ? 1 : 0;
        return { sec, nsec: index, bytes: Uint8Array.of(index), len: 1 };
      });
      const { memory } = buildBlock(packets, MAC);
      const blockWalk = new BlockWalk({ ...ETHERNET, precision: 'nano' });
      blockWalk.begin(new Block(inRing(memory), BLOCK_SIZE, 0));
      let all = '';
      while (blockWalk.left > 0) {
        const endSec = blockWalk.nextSec + 1;
        blockWalk.compact({ ...ANY_NUMBER, startSec: endSec - 1, endSec, records: most });
        expect(blockWalk.records).toBeGreaterThan(0);
        expect(blockWalk.records).toBeLessThanOrEqual(most);
        expect(blockWalk.late).toBe(0);
        expect([blockWalk.firstSec, blockWalk.lastSec]).toEqual([endSec - 1, endSec - 1]);
        all += hex(blockWalk.bytes);
      }
      expect(all).toBe(packets.map((p) => record(p.sec, p.nsec, 1, hex(p.bytes))).join(''));
    },
  );
  fc.assert(property, { numRuns: 300 });
});

test('property: as many records as have room in so many bytes, and not one less', () => {
  const packets = fc.array(fc.nat(120), { minLength: 1, maxLength: 60 });
  const property = fc.property(packets, fc.integer({ min: 0, max: 400 }), (lengths, room) => {
    const made = lengths.map((length, sec) => ({ sec, nsec: 0, bytes: new Uint8Array(length).fill(sec), len: length }));
    const { memory } = buildBlock(made, MAC);
    const blockWalk = new BlockWalk(ETHERNET);
    blockWalk.begin(new Block(inRing(memory), BLOCK_SIZE, 0));
    const whole = made.map(({ sec, len, bytes }) => record(sec, 0, len, hex(bytes.subarray(0, 96))));
    let at = 0;
    while (blockWalk.left > 0) {
      const bytes = Math.max(room, 16 + 96); // a file always has room for one
      blockWalk.compact({ ...ANY_NUMBER, bytes });
      const { records } = blockWalk;
      expect(records).toBeGreaterThan(0);
      expect(blockWalk.bytes.length).toBeLessThanOrEqual(bytes);
      expect(hex(blockWalk.bytes)).toBe(whole.slice(at, at + records).join(''));
      at += records;
      const next = whole[at];
      if (next !== undefined) expect(blockWalk.bytes.length + next.length / 2).toBeGreaterThan(bytes);
    }
    expect(at).toBe(whole.length);
  });
  fc.assert(property, { numRuns: 300 });
});

test.each([
  ['no room', { bytes: 0 }],
  ['less than no room', { bytes: -7 }],
  ['room for all but the last byte of a record', { bytes: 16 + 34 - 1 }],
  ['no record', { records: 0 }],
  ['the file before', { endSec: 10 }],
  ['a file that begins later', { startSec: 12 }],
])('%s: none is taken, and the next walk finds it as it was', (_, limits) => {
  const packets = [10, 11].map((sec) => ({ sec, nsec: 0, bytes: ETHERNET_BYTES, len: 34 }));
  const { memory } = buildBlock(packets, MAC);
  const blockWalk = new BlockWalk(ETHERNET);
  blockWalk.begin(new Block(inRing(memory), BLOCK_SIZE, 0));
  blockWalk.compact({ ...ANY_NUMBER, ...limits });
  expect([blockWalk.records, blockWalk.left, blockWalk.bytes.length, blockWalk.nextSec]).toEqual([0, 2, 0, 10]);
  blockWalk.compact(ANY_NUMBER);
  expect(hex(blockWalk.bytes)).toBe([10, 11].map((sec) => record(sec, 0, 34, hex(ETHERNET_BYTES))).join(''));
});

test.each([
  ['10 ms', 9999, 990_000_000, true],
  ['a nanosecond more', 9999, 989_999_999, false],
  ['a nanosecond', 9999, 999_999_999, true],
  ['a second', 9999, 0, false],
  ['more than a second, late in it', 9998, 999_999_999, false],
  ['hours', 10_000 - 7200, 995_000_000, false],
])('a record older than the interval by %s', (_, sec, nsec, taken) => {
  const packets = [
    { sec: 10_000, nsec: 0 },
    { sec, nsec },
    { sec: 10_000, nsec: 1 },
  ].map((time) => ({ ...time, bytes: ETHERNET_BYTES, len: 34 }));
  const { memory } = buildBlock(packets, MAC);
  const result = walk(memory, ETHERNET, { ...ANY_NUMBER, startSec: 10_000, endSec: 10_001 });
  expect([result.records, result.late, result.left]).toEqual(taken ? [3, 1, 0] : [1, 0, 2]);
  if (!taken) expect(result.nextSec).toBe(sec);
});

test.each([
  [
    'block length beyond the block',
    (view: DataView) => view.setUint32(tpacket_block_desc.blk_len, BLOCK_SIZE + 1, true),
  ],
  ['block length below the descriptor', (view: DataView) => view.setUint32(tpacket_block_desc.blk_len, 47, true)],
  [
    'first packet outside',
    (view: DataView) => view.setUint32(tpacket_block_desc.offset_to_first_pkt, BLOCK_SIZE, true),
  ],
  ['first packet unaligned', (view: DataView) => view.setUint32(tpacket_block_desc.offset_to_first_pkt, 52, true)],
  ['more packets than there are', (view: DataView) => view.setUint32(tpacket_block_desc.num_pkts, 4, true)],
  [
    'next offset 0 before the last',
    (view: DataView, at: number) => view.setUint32(at + tpacket3_hdr.tp_next_offset, 0, true),
  ],
  [
    'next offset into the packet',
    (view: DataView, at: number) => view.setUint32(at + tpacket3_hdr.tp_next_offset, 88, true),
  ],
  [
    'next offset unaligned',
    (view: DataView, at: number) => view.setUint32(at + tpacket3_hdr.tp_next_offset, 131, true),
  ],
  [
    'next offset huge',
    (view: DataView, at: number) => view.setUint32(at + tpacket3_hdr.tp_next_offset, 0xfffffff8, true),
  ],
  [
    'kept bytes beyond the block',
    (view: DataView, at: number) => view.setUint32(at + tpacket3_hdr.tp_snaplen, 0xffffffff, true),
  ],
  [
    'data before the end of the headers',
    (view: DataView, at: number) => view.setUint16(at + tpacket3_hdr.tp_mac, 67, true),
  ],
  ['data beyond the block', (view: DataView, at: number) => view.setUint16(at + tpacket3_hdr.tp_mac, 0xffff, true)],
])('a corrupt block ends in a FormatError: %s', (_, damage) => {
  const packets = [1, 2, 3].map((sec) => ({ sec, nsec: 0, bytes: ETHERNET_BYTES, len: 34 }));
  const { memory, offsets } = buildBlock(packets, MAC);
  damage(new DataView(memory), offsets[1] ?? 0);
  expect(() => walk(memory, ETHERNET)).toThrow(FormatError);
});

test('property: whatever bytes a block holds, the walk ends, within the block, or throws a FormatError', () => {
  const word = fc.record({
    at: fc.nat(700),
    value: fc.oneof(fc.nat(200), fc.nat(0xffffffff), fc.constant(0xffffffff)),
  });
  const format = fc.constantFrom(ETHERNET, SLL, SLL2);
  let threw = 0;
  let ended = 0;
  const property = fc.property(fc.array(word, { minLength: 1, maxLength: 12 }), format, (words, chosen) => {
    const packets = [1, 2, 3, 4].map((sec) => ({ ...COOKED, sec, vlan: { tci: 1, tpid: 0, status: 0x10 } }));
    const { memory } = buildBlock(packets, 96);
    const guarded = new Uint8Array(memory.byteLength + 512).fill(0xee);
    guarded.set(new Uint8Array(memory), 0);
    const view = new DataView(guarded.buffer);
    for (const { at, value } of words) view.setUint32(at & ~3, value, true);
    try {
      const result = walk(guarded.buffer, chosen);
      expect(result.bytes.byteOffset + result.bytes.length).toBeLessThanOrEqual(BLOCK_SIZE);
      ended++;
    } catch (error) {
      expect(error).toBeInstanceOf(FormatError);
      threw++;
    }
    const beyond = Buffer.from(ring?.buffer ?? new ArrayBuffer(0), BLOCK_SIZE, 512);
    expect(beyond.every((byte) => byte === 0xee)).toBe(true);
  });
  fc.assert(property, { numRuns: 2000 });
  expect(Math.min(threw, ended)).toBeGreaterThan(100);
});

test('property: a block comes to the same with the compiled walk and without it', () => {
  const vlan = fc.record({
    tci: fc.nat(4095),
    tpid: fc.constantFrom(0, 0x8100, 0x88a8),
    status: fc.constantFrom(0, 0x10, 0x50),
  });
  const address = fc.record({
    protocol: fc.nat(0xffff),
    ifindex: fc.nat(0xffffffff).map((word) => word | 0),
    hatype: fc.nat(0xffff),
    pkttype: fc.nat(7),
    halen: fc.nat(20),
    address: fc.uint8Array({ minLength: 8, maxLength: 8 }),
  });
  const some = fc.record({
    sec: fc.oneof({ weight: 40, arbitrary: fc.constant(100) }, fc.constantFrom(98, 99, 101, 2 ** 32 - 1)),
    nsec: fc.nat(999_999_999),
    bytes: fc.oneof(
      { weight: 20, arbitrary: fc.uint8Array({ minLength: 16, maxLength: 200 }) },
      fc.uint8Array({ maxLength: 16 }),
    ),
    len: fc.nat(0xffffffff),
    vlan: fc.oneof({ weight: 20, arbitrary: fc.constant(undefined) }, vlan),
    address: fc.option(address, { nil: undefined }),
  });
  const damage = fc.record({
    packet: fc.nat(50),
    word: fc.nat(9),
    value: fc.oneof(fc.nat(300), fc.nat(4000), fc.nat(0xffffffff)),
  });
  const limits = fc.record({
    startSec: fc.constantFrom(0, 99, 100),
    endSec: fc.constantFrom(100, 101, NEVER),
    records: fc.constantFrom(NEVER, NEVER, 0, 1, 40),
    bytes: fc.constantFrom(NEVER, NEVER, 0, 112, 3000, 4001),
  });
  const format = fc.record({
    linktype: fc.constantFrom(1, 101, 113, 276),
    snaplen: fc.constantFrom(0, 20, 96, 262144),
    precision: fc.constantFrom('micro' as const, 'nano' as const),
  });
  let compiled = 0;
  const property = fc.property(
    fc.array(some, { minLength: 1, maxLength: 60, size: 'max' }),
    fc.constantFrom(68, 82, 96),
    fc.array(damage, { maxLength: 2 }),
    limits,
    format,
    (packets, mac, damages, given, chosen) => {
      const { memory, offsets } = buildBlock(packets, mac);
      const view = new DataView(memory);
      for (const { packet: index, word, value } of damages) {
        const at = offsets[index];
        if (at !== undefined) view.setUint32(at + word * 4, value, true);
      }
      const [ours, theirs] = [inRing(memory), plainMemory(memory.slice(0))].map((each) => spans(each, chosen, given));
      expect(ours).toEqual(theirs);
      compiled += ours?.length ?? 0;
    },
  );
  fc.assert(property, { numRuns: 2000 });
  expect(compiled).toBeGreaterThan(2000);
});

/** All that a block comes to as text: each span, and how it ends. Where the limits let nothing through, others are tried. */
function spans(memory: RingMemory, format: RecordFormat, limits: typeof ANY_NUMBER): string[] {
  const blockWalk = new BlockWalk(format);
  const said: string[] = [];
  try {
    blockWalk.begin(new Block(memory, BLOCK_SIZE, 0));
    for (let others = false; blockWalk.left > 0; others = blockWalk.records === 0) {
      blockWalk.compact(others ? { ...ANY_NUMBER, records: 2 } : limits);
      const { records, late, left, firstSec, firstNsec, lastSec, lastNsec, bytes } = blockWalk;
      const times = records === 0 ? [] : [firstSec, firstNsec, lastSec, lastNsec];
      said.push([records, late, left, ...times, hex(bytes)].join(' '));
    }
  } catch (error) {
    said.push(String(error));
  }
  return said;
}
