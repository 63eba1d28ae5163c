// The copy compiled for a ring's memory, against JavaScript's own over the same bytes.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { allocate, plainMemory, type RingMemory } from '../../../src/capture/ring/ring-memory.ts';

const LENGTH = 2 * 65536;
const compiled = allocate(LENGTH);

function fill({ buffer }: RingMemory): Buffer {
  const bytes = Buffer.from(buffer);
  for (let at = 0; at < bytes.length; at++) bytes[at] = (at * 31) ^ (at >>> 8);
  return bytes;
}

test('property: it moves what copyWithin moves, and nothing else', () => {
  if (compiled === undefined) throw new Error('WebAssembly is not to be had');
  const plain = plainMemory(new ArrayBuffer(LENGTH));
  const property = fc.property(
    fc.nat(3000),
    fc.integer({ min: 16, max: 300 }),
    fc.oneof(fc.nat(140), fc.nat(3000)),
    fc.nat(LENGTH - 6300),
    (to, distance, length, base) => {
      const [ours, theirs] = [fill(compiled), fill(plain)];
      for (const { copy } of [compiled, plain]) copy(base + to, base + to + distance, length);
      expect(ours.equals(theirs)).toBe(true);
    },
  );
  fc.assert(property, { numRuns: 1000 });
});

test('up to the last byte of the memory, and not beyond', () => {
  if (compiled === undefined) throw new Error('WebAssembly is not to be had');
  const bytes = fill(compiled);
  for (const length of [1, 15, 16, 17, 33]) {
    const last = Buffer.from(bytes.subarray(LENGTH - length));
    compiled.copy(0, LENGTH - length, length);
    expect(bytes.subarray(0, length).equals(last)).toBe(true);
    expect(() => compiled.copy(0, LENGTH - length + 1, length)).toThrow(/out of bounds/);
  }
});

test('offsets of 2^31 and more, as signed integers', () => {
  const place = 2 ** 31 + 65536;
  const large = allocate(place + 65536);
  if (large === undefined) throw new Error('no memory of more than 2 GiB');
  const bytes = new Uint8Array(large.buffer, place, 300);
  for (let at = 0; at < bytes.length; at++) bytes[at] = at;
  const expected = Uint8Array.from(bytes);
  expected.copyWithin(10, 110, 210);
  large.copy((place + 10) | 0, (place + 110) | 0, 100);
  expect(Buffer.from(bytes)).toEqual(Buffer.from(expected));
});
