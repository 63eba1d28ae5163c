// The two dialects of classic BPF and which programs each refuses: libpcap's, which tcpdump runs over savefiles and where
// the kernel can't filter, and that of the kernel's sockets. Sources: bpf_filter.c of libpcap 1.10.3; bpf_check_classic()
// and bpf_convert_filter() in the kernel's net/core/filter.c. Called by packet-filter.ts, which relies on it: what passes
// here has only known instructions, and jumps only to instructions. What they do differently:
//
//                              libpcap                       kernel
//   X + k beyond 2^32          ends with 0                   wraps
//   shift by X >= 32           gives 0                       by X & 31
//   shift by k >= 32           by k & 31 (undefined in C)    refused
//   scratch memory not set     0 (undefined in C)            refused
//   jump back by BPF_JA        allowed, `ip6 protochain`     refused
//   instructions               any number                    up to 4,096
//   loads at SKF_AD_           the two of VLAN tags, bytes   all, of any size
import { CaptureError } from '../errors.ts';
import {
  BPF_A,
  BPF_ABS,
  BPF_ADD,
  BPF_ALU,
  BPF_AND,
  BPF_B,
  BPF_DIV,
  BPF_H,
  BPF_IMM,
  BPF_IND,
  BPF_JA,
  BPF_JEQ,
  BPF_JGE,
  BPF_JGT,
  BPF_JMP,
  BPF_JSET,
  BPF_K,
  BPF_LD,
  BPF_LDX,
  BPF_LEN,
  BPF_LSH,
  BPF_MAXINSNS,
  BPF_MEM,
  BPF_MEMWORDS,
  BPF_MISC,
  BPF_MOD,
  BPF_MSH,
  BPF_MUL,
  BPF_NEG,
  BPF_OR,
  BPF_RET,
  BPF_RSH,
  BPF_ST,
  BPF_STX,
  BPF_SUB,
  BPF_TAX,
  BPF_TXA,
  BPF_W,
  BPF_X,
  BPF_XOR,
  bpfClass,
  bpfMode,
  type Instruction,
  SKF_AD_HATYPE,
  SKF_AD_IFINDEX,
  SKF_AD_OFF,
  SKF_AD_PKTTYPE,
  SKF_AD_PROTOCOL,
  SKF_AD_VLAN_TAG,
  SKF_AD_VLAN_TAG_PRESENT,
  SKF_AD_VLAN_TPID,
  SKF_LL_OFF,
  successors,
} from './program.ts';

/** Whose interpreter of classic BPF a program is for: they differ in what they refuse, and in what is beyond 32 bits. */
export type Dialect = 'libpcap' | 'kernel';

/** What the kernel knows of a packet beside its bytes, as loads of SKF_AD_ offsets see it. */
export interface PacketMetadata {
  /** Ethertype, or what stands in for it, in host order. */
  protocol: number;
  /** PACKET_HOST, PACKET_OUTGOING, … */
  pkttype: number;
  ifindex: number;
  /** ARPHRD_ value of the interface. */
  hatype: number;
  /** The whole tag control information, priority bits included. */
  vlanTag: number;
  /** 1 when there is a tag beside the packet, else 0. */
  vlanTagPresent: number;
  /** Ethertype of that tag. */
  vlanTpid: number;
}

const METADATA: Readonly<Record<Dialect, ReadonlyMap<number, keyof PacketMetadata>>> = {
  libpcap: new Map([
    [SKF_AD_VLAN_TAG, 'vlanTag'],
    [SKF_AD_VLAN_TAG_PRESENT, 'vlanTagPresent'],
  ]),
  kernel: new Map([
    [SKF_AD_PROTOCOL, 'protocol'],
    [SKF_AD_PKTTYPE, 'pkttype'],
    [SKF_AD_IFINDEX, 'ifindex'],
    [SKF_AD_HATYPE, 'hatype'],
    [SKF_AD_VLAN_TAG, 'vlanTag'],
    [SKF_AD_VLAN_TAG_PRESENT, 'vlanTagPresent'],
    [SKF_AD_VLAN_TPID, 'vlanTpid'],
  ]),
};

/** The field that this instruction loads instead of the packet's bytes, if it is such a one. */
export function metadataOf({ code, k }: Instruction, dialect: Dialect): keyof PacketMetadata | undefined {
  if (bpfClass(code) !== BPF_LD || bpfMode(code) !== BPF_ABS) return undefined;
  if (dialect === 'libpcap' && code !== (BPF_LD | BPF_B | BPF_ABS)) return undefined;
  return METADATA[dialect].get(k);
}

/** Every instruction that there is, the same in both. RET X is in neither. */
const CODES: ReadonlySet<number> = new Set([
  ...[BPF_W, BPF_H, BPF_B].flatMap((size) => [BPF_LD | size | BPF_ABS, BPF_LD | size | BPF_IND]),
  ...[BPF_LD, BPF_LDX].flatMap((load) => [load | BPF_IMM, load | BPF_MEM, load | BPF_W | BPF_LEN]),
  BPF_LDX | BPF_B | BPF_MSH,
  BPF_ST,
  BPF_STX,
  ...[BPF_K, BPF_X].flatMap((source) => [
    ...[BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_MOD, BPF_AND, BPF_OR, BPF_XOR, BPF_LSH, BPF_RSH].map(
      (operation) => BPF_ALU | operation | source,
    ),
    ...[BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET].map((test) => BPF_JMP | test | source),
  ]),
  BPF_ALU | BPF_NEG,
  BPF_JMP | BPF_JA,
  BPF_RET | BPF_K,
  BPF_RET | BPF_A,
  BPF_MISC | BPF_TAX,
  BPF_MISC | BPF_TXA,
]);

/** The operation of an ALU or jump instruction. */
export function bpfOperation(code: number): number {
  return code & 0xf0;
}

/** What an instruction reads: BPF_K its own number, BPF_X the register. */
export function bpfSource(code: number): number {
  return code & 0x08;
}

/** @throws CaptureError ERR_FILTER when libpcap or the kernel would not run it */
export function checkProgram(instructions: readonly Instruction[], dialect: Dialect): void {
  const { length } = instructions;
  if (length === 0) throw new CaptureError('ERR_FILTER', 'a filter program has at least one instruction');
  if (dialect === 'kernel' && length > BPF_MAXINSNS)
    throw new CaptureError('ERR_FILTER', `the filter has ${length} instructions, the most is ${BPF_MAXINSNS}`);
  for (const [index, instruction] of instructions.entries()) {
    const why = problem(instruction, index, length, dialect);
    if (why !== undefined) throw invalid(index, why);
  }
  const last = instructions[length - 1];
  if (last !== undefined && bpfClass(last.code) !== BPF_RET) throw invalid(length - 1, 'the last one must return');
  if (dialect === 'kernel') checkScratch(instructions);
}

function problem(instruction: Instruction, index: number, length: number, dialect: Dialect): string | undefined {
  const { code, k } = instruction;
  if (!CODES.has(code)) return `unknown code 0x${code.toString(16)}`;
  switch (bpfClass(code)) {
    case BPF_LD:
    case BPF_LDX:
      if (bpfMode(code) === BPF_MEM) return scratchProblem(k);
      return dialect === 'kernel' ? packetLoadProblem(instruction) : undefined;
    case BPF_ST:
    case BPF_STX:
      return scratchProblem(k);
    case BPF_ALU:
      return bpfSource(code) === BPF_K ? operandProblem(bpfOperation(code), k, dialect) : undefined;
    case BPF_JMP: {
      const lost = successors(instruction, index).find(
        (target) => target >= length || (target <= index && dialect === 'kernel'),
      );
      return lost === undefined ? undefined : `jump to ${lost} in a program of ${length}`;
    }
    default:
      return undefined;
  }
}

function scratchProblem(k: number): string | undefined {
  return k < BPF_MEMWORDS ? undefined : `scratch memory ${k}, there is ${BPF_MEMWORDS}`;
}

function operandProblem(operation: number, k: number, dialect: Dialect): string | undefined {
  if ((operation === BPF_DIV || operation === BPF_MOD) && k === 0) return 'division by 0';
  if (dialect === 'kernel' && (operation === BPF_LSH || operation === BPF_RSH) && k >= 32) return `shift by ${k} bits`;
  return undefined;
}

/** X + k is for the time of running. */
function packetLoadProblem(instruction: Instruction): string | undefined {
  const { code, k } = instruction;
  const fixed = bpfMode(code) === BPF_ABS || bpfMode(code) === BPF_MSH;
  if (!fixed || k < SKF_LL_OFF || metadataOf(instruction, 'kernel') !== undefined) return undefined;
  const where = k < SKF_AD_OFF ? "a header of the kernel's packet" : 'what the kernel knows of the packet';
  return `a load from ${where} that is not at hand outside it, SKF offset ${k - 2 ** 32}`;
}

/** As check_load_and_stores(): a cell that is read has been written on every way there. */
function checkScratch(instructions: readonly Instruction[]): void {
  const ALL = 0xffff;
  const written = instructions.map(() => ALL);
  let here = 0;
  for (const [index, instruction] of instructions.entries()) {
    const { code, k } = instruction;
    here &= written[index] ?? 0;
    const kind = bpfClass(code);
    if (kind === BPF_ST || kind === BPF_STX) here |= 1 << k;
    else if (kind === BPF_JMP) {
      for (const target of successors(instruction, index)) written[target] = (written[target] ?? 0) & here;
      here = ALL;
    } else if ((kind === BPF_LD || kind === BPF_LDX) && bpfMode(code) === BPF_MEM && (here & (1 << k)) === 0)
      throw invalid(index, `scratch memory ${k} is read before it is written`);
  }
}

function invalid(index: number, why: string): CaptureError {
  return new CaptureError('ERR_FILTER', `instruction ${index} of the filter: ${why}`);
}
