// What is kept of each packet, by every engine: `libpcap` beside `ring` on the same odd packets keeps the same bytes of the
// same packets, with all that goes with such a capture; and so does `cap` where only packets are chosen. Needs root.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CAPTURE, GENERATOR, Lab } from '../../bench/lab.ts';
import { anyPacket, wellFormed } from '../filter/random-packet.ts';
import { Program } from '../program.ts';
import { maskAddress, readSavefile } from '../savefile.ts';
import { sendFrames } from './send-frames.ts';

let lab: Lab;
let directory: string;
beforeAll(() => {
  lab = Lab.create();
  directory = mkdtempSync(join(tmpdir(), 'tsnetpcap-kept-engines-'));
  for (const { name } of [GENERATOR, CAPTURE]) lab.link('set', name, 'mtu', '65535');
});
afterAll(() => {
  lab?.remove();
  if (directory !== undefined) rmSync(directory, { recursive: true });
});

/** As many bytes as the kernel wants to see behind an Ethernet header. */
const SHORTEST = 18;
const tagged = (bytes: Uint8Array, ...tags: number[]): Uint8Array =>
  Uint8Array.from([...bytes.slice(0, 12), ...tags, ...bytes.slice(12)]);
const long = (bytes: Uint8Array, length: number): Uint8Array => {
  const longer = new Uint8Array(length).fill(0xaa);
  longer.set(bytes);
  return longer;
};

const FRAMES: readonly Uint8Array[] = [
  ...fc.sample(wellFormed, { numRuns: 300, seed: 3 }),
  ...fc.sample(wellFormed, { numRuns: 60, seed: 4 }).map((bytes) => tagged(bytes, 0x81, 0, 0, 5)),
  ...fc.sample(wellFormed, { numRuns: 60, seed: 5 }).map((bytes) => tagged(bytes, 0x88, 0xa8, 0, 6, 0x81, 0, 0, 7)),
  ...fc.sample(wellFormed, { numRuns: 30, seed: 6 }).map((bytes) => long(bytes, 60_000)),
  ...fc.sample(anyPacket('ethernet'), { numRuns: 300, seed: 7 }).filter(({ length }) => length >= SHORTEST),
];

const SLL = 113;
/** libpcap puts no tag back into a packet of which less than 14 bytes were kept; with header and tag: 16 + 4 + 14. */
const SLL_SHORTEST = 34;
const ROOM = ['--ring-memory', '64MiB'];

test.each([
  ['-i cap0 --headers-only', 'libpcap'],
  ['-i gen0 -Q out --headers-only', 'libpcap'],
  ['-i any --headers-only --nano', 'libpcap'],
  ['-i any -Q in -y LINUX_SLL --headers-only', 'libpcap'],
  ['-i cap0 -s 60 --headers-only --keep-names', 'libpcap'],
  ['-i cap0 -s 96 --keep-names --snaplen-for udp=200 --exclude 10.0.0.0/9', 'libpcap'],
  ['-i any -s 96 --keep-names --snaplen-for udp=1', 'libpcap'],
  ['-i any --sample-flows 1/3 --headers-only', 'libpcap'],
  ['-i cap0 -s 1 --headers-only', 'libpcap'],
  ['-i any -s 1 --headers-only --sample-flows 1/2', 'libpcap'],
  ['-i cap0 -s 65535 --sample-flows 1/3', 'cap'],
  ['-i any -y LINUX_SLL -s 65535 -Q in --sample-flows 1/3 ip6', 'cap'],
  ['-i cap0 -s 96 --sample-flows 1/2 --rotate-packets 20', 'cap'],
  ['-i cap0 --headers-only -c 100', 'libpcap'],
  ['-i any --keep-names --headers-only --rotate-packets 20', 'libpcap'],
])('%s: ring and %s', { timeout: 60_000 }, async (options, engine) => {
  const programs: { readonly program: Program; readonly folder: string }[] = [];
  try {
    for (const each of ['ring', engine]) {
      const folder = mkdtempSync(join(directory, `${each}-`));
      const output = options.includes('--rotate') ? join(folder, 'p-%s.pcap') : join(folder, 'p.pcap');
      const args = ['--engine', each, ...ROOM, '-w', output, ...options.split(' ')];
      programs.push({ program: await Program.capture(lab, args), folder });
    }
    sendFrames(lab, FRAMES);
    const found: { captured: number; dropped: number; records: string[] }[] = [];
    for (const { program, folder } of programs) {
      await (options.includes('-c') ? program.exit() : program.stop());
      const { captured, received, dropped } = program.statistics();
      const [, unread = 0] = /(\d+) packets not read/.exec(program.stderr) ?? [];
      expect(received).toBe(captured + Number(unread));
      expect(program.stderr).not.toMatch(/accounted|Kernel filter/);
      const records: string[] = [];
      const names = readdirSync(folder).filter((name) => name.includes('.pcap'));
      for (const name of names.sort((a, b) => order(a) - order(b))) {
        const file = readSavefile(join(folder, name));
        const kept = file.records.filter(({ packet }) => file.linktype !== SLL || packet.length >= SLL_SHORTEST);
        records.push(...kept.map((record) => `${record.len} ${maskAddress(record, file.linktype).toString('hex')}`));
      }
      found.push({ captured, dropped, records });
    }
    const [ring, other] = found;
    expect(ring?.records.length).toBeGreaterThan(20);
    expect(other).toEqual(ring);
  } finally {
    for (const { program } of programs) await program.kill();
  }
});

/** Of files of one second: their number behind the name. */
function order(name: string): number {
  const [, second = 0, number = 0] = /p-(\d+)(?:-(\d+))?\.pcap/.exec(name) ?? [];
  return Number(second) * 1000 + Number(number);
}
