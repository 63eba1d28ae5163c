// How much of a packet a filter may look at. Called by compile.ts for a program that the kernel does not run: what the
// kernel cuts off then, the program here can't see, and would leave the packet out.
import {
  BPF_ABS,
  BPF_B,
  BPF_H,
  BPF_IMM,
  BPF_IND,
  BPF_LD,
  BPF_LDX,
  BPF_MISC,
  BPF_MSH,
  BPF_SIZE,
  BPF_TAX,
  bpfClass,
  bpfMode,
  type Instruction,
  type Program,
  SKF_LL_OFF,
  successors,
} from './program.ts';

/** The longest IPv4 header. */
const MSH_MOST = 60;

/** No load of the program needs more than so many bytes of a packet; Infinity where that is open. */
export function reachOf(program: Program): number {
  const instructions = program.instructions();
  const most = mostOfX(instructions);
  return Math.max(0, ...instructions.map((instruction, index) => endOfLoad(instruction, most[index] ?? 0)));
}

/** The most that X can be before each instruction. Where the program jumps back, that is the most that it ever is. */
function mostOfX(instructions: readonly Instruction[]): number[] {
  const most = instructions.map(() => 0);
  let ever = 0;
  let back = false;
  for (const [index, instruction] of instructions.entries()) {
    const after = xAfter(instruction, most[index] ?? 0);
    ever = Math.max(ever, after);
    for (const successor of successors(instruction, index)) {
      most[successor] = Math.max(most[successor] ?? 0, after);
      back ||= successor <= index;
    }
  }
  return back ? most.map(() => ever) : most;
}

function xAfter({ code, k }: Instruction, before: number): number {
  if (code === (BPF_MISC | BPF_TAX)) return Number.POSITIVE_INFINITY;
  if (bpfClass(code) !== BPF_LDX) return before;
  if (bpfMode(code) === BPF_MSH) return MSH_MOST;
  return bpfMode(code) === BPF_IMM ? k : Number.POSITIVE_INFINITY;
}

/** Loads from SKF_LL_OFF on are not of the packet's bytes that are at hand, in either dialect. */
function endOfLoad({ code, k }: Instruction, x: number): number {
  if (bpfClass(code) === BPF_LDX) return bpfMode(code) === BPF_MSH && k < SKF_LL_OFF ? k + 1 : 0;
  if (bpfClass(code) !== BPF_LD) return 0;
  const size = (code & BPF_SIZE) === BPF_B ? 1 : (code & BPF_SIZE) === BPF_H ? 2 : 4;
  if (bpfMode(code) === BPF_IND) return x + k + size;
  return bpfMode(code) === BPF_ABS && k < SKF_LL_OFF ? k + size : 0;
}
