// Appends libpcap's programs so that a packet that one can't read to its end does not match. In the kernel a load beyond
// the packet ends the whole filter and drops it, so every load is preceded by a check of the length, unless one before it
// has shown that much. Called by match.ts.
import { CaptureError } from '../errors.ts';
import {
  BPF_ABS,
  BPF_H,
  BPF_IND,
  BPF_LD,
  BPF_LDX,
  BPF_MEM,
  BPF_MSH,
  BPF_SIZE,
  BPF_ST,
  BPF_STX,
  BPF_W,
  bpfClass,
  bpfMode,
  type Instruction,
  Label,
  type Program,
  type ProgramBuilder,
  SKF_LL_OFF,
  successors,
} from './program.ts';
import { M_ETHERTYPE } from './tags.ts';

/** Scratch memory that is ours, before the one of tags.ts; libpcap uses the slots from 0 upwards. */
const M_ACCUMULATOR: number = M_ETHERTYPE - 1;

/**
 * Appends `program`, its loads passed through `move`; what it accepts goes to `match`, what it refuses or can't read to the
 * instruction that is appended next. The packet is known to be at least `known` bytes long.
 */
export function appendGuarded(
  builder: ProgramBuilder,
  program: Program,
  match: Label,
  known: number,
  move: (load: Instruction) => Instruction,
): void {
  const instructions = program.instructions().map(move);
  if (instructions.some(usesOurScratch)) {
    throw new CaptureError('ERR_FILTER', 'expression is too complex');
  }
  const shown = shownLengths(instructions, known);
  const next = new Label();
  builder.append(
    instructions,
    (k) => builder.goto(k === 0 ? next : match),
    (load, index) => {
      // A k close to 2^32 is a negative offset, by which X + k would wrap: no packet is that long, so none matches.
      const end = Math.min(load.k + sizeOfLoad(load.code), 0xffffffff);
      if (bpfMode(load.code) === BPF_IND && isPacketLoad(load)) builder.requireAtX(end, next);
      else if (endOfLoad(load) > (shown[index] ?? 0)) requireAbsolute(builder, load, next);
      builder.add(load.code, load.k);
    },
  );
  builder.place(next);
}

export function isPacketLoad({ code }: Instruction): boolean {
  const kind = bpfClass(code);
  const mode = bpfMode(code);
  return (kind === BPF_LD && (mode === BPF_ABS || mode === BPF_IND)) || (kind === BPF_LDX && mode === BPF_MSH);
}

function usesOurScratch({ code, k }: Instruction): boolean {
  const kind = bpfClass(code);
  const store = kind === BPF_ST || kind === BPF_STX;
  const load = (kind === BPF_LD || kind === BPF_LDX) && bpfMode(code) === BPF_MEM;
  return (store && k >= M_ACCUMULATOR) || (load && k === M_ACCUMULATOR);
}

/** For each instruction, a length that the packet has on every way there. Jumps go forward, so one pass sees them all. */
function shownLengths(instructions: readonly Instruction[], known: number): number[] {
  const shown = instructions.map(() => Number.POSITIVE_INFINITY);
  shown[0] = known;
  for (const [index, instruction] of instructions.entries()) {
    const after = Math.max(shown[index] ?? 0, endOfLoad(instruction));
    for (const successor of successors(instruction, index)) {
      shown[successor] = Math.min(shown[successor] ?? 0, after);
    }
  }
  return shown;
}

/** How long a packet must be for a load at a fixed place; 0 for any other instruction. */
function endOfLoad(instruction: Instruction): number {
  const { code, k } = instruction;
  if (!isPacketLoad(instruction) || bpfMode(code) === BPF_IND || k >= SKF_LL_OFF) return 0;
  return k + sizeOfLoad(code);
}

function sizeOfLoad(code: number): number {
  switch (code & BPF_SIZE) {
    case BPF_W:
      return 4;
    case BPF_H:
      return 2;
    default:
      return 1;
  }
}

/** A load into A may spoil A before it; the load of an IPv4 header's length goes into X, and A may be needed behind it. */
function requireAbsolute(builder: ProgramBuilder, load: Instruction, otherwise: Label): void {
  const intoX = bpfClass(load.code) === BPF_LDX;
  if (intoX) builder.add(BPF_ST, M_ACCUMULATOR);
  builder.requireLength(endOfLoad(load), otherwise);
  if (intoX) builder.add(BPF_LD | BPF_MEM, M_ACCUMULATOR);
}
