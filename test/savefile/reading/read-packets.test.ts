// Savefiles packet by packet against tshark: the same packets at the same times, and what a loop may do with them.
import { execFileSync } from 'node:child_process';
import { readdirSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { buildFrame } from '../../../bench/frames.ts';
import { SavefileError } from '../../../src/errors.ts';
import { compileSavefileFilter } from '../../../src/filter/savefile-filter.ts';
import type { Packet } from '../../../src/savefile/packets.ts';
import { openSavefile } from '../../../src/savefile/reading/open.ts';
import { type ReadOptions, readPackets } from '../../../src/savefile/reading/read-packets.ts';
import { PcapWriter } from '../../../src/savefile/writer.ts';
import { scratch } from './judge.ts';
import { Blocks } from './make-pcapng.ts';

const directory = scratch();
const START = 1_767_225_600;
/** Larger than a packet and smaller than all, so that memory is used again and again. */
const CHUNK_SIZE = 4096;

/** A packet each 0.25 s, of growing length and of two kinds in turns. */
function make(name: string, count: number): string {
  const path = join(directory, name);
  const writer = PcapWriter.create(path, { precision: 'micro', snaplen: 262144, linktype: 1 });
  for (let n = 0; n < count; n++)
    writer.writePacket(
      START + Math.floor(n / 4),
      (n % 4) * 250_000,
      buildFrame(n % 2 ? 'udp6' : 'udp4', 80 + n, n),
      500 + n,
    );
  writer.close();
  return path;
}

interface Copy extends Packet {
  readonly hex: string;
}

async function read(path: string, options?: ReadOptions): Promise<Copy[]> {
  const found: Copy[] = [];
  for await (const packet of readPackets(await openSavefile(path, CHUNK_SIZE), options))
    found.push({ ...packet, hex: Buffer.from(packet.data).toString('hex') });
  return found;
}

/** Time, lengths and link type of each, as tshark has them. */
function byTshark(path: string, filter = ''): string[] {
  const fields = ['frame.time_epoch', 'frame.cap_len', 'frame.len'].flatMap((field) => ['-e', field]);
  const args = ['-n', '-r', path, '-Y', filter, '-T', 'fields', ...fields];
  return execFileSync('tshark', args, { encoding: 'utf8', stdio: 'pipe' }).trim().split('\n');
}

const asTshark = ({ sec, nsec, caplen, len }: Packet): string =>
  `${sec}.${String(nsec).padStart(9, '0')}\t${caplen}\t${len}`;

test('time, lengths, bytes and link type of every packet', async () => {
  const path = make('all.pcap', 300);
  const found = await read(path);
  expect(found.map(asTshark)).toEqual(byTshark(path));
  const sent = found.map((_, n) => Buffer.from(buildFrame(n % 2 ? 'udp6' : 'udp4', 80 + n, n)).toString('hex'));
  expect(found.map(({ hex }) => hex)).toEqual(sent);
  expect(found.every(({ linktype, caplen, data }) => linktype === 1 && caplen === data.length)).toBe(true);
});

test('only what is asked for: expression, times, bytes', async () => {
  const path = make('some.pcap', 300);
  const filter = await compileSavefileFilter(await openSavefile(path), 'ip6');
  expect((await read(path, { filter })).map(asTshark)).toEqual(byTshark(path, 'ipv6'));
  const [from, to] = [
    { sec: START + 10, nsec: 250_000_000 },
    { sec: START + 20, nsec: 250_000_000 },
  ];
  const between = byTshark(path, `frame.time_epoch >= ${START + 10}.25 && frame.time_epoch < ${START + 20}.25`);
  expect((await read(path, { from, to })).map(asTshark)).toEqual(between);
  expect(between).toHaveLength(40);
  const cut = await read(path, { snaplen: 100 });
  expect(cut.map(({ caplen }) => caplen)).toEqual(cut.map((_, n) => Math.min(100, 80 + n)));
  expect(cut.map(({ len }) => len)).toEqual(cut.map((_, n) => 500 + n));
});

test('an empty expression is no filter; one that is wrong is refused in libpcap’s words', async () => {
  const reader = await openSavefile(make('expression.pcap', 1));
  expect(await compileSavefileFilter(reader, ' ')).toBeUndefined();
  const wrong = compileSavefileFilter(reader, 'frob nicate');
  await expect(wrong).rejects.toMatchObject({ code: 'ERR_FILTER', message: expect.stringContaining('syntax error') });
  const unknown = { name: 'x.pcap', linktype: 5000, snaplen: 96, bigEndian: false };
  await expect(compileSavefileFilter(unknown, '')).rejects.toMatchObject({ code: 'ERR_LINKTYPE' });
  await reader.close();
});

test('the file is closed when the loop ends, is left, or throws', async () => {
  const path = make('closed.pcap', 300);
  const opened = (): number => readdirSync('/proc/self/fd').length;
  const before = opened();
  await read(path);
  expect(opened()).toBe(before);
  for await (const { len } of readPackets(await openSavefile(path, CHUNK_SIZE))) if (len === 510) break;
  expect(opened()).toBe(before);
  const failing = async (): Promise<void> => {
    for await (const { len } of readPackets(await openSavefile(path, CHUNK_SIZE)))
      if (len === 520) throw new Error('enough');
  };
  await expect(failing()).rejects.toThrow('enough');
  expect(opened()).toBe(before);
});

test('everything before a damage is given, then it is thrown', async () => {
  const path = make('torn.pcap', 50);
  const whole = await read(path);
  truncateSync(path, statSync(path).size - 5);
  const found: string[] = [];
  const torn = async (): Promise<void> => {
    for await (const packet of readPackets(await openSavefile(path))) found.push(asTshark(packet));
  };
  await expect(torn()).rejects.toThrow(SavefileError);
  expect(found).toEqual(whole.slice(0, -1).map(asTshark));
});

test('each packet of a pcapng file has its own link type; with a filter another one is an error', async () => {
  const path = join(directory, 'mixed.pcapng');
  const blocks = new Blocks(true).section().interface(1, 0).interface(101, 0);
  const frame = Buffer.from(buildFrame('udp4', 80, 1));
  blocks.packet(0, 1767225600_000000n, frame).packet(1, 1767225601_000000n, frame.subarray(14));
  writeFileSync(path, blocks.bytes);
  expect((await read(path)).map(({ linktype }) => linktype)).toEqual([1, 101]);
  const filter = await compileSavefileFilter(await openSavefile(path), 'ip');
  await expect(read(path, { filter })).rejects.toThrow(/type 101 different from the type of the first interface, 1/);
});
