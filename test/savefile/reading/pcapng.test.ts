// The reader of pcapng against tshark, tcpdump and editcap: the same packets at the same times, out of every kind of block,
// section and interface, and libpcap's words for what is damaged.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openSavefile } from '../../../src/savefile/reading/open.ts';
import { readSavefile } from '../../savefile.ts';
import { copyByTcpdump, copyByUs, scratch } from './judge.ts';
import { Blocks } from './make-pcapng.ts';
import { madeSavefile, makeSavefile } from './make-savefile.ts';

const directory = scratch();
const input = join(directory, 'input.pcapng');

function packetOf(length: number, n = 0): Buffer {
  return Buffer.from(Array.from({ length }, (_, at) => (n + at) & 0xff));
}

/** The files of `bytes` in `input`: what we read, in nanoseconds, and how it ended. */
async function readAll(bytes: Buffer): Promise<readonly (readonly [time: string, caplen: number, len: number])[]> {
  writeFileSync(input, bytes);
  const reader = await openSavefile(input, 1000);
  reader.readAs = 'nano';
  const found: (readonly [string, number, number])[] = [];
  for (let run = await reader.next(); run !== undefined; run = await reader.next()) {
    for (let at = run.start; at < run.end; ) {
      const [sec, nsec, caplen, len] = [0, 4, 8, 12].map((field) => run.view.getUint32(at + field, true));
      found.push([`${sec}.${String(nsec).padStart(9, '0')}`, caplen ?? 0, len ?? 0]);
      at += 16 + (caplen ?? 0);
    }
  }
  await reader.close();
  return found;
}

function readByTshark(): readonly (readonly [time: string, caplen: number, len: number])[] {
  const fields = ['frame.time_epoch', 'frame.cap_len', 'frame.len'].flatMap((field) => ['-e', field]);
  const args = ['-n', '-r', input, '-T', 'fields', ...fields];
  const text = execFileSync('tshark', args, { encoding: 'utf8', stdio: 'pipe' });
  const lines = text.split('\n').slice(0, -1);
  return lines.map((line) => {
    const [time = '', caplen, len] = line.split('\t');
    return [time === '' ? '0.000000000' : time, Number(caplen), Number(len)];
  });
}

test.each([true, false])('sections, interfaces and all kinds of packet blocks; little-endian: %s', async (little) => {
  const first = new Blocks(little);
  first
    .section()
    .interface(1, 96)
    .interface(113, 0, first.option(9, Buffer.from([9])));
  first.packet(0, 1767225600_123456n, packetOf(60)).packet(1, 1767225601_123456789n, packetOf(75), 1500);
  first.obsolete(1, 1767225602_000000001n, packetOf(33)).simple(packetOf(17)).add(4, [0, 0]).add(5, 0, 0, 0);
  const second = new Blocks(!little).section().interface(101, 300).packet(0, 1767225603_000000n, packetOf(299));
  const found = await readAll(Buffer.concat([first.bytes, second.bytes, first.bytes]));
  expect(found).toHaveLength(9);
  expect(found).toEqual(readByTshark());
});

const resolution = fc.oneof(
  fc.constantFrom(6, 9, 3, 0, 0x80, 0x94, 0x9e),
  fc.integer({ min: 0, max: 9 }),
  fc.integer({ min: 0x80, max: 0x80 + 30 }),
);

test('times of every resolution and offset', async () => {
  const packet = fc.record({ sec: fc.integer({ min: 100_000, max: 2 ** 31 - 200_000 }), part: fc.nat(2 ** 30) });
  await fc.assert(
    fc.asyncProperty(
      fc.boolean(),
      resolution,
      fc.integer({ min: -100_000, max: 100_000 }),
      fc.array(packet, { minLength: 1, maxLength: 5 }),
      async (little, exponent, offset, packets) => {
        const units = exponent & 0x80 ? 2n ** BigInt(exponent & 0x7f) : 10n ** BigInt(exponent);
        const blocks = new Blocks(little).section();
        const resolutionOption = blocks.option(9, Buffer.from([exponent]));
        blocks.interface(1, 0, Buffer.concat([resolutionOption, blocks.offset(BigInt(offset))]));
        for (const { sec, part } of packets)
          blocks.packet(0, BigInt(sec) * units + (BigInt(part) * units) / 2n ** 30n, packetOf(20));
        expect(await readAll(blocks.bytes)).toEqual(readByTshark());
      },
    ),
    { numRuns: 30 },
  );
});

test.each([19, 0x80 + 63])('a resolution that needs all of 64 bits: %d', async (exponent) => {
  const units = exponent & 0x80 ? 2n ** BigInt(exponent & 0x7f) : 10n ** BigInt(exponent);
  const blocks = new Blocks(true).section();
  blocks.interface(1, 0, blocks.option(9, Buffer.from([exponent]))).packet(0, units + units / 4n, packetOf(20));
  expect(await readAll(blocks.bytes)).toEqual([['1.250000000', 20, 20]]);
});

test('what editcap makes of any savefile gives the same as tcpdump makes of that', async () => {
  await fc.assert(
    fc.asyncProperty(madeSavefile, async (made) => {
      const pcap = join(directory, 'made.pcap');
      const records = made.records.map((each) => ({
        ...each,
        fraction: each.fraction % 1_000_000,
        len: each.caplen + 5,
      }));
      const sane = { ...made, linktype: 1, snaplen: 262144, version: [2, 4] as const, magic: 0xa1b2c3d4, records };
      writeFileSync(pcap, makeSavefile(sane));
      execFileSync('editcap', ['-F', 'pcapng', pcap, input], { stdio: 'pipe' });
      await expectLikeTcpdump(readFileSync(input));
      if (records.length > 0) expect(readSavefile(join(directory, 'ours')).records).toHaveLength(records.length);
    }),
    { numRuns: 20 },
  );
});

const WHOLE = new Blocks(true)
  .section()
  .interface(1, 96)
  .packet(0, 1767225600_000000n, packetOf(20))
  .simple(packetOf(60))
  .obsolete(0, 1767225600_500000n, packetOf(30))
  .packet(0, 1767225601_000000n, packetOf(96), 1500).bytes;

/** tcpdump's bytes, and its words where it fails. */
async function expectLikeTcpdump(bytes: Uint8Array): Promise<void> {
  writeFileSync(input, bytes);
  const ours = await copyByUs(input, join(directory, 'ours'), { chunkSize: 64 });
  const theirs = copyByTcpdump(input, join(directory, 'theirs'));
  expect(ours.bytes?.toString('hex')).toBe(theirs.bytes?.toString('hex'));
  expect(ours.failure === undefined).toBe(theirs.failure === undefined);
  if (theirs.failure !== undefined) expect(ours.failure).toContain(theirs.failure.replace(`${input}: `, ''));
}

test('a file cut off at every byte', async () => {
  for (let length = 0; length < WHOLE.length; length += 1) await expectLikeTcpdump(WHOLE.subarray(0, length));
});

test('a file with any one byte changed', async () => {
  for (let at = 0; at < 28 + 20 + 90; at++) {
    const bytes = Buffer.from(WHOLE);
    // Not the link type, which libpcap must know, nor what makes it another section, which it does not read.
    if ((at >= 36 && at < 40) || at < 12) continue;
    bytes[at] = (bytes[at] ?? 0) ^ 0x81;
    await expectLikeTcpdump(bytes);
  }
});

test.each([0, 12, 27, 29, 30, 48, 2 ** 20, 2 ** 20 + 1, 2 ** 24 + 4, 2 ** 32 - 4])(
  'a first block of %d bytes',
  async (length) => {
    const bytes = Buffer.from(WHOLE);
    bytes.writeUInt32LE(length, 4);
    await expectLikeTcpdump(bytes);
  },
);

test.each([
  ['of no byte order', (section: Buffer) => section.writeUInt32LE(0x1a2b3c4e, 8)],
  ['of no byte order, whose lengths differ', (section: Buffer) => section.fill(0xff, 8)],
  ['of no byte order, that is too long', (section: Buffer) => section.fill(0xff, 4)],
  ['that is too short', (section: Buffer) => section.writeUInt32LE(24, 4) && section.writeUInt32LE(24, 20)],
  ['of another version', (section: Buffer) => section.writeUInt16LE(2, 12)],
])('another section, %s', async (_, damage) => {
  const section = new Blocks(true).section().bytes;
  damage(section);
  await expectLikeTcpdump(Buffer.concat([WHOLE, section, WHOLE]));
});

test('a whole file of packets before their interface, and one without any', async () => {
  await expectLikeTcpdump(new Blocks(true).section().simple(packetOf(20)).bytes);
  await expectLikeTcpdump(new Blocks(true).section().bytes);
});

test('several interfaces of one link type make one pcap file', async () => {
  const blocks = new Blocks(true).section().interface(1, 96).interface(1, 96);
  for (let n = 0; n < 50; n++) blocks.packet(n % 2, BigInt(n) + 1767225600_000000n, packetOf(n, n));
  await expectLikeTcpdump(blocks.bytes);
  expect(readFileSync(join(directory, 'ours')).length).toBe(24 + 50 * 16 + (49 * 50) / 2);
});

/** The snaplen of the header, and of each record how much is kept. */
function kept(bytes: Buffer | undefined): number[] {
  writeFileSync(join(directory, 'kept'), bytes ?? '');
  const copied = copyByTcpdump(join(directory, 'kept'), join(directory, 'copied'));
  expect(copied.bytes).toEqual(bytes);
  const { header, records } = readSavefile(join(directory, 'kept'));
  return [header.readUInt32LE(16), ...records.map(({ packet }) => packet.length)];
}

test('of interfaces with different snaplens the largest is that of the file, and tcpdump then cuts no record', async () => {
  const blocks = (): Blocks => new Blocks(true).section().interface(1, 96).interface(1, 500).interface(1, 300);
  const packets = blocks().packet(0, 1n, packetOf(96)).packet(1, 2n, packetOf(400)).interface(1, 200);
  writeFileSync(input, packets.packet(3, 3n, packetOf(200)).bytes);
  for (const chunkSize of [64, 4096]) {
    const { bytes, failure } = await copyByUs(input, join(directory, 'ours'), { chunkSize });
    expect([failure, kept(bytes)]).toEqual([undefined, [500, 96, 400, 200]]);
  }
});

test("a packet that is longer than the file's header says by now, of an interface that came later", async () => {
  const blocks = new Blocks(true).section().interface(1, 96).packet(0, 1n, packetOf(96)).interface(1, 500);
  writeFileSync(input, blocks.packet(1, 2n, packetOf(96)).packet(1, 3n, packetOf(97)).packet(0, 4n, packetOf(9)).bytes);
  const { bytes, failure } = await copyByUs(input, join(directory, 'ours'));
  expect(failure).toMatch(
    /snapshot length 500 different from the snapshot length of the first interface \(at offset \d+\)$/,
  );
  expect(kept(bytes)).toEqual([96, 96, 96]);
});

test('a damaged interface behind the first, and one that is cut off, as tcpdump', async () => {
  const first = new Blocks(true).section().interface(1, 96);
  const option = first.option(9, Buffer.from([6, 6]));
  const damaged = new Blocks(true).section().interface(1, 96).interface(1, 96, option).bytes;
  await expectLikeTcpdump(damaged);
  for (let length = 0; length < 20; length++) await expectLikeTcpdump(damaged.subarray(0, first.bytes.length + length));
});
