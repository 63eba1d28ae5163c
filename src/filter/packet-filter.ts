// A classic-BPF program as one JavaScript function, for savefiles and where the kernel can't filter. V8 compiles that
// function to machine code, so a packet costs a few nanoseconds where an interpreter pays for each instruction. Why it is
// safe to make source text here, and what it saves: native-notes/packet-filter.md.
//
//   (000) ldh [12]                          L4: {
//   (001) jeq #0x86dd  jt 2  jf 4           if (caplen < 14) return 0;  A = view.getUint16(at + 12);
//   (002) ldb [20]                          if (!(A === 34525)) break L4;
//   (003) jeq #0x11    jt 8  jf 9           if (caplen < 21) return 0;  A = view.getUint8(at + 20);
//                                           if (A === 17) return 96;  return 0;
//   (004) jeq #0x800   jt 5  jf 9           }  if (!(A === 2048)) return 0;
//
// Jumps go forward, so each target is the end of a labelled block and each jump a `break`. V8 does not optimize a
// function of more than 60 KB of its bytecode, and blocks can nest only so deep: a long program becomes several functions
// of PIECE instructions each, run one after the other; a jump out of one leaves the registers in an array and returns
// where to go on. So do the few jumps back that libpcap makes (`ip6 protochain`).
import { bpfOperation, bpfSource, checkProgram, type Dialect, metadataOf, type PacketMetadata } from './dialect.ts';
import {
  BPF_A,
  BPF_ABS,
  BPF_ADD,
  BPF_ALU,
  BPF_AND,
  BPF_DIV,
  BPF_H,
  BPF_IMM,
  BPF_JEQ,
  BPF_JGE,
  BPF_JGT,
  BPF_JMP,
  BPF_LD,
  BPF_LDX,
  BPF_LEN,
  BPF_LSH,
  BPF_MEM,
  BPF_MISC,
  BPF_MOD,
  BPF_MSH,
  BPF_MUL,
  BPF_OR,
  BPF_RET,
  BPF_RSH,
  BPF_SIZE,
  BPF_ST,
  BPF_STX,
  BPF_SUB,
  BPF_TAX,
  BPF_W,
  BPF_X,
  BPF_XOR,
  bpfClass,
  bpfMode,
  type Instruction,
  type Program,
  successors,
} from './program.ts';

/**
 * How many bytes of a packet to keep, from 0 (leave it out) to 2^32 - 1. The packet's `caplen` bytes begin at `at` of `view`
 * and must lie inside it; `len` is its length on the wire. A program that reads metadata returns 0 at such a load when there
 * is none. Allocates nothing, keeps nothing.
 */
export type PacketFilter = (
  view: DataView,
  at: number,
  caplen: number,
  len: number,
  metadata?: Readonly<PacketMetadata>,
) => number;

/** Instructions a function. Fewer make more calls, more take V8 longer to optimize: npm run bench -- micro. */
const PIECE = 256;

/**
 * libpcap lets a program jump back, and no check can tell whether it ends. One that follows a chain of headers of 8 bytes
 * in the longest packet jumps back 32,768 times; what does so more often than this ends with 0.
 */
const MAX_TURNS = 65_536;

/** @throws CaptureError ERR_FILTER when libpcap or the kernel would not run the program */
export function compilePacketFilter(program: Program, dialect: Dialect): PacketFilter {
  const instructions = program.instructions();
  checkProgram(instructions, dialect);
  return new Function(new Source(instructions, dialect).text())();
}

/**
 * The same in the kernel's dialect for a program that was built here (program.ts) of parts that the kernel has accepted, but
 * is too long for it as a whole. A load from a header in front of the packet's data, which is not at hand, ends it with 0.
 */
export function compileOwnFilter(program: Program): PacketFilter {
  return new Function(new Source(program.instructions(), 'kernel').text())();
}

/** The source text of one program. Nothing but its 32-bit numbers and names of this file gets into it. */
class Source {
  readonly #instructions: readonly Instruction[];
  readonly #dialect: Dialect;
  /** Instructions that jumps go to; of these, what another piece or a jump back goes to. Returns are repeated instead. */
  readonly #labels = new Set<number>();
  readonly #entries = new Set<number>();
  /** Registers and cells of scratch memory that the program uses, by their place in the array between pieces. */
  readonly #variables: readonly string[];
  #loops = false;

  constructor(instructions: readonly Instruction[], dialect: Dialect) {
    this.#instructions = instructions;
    this.#dialect = dialect;
    const variables = new Set(['A', 'X']);
    for (const [index, instruction] of instructions.entries()) {
      if (isScratch(instruction.code)) variables.add(`M${instruction.k}`);
      for (const target of successors(instruction, index)) {
        this.#loops ||= target <= index;
        if (this.#return(target) !== undefined) continue;
        if (target !== index + 1) this.#labels.add(target);
        if (!this.#ahead(index, target)) this.#entries.add(target);
      }
    }
    this.#variables = [...variables];
  }

  text(): string {
    const { length } = this.#instructions;
    if (this.#inOnePiece()) return `'use strict';\nreturn ${this.#piece(0, length)};`;
    const pieces: string[] = [];
    const calls: string[] = [];
    for (let start = 0; start < length; start += PIECE) {
      const end = Math.min(start + PIECE, length);
      pieces.push(`const p${start} = ${this.#piece(start, end)};`);
      // Between pieces the result is -1 less the number of the instruction to go on with.
      calls.push(`if (r < ${-start} && r >= ${-end}) r = p${start}(view, at, caplen, len, metadata, -1 - r);`);
    }
    const run = this.#loops ? [`for (let turns = 0; r < 0 && turns < ${MAX_TURNS}; turns++) {`, ...calls, '}'] : calls;
    return [
      "'use strict';",
      `const S = new Int32Array(${this.#variables.length});`,
      ...pieces,
      'return (view, at, caplen, len, metadata) => {',
      'S.fill(0);',
      'let r = -1;',
      ...run,
      'return r < 0 ? 0 : r;',
      '};',
    ].join('\n');
  }

  #inOnePiece(): boolean {
    return this.#instructions.length <= PIECE && !this.#loops;
  }

  /** The function of the instructions from `start` up to `end`. */
  #piece(start: number, end: number): string {
    const alone = this.#inOnePiece();
    const declarations = this.#variables.map((name, place) => `${name} = ${alone ? 0 : `S[${place}]`}`);
    const labels: number[] = [];
    const body: string[] = [];
    for (let index = start; index < end; index++) {
      if (this.#labels.has(index)) {
        labels.unshift(index);
        body.push('}');
      }
      body.push(...this.#statements(index, end));
    }
    const entries = labels.filter((label) => this.#entries.has(label));
    return [
      '(view, at, caplen, len, metadata, pc) => {',
      `let P = 0, ${declarations.join(', ')};`,
      'OUT: {',
      ...labels.map((label) => `L${label}: {`),
      ...(entries.length === 0 ? [] : ['switch (pc) {', ...entries.map((at) => `case ${at}: break L${at};`), '}']),
      ...body,
      '}',
      ...(alone ? [] : [...this.#variables.map((name, place) => `S[${place}] = ${name};`), 'return -1 - pc;']),
      '}',
    ].join('\n');
  }

  #statements(index: number, end: number): string[] {
    const instruction = this.#instructions[index];
    if (instruction === undefined) throw new Error(`unreachable: no instruction ${index}`);
    const { code, k } = instruction;
    const next = index + 1 < end ? '' : this.#go(index, index + 1);
    switch (bpfClass(code)) {
      case BPF_LD:
        return [...this.#load(instruction, 'A'), next];
      case BPF_LDX:
        return [...this.#load(instruction, 'X'), next];
      case BPF_ST:
        return [`M${k} = A;`, next];
      case BPF_STX:
        return [`M${k} = X;`, next];
      case BPF_ALU:
        return [...this.#compute(instruction), next];
      case BPF_MISC:
        return [code === (BPF_MISC | BPF_TAX) ? 'X = A;' : 'A = X;', next];
      case BPF_JMP:
        return this.#jump(instruction, index, end);
      default:
        return [this.#return(index) ?? ''];
    }
  }

  /** `| 0` here and below: registers are kept as signed 32-bit integers, for which V8 needs no memory. */
  #load(instruction: Instruction, register: 'A' | 'X'): string[] {
    const { code, k } = instruction;
    const field = metadataOf(instruction, this.#dialect);
    if (field !== undefined) {
      const mask = this.#dialect === 'libpcap' && field === 'vlanTag' ? ' & 0xfff' : ' | 0';
      return ['if (metadata === undefined) return 0;', `${register} = metadata.${field}${mask};`];
    }
    switch (bpfMode(code)) {
      case BPF_IMM:
        return [`${register} = ${k | 0};`];
      case BPF_MEM:
        return [`${register} = M${k};`];
      case BPF_LEN:
        return [`${register} = len | 0;`];
      case BPF_MSH:
        return [requireBytes(k, 1), `X = (view.getUint8(at + ${k}) & 0xf) << 2;`];
      case BPF_ABS:
        return [requireBytes(k, sizeOf(code)), `A = view.${GET[sizeOf(code)]}(at + ${k});`];
      default:
        return this.#loadIndirect(code, k);
    }
  }

  #loadIndirect(code: number, k: number): string[] {
    const size = sizeOf(code);
    const get = `A = view.${GET[size]}(at + P);`;
    // In the kernel's dialect X + k may be a negative offset, which stands for headers that are not at hand here.
    if (this.#dialect === 'kernel')
      return [`P = X + ${k | 0} | 0;`, `if (P < 0 || P > caplen - ${size}) return 0;`, get];
    if (k + size > MAX_CAPLEN) return ['return 0;'];
    return [`if (X < 0 || X > caplen - ${k + size}) return 0;`, `P = X + ${k};`, get];
  }

  #compute({ code, k }: Instruction): string[] {
    const byX = bpfSource(code) === BPF_X;
    const operand = byX ? 'X' : `${k | 0}`;
    const unsigned = byX ? '(X >>> 0)' : `${k}`;
    const zero = byX ? ['if (X === 0) return 0;'] : [];
    const tooFar = byX && this.#dialect === 'libpcap' ? '(X >>> 0) >= 32 ? 0 : ' : '';
    switch (bpfOperation(code)) {
      case BPF_ADD:
        return [`A = A + ${operand} | 0;`];
      case BPF_SUB:
        return [`A = A - ${operand} | 0;`];
      case BPF_MUL:
        return [`A = Math.imul(A, ${operand});`];
      case BPF_DIV:
        return [...zero, `A = (A >>> 0) / ${unsigned} | 0;`];
      case BPF_MOD:
        return [...zero, `A = (A >>> 0) % ${unsigned} | 0;`];
      case BPF_AND:
        return [`A = A & ${operand};`];
      case BPF_OR:
        return [`A = A | ${operand};`];
      case BPF_XOR:
        return [`A = A ^ ${operand};`];
      case BPF_LSH:
        return [`A = ${tooFar}A << ${operand};`];
      case BPF_RSH:
        return [`A = ${tooFar}A >>> ${operand} | 0;`];
      default:
        return ['A = -A | 0;'];
    }
  }

  #jump(instruction: Instruction, index: number, end: number): string[] {
    const [ifTrue = 0, ifFalse = ifTrue] = successors(instruction, index);
    const follows = (target: number): boolean => target === index + 1 && target < end;
    if (ifTrue === ifFalse) return follows(ifTrue) ? [] : [this.#go(index, ifTrue)];
    const test = condition(instruction);
    if (follows(ifTrue)) return [`if (!(${test})) ${this.#go(index, ifFalse)}`];
    return [`if (${test}) ${this.#go(index, ifTrue)}`, follows(ifFalse) ? '' : this.#go(index, ifFalse)];
  }

  /** The statement that goes on with another instruction. */
  #go(from: number, to: number): string {
    return this.#return(to) ?? (this.#ahead(from, to) ? `break L${to};` : `{ pc = ${to}; break OUT; }`);
  }

  /** Behind it in the same piece. */
  #ahead(from: number, to: number): boolean {
    return to > from && Math.floor(from / PIECE) === Math.floor(to / PIECE);
  }

  /** The statement of the instruction there, if it is a return. */
  #return(index: number): string | undefined {
    const instruction = this.#instructions[index];
    if (instruction === undefined || bpfClass(instruction.code) !== BPF_RET) return undefined;
    return instruction.code === (BPF_RET | BPF_A) ? 'return A >>> 0;' : `return ${instruction.k};`;
  }
}

/** Longer packets are not read: offsets stay in 32 bits. */
const MAX_CAPLEN = 2 ** 31 - 1;

const GET: Readonly<Record<number, string>> = { 1: 'getUint8', 2: 'getUint16', 4: 'getInt32' };

function sizeOf(code: number): number {
  return (code & BPF_SIZE) === BPF_W ? 4 : (code & BPF_SIZE) === BPF_H ? 2 : 1;
}

function requireBytes(k: number, size: number): string {
  return k + size > MAX_CAPLEN ? 'return 0;' : `if (caplen < ${k + size}) return 0;`;
}

function condition({ code, k }: Instruction): string {
  const byX = bpfSource(code) === BPF_X;
  const unsigned = byX ? '(X >>> 0)' : `${k}`;
  switch (bpfOperation(code)) {
    case BPF_JEQ:
      return `A === ${byX ? 'X' : k | 0}`;
    case BPF_JGT:
      return `(A >>> 0) > ${unsigned}`;
    case BPF_JGE:
      return `(A >>> 0) >= ${unsigned}`;
    default:
      return `(A & ${byX ? 'X' : k | 0}) !== 0`;
  }
}

function isScratch(code: number): boolean {
  const kind = bpfClass(code);
  return kind === BPF_ST || kind === BPF_STX || ((kind === BPF_LD || kind === BPF_LDX) && bpfMode(code) === BPF_MEM);
}
