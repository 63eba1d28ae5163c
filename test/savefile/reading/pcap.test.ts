// The reader of pcap savefiles against tcpdump: the same bytes out of every file, whole or damaged, and libpcap's words for
// what is wrong with it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FILE_HEADER_LENGTH } from '../../../src/savefile/header.ts';
import { copyByTcpdump, copyByUs, scratch } from './judge.ts';
import {
  eraseFractions,
  type MadeSavefile,
  MICRO,
  MODIFIED,
  MOST_MICROSECONDS,
  madeSavefile,
  makeSavefile,
  NANO,
} from './make-savefile.ts';

const directory = scratch();
const input = join(directory, 'input.pcap');

/** With pieces of `chunkSize` bytes, so that records are cut in two by them. */
async function expectSame(bytes: Uint8Array, chunkSize: number, nano = false): Promise<void> {
  writeFileSync(input, bytes);
  const ours = await copyByUs(input, join(directory, 'ours'), { readAs: nano ? 'nano' : 'micro', chunkSize });
  const theirs = copyByTcpdump(input, join(directory, 'theirs'), ...(nano ? ['--nano'] : []));
  for (const { bytes: written } of [ours, theirs])
    if (written !== undefined && !nano) eraseFractions(written.subarray(FILE_HEADER_LENGTH), MOST_MICROSECONDS);
  expect(ours.bytes?.toString('hex')).toBe(theirs.bytes?.toString('hex'));
  expect(ours.failure === undefined).toBe(theirs.failure === undefined);
  // tcpdump names the file where it can't be opened, we always do, and say where it is damaged.
  if (theirs.failure !== undefined) expect(ours.failure).toContain(theirs.failure.replace(`${input}: `, ''));
}

const chunkSize = fc.constantFrom(24, 100, 1000, 65536);

test('every header that libpcap reads', async () => {
  await fc.assert(
    fc.asyncProperty(madeSavefile, chunkSize, fc.boolean(), async (made, size, nano) => {
      await expectSame(makeSavefile(made), size, nano);
    }),
    { numRuns: 300 },
  );
});

test('every such file with bytes changed, or cut off', async () => {
  const damage = fc.array(fc.record({ at: fc.nat(600), value: fc.nat(255) }), { maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(madeSavefile, chunkSize, damage, fc.nat(2000), async (made, size, changes, left) => {
      const bytes = makeSavefile(made);
      for (const { at, value } of changes) if (at >= 4 && at < bytes.length && at !== 20) bytes[at] = value;
      await expectSame(bytes.subarray(0, left), size);
    }),
    { numRuns: 300 },
  );
});

const SMALL: MadeSavefile = {
  littleEndian: true,
  magic: MICRO,
  version: [2, 4],
  snaplen: 96,
  linktype: 1,
  records: [
    { sec: 1767225600, fraction: 1, caplen: 20, len: 20 },
    { sec: 1767225601, fraction: 999_999, caplen: 120, len: 1500 },
    { sec: 1767225602, fraction: 0, caplen: 0, len: 60 },
  ],
};

test.each([
  ['micro', SMALL],
  ['nano of the other byte order', { ...SMALL, littleEndian: false, magic: NANO }],
  ['modified', { ...SMALL, magic: MODIFIED }],
])('a file cut off at every byte: %s', async (_, made) => {
  const bytes = makeSavefile(made);
  for (let length = 0; length < bytes.length; length++) await expectSame(bytes.subarray(0, length), 64);
});

test.each([262144, 262145, 2 ** 27, 2 ** 31, 2 ** 32 - 1])('a caplen of %d', async (caplen) => {
  for (const snaplen of [96, 262144, 2 ** 30]) {
    const bytes = makeSavefile({ ...SMALL, snaplen });
    bytes.writeUInt32LE(caplen, 24 + 36 + 8);
    await expectSame(Buffer.concat([bytes, Buffer.alloc(262144)]), 65536);
  }
});

test.each([
  ['an empty file', ''],
  ['a text', '#!/bin/sh\n'],
  ['a version 1', 'd4c3b2a101000400000000000000000060000000010000'],
  ['a version 2.5', 'd4c3b2a102000500000000000000000060000000010000'],
])('no savefile: %s', async (_, hex) => {
  await expectSame(Buffer.from(hex.startsWith('#') ? Buffer.from(hex) : Buffer.from(`${hex}00`, 'hex')), 65536);
});
