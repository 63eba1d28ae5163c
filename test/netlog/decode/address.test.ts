// Addresses as text against inet_ntop(3), called by Python.
import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addressText4, addressText6 } from '../../../src/netlog/decode/address.ts';

const NTOP = `
import socket, sys
for line in sys.stdin:
    family, address = line.split()
    print(socket.inet_ntop(getattr(socket, family), bytes.fromhex(address)))
`;

function ntop(family: 'AF_INET' | 'AF_INET6', addresses: readonly Buffer[]): string[] {
  const input = addresses.map((address) => `${family} ${address.toString('hex')}\n`).join('');
  return execFileSync('python3', ['-c', NTOP], { input, encoding: 'utf8' }).trimEnd().split('\n');
}

test('IPv6 addresses with every pattern of zeros', () => {
  const pattern = Array.from({ length: 256 }, (_, zeros) =>
    Buffer.concat(
      Array.from({ length: 8 }, (_, group) => ((zeros >> group) & 1 ? Buffer.of(0, 0) : Buffer.of(0x20, group))),
    ),
  );
  const embedded = [
    '0'.repeat(20).concat('ffffc0000201'),
    '0'.repeat(24).concat('c0000201'),
    '0'.repeat(28).concat('0201'),
  ];
  const group = fc.constantFrom([0, 0], [0, 0], [0, 1], [255, 255], [1, 0], [0xab, 0xcd]);
  const some = fc
    .sample(fc.array(group, { minLength: 8, maxLength: 8 }), 2000)
    .map((groups) => Buffer.from(groups.flat()));
  const addresses = [...pattern, ...embedded.map((hex) => Buffer.from(hex, 'hex')), ...some];
  const behind = (address: Buffer): Buffer => Buffer.concat([Buffer.of(9, 9, 9), address, Buffer.of(9)]);
  expect(addresses.map((address) => addressText6(behind(address), 3))).toEqual(ntop('AF_INET6', addresses));
});

test('IPv4 addresses', () => {
  const addresses = ['00000000', 'ffffffff', 'c0000201', '0a000001'].map((hex) => Buffer.from(hex, 'hex'));
  expect(addresses.map((address) => addressText4(address, 0))).toEqual(ntop('AF_INET', addresses));
});
