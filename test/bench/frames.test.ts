// Frames judged by tshark, checksums included, in a savefile written here by hand.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { buildFrame, FRAME_KINDS, type FrameKind, readSequence } from '../../bench/frames.ts';

const FIELDS = [
  'frame.protocols',
  'ip.checksum.status',
  'udp.checksum.status',
  'ieee8021ad.id',
  'vlan.id',
  'data.data',
  'arp.dst.proto_ipv4',
  '_ws.expert.message',
];

const GOOD = '1';
const DISSECTED: Readonly<Record<FrameKind, (payload: string) => string[]>> = {
  udp4: (payload) => ['eth:ethertype:ip:udp:data', GOOD, GOOD, '', '', payload, '', ''],
  udp6: (payload) => ['eth:ethertype:ipv6:udp:data', '', GOOD, '', '', payload, '', ''],
  arp: () => ['eth:ethertype:arp', '', '', '', '', '', '0.1.226.64', ''],
  vlan: (payload) => ['eth:ethertype:vlan:ethertype:ip:udp:data', GOOD, GOOD, '', '100', payload, '', ''],
  qinq: (payload) => [
    'eth:ethertype:ieee8021ad:ethertype:vlan:ethertype:ip:udp:data',
    GOOD,
    GOOD,
    '200',
    '100',
    payload,
    '',
    '',
  ],
};

function dissect(frame: Uint8Array): string[] {
  const directory = mkdtempSync(join(tmpdir(), 'tsnetpcap-frames-'));
  try {
    const file = join(directory, 'frame.pcap');
    const header = Uint32Array.of(0xa1b2c3d4, 0x0004_0002, 0, 0, 65535, 1, 0, 0, frame.length, frame.length);
    writeFileSync(file, Buffer.concat([new Uint8Array(header.buffer), frame]));
    const check = ['ip.check_checksum:TRUE', 'udp.check_checksum:TRUE'].flatMap((option) => ['-o', option]);
    const fields = FIELDS.flatMap((field) => ['-e', field]);
    // tshark 4.4 takes the filling behind an ARP packet of odd length for a trailer of this protocol.
    check.push('--disable-protocol', 'prp');
    const said = execFileSync('tshark', ['-r', file, ...check, '-T', 'fields', ...fields], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'], // it warns on stderr when run as root
    });
    return said.replace(/\n$/, '').split('\t');
  } finally {
    rmSync(directory, { recursive: true });
  }
}

for (const kind of FRAME_KINDS) {
  test.each([67, 128, 1514])(`${kind} of %i bytes is what it says, without a flaw`, (length) => {
    const frame = buildFrame(kind, length, 123_456);
    expect(frame.length).toBe(length);
    expect(readSequence(kind, frame)).toBe(123_456);
    const payload = frame.subarray(kind === 'udp6' ? 62 : kind === 'vlan' ? 46 : kind === 'qinq' ? 50 : 42);
    expect(dissect(frame)).toEqual(DISSECTED[kind](Buffer.from(payload).toString('hex')));
  });

  test(`${kind}: frames of different numbers differ, too short a frame is refused`, () => {
    expect(buildFrame(kind, 128, 1)).not.toEqual(buildFrame(kind, 128, 2));
    expect(() => buildFrame(kind, 41, 0)).toThrow(RangeError);
  });
}
