// Lines that no kernel writes here, and lines that nobody should write. The real ones are in kernel-log.test.ts.
import { isIP, SocketAddress } from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readAddress } from '../../../src/netlog/nft/address.ts';
import { readNftLine } from '../../../src/netlog/nft/line.ts';

const ERROR =
  'SYSFW:new IN=eth0 OUT=vif5.0 PHYSIN=a] PHYSOUT=b[ MAC=01:02 TUNNEL=192.0.2.1->192.0.2.2 SRC=192.0.2.1 DST=10.137.0.10 LEN=58 TOS=0x00 ' +
  'PREC=0xC0 TTL=62 ID=11642 PROTO=ICMP TYPE=3 CODE=3 [SRC=10.137.0.10 DST=192.0.2.1 LEN=40 TOS=0x00 PREC=0x00 TTL=62 ' +
  'ID=36301 DF PROTO=TCP SPT=60432 DPT=443 SEQ=1 ACK=0 WINDOW=64240 RES=0x00 ACK SYN URGP=0 OPT (0204) ] MTU=1400 UID=0 GID=1 MARK=0x2 ';

test('bridges, tunnels and an inner packet', () => {
  expect(readNftLine(ERROR)).toEqual({
    prefix: 'SYSFW',
    class: 'new',
    in: 'eth0',
    out: 'vif5.0',
    src: '192.0.2.1',
    dst: '10.137.0.10',
    len: 58,
    ttl: 62,
    ipId: 11642,
    proto: 'ICMP',
    icmpType: 3,
    icmpCode: 3,
    inner: {
      src: '10.137.0.10',
      dst: '192.0.2.1',
      len: 40,
      ttl: 62,
      ipId: 36301,
      proto: 'TCP',
      sport: 60432,
      dport: 443,
      tcpFlags: 'ACK SYN',
    },
    uid: 0,
    gid: 1,
    mark: 2,
    unread: [],
  });
});

test.each([
  ['SYSFW:new IN=a OUT= SRC=192.0.2.1 ', { prefix: 'SYSFW', class: 'new' }],
  ['IN=a OUT= SRC=192.0.2.1 ', { prefix: '', class: '' }],
  ['drop IN=a OUT= SRC=192.0.2.1 ', { prefix: 'drop', class: '' }],
  ['a: b:c IN=OUT=x OUT= SRC=192.0.2.1 ', { prefix: 'a', class: 'b:c', in: 'OUT=x', out: '' }],
  [
    'x IN=a OUT= SRC=192.0.2.1 [bad] SRC=192.0.2.2 TTL=300 NEW=1 ] ) Unknown Ext Hdr 60 ',
    { src: '192.0.2.1', unread: ['[', 'bad', ']', 'SRC=192.0.2.2', 'TTL=300', 'NEW=1', ']', ')'] },
  ],
  [
    'x IN=a OUT= SRC=192.0.2.1 Unknown Ext 60 __proto__=1 constructor=2 ',
    { unread: ['Unknown', 'Ext', '60', '__proto__=1', 'constructor=2'] },
  ],
  [
    'x IN=a OUT= SRC=1.2.3 DST=192.0.2.256 LEN=-1 ID=0x1 ID=1 ',
    { ipId: 1, unread: ['SRC=1.2.3', 'DST=192.0.2.256', 'LEN=-1', 'ID=0x1'] },
  ],
])('%s', (message, expected) => {
  expect(readNftLine(message)).toMatchObject(expected);
});

test.each([
  '',
  'usb 1-1: new device',
  'x IN=a OUT=b',
  'x IN=a OUT=b ',
  'x IN=a OUT=b nothing of it',
  `x IN=a OUT=b SRC=192.0.2.1 ${'A'.repeat(5000)}`,
])('no line: %j', (message) => {
  expect(readNftLine(message)).toBeUndefined();
});

test('addresses are as inet_ntop has them', () => {
  const group = fc.oneof(fc.constant(0), fc.constant(0xffff), fc.integer({ min: 0, max: 0xffff }));
  fc.assert(
    fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
      const long = groups.map((each) => each.toString(16).padStart(4, '0')).join(':');
      // libuv's, as the C library's.
      expect(readAddress(long)).toBe(new SocketAddress({ address: long, family: 'ipv6' }).address);
    }),
    { numRuns: 2000 },
  );
  for (const text of ['1.2.3', '01.2.3.4', '1.2.3.4.5', '::1', 'g'.repeat(39), ''])
    expect(readAddress(text)).toBeUndefined();
});

test('a mutated line never throws, and its values stay in their bounds', () => {
  const change = fc.record({
    at: fc.nat(ERROR.length),
    cut: fc.nat(30),
    put: fc.string({
      unit: fc.constantFrom(...'[]() =:0aF', 'SRC=', 'PROTO=TCP ', 'OPT (', 'LEN=', '\u202e', '\0', '99999999999'),
    }),
  });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 6 }), (changes) => {
      const message = changes.reduce((text, { at, cut, put }) => text.slice(0, at) + put + text.slice(at + cut), ERROR);
      const line = readNftLine(message);
      for (const packet of [line, line?.inner]) {
        if (packet === undefined) continue;
        for (const address of [packet.src, packet.dst]) if (address !== undefined) expect(isIP(address)).not.toBe(0);
        for (const port of [packet.sport, packet.dport, packet.ipId])
          if (port !== undefined) expect(port).toBeLessThan(65536);
      }
    }),
    { numRuns: 5000 },
  );
});
