// compileOffline against `tcpdump -d -r` on a file of the same kind: the same program, or the same words.
import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { CaptureError } from '../../src/errors.ts';
import { compileOffline, type SavefileKind } from '../../src/filter/offline.ts';
import { compilePacketFilter } from '../../src/filter/packet-filter.ts';

const ETHERNET: SavefileKind = { linktype: 1, snaplen: 262144 };

/** What tcpdump says about the expression for an empty savefile that it reads from stdin. */
function tcpdump(expression: string, { linktype, snaplen = 262144, bigEndian = false }: SavefileKind): string {
  const header = new DataView(new ArrayBuffer(24));
  header.setUint32(0, 0xa1b2c3d4, !bigEndian);
  header.setUint16(4, 2, !bigEndian);
  header.setUint16(6, 4, !bigEndian);
  header.setUint32(16, snaplen, !bigEndian);
  header.setUint32(20, linktype, !bigEndian);
  const options = { input: new Uint8Array(header.buffer), encoding: 'utf8' } as const;
  const { stdout, stderr } = spawnSync('tcpdump', ['-ddd', '-r', '-', expression], options);
  return stdout !== '' ? stdout : (/^tcpdump: (.*)\n$/m.exec(stderr.split('\n').slice(-2).join('\n'))?.[1] ?? stderr);
}

function ours(expression: string, kind: SavefileKind): string {
  try {
    return compileOffline(expression, kind).dump(3);
  } catch (cause) {
    if (cause instanceof CaptureError && cause.code === 'ERR_FILTER') return cause.message;
    throw cause;
  }
}

describe.each([
  ['Ethernet', ETHERNET],
  ['a short snaplen', { linktype: 1, snaplen: 96 }],
  ['no snaplen', { linktype: 1, snaplen: 0 }],
  ['raw IP', { linktype: 101, snaplen: 65535 }],
  ['ATM', { linktype: 106, snaplen: 65535 }],
  ['SLL2', { linktype: 276, snaplen: 262144 }],
  ['SLL', { linktype: 113, snaplen: 262144 }],
  ['IEEE 802.11', { linktype: 105, snaplen: 262144 }],
  ['BSD loopback', { linktype: 0, snaplen: 262144 }],
  ['BSD loopback of the other byte order', { linktype: 0, snaplen: 262144, bigEndian: true }],
  ['Ethernet with frame check sequence', { linktype: 0x24000001, snaplen: 262144 }],
  ['what libpcap does not know', { linktype: 65000, snaplen: 262144 }],
])('%s', (_, kind) => {
  test.each([
    '',
    'udp port 53',
    'not net 10.137.0.0/16',
    'vlan 5 and tcp',
    'ip broadcast',
    'inbound',
    'ip6 protochain 17',
    'len > 100',
    'ether host 1:2:3:4:5:6',
    'link[2:2] = 1',
    'wlan type mgt',
    'foo bar',
    'ip and ip6',
  ])('%j', (expression) => {
    expect(ours(expression, kind)).toBe(tcpdump(expression, kind));
  });
});

test('the whole of it is kept, or nothing', () => {
  const filter = compilePacketFilter(compileOffline('ip', { linktype: 1, snaplen: 96 }), 'libpcap');
  const view = new DataView(new ArrayBuffer(60));
  expect(filter(view, 0, 60, 60)).toBe(0);
  view.setUint16(12, 0x0800);
  expect(filter(view, 0, 60, 60)).toBe(96);
});
