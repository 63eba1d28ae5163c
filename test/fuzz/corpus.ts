// Savefiles for the campaigns of `npm run fuzz` to begin with: every header that libpcap reads, pcapng with all kinds of
// blocks, and what text2pcap, editcap and mergecap make.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import type { Random } from '../chaos/random.ts';
import { Blocks } from '../savefile/reading/make-pcapng.ts';
import { madeSavefile, makeSavefile } from '../savefile/reading/make-savefile.ts';

const PCAP_FILES = 400;

/** Link types whose headers libpcap looks into, and some that it does not. */
const LINKTYPES = [1, 1, 1, 101, 113, 117, 189, 220, 239, 276, 105, 127, 231, 249, 12];
const BLOCK_TYPES = [4, 5, 7, 9, 10, 0xbad, 0x40000bad, 0x80000001];

/** Any of all these. `directory`: for what makes some of them. */
export function anyFile(seed: number, directory: string): (random: Random) => Uint8Array {
  const pcaps = pcapFiles(seed);
  const tools = filesOfTools(directory);
  return (random) => {
    const kind = random.whole(0, 9);
    if (kind < 1) return random.pick(tools);
    return kind < 5 ? random.pick(pcaps) : pcapngFile(random);
  };
}

function pcapFiles(seed: number): readonly Uint8Array[] {
  return fc.sample(madeSavefile, { seed, numRuns: PCAP_FILES }).map(makeSavefile);
}

/** Any pcapng file, with most of which libpcap agrees: one link type and snaplen, one byte order. */
function pcapngFile(random: Random): Uint8Array {
  const sections = random.whole(0, 5) === 0 ? random.whole(2, 3) : 1;
  const uniform = random.whole(0, 3) > 0;
  const little = random.whole(0, 1) === 0;
  const linktype = random.pick(LINKTYPES);
  const snaplen = random.pick([0, 96, 262144, 65535, 0xffffffff]);
  const parts: Uint8Array[] = [];
  for (let section = 0; section < sections; section++) {
    const blocks = new Blocks(uniform ? little : random.whole(0, 1) === 0).section();
    const interfaces = random.whole(1, 3);
    for (let n = 0; n < interfaces; n++)
      blocks.interface(
        uniform ? linktype : random.pick(LINKTYPES),
        uniform ? snaplen : random.pick([0, 40, 96, 262144]),
        interfaceOptions(blocks, random),
      );
    for (let n = random.whole(0, 12); n > 0; n--) addBlock(blocks, random, interfaces);
    parts.push(blocks.bytes);
  }
  return Buffer.concat(parts);
}

function interfaceOptions(blocks: Blocks, random: Random): Buffer {
  const options: Buffer[] = [];
  if (random.whole(0, 2) === 0) options.push(blocks.option(2, Buffer.from('eth0')));
  if (random.whole(0, 1) === 0)
    options.push(blocks.option(9, Buffer.of(random.pick([6, 9, 3, 0, 19, 20, 0x80, 0x94, 0x9e, 0xbf, 0xc0]))));
  if (random.whole(0, 3) === 0) options.push(blocks.offset(BigInt(random.pick([0, 1, -1, 3600, -(2 ** 33), 2 ** 40]))));
  if (random.whole(0, 2) === 0) options.push(blocks.option(0, Buffer.alloc(0)));
  return Buffer.concat(options);
}

function addBlock(blocks: Blocks, random: Random, interfaces: number): void {
  const packet = packetBytes(random);
  const time = (BigInt(random.whole(0, 2 ** 20)) << 32n) | BigInt(random.whole(0, 2 ** 32 - 1));
  const number = random.whole(0, interfaces - 1);
  const kind = random.whole(0, 9);
  if (kind < 5) blocks.packet(number, time, packet, packet.length + random.pick([0, 0, 1, 1400]));
  else if (kind < 6) blocks.obsolete(number, time, packet);
  else if (kind < 8) blocks.simple(packet);
  else blocks.add(random.pick(BLOCK_TYPES), packet);
}

function packetBytes(random: Random): Buffer {
  const length = random.pick([0, 1, 2, 3, 4, 15, 16, 20, 40, 63, 64, 80, 95, 96, 97, 130, 300]);
  const fill = random.whole(0, 255);
  return Buffer.from(Array.from({ length }, () => fill + random.whole(0, 3)));
}

/** What other programs make of 40 packets, in `directory`: pcapng of several interfaces, pcap of all kinds that editcap knows. */
function filesOfTools(directory: string): readonly Uint8Array[] {
  const path = (name: string): string => join(directory, name);
  const run = (program: string, ...args: readonly string[]): void =>
    void execFileSync(program, args, { cwd: directory, stdio: 'pipe' });
  const lines = Array.from({ length: 40 }, (_, n) => {
    const bytes = Array.from({ length: 20 + n * 3 }, (_, at) =>
      ((n * 31 + at * 7) & 0xff).toString(16).padStart(2, '0'),
    );
    return `2026-01-01T12:00:${String(n).padStart(2, '0')}.000123Z\n000000 ${bytes.join(' ')}\n`;
  });
  writeFileSync(path('packets.txt'), lines.join(''));
  for (const linktype of [1, 113, 276])
    run('text2pcap', '-q', '-F', 'pcap', '-l', String(linktype), '-t', 'ISO', 'packets.txt', `made${linktype}`);
  for (const format of ['pcap', 'nsecpcap', 'modpcap', 'nokiapcap', 'rh6_1pcap', 'suse6_3pcap', 'pcapng'])
    run('editcap', '-F', format, 'made1', `as-${format}`);
  run('editcap', '-F', 'pcapng', '-s', '30', 'made276', 'short');
  run('mergecap', '-F', 'pcapng', '-I', 'none', '-w', 'merged', 'made1', 'made113', 'as-nsecpcap');
  run('mergecap', '-F', 'pcapng', '-I', 'none', '-w', 'same', 'made1', 'as-nsecpcap', 'as-pcap');
  const names = ['made1', 'made113', 'made276', 'as-pcap', 'as-nsecpcap', 'as-modpcap', 'as-nokiapcap', 'as-rh6_1pcap'];
  return [...names, 'as-suse6_3pcap', 'as-pcapng', 'short', 'merged', 'same'].map((name) => readFileSync(path(name)));
}
