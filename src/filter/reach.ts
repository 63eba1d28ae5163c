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
} from './program.ts';

/** The longest IPv4 header. */
const MSH_MOST = 60;

/** No load of the program, in libpcap's dialect, needs more than so many bytes of a packet; Infinity where that is open. */
export function reachOf(program: Program): number {
  const instructions = program.instructions();
  const x = Math.max(0, ...instructions.map(mostOfX));
  return Math.max(0, ...instructions.map((instruction) => endOfLoad(instruction, x)));
}

/** The most that X can be after this instruction, if it sets X. */
function mostOfX({ code, k }: Instruction): number {
  if (code === (BPF_MISC | BPF_TAX)) return Number.POSITIVE_INFINITY;
  if (bpfClass(code) !== BPF_LDX) return 0;
  if (bpfMode(code) === BPF_MSH) return MSH_MOST;
  return bpfMode(code) === BPF_IMM ? k : Number.POSITIVE_INFINITY;
}

function endOfLoad({ code, k }: Instruction, x: number): number {
  if (bpfClass(code) === BPF_LDX) return bpfMode(code) === BPF_MSH ? k + 1 : 0;
  if (bpfClass(code) !== BPF_LD) return 0;
  const size = (code & BPF_SIZE) === BPF_B ? 1 : (code & BPF_SIZE) === BPF_H ? 2 : 4;
  if (bpfMode(code) === BPF_IND) return x + k + size;
  return bpfMode(code) === BPF_ABS ? k + size : 0;
}
