// Against tcpdump, live: exactly as many records as packets were sent, and every byte of every record as a tcpdump
// beside it has written it. Needs root, and fails without it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FrameKind } from '../../bench/frames.ts';
import { Lab } from '../../bench/lab.ts';
import { type Offer, offer } from '../../bench/offer.ts';
import * as libc from '../../src/native/libc.ts';
import { Program } from '../program.ts';
import { expectReadable, maskAddress, readSavefile } from '../savefile.ts';

const AF_INET = 2;
const SO_TIMESTAMPNS = 35;

let lab: Lab;
let directory: string;
let stamper: number;
const compared = { packets: 0, files: 0, bytes: 0 };

beforeAll(() => {
  lab = Lab.create();
  directory = mkdtempSync(join(tmpdir(), 'tsnetpcap-same-'));
  // As long as anyone asks for timestamps, the kernel stamps a packet when it arrives. Otherwise each capture's own copy
  // is stamped when it gets there, and two captures differ by a microsecond.
  stamper = libc.socket(AF_INET, libc.SOCK_DGRAM, 0);
  libc.setsockopt(stamper, libc.SOL_SOCKET, SO_TIMESTAMPNS, Uint8Array.of(1, 0, 0, 0), 'SO_TIMESTAMPNS');
});

afterAll(() => {
  process.stdout.write(
    `compared with tcpdump: ${compared.packets} packets, ${compared.files} files, ${compared.bytes} bytes\n`,
  );
  if (stamper !== undefined) libc.close(stamper);
  lab?.remove();
  if (directory !== undefined) rmSync(directory, { recursive: true });
});

/**
 * Runs ours and tcpdump over the same packets, a pair of them for each list of options, all at once. Resolves to the
 * names of the two savefiles of each pair.
 */
async function capture(
  variants: readonly (readonly string[])[],
  ...rounds: readonly (readonly Offer[])[]
): Promise<[ours: string, theirs: string][]> {
  const files = variants.map((_, index): [string, string] => [
    join(directory, `${compared.files + index}-ours.pcap`),
    join(directory, `${compared.files + index}-theirs.pcap`),
  ]);
  const ring = variants.length > 1 ? '8192' : '65536';
  const running: Program[] = [];
  try {
    await Promise.all(
      variants.map(async (options, index) => {
        const [ours = '', theirs = ''] = files[index] ?? [];
        running[2 * index] = await Program.tcpdump(lab, ['-B', ring, '-w', theirs, ...options]);
        running[2 * index + 1] = await Program.capture(lab, ['-B', ring, '-w', ours, ...options]);
      }),
    );
    const judges = running.filter((_, index) => index % 2 === 0);
    for (const offers of rounds) {
      for (const each of offers) expect(await offer(lab, each)).toBe(each.count);
      await Promise.all(judges.map((judge) => judge.caughtUp()));
    }
    for (const [index, program] of running.entries()) {
      const { captured, received, dropped } = await program.stop();
      const ours = index % 2 === 1;
      // tcpdump looks at the first packets a second time, which its count of those received does not know.
      const options = variants[Math.floor(index / 2)];
      expect({ options, captured, dropped }).toEqual({ options, captured: ours ? received : captured, dropped: 0 });
    }
  } finally {
    for (const program of running) await program.kill();
  }
  return files;
}

function expectSame(ours: string, theirs: string, packets: number): void {
  const [a, b] = [readSavefile(ours), readSavefile(theirs)];
  expect(a.header).toEqual(b.header);
  expect(a.records.length).toBe(packets);
  expect(b.records.length).toBe(packets);
  for (const [index, record] of a.records.entries()) {
    const other = b.records[index];
    if (other === undefined) throw new Error('unreachable: as many records');
    const { sec, fraction, len, packet } = record;
    const same =
      sec === other.sec &&
      fraction === other.fraction &&
      len === other.len &&
      packet.equals(maskAddress(other, b.linktype));
    if (!same) expect([index, record]).toEqual([index, other]);
    compared.bytes += 16 + packet.length;
  }
  compared.packets += packets;
  compared.files++;
}

describe('one kind of packet', () => {
  test.each([1, 1000, 1_000_000])('%i packets received', { timeout: 120_000 }, async (count) => {
    for (const [ours, theirs] of await capture([['-i', 'cap0', '-s', '96']], [{ count }])) {
      expectSame(ours, theirs, count);
      if (count <= 1000) expectReadable(ours, count); // the million is tcpdump's to the byte, and takes tshark 20 s
    }
  });

  test('1,000,000 packets received, on any', { timeout: 120_000 }, async () => {
    for (const [ours, theirs] of await capture([['-i', 'any', '-s', '96']], [{ count: 1_000_000 }])) {
      expectSame(ours, theirs, 1_000_000);
    }
  });
});

const KINDS: readonly FrameKind[] = ['udp4', 'udp6', 'arp', 'vlan', 'qinq'];
/**
 * In the first block after its start tcpdump filters a second time, by itself, and there takes a packet with a tag inside
 * for another one than the kernel does. So that block gets packets without a tag.
 */
const UNTAGGED: readonly Offer[] = KINDS.slice(0, 3).map((frame) => ({ frame, count: 20, length: 1400 }));
const MIXTURE: readonly Offer[] = KINDS.flatMap((frame) => [
  { frame, count: 20, length: 1400 },
  { frame, count: 200, length: 128, send: true },
  { frame, count: 20, length: 67, send: true },
]);

const VARIANTS: readonly (readonly string[])[] = [
  [],
  ['-s', '96'],
  ['-s', '40'],
  ['-s', '21'], // a cooked header and one byte
  ['--time-stamp-precision', 'nano'],
  ['-s', '96', 'ip6'],
  ['-s', '96', 'arp'],
  ['-s', '96', 'udp port 40001 and not ip6'],
  ['-s', '96', 'ether proto 0x8100 or arp'],
  ['-s', '96', 'greater 1000'],
  ['-s', '96', 'not ip'],
];

test.each([
  ['Ethernet', ['-i', 'cap0']],
  ['any, LINUX_SLL2', ['-i', 'any']],
  ['any, LINUX_SLL', ['-i', 'any', '-y', 'LINUX_SLL']],
])('IPv4, IPv6, ARP, 802.1Q and 802.1ad packets on %s', { timeout: 120_000 }, async (_, link) => {
  const files = await capture(
    VARIANTS.map((options) => [...link, ...options]),
    UNTAGGED,
    MIXTURE,
  );
  const counts = files.map(([ours, theirs]) => {
    const packets = readSavefile(theirs).records.length;
    expectSame(ours, theirs, packets);
    expectReadable(ours, packets);
    return packets;
  });
  // On any, a packet that is sent is seen twice, at gen0 and at cap0.
  const copies = ({ count, send }: Offer): number => (send === true && link.includes('any') ? 2 * count : count);
  const all = [...UNTAGGED, ...MIXTURE].reduce((sum, each) => sum + copies(each), 0);
  expect(counts.slice(0, 5)).toEqual([all, all, all, all, all]);
  for (const filtered of counts.slice(5)) {
    expect(filtered).toBeGreaterThan(0);
    expect(filtered).toBeLessThan(all);
  }
});

test('the outgoing copy of a loopback packet is left out, as by tcpdump', async () => {
  lab.exec(['ip', 'link', 'set', 'lo', 'up']);
  try {
    for (const device of ['lo', 'any']) {
      const ours = join(directory, `${device}-ours.pcap`);
      const theirs = join(directory, `${device}-theirs.pcap`);
      const tcpdump = await Program.tcpdump(lab, ['-i', device, '-w', theirs]);
      const program = await Program.capture(lab, ['-i', device, '-w', ours]);
      const send = `const s = require('node:dgram').createSocket('udp4'); let n = 0;
        const next = () => n++ < 100 ? s.send('packet ' + n, 40001, '127.0.0.1', next) : s.close(); next();`;
      lab.exec([process.execPath, '-e', send]);
      await tcpdump.caughtUp();
      await tcpdump.stop();
      const { received } = await program.stop();
      const { records } = readSavefile(theirs);
      expect(records.length).toBeGreaterThanOrEqual(100); // nobody listens: answers of ICMP are among them
      expectSame(ours, theirs, records.length);
      expectReadable(ours, records.length);
      expect(received).toBe(records.length);
    }
  } finally {
    lab.exec(['ip', 'link', 'set', 'lo', 'down']);
  }
});
