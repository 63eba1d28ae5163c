// Filters as JavaScript: equal to libpcap's pcap_offline_filter(3PCAP) and to the kernel's sockets, over random programs
// and over compiled expressions.
import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { CaptureError } from '../../src/errors.ts';
import { compilePacketFilter } from '../../src/filter/packet-filter.ts';
import * as bpf from '../../src/filter/program.ts';
import { bpf_validate, pcap_offline_filter } from '../native/offline-filter.ts';
import { anyProgram, made, programOf, validProgram } from './random-program.ts';
import { SHORTEST, SocketFilter } from './socket-filter.ts';

const { Program } = bpf;

/** Most programs read all of it, and some beyond its end. */
const packet = fc.oneof(
  fc.uint8Array({ minLength: 80, maxLength: 90 }),
  fc.uint8Array({ minLength: SHORTEST, maxLength: 80, size: 'max' }),
);

/** Runs it on a packet in the middle of other bytes. */
function run(filter: ReturnType<typeof compilePacketFilter>, packet: Uint8Array, len: number): number {
  const around = new Uint8Array(packet.length + 16).fill(0x5a);
  around.set(packet, 8);
  return filter(new DataView(around.buffer), 8, packet.length, len);
}

function tcpdumpProgram(...args: readonly string[]): bpf.Program {
  return Program.parse(execFileSync('tcpdump', ['-ddd', ...args], { encoding: 'utf8', stdio: 'pipe' }));
}

describe('libpcap', () => {
  function compareWithLibpcap(program: bpf.Program, packets: readonly Uint8Array[], extra: number): number[] {
    const filter = compilePacketFilter(program, 'libpcap');
    return packets.map((each) => {
      const found = run(filter, each, each.length + extra);
      expect(found).toBe(pcap_offline_filter(program.bytes, each, each.length + extra));
      return found;
    });
  }

  test.each([
    ['short', { min: 0, max: 40 }, 3000],
    ['of several pieces', { min: 200, max: 1200 }, 200],
  ])('property: random programs, %s', (_, length, numRuns) => {
    const results = new Set<number>();
    const property = fc.property(
      validProgram(length),
      fc.array(packet, { minLength: 4, maxLength: 8 }),
      fc.nat(5000),
      (instructions, packets, extra) => {
        for (const result of compareWithLibpcap(programOf(instructions), packets, extra)) results.add(result);
      },
    );
    fc.assert(property, { numRuns });
    expect(results.size).toBeGreaterThan(numRuns / 4);
  });

  test('property: refuses what bpf_validate() refuses, and besides that only what the interpreter aborts on', () => {
    let [valid, invalid] = [0, 0];
    const property = fc.property(anyProgram, (instructions) => {
      const program = programOf(instructions);
      const why = refusal(program, 'libpcap');
      if (why === undefined) valid++;
      else invalid++;
      if (!bpf_validate(program.bytes)) expect(why).toBeDefined();
      else if (why !== undefined) expect(why).toMatch(/unknown code/);
    });
    fc.assert(property, { numRuns: 5000 });
    expect(Math.min(valid, invalid)).toBeGreaterThan(500);
  });

  const traffic = [
    ...['0800', '0806', '86dd', '8100', '88a8', '8847'].flatMap((type) =>
      ['45', '46', '60'].flatMap((first) =>
        ['06', '11', '01', '2c', '00'].map((protocol) => `${type}${first}0000540000${'0000'}40${protocol}`),
      ),
    ),
  ].flatMap((start, seed) => [0, 13, 20, 40, 60, 90, 200].map((length) => frame(start, length, seed)));

  test.each([
    '',
    'udp port 53',
    'not net 10.137.0.0/16',
    'ip[ip[0] & 0xf] * 7 / 2 % 5 > 3 or tcp[tcpflags] & tcp-syn != 0',
    'ip broadcast or ether multicast',
    'vlan 5 and tcp or vlan 6',
    'mpls 3',
    'len > 100 and greater 20',
    'icmp6 or (ip6 and not host 2001:db8::1)',
    'ip6 protochain 17 or ip protochain 6',
    'portrange 1-1024 and less 150',
    'ip[8:4] << (ip[9] & 63) > 5 or ip[12] >> ip[13] = 1',
  ])('%s', (expression) => {
    const program = tcpdumpProgram('-y', 'EN10MB', ...expression.split(' ').filter((word) => word !== ''));
    compareWithLibpcap(program, traffic, 0);
  });

  test('follows a chain of headers to its end, and a chain that has none is left out', () => {
    const program = tcpdumpProgram('-y', 'RAW', 'ip6 protochain 17');
    const chain = (links: number, last: number): Uint8Array =>
      Uint8Array.of(
        ...[0x60, 0, 0, 0, 0, 0, links === 0 ? last : 0, 64, ...new Uint8Array(32)],
        ...Array.from({ length: links }, (_, link) => [link + 1 < links ? 0 : last, ...new Uint8Array(7)]).flat(),
      );
    const packets = [chain(0, 17), chain(1, 17), chain(30, 17), chain(1, 6), chain(30, 6)];
    expect(compareWithLibpcap(program, packets, 0)).toEqual([262144, 262144, 262144, 0, 0]);
    const forever = programOf([made(bpf.BPF_JMP, 0xffffffff), made(bpf.BPF_RET, 1)]);
    expect(run(compilePacketFilter(forever, 'libpcap'), packetOfZeros(10), 10)).toBe(0);
  });

  test('a shift by 32 and more gives 0 by X and is taken by 31 as k', () => {
    for (const shift of [bpf.BPF_LSH, bpf.BPF_RSH]) {
      for (const by of [0, 1, 31, 32, 33, 0x80000000, 0xffffffff]) {
        const load = made(bpf.BPF_LD, 0x80000001);
        const last = made(bpf.BPF_RET | bpf.BPF_A, 0);
        const byX = [load, made(bpf.BPF_LDX, by), made(bpf.BPF_ALU | shift | bpf.BPF_X, 0), last];
        compareWithLibpcap(programOf(byX), [packetOfZeros(1)], 0);
        compareWithLibpcap(programOf([load, made(bpf.BPF_ALU | shift, by), last]), [packetOfZeros(1)], 0);
      }
    }
  });

  test('comparisons and operations at the edges of 32 bits', () => {
    const edges = [0, 1, 2, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff];
    const operations = [bpf.BPF_ADD, bpf.BPF_SUB, bpf.BPF_MUL, bpf.BPF_DIV, bpf.BPF_MOD, bpf.BPF_AND, bpf.BPF_XOR];
    const last = [made(bpf.BPF_RET | bpf.BPF_A, 0), made(bpf.BPF_RET, 7)];
    for (const [a, k] of edges.flatMap((a) => edges.map((k) => [a, k] as const))) {
      const load = [made(bpf.BPF_LD, a), made(bpf.BPF_LDX, k)];
      const codes = [
        ...[bpf.BPF_JEQ, bpf.BPF_JGT, bpf.BPF_JGE, bpf.BPF_JSET].map((code) => bpf.BPF_JMP | code),
        ...operations.map((code) => bpf.BPF_ALU | code),
      ];
      for (const code of codes) {
        compareWithLibpcap(programOf([...load, made(code | bpf.BPF_X, 0, 1, 0), ...last]), [packetOfZeros(1)], 0);
        const divides = [bpf.BPF_ALU | bpf.BPF_DIV, bpf.BPF_ALU | bpf.BPF_MOD].includes(code);
        if (k === 0 && divides) continue;
        compareWithLibpcap(programOf([...load, made(code, k, 1, 0), ...last]), [packetOfZeros(1)], 0);
      }
    }
  });

  test('VLAN tags beside the packet are read by bytes, and only where there are any', () => {
    const metadata = { ...METADATA, vlanTag: 0xf005, vlanTagPresent: 1 };
    for (const [size, k, expected] of [
      [bpf.BPF_B, bpf.SKF_AD_VLAN_TAG, 5],
      [bpf.BPF_B, bpf.SKF_AD_VLAN_TAG_PRESENT, 1],
      [bpf.BPF_B, bpf.SKF_AD_PROTOCOL, 0],
      [bpf.BPF_W, bpf.SKF_AD_VLAN_TAG, 0],
    ] as const) {
      const program = programOf([made(bpf.BPF_LD | size | bpf.BPF_ABS, k), made(bpf.BPF_RET | bpf.BPF_A, 0)]);
      const filter = compilePacketFilter(program, 'libpcap');
      const view = new DataView(new ArrayBuffer(64));
      expect(filter(view, 0, 64, 64, metadata)).toBe(expected);
      expect(filter(view, 0, 64, 64)).toBe(pcap_offline_filter(program.bytes, packetOfZeros(64), 64));
    }
  });
});

describe('kernel', () => {
  const socket = new SocketFilter();
  afterAll(() => socket.close());

  function compareWithKernel(program: bpf.Program, packets: readonly Uint8Array[]): number[] {
    const filter = compilePacketFilter(program, 'kernel');
    return packets.map((each) => {
      const found = run(filter, each, each.length);
      expect(found).toBe(socket.run(program, each));
      return found;
    });
  }

  test.each([
    ['short', { min: 0, max: 40 }, 1000],
    ['of several pieces', { min: 200, max: 1200 }, 60],
  ])('property: random programs, %s', (_, length, numRuns) => {
    const results = new Set<number>();
    const property = fc.property(
      validProgram(length),
      fc.array(packet, { minLength: 2, maxLength: 4 }),
      (instructions, packets) => {
        for (const result of compareWithKernel(programOf(instructions), packets)) results.add(result);
      },
    );
    fc.assert(property, { numRuns });
    expect(results.size).toBeGreaterThan(numRuns / 4);
  });

  test('property: refuses what the kernel refuses, and besides that only loads of what is not at hand', () => {
    let [valid, invalid] = [0, 0];
    const property = fc.property(anyProgram, (instructions) => {
      const program = programOf(instructions);
      const why = refusal(program, 'kernel');
      if (why === undefined) valid++;
      else invalid++;
      if (instructions.length > 0 && why?.includes('not at hand') !== true)
        expect(socket.accepts(program)).toBe(why === undefined);
    });
    fc.assert(property, { numRuns: 5000 });
    expect(Math.min(valid, invalid)).toBeGreaterThan(500);
  });

  test.each([
    [[made(bpf.BPF_LD | bpf.BPF_MEM, 3), made(bpf.BPF_RET, 0)], 'scratch memory 3 is read before it is written'],
    [[made(bpf.BPF_ALU | bpf.BPF_LSH, 32), made(bpf.BPF_RET, 0)], 'shift by 32 bits'],
    [[made(bpf.BPF_ALU | bpf.BPF_DIV, 0), made(bpf.BPF_RET, 0)], 'division by 0'],
    [[made(bpf.BPF_ALU | bpf.BPF_MOD, 0), made(bpf.BPF_RET, 0)], 'division by 0'],
    [[made(bpf.BPF_ST, 16), made(bpf.BPF_RET, 0)], 'scratch memory 16, there is 16'],
    [[made(bpf.BPF_JMP, 0xffffffff), made(bpf.BPF_RET, 0)], 'jump to 0 in a program of 2'],
    [[made(bpf.BPF_JMP | bpf.BPF_JEQ, 0, 0, 1), made(bpf.BPF_RET, 0)], 'jump to 2 in a program of 2'],
    [[made(bpf.BPF_LD | bpf.BPF_LEN, 0)], 'the last one must return'],
    [[made(bpf.BPF_RET | bpf.BPF_X, 0)], 'unknown code 0xe'],
  ])('refuses %j', (instructions, why) => {
    expect(refusal(programOf(instructions), 'kernel')).toMatch(new RegExp(`^instruction 0 of the filter: ${why}$`));
    expect(socket.accepts(programOf(instructions))).toBe(false);
  });

  test('scratch memory is written on every way to where it is read', () => {
    const read = [made(bpf.BPF_LD | bpf.BPF_MEM, 0), made(bpf.BPF_RET | bpf.BPF_A, 0)];
    const oneWay = programOf([
      made(bpf.BPF_JMP | bpf.BPF_JEQ, 1, 2, 0),
      made(bpf.BPF_ST, 0),
      made(bpf.BPF_JMP, 0),
      ...read,
    ]);
    expect(refusal(oneWay, 'kernel')).toBe(
      'instruction 3 of the filter: scratch memory 0 is read before it is written',
    );
    expect(socket.accepts(oneWay)).toBe(false);
    const bothWays = [made(bpf.BPF_LDX, 9), made(bpf.BPF_JMP | bpf.BPF_JEQ, 0, 0, 2)];
    bothWays.push(made(bpf.BPF_STX, 0), made(bpf.BPF_JMP, 1), made(bpf.BPF_ST, 0), ...read);
    expect(compareWithKernel(programOf(bothWays), [packetOfZeros(64)])).toEqual([9]);
  });

  test('4,096 instructions, and not one more', () => {
    const program = (length: number): bpf.Program =>
      programOf([...Array.from({ length: length - 1 }, () => made(bpf.BPF_ALU, 3)), made(bpf.BPF_RET | bpf.BPF_A, 0)]);
    const ownReturn = 3; // which the comparison puts in place of one instruction
    expect(compareWithKernel(program(4096 - ownReturn), [packetOfZeros(64)])).toEqual([4092 * 3]);
    expect(socket.accepts(program(4096))).toBe(true);
    expect(refusal(program(4096), 'kernel')).toBeUndefined();
    expect(refusal(program(4097), 'kernel')).toBe('the filter has 4097 instructions, the most is 4096');
    expect(socket.accepts(program(4097))).toBe(false);
  });

  test.each([
    ['the frame, which the ring may not hold', bpf.SKF_LL_OFF, 'a header of the kernel'],
    ['a random number', bpf.SKF_AD_OFF + 56, 'what the kernel knows of the packet'],
  ])('refuses %s', (_, k, where) => {
    const program = programOf([made(bpf.BPF_LD | bpf.BPF_ABS, k), made(bpf.BPF_RET | bpf.BPF_A, 0)]);
    expect(socket.accepts(program)).toBe(true);
    expect(refusal(program, 'kernel')).toContain(where);
  });
});

describe('long programs', () => {
  test('10,000 instructions', () => {
    const alternatives = Array.from({ length: 4999 }, (_, n) => [
      made(bpf.BPF_JMP | bpf.BPF_JEQ, n * 3, 0, 1),
      made(bpf.BPF_RET, n + 1),
    ]).flat();
    const program = programOf([made(bpf.BPF_LD | bpf.BPF_ABS, 0), ...alternatives, made(bpf.BPF_RET, 7)]);
    const filter = compilePacketFilter(program, 'libpcap');
    for (const n of [0, 1, 127, 128, 2500, 4998]) {
      const packet = packetOfZeros(4);
      new DataView(packet.buffer).setUint32(0, n * 3);
      expect(run(filter, packet, 4)).toBe(n + 1);
    }
    expect(run(filter, packetOfZeros(4).fill(255), 4)).toBe(7);
  });

  test('a jump to each instruction', () => {
    for (let target = 1; target < 1030; target++) {
      const program = programOf([
        made(bpf.BPF_JMP, target - 1),
        ...Array.from({ length: 1030 }, () => made(bpf.BPF_ALU, 1)),
        made(bpf.BPF_RET | bpf.BPF_A, 0),
      ]);
      expect(run(compilePacketFilter(program, 'libpcap'), packetOfZeros(1), 1)).toBe(1031 - target);
    }
  });

  test('jumps over each other, a thousand deep', () => {
    // Every instruction of the first half jumps to its mirror image in the second, so that all blocks are open at once.
    const half = 1000;
    const jumps = Array.from({ length: half }, (_, n) => [
      made(bpf.BPF_JMP | bpf.BPF_JEQ, n, 0, 1),
      made(bpf.BPF_JMP, 2 * (half - n - 1) + 2 * (half - n - 1)),
    ]).flat();
    const ends = Array.from({ length: half }, (_, n) => [
      made(bpf.BPF_LD, half - n),
      made(bpf.BPF_RET | bpf.BPF_A, 0),
    ]).flat();
    const program = programOf([made(bpf.BPF_LD | bpf.BPF_ABS, 0), ...jumps, ...ends]);
    const filter = compilePacketFilter(program, 'libpcap');
    for (const n of [0, 1, 500, 998, 999]) {
      const packet = packetOfZeros(4);
      new DataView(packet.buffer).setUint32(0, n);
      expect(run(filter, packet, 4)).toBe(pcap_offline_filter(program.bytes, packet, 4));
      expect(run(filter, packet, 4)).toBe(n + 1);
    }
  });
});

const METADATA = { protocol: 0, pkttype: 0, ifindex: 0, hatype: 0, vlanTag: 0, vlanTagPresent: 0, vlanTpid: 0 };

/** Why the program does not compile. */
function refusal(program: bpf.Program, dialect: 'libpcap' | 'kernel'): string | undefined {
  try {
    compilePacketFilter(program, dialect);
    return undefined;
  } catch (cause) {
    if (cause instanceof CaptureError && cause.code === 'ERR_FILTER') return cause.message;
    throw cause;
  }
}

function packetOfZeros(length: number): Uint8Array {
  return new Uint8Array(length);
}

/** Ethernet addresses, the bytes in hex behind them, then numbers of which some are ports and addresses of the tests. */
function frame(start: string, length: number, seed: number): Uint8Array {
  const bytes = Uint8Array.from({ length: Math.max(length, 60) }, (_, at) => (at * 7 + seed * 13) & 0xff);
  bytes.set(Buffer.from(start, 'hex'), 12);
  bytes.set(seed % 2 === 0 ? [10, 137, 3, 4] : [192, 0, 2, 1], 26);
  bytes.set(seed % 3 === 0 ? [0, 53] : [4, 0], 34);
  return bytes.slice(0, length);
}
