// Random classic-BPF programs: valid ones that get far before they end, and any at all. Used by the property tests of
// filter/, in both dialects.
import fc from 'fast-check';
import * as bpf from '../../src/filter/program.ts';

type Instruction = bpf.Instruction;

const SIZES = [bpf.BPF_W, bpf.BPF_H, bpf.BPF_B];
const OPERATIONS = [
  bpf.BPF_ADD,
  bpf.BPF_SUB,
  bpf.BPF_MUL,
  bpf.BPF_DIV,
  bpf.BPF_MOD,
  bpf.BPF_AND,
  bpf.BPF_OR,
  bpf.BPF_XOR,
  bpf.BPF_LSH,
  bpf.BPF_RSH,
];
const TESTS = [bpf.BPF_JEQ, bpf.BPF_JGT, bpf.BPF_JGE, bpf.BPF_JSET];

/** Numbers at the edges of 32 bits, where signed and unsigned part. */
const word: fc.Arbitrary<number> = fc.oneof(
  fc.nat(80),
  fc.constantFrom(0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff, 0x10000, 0xffff),
  fc.nat(0xffffffff),
);

/** Jumps are anywhere, to be fitted when the program's length is known. An end is rare, so that long programs get far. */
const drafts: fc.Arbitrary<Instruction[]> = fc.oneof(
  {
    weight: 40,
    arbitrary: one(
      SIZES.map((size) => bpf.BPF_LD | size | bpf.BPF_ABS),
      fc.nat(70),
    ),
  },
  {
    weight: 30,
    arbitrary: fc
      .tuple(
        one([bpf.BPF_LDX | bpf.BPF_IMM], fc.nat(40)),
        one(
          SIZES.map((size) => bpf.BPF_LD | size | bpf.BPF_IND),
          fc.nat(35),
        ),
      )
      .map((pair) => pair.flat()),
  },
  {
    weight: 2,
    arbitrary: one(
      SIZES.map((size) => bpf.BPF_LD | size | bpf.BPF_IND),
      fc.oneof(fc.nat(70), fc.constantFrom(0xffffffff, 0xfffffffc, 0xffffff00, 0x7fffffff, 0x80000000)),
    ),
  },
  { weight: 20, arbitrary: one([bpf.BPF_LDX | bpf.BPF_B | bpf.BPF_MSH], fc.nat(70)) },
  { weight: 30, arbitrary: one([bpf.BPF_LD | bpf.BPF_IMM, bpf.BPF_LDX | bpf.BPF_IMM], word) },
  { weight: 10, arbitrary: one([bpf.BPF_LD | bpf.BPF_LEN, bpf.BPF_LDX | bpf.BPF_LEN], fc.constant(0)) },
  {
    weight: 40,
    arbitrary: one([bpf.BPF_LD | bpf.BPF_MEM, bpf.BPF_LDX | bpf.BPF_MEM, bpf.BPF_ST, bpf.BPF_STX], fc.nat(15)),
  },
  {
    weight: 60,
    arbitrary: one(
      OPERATIONS.map((operation) => bpf.BPF_ALU | operation | bpf.BPF_X),
      fc.constant(0),
    ),
  },
  {
    weight: 60,
    arbitrary: one(
      OPERATIONS.map((operation) => bpf.BPF_ALU | operation),
      word,
    ),
  },
  {
    weight: 30,
    arbitrary: one([bpf.BPF_ALU | bpf.BPF_NEG, bpf.BPF_MISC | bpf.BPF_TAX, bpf.BPF_MISC | bpf.BPF_TXA], fc.constant(0)),
  },
  {
    weight: 40,
    arbitrary: one(
      TESTS.map((test) => bpf.BPF_JMP | test),
      word,
    ),
  },
  {
    weight: 40,
    arbitrary: one(
      TESTS.map((test) => bpf.BPF_JMP | test | bpf.BPF_X),
      fc.constant(0),
    ),
  },
  { weight: 10, arbitrary: one([bpf.BPF_JMP | bpf.BPF_JA], fc.nat(300)) },
  { weight: 1, arbitrary: one([bpf.BPF_RET, bpf.BPF_RET | bpf.BPF_A], word) },
);

function one(codes: readonly number[], k: fc.Arbitrary<number>): fc.Arbitrary<Instruction[]> {
  const reach = fc.oneof({ weight: 3, arbitrary: fc.nat(3) }, { weight: 1, arbitrary: fc.nat(255) });
  return fc.tuple(fc.record({ code: fc.constantFrom(...codes), jt: reach, jf: reach, k }));
}

/** Valid in both dialects: scratch memory is filled first, and mostly A or a cell of it is returned. */
export function validProgram(length: { readonly min: number; readonly max: number }): fc.Arbitrary<Instruction[]> {
  const middle = fc.array(drafts, { minLength: length.min, maxLength: length.max, size: 'max' });
  return fc.tuple(middle, word, fc.boolean()).map(([middle, k, constant]) => {
    const fill = Array.from({ length: bpf.BPF_MEMWORDS }, (_, cell) => made(bpf.BPF_ST, cell));
    const last = made(constant ? bpf.BPF_RET : bpf.BPF_RET | bpf.BPF_A, k);
    const program = [made(bpf.BPF_LD | bpf.BPF_IMM, k), ...fill, ...middle.flat(), last];
    return program.map((each, index) => fitted(each, program.length - index - 2));
  });
}

const anything = fc.record({ code: fc.oneof(fc.nat(255), fc.nat(0xffff)), jt: fc.nat(5), jf: fc.nat(5), k: word });

/** Any numbers for a program: some are valid, most are not. */
export const anyProgram: fc.Arbitrary<Instruction[]> = fc
  .tuple(
    fc.array(fc.oneof({ weight: 12, arbitrary: drafts }, { weight: 1, arbitrary: fc.tuple(anything) }), {
      maxLength: 6,
    }),
    one([bpf.BPF_RET, bpf.BPF_RET | bpf.BPF_A, bpf.BPF_RET | bpf.BPF_X, bpf.BPF_MISC | bpf.BPF_TAX], word),
  )
  .map((parts) => parts.flat(2));

export function made(code: number, k: number, jt = 0, jf = 0): Instruction {
  return { code, jt, jf, k };
}

export function programOf(instructions: readonly Instruction[]): bpf.Program {
  const bytes = new Uint8Array(instructions.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [index, { code, jt, jf, k }] of instructions.entries()) {
    view.setUint16(index * 8, code, true);
    view.setUint8(index * 8 + 2, jt);
    view.setUint8(index * 8 + 3, jf);
    view.setUint32(index * 8 + 4, k, true);
  }
  return new bpf.Program(bytes);
}

/** Jumps stay within the `most` instructions behind the next one, and constants are those that both dialects take. */
function fitted(instruction: Instruction, most: number): Instruction {
  const { code, jt, jf, k } = instruction;
  const within = (reach: number): number => (most <= 0 ? 0 : reach % (most + 1));
  if (bpf.bpfClass(code) === bpf.BPF_JMP)
    return { code, jt: within(jt), jf: within(jf), k: code === (bpf.BPF_JMP | bpf.BPF_JA) ? within(k) : k };
  const kind = bpf.bpfClass(code);
  if (kind !== bpf.BPF_ALU || (code & bpf.BPF_X) !== 0) return { code, jt: 0, jf: 0, k };
  const operation = code & 0xf0;
  if (operation === bpf.BPF_LSH || operation === bpf.BPF_RSH) return { code, jt: 0, jf: 0, k: k % 32 };
  const divides = operation === bpf.BPF_DIV || operation === bpf.BPF_MOD;
  return { code, jt: 0, jf: 0, k: divides && k === 0 ? 1 : k };
}
