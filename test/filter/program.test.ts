// The builder, on programs that are followed by hand: what a conditional jump can't reach, and what -d prints.
import { expect, test } from 'vitest';
import {
  BPF_JEQ,
  BPF_LD,
  BPF_LEN,
  BPF_MISC,
  BPF_TAX,
  BPF_W,
  type Instruction,
  Label,
  Program,
  ProgramBuilder,
  successors,
} from '../../src/filter/program.ts';

/** Follows the jumps from the first instruction; `holds` says how conditions come out. Returns the k of the `ret`. */
function follow(program: Program, holds: boolean): number {
  const instructions = program.instructions();
  let index = 0;
  for (;;) {
    const instruction: Instruction | undefined = instructions[index];
    if (instruction === undefined) throw new Error(`left the program at ${index}`);
    const [first, second = first] = successors(instruction, index);
    if (first === undefined || second === undefined) return instruction.k;
    index = holds ? first : second;
  }
}

function fill(builder: ProgramBuilder, count: number): void {
  for (let index = 0; index < count; index++) builder.add(BPF_MISC | BPF_TAX, 0);
}

test.each([0, 1, 253, 254, 255, 256, 300, 3000])('a jump over %i instructions', (count) => {
  const builder = new ProgramBuilder();
  const [yes, no] = [new Label(), new Label()];
  builder.add(BPF_LD | BPF_W | BPF_LEN, 0);
  builder.jump(BPF_JEQ, 1, yes, no);
  fill(builder, count);
  builder.place(no);
  builder.ret(2);
  fill(builder, count);
  builder.place(yes);
  builder.ret(3);
  const program = builder.build();
  expect(follow(program, true)).toBe(3);
  expect(follow(program, false)).toBe(2);
});

test('a jump that another one made longer pushes out of reach', () => {
  const builder = new ProgramBuilder();
  const [near, far, next] = [new Label(), new Label(), new Label()];
  builder.jump(BPF_JEQ, 1, near, next);
  builder.place(next);
  builder.jumpIf(BPF_JEQ, 2, far);
  fill(builder, 254); // `near` is 255 away until the jump before this has a BPF_JA behind it
  builder.ret(5);
  builder.place(near);
  builder.ret(6);
  builder.place(far);
  builder.ret(7);
  const program = builder.build();
  expect(program.length).toBe(2 + 2 + 254 + 3);
  expect(follow(program, true)).toBe(6);
  expect(follow(program, false)).toBe(5);
});

test('a program appended to another keeps its jumps, whatever stands in for its loads and returns', () => {
  const inner = new ProgramBuilder();
  const [yes, no] = [new Label(), new Label()];
  inner.add(BPF_LD | BPF_W | BPF_LEN, 0);
  inner.jump(BPF_JEQ, 1, yes, no);
  inner.place(yes);
  inner.ret(1);
  inner.place(no);
  inner.ret(0);
  const outer = new ProgramBuilder();
  const next = new Label();
  const ret = (k: number): void => (k === 0 ? outer.goto(next) : outer.ret(9));
  outer.append(inner.build().instructions(), ret, ({ code, k }) => {
    fill(outer, 300);
    outer.add(code, k);
  });
  outer.place(next);
  outer.ret(8);
  expect(follow(outer.build(), true)).toBe(9);
  expect(follow(outer.build(), false)).toBe(8);
});

test('a label that was not placed is a bug', () => {
  const builder = new ProgramBuilder();
  builder.goto(new Label());
  expect(() => builder.build()).toThrow('unreachable');
});

test('dumps', () => {
  const whole = new ProgramBuilder();
  const drop = new Label();
  whole.add(0x28, 12);
  whole.jumpIf(BPF_JEQ, 0x86dd, drop);
  whole.ret(96);
  whole.place(drop);
  whole.ret(0);
  const program = whole.build();
  expect(program.dump(1)).toBe(
    '(000) ldh      [12]\n(001) jeq      #0x86dd          jt 3\tjf 2\n(002) ret      #96\n(003) ret      #0\n',
  );
  expect(program.dump(2)).toBe(
    '{ 0x28, 0, 0, 0x0000000c },\n{ 0x15, 1, 0, 0x000086dd },\n{ 0x6, 0, 0, 0x00000060 },\n{ 0x6, 0, 0, 0x00000000 },\n',
  );
  expect(program.dump(3)).toBe('4\n40 0 0 12\n21 1 0 34525\n6 0 0 96\n6 0 0 0\n');
});

test('what -ddd prints is read back', () => {
  const text = '4\n40 0 0 12\n21 1 0 34525\n6 0 0 4294967295\n6 0 0 0\n';
  expect(Program.parse(text).dump(3)).toBe(text);
  expect(Program.parse(text.trimEnd()).dump(3)).toBe(text);
});

test.each([
  ['', "0 instructions, and the first line says ''"],
  ['2\n6 0 0 0\n', "1 instructions, and the first line says '2'"],
  ['1\n6 0 0 0\n\n6 0 0 0\n', "3 instructions, and the first line says '1'"],
  ['(000) ret #0\n', "0 instructions, and the first line says '(000) ret #0'"],
  ['1\n6 0 0\n', "instruction 0: expected code, jt, jf and k, found '6 0 0'"],
  ['1\n6 0 0 -1\n', "instruction 0: expected code, jt, jf and k, found '6 0 0 -1'"],
  ['1\n65536 0 0 0\n', "instruction 0: expected code, jt, jf and k, found '65536 0 0 0'"],
  ['1\n6 256 0 0\n', "instruction 0: expected code, jt, jf and k, found '6 256 0 0'"],
  ['1\n6 0 256 0\n', "instruction 0: expected code, jt, jf and k, found '6 0 256 0'"],
  ['1\n6 0 0 4294967296\n', "instruction 0: expected code, jt, jf and k, found '6 0 0 4294967296'"],
])('%j is no program', (text, message) => {
  expect(() => Program.parse(text)).toThrow(expect.objectContaining({ code: 'ERR_FILTER', message }));
});
