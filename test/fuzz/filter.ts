// The filter compiler against libpcap's interpreter and the kernel's sockets: random programs, valid and not, programs that
// libpcap made of random expressions and damages of these, the numbers of -ddd as text, and graphs of thousands of jumps.
import fc from 'fast-check';
import { CaptureError } from '../../src/errors.ts';
import { compileOffline } from '../../src/filter/offline.ts';
import { compilePacketFilter, type PacketFilter } from '../../src/filter/packet-filter.ts';
import * as bpf from '../../src/filter/program.ts';
import type { Random } from '../chaos/random.ts';
import { anyProgram, made, programOf, validProgram } from '../filter/random-program.ts';
import { SocketFilter } from '../filter/socket-filter.ts';
import { bpf_validate, pcap_offline_filter } from '../native/offline-filter.ts';
import { type Campaign, expectEqual } from './campaign.ts';
import { randomExpression } from './expression.ts';

type Instruction = bpf.Instruction;

const LINKTYPES = [1, 1, 1, 101, 113, 276, 105, 239];

export function filter(): Campaign {
  const socket = new SocketFilter();
  return {
    make(random) {
      const { program, about } = randomProgram(random);
      const packets = Array.from({ length: 4 }, () => randomPacket(random));
      return {
        input: Buffer.from(program.dump(3)),
        about,
        run() {
          expectParsed(program);
          expectLikeLibpcap(program, packets);
          expectLikeKernel(program, packets, socket);
        },
      };
    },
  };
}

function randomProgram(random: Random): { program: bpf.Program; about: string } {
  const kind = random.whole(0, 19);
  const sample = (arbitrary: fc.Arbitrary<Instruction[]>): Instruction[] =>
    fc.sample(arbitrary, { seed: random.whole(0, 2 ** 31), numRuns: 1 })[0] ?? [];
  if (kind < 5) return { program: programOf(sample(anyProgram)), about: 'any program' };
  if (kind < 10) return { program: programOf(sample(validProgram({ min: 0, max: 60 }))), about: 'valid program' };
  if (kind === 10) return { program: programOf(sample(validProgram({ min: 200, max: 900 }))), about: 'long program' };
  if (kind === 11) return { program: programOf(jumps(random)), about: 'jumps' };
  const expression = randomExpression(random);
  const linktype = random.pick(LINKTYPES);
  const program = ofExpression(expression, linktype);
  const about = `link type ${linktype}: ${expression}`;
  if (kind < 16) return { program, about };
  return { program: programOf(damaged(program.instructions(), random)), about: `damaged, ${about}` };
}

/** Most expressions are right. What libpcap refuses must be refused by a typed error, in one line. */
function ofExpression(expression: string, linktype: number): bpf.Program {
  try {
    return compileOffline(expression, { linktype, snaplen: 262144 });
  } catch (cause) {
    if (!(cause instanceof CaptureError) || cause.code !== 'ERR_FILTER' || cause.message.includes('\n')) throw cause;
    return programOf([made(bpf.BPF_RET, 0)]);
  }
}

/** Thousands of conditions that go anywhere forward, which is what makes code for a function of blocks deep. */
function jumps(random: Random): Instruction[] {
  const length = random.pick([300, 1000, 4000, 4095, 10_000]);
  const reach = random.pick([2, 20, 255]);
  const program = Array.from({ length }, (_, index): Instruction => {
    const most = length - index - 1;
    if (random.whole(0, 9) === 0) return made(bpf.BPF_LD | bpf.BPF_B | bpf.BPF_ABS, random.whole(0, 60));
    if (random.whole(0, 9) === 0) return made(bpf.BPF_JMP | bpf.BPF_JA, random.whole(0, Math.min(most, 3000)));
    const to = (): number => random.whole(0, Math.min(reach, most));
    return made(bpf.BPF_JMP | random.pick([bpf.BPF_JEQ, bpf.BPF_JGT, bpf.BPF_JSET]), random.whole(0, 255), to(), to());
  });
  return [...program, made(bpf.BPF_RET | bpf.BPF_A, 0)];
}

function damaged(instructions: readonly Instruction[], random: Random): Instruction[] {
  const result = [...instructions];
  for (let n = random.whole(1, 3); n > 0; n--) {
    const at = random.whole(0, result.length - 1);
    const old = result[at] ?? made(0, 0);
    const k = random.pick([
      0,
      1,
      15,
      16,
      31,
      32,
      0x7fffffff,
      0x80000000,
      0xfffffffe,
      0xffffffff,
      0xfffff030,
      old.k + 1,
    ]);
    const changed = {
      ...old,
      ...random.pick([{ k: k >>> 0 }, { jt: random.whole(0, 255) }, { jf: random.whole(0, 9) }]),
    };
    const kind = random.whole(0, 7);
    if (kind < 2) result[at] = { ...old, code: random.whole(0, 255) };
    else if (kind < 4) result.splice(at, random.whole(0, 2), old);
    else result[at] = changed;
  }
  return result;
}

function randomPacket(random: Random): Uint8Array {
  const length = random.pick([2, 13, 14, 20, 34, 42, 60, 90, 90, 300]);
  const bytes = Uint8Array.from({ length }, () =>
    random.pick([0, 1, 4, 6, 17, 0x45, 0x60, 0x80, 0xff, random.whole(0, 255)]),
  );
  const ethertype = random.pick([0x0800, 0x0806, 0x86dd, 0x8100, 0x8847]);
  for (const at of [0, 12, 14]) {
    if (random.whole(0, 1) === 0 || at + 4 > length) continue;
    bytes.set([ethertype >> 8, ethertype & 0xff, 0x45], at);
  }
  return bytes;
}

/** What -ddd prints is what is read back. */
function expectParsed(program: bpf.Program): void {
  if (program.length === 0) return;
  expectEqual('read back from its text', bpf.Program.parse(program.dump(3)).dump(3), program.dump(3));
}

function expectLikeLibpcap(program: bpf.Program, packets: readonly Uint8Array[]): void {
  const ours = compiled(program, 'libpcap');
  const valid = bpf_validate(program.bytes);
  if (typeof ours === 'string') {
    if (valid && !/unknown code/.test(ours)) throw new Error(`libpcap takes it: ${ours}`);
    return;
  }
  if (!valid) throw new Error('libpcap refuses it');
  // What may never end, or reads what was never written, has no result that could be compared.
  const compared = typeof compiled(program, 'kernel') !== 'string' || isDefined(program);
  for (const packet of packets) {
    const result = run(ours, packet);
    if (compared)
      expectEqual(`libpcap, ${hex(packet)}`, result, pcap_offline_filter(program.bytes, packet, packet.length));
  }
}

function isDefined(program: bpf.Program): boolean {
  return program.instructions().every((instruction, index) => {
    const { code } = instruction;
    const kind = bpf.bpfClass(code);
    const reads = (kind === bpf.BPF_LD || kind === bpf.BPF_LDX) && bpf.bpfMode(code) === bpf.BPF_MEM;
    return !reads && bpf.successors(instruction, index).every((target) => target > index);
  });
}

function expectLikeKernel(program: bpf.Program, packets: readonly Uint8Array[], socket: SocketFilter): void {
  const ours = compiled(program, 'kernel');
  if (program.length === 0 || (typeof ours === 'string' && ours.includes('not at hand'))) return;
  expectEqual(
    `the kernel takes it (${typeof ours === 'string' ? ours : ''})`,
    typeof ours !== 'string',
    socket.accepts(program),
  );
  if (typeof ours === 'string' || program.length > MOST_FOR_SOCKET || readsMetadata(program)) return;
  for (const packet of packets.slice(0, 2))
    expectEqual(`the kernel, ${hex(packet)}`, run(ours, packet), socket.run(program, packet));
}

/** SocketFilter puts up to four instructions in place of one. */
const MOST_FOR_SOCKET = 1000;

/** Of which there is none at hand here; X may be any of it. */
function readsMetadata(program: bpf.Program): boolean {
  return program
    .instructions()
    .some(({ code, k }) => bpf.bpfClass(code) === bpf.BPF_LD && (code & 0x60) !== 0 && k >= 2 ** 31);
}

/** Why it does not compile, as text. */
function compiled(program: bpf.Program, dialect: 'libpcap' | 'kernel'): PacketFilter | string {
  try {
    return compilePacketFilter(program, dialect);
  } catch (cause) {
    if (cause instanceof CaptureError && cause.code === 'ERR_FILTER') return cause.message;
    throw cause;
  }
}

/** In the middle of other bytes. */
function run(filter: PacketFilter, packet: Uint8Array): number {
  const around = new Uint8Array(packet.length + 16).fill(0x5a);
  around.set(packet, 8);
  return filter(new DataView(around.buffer), 8, packet.length, packet.length);
}

function hex(packet: Uint8Array): string {
  return Buffer.from(packet).toString('hex');
}
