// Classic BPF as the kernel's sockets run it: a finished program with tcpdump's three dumps, and the builder by which
// programs are chained and extended. Jumps go forward only. Used by compile.ts and exclude.ts.
import { CaptureError } from '../errors.ts';
import { bpf_image } from '../native/libpcap.ts';

// Instruction classes, sizes, modes and operations of <linux/bpf_common.h>.
export const BPF_LD = 0x00;
export const BPF_LDX = 0x01;
export const BPF_ST = 0x02;
export const BPF_STX = 0x03;
export const BPF_ALU = 0x04;
export const BPF_JMP = 0x05;
export const BPF_RET = 0x06;
export const BPF_MISC = 0x07;
export const BPF_W = 0x00;
export const BPF_H = 0x08;
export const BPF_B = 0x10;
export const BPF_IMM = 0x00;
export const BPF_ABS = 0x20;
export const BPF_IND = 0x40;
export const BPF_MEM = 0x60;
export const BPF_LEN = 0x80;
export const BPF_MSH = 0xa0;
export const BPF_ADD = 0x00;
export const BPF_SUB = 0x10;
export const BPF_MUL = 0x20;
export const BPF_DIV = 0x30;
export const BPF_OR = 0x40;
export const BPF_AND = 0x50;
export const BPF_LSH = 0x60;
export const BPF_RSH = 0x70;
export const BPF_NEG = 0x80;
export const BPF_MOD = 0x90;
export const BPF_XOR = 0xa0;
export const BPF_JA = 0x00;
export const BPF_JEQ = 0x10;
export const BPF_JGT = 0x20;
export const BPF_JGE = 0x30;
export const BPF_JSET = 0x40;
export const BPF_K = 0x00;
export const BPF_X = 0x08;
export const BPF_A = 0x10;
export const BPF_TAX = 0x00;
export const BPF_TXA = 0x80;
/** Cells of scratch memory. */
export const BPF_MEMWORDS = 16;

/** The bits of a load's code that hold its size. */
export const BPF_SIZE = 0x18;

export function bpfClass(code: number): number {
  return code & 0x07;
}

export function bpfMode(code: number): number {
  return code & 0xe0;
}

/** <linux/filter.h>: loads from here on (as unsigned numbers) read what the kernel knows of the packet, not its bytes. */
export const SKF_AD_OFF: number = 2 ** 32 - 0x1000;
export const SKF_AD_PROTOCOL: number = SKF_AD_OFF + 0;
export const SKF_AD_PKTTYPE: number = SKF_AD_OFF + 4;
export const SKF_AD_IFINDEX: number = SKF_AD_OFF + 8;
export const SKF_AD_HATYPE: number = SKF_AD_OFF + 28;
export const SKF_AD_VLAN_TAG: number = SKF_AD_OFF + 44;
export const SKF_AD_VLAN_TAG_PRESENT: number = SKF_AD_OFF + 48;
export const SKF_AD_VLAN_TPID: number = SKF_AD_OFF + 60;
/** Loads from here on count from the link-layer header, wherever the packet's data begins. */
export const SKF_LL_OFF: number = 2 ** 32 - 0x200000;

/** The most instructions that the kernel takes. */
export const BPF_MAXINSNS = 4096;

/** struct sock_filter of <linux/filter.h>: u16 code, u8 jt, u8 jf, u32 k. */
export interface Instruction {
  readonly code: number;
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

/** The instructions that may follow the one at `index`. A BPF_JA can go back, by a k close to 2^32. */
export function successors({ code, jt, jf, k }: Instruction, index: number): number[] {
  if (bpfClass(code) === BPF_RET) return [];
  if (code === (BPF_JMP | BPF_JA)) return [(index + 1 + k) % 2 ** 32];
  return bpfClass(code) === BPF_JMP ? [index + 1 + jt, index + 1 + jf] : [index + 1];
}

const SIZE = 8;

/** A classic-BPF program, as SO_ATTACH_FILTER takes it. */
export class Program {
  /** `struct sock_filter` after `struct sock_filter`. */
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /**
   * From the numbers that `-ddd` prints, tcpdump's or ours: how many instructions, then `code jt jf k` of each. Says nothing
   * about what the program does. @throws CaptureError ERR_FILTER
   */
  static parse(text: string): Program {
    const [count = '', ...lines] = text.trimEnd().split('\n');
    if (!/^\d{1,7}$/.test(count) || Number(count) !== lines.length)
      throw new CaptureError(
        'ERR_FILTER',
        `${lines.length} instructions, and the first line says '${count.slice(0, 20)}'`,
      );
    const bytes = new Uint8Array(lines.length * SIZE);
    const view = new DataView(bytes.buffer);
    for (const [index, line] of lines.entries()) {
      const fields = /^\d{1,5} \d{1,3} \d{1,3} \d{1,10}$/.test(line) ? line.split(' ').map(Number) : [];
      const [code = -1, jt = 0, jf = 0, k = 0] = fields;
      if (code < 0 || code > 0xffff || jt > 0xff || jf > 0xff || k > 0xffffffff)
        throw new CaptureError(
          'ERR_FILTER',
          `instruction ${index}: expected code, jt, jf and k, found '${line.slice(0, 40)}'`,
        );
      view.setUint16(index * SIZE, code, true);
      view.setUint8(index * SIZE + 2, jt);
      view.setUint8(index * SIZE + 3, jf);
      view.setUint32(index * SIZE + 4, k, true);
    }
    return new Program(bytes);
  }

  get length(): number {
    return this.bytes.byteLength / SIZE;
  }

  instructions(): Instruction[] {
    const view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
    return Array.from({ length: this.length }, (_, index) => {
      const at = index * SIZE;
      return {
        code: view.getUint16(at, true),
        jt: view.getUint8(at + 2),
        jf: view.getUint8(at + 3),
        k: view.getUint32(at + 4, true),
      };
    });
  }

  /** As tcpdump prints it: 1 in words (-d), 2 as C (-dd), 3 and more as numbers (-ddd). */
  dump(level: number): string {
    const lines =
      level <= 1
        ? Array.from({ length: this.length }, (_, n) => bpf_image(this.bytes.slice(n * SIZE, (n + 1) * SIZE), n))
        : level === 2
          ? this.instructions().map(({ code, jt, jf, k }) => `{ 0x${hex(code)}, ${jt}, ${jf}, 0x${hex(k, 8)} },`)
          : [`${this.length}`, ...this.instructions().map(({ code, jt, jf, k }) => `${code} ${jt} ${jf} ${k}`)];
    return lines.map((line) => `${line}\n`).join('');
  }
}

function hex(value: number, digits = 1): string {
  return value.toString(16).padStart(digits, '0');
}

/** A place in a program that is being built; jumps may name it before it is placed. */
export class Label {
  /** Index of the statement that it stands before. */
  at: number | undefined;
}

interface Statement {
  readonly code: number;
  readonly k: number;
  /** Where a jump goes; BPF_JA has only the one. */
  readonly ifTrue: Label | undefined;
  readonly ifFalse: Label | undefined;
  /** Whether a conditional jump does not reach its label and takes a BPF_JA behind it instead. */
  trueFar: boolean;
  falseFar: boolean;
}

/** Conditional jumps reach this far, BPF_JA everywhere. */
const MAX_REACH = 255;

/** Puts instructions in a row; jumps name labels, so that it does not matter what comes to stand between. */
export class ProgramBuilder {
  readonly #statements: Statement[] = [];

  place(label: Label): void {
    label.at = this.#statements.length;
  }

  add(code: number, k: number): void {
    this.#push(code, k);
  }

  jump(code: number, k: number, ifTrue: Label, ifFalse: Label): void {
    this.#push(BPF_JMP | code, k, ifTrue, ifFalse);
  }

  /** Goes on at `ifTrue` if the condition holds, else with the next instruction. */
  jumpIf(code: number, k: number, ifTrue: Label): void {
    const next = new Label();
    this.jump(code, k, ifTrue, next);
    this.place(next);
  }

  /** Goes on at `ifFalse` unless the condition holds, else with the next instruction. */
  jumpUnless(code: number, k: number, ifFalse: Label): void {
    const next = new Label();
    this.jump(code, k, next, ifFalse);
    this.place(next);
  }

  goto(label: Label): void {
    this.#push(BPF_JMP | BPF_JA, 0, label);
  }

  ret(k: number): void {
    this.add(BPF_RET, k);
  }

  /** Goes to `otherwise` unless the packet has `length` bytes. Changes A. */
  requireLength(length: number, otherwise: Label): void {
    this.add(BPF_LD | BPF_W | BPF_LEN, 0);
    this.jumpUnless(BPF_JGE, length, otherwise);
  }

  /** Goes to `otherwise` unless the packet has `length` bytes from X on. Changes A. */
  requireAtX(length: number, otherwise: Label): void {
    this.add(BPF_LD | BPF_W | BPF_LEN, 0);
    this.jumpUnless(BPF_JGE | BPF_X, 0, otherwise);
    this.add(BPF_ALU | BPF_SUB | BPF_X, 0);
    this.jumpUnless(BPF_JGE, length, otherwise);
  }

  #push(code: number, k: number, ifTrue?: Label, ifFalse?: Label): void {
    this.#statements.push({ code, k, ifTrue, ifFalse, trueFar: false, falseFar: false });
  }

  /**
   * Appends a whole program: `ret` stands in for its returns, `load` may do so for its loads. Without `load` every other
   * instruction stays as it is.
   */
  append(
    instructions: readonly Instruction[],
    ret: (k: number) => void,
    load: (load: Instruction, index: number) => void = ({ code, k }) => this.add(code, k),
  ): void {
    const labels = instructions.map(() => new Label());
    for (const [index, instruction] of instructions.entries()) {
      const { code, k } = instruction;
      const [label, ...targets] = [index, ...successors(instruction, index)].map((target) => labels[target]);
      const [ifTrue, ifFalse] = targets;
      if (label !== undefined) this.place(label);
      const kind = bpfClass(code);
      if (kind === BPF_RET) ret(k);
      else if (kind === BPF_JMP) this.#push(code, code === (BPF_JMP | BPF_JA) ? 0 : k, ifTrue, ifFalse);
      else if (kind === BPF_LD || kind === BPF_LDX) load(instruction, index);
      else this.add(code, k);
    }
  }

  build(): Program {
    const { addresses, jumps } = this.#layOut();
    const bytes = new Uint8Array(at(addresses, this.#statements.length) * SIZE);
    const view = new DataView(bytes.buffer);
    let address = 0;
    const put = (code: number, jt: number, jf: number, k: number): void => {
      view.setUint16(address * SIZE, code, true);
      view.setUint8(address * SIZE + 2, jt);
      view.setUint8(address * SIZE + 3, jf);
      view.setUint32(address * SIZE + 4, k, true);
      address++;
    };
    const always = (label: Label): void => put(BPF_JMP | BPF_JA, 0, 0, at(addresses, label.at) - address - 1);
    for (const [index, { code, k, ifTrue, ifFalse, trueFar, falseFar }] of this.#statements.entries()) {
      if (ifTrue === undefined) put(code, 0, 0, k);
      else if (ifFalse === undefined) always(ifTrue);
      else {
        const [jt = 0, jf = 0] = jumps[index] ?? [];
        put(code, jt, jf, k);
        if (trueFar) always(ifTrue);
        if (falseFar) always(ifFalse);
      }
    }
    return new Program(bytes);
  }

  /**
   * The address of each statement and of the end, and what its conditional jump holds for either way. Where a label is out
   * of reach, a BPF_JA to it is reached instead: one that is there anyway, else one of its own behind the jump. That
   * moves others apart, until none is left to do.
   */
  #layOut(): { addresses: number[]; jumps: [number, number][] } {
    for (;;) {
      const addresses = [0];
      let end = 0;
      for (const { trueFar, falseFar } of this.#statements) {
        end += 1 + Number(trueFar) + Number(falseFar);
        addresses.push(end);
      }
      const jumps: [number, number][] = [];
      let changed = false;
      /** The nearest BPF_JA to a label that follows. */
      const nearest = new Map<Label, number>();
      for (let index = this.#statements.length - 1; index >= 0; index--) {
        const statement = this.#statements[index];
        if (statement?.ifTrue === undefined) continue;
        const { ifTrue, ifFalse } = statement;
        const address = at(addresses, index);
        if (ifFalse === undefined) {
          nearest.set(ifTrue, address);
          continue;
        }
        const distance = (label: Label, own: number | undefined): number | undefined =>
          [at(addresses, label.at), own ?? nearest.get(label) ?? Number.POSITIVE_INFINITY]
            .map((target) => target - address - 1)
            .find((instructions) => instructions <= MAX_REACH);
        const behind = address + 1;
        const jt = distance(ifTrue, statement.trueFar ? behind : undefined);
        const jf = distance(ifFalse, statement.falseFar ? behind + Number(statement.trueFar) : undefined);
        statement.trueFar ||= jt === undefined;
        statement.falseFar ||= jf === undefined;
        changed ||= jt === undefined || jf === undefined;
        jumps[index] = [jt ?? 0, jf ?? 0];
        if (statement.trueFar) nearest.set(ifTrue, behind);
        if (statement.falseFar) nearest.set(ifFalse, behind + Number(statement.trueFar));
      }
      if (!changed) return { addresses, jumps };
    }
  }
}

function at(addresses: readonly number[], index: number | undefined): number {
  const address = index === undefined ? undefined : addresses[index];
  if (address === undefined) throw new Error('unreachable: jump to a label that was not placed');
  return address;
}
