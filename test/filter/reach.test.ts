// reachOf: a packet cut off where the program can't look gets the verdict of the whole, and no more than that is asked for.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compileOffline } from '../../src/filter/offline.ts';
import { compilePacketFilter } from '../../src/filter/packet-filter.ts';
import * as bpf from '../../src/filter/program.ts';
import { reachOf } from '../../src/filter/reach.ts';
import { made, programOf, validProgram } from './random-program.ts';

test.each([
  ['', 0],
  ['ip', 14],
  ['not net 10.137.0.0/16', 42],
  ['udp[8:4] = 1', 14 + 60 + 8 + 4],
  ['udp port 53', 14 + 60 + 4],
  ['len > 100', 0],
  ['ip6 protochain 17', Number.POSITIVE_INFINITY],
])('%j looks at %d bytes', (expression, reach) => {
  expect(reachOf(compileOffline(expression, { linktype: 1, snaplen: 262144 }))).toBe(reach);
});

test('X is what it is set to, at most', () => {
  const load = [made(bpf.BPF_LD | bpf.BPF_H | bpf.BPF_IND, 4), made(bpf.BPF_RET, 0)];
  expect(reachOf(programOf([made(bpf.BPF_LDX, 1000), made(bpf.BPF_LDX, 9), ...load]))).toBe(15);
  const twoWays = [made(bpf.BPF_LDX, 1000), made(bpf.BPF_JMP | bpf.BPF_JEQ, 7, 0, 1), made(bpf.BPF_LDX, 9), ...load];
  expect(reachOf(programOf(twoWays))).toBe(1006);
  expect(reachOf(programOf([made(bpf.BPF_LD | bpf.BPF_ABS, bpf.SKF_AD_VLAN_TAG), made(bpf.BPF_RET, 0)]))).toBe(0);
  expect(reachOf(programOf([made(bpf.BPF_LDX | bpf.BPF_LEN, 0), ...load]))).toBe(Number.POSITIVE_INFINITY);
  expect(reachOf(programOf([made(bpf.BPF_LDX | bpf.BPF_B | bpf.BPF_MSH, 500), made(bpf.BPF_RET, 0)]))).toBe(501);
});

test('property: what is beyond it makes no difference', () => {
  let cut = 0;
  const packet = fc.uint8Array({ minLength: 80, maxLength: 150, size: 'max' });
  const property = fc.property(validProgram({ min: 0, max: 12 }), packet, (instructions, bytes) => {
    const program = programOf(instructions);
    const filter = compilePacketFilter(program, 'libpcap');
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const caplen = Math.min(bytes.length, reachOf(program));
    if (caplen < bytes.length) cut++;
    expect(filter(view, 0, caplen, 150)).toBe(filter(view, 0, bytes.length, 150));
  });
  fc.assert(property, { numRuns: 5000 });
  expect(cut).toBeGreaterThan(500);
});
