// WebAssembly instructions as bytes, as far as ring-module.ts needs them, by the names of the specification (5.4), and the
// sections of a module (5.5). An instruction's operands are code that leaves their values.
export type Code = readonly number[];

export const I32 = 0x7f;
const NO_VALUE = 0x40;
const END = 0x0b;
/** Loads and stores may be of any address. */
const UNALIGNED = 0;

export const RETURN: Code = [0x0f];

export function get(local: number): Code {
  return [0x20, local];
}

export function set(local: number, value: Code): Code {
  return [...value, 0x21, local];
}

export function setGlobal(global: number, value: Code): Code {
  return [...value, 0x24, global];
}

export function constant(value: number): Code {
  return [0x41, ...signed(value)];
}

export const ONE_64: Code = [0x42, 1];

type Binary = (left: Code, right: Code) => Code;
function binary(instruction: number): Binary {
  return (left, right) => [...left, ...right, instruction];
}
export const lessSigned: Binary = binary(0x48);
export const lessUnsigned: Binary = binary(0x49);
export const moreUnsigned: Binary = binary(0x4b);
export const add: Binary = binary(0x6a);
export const sub: Binary = binary(0x6b);
export const divideUnsigned: Binary = binary(0x6e);
export const and: Binary = binary(0x71);
export const or: Binary = binary(0x72);
export const shiftLeft: Binary = binary(0x74);
export const shiftRightUnsigned: Binary = binary(0x76);
export const rotateLeft: Binary = binary(0x77);
export const sub64: Binary = binary(0x7d);
export const and64: Binary = binary(0x83);
export const shiftLeft64: Binary = binary(0x86);

export function isZero(value: Code): Code {
  return [...value, 0x45];
}

export function extendUnsigned(value: Code): Code {
  return [...value, 0xad];
}

export function select(condition: Code, yes: Code, no: Code): Code {
  return [...yes, ...no, ...condition, 0x1b];
}

type Load = (address: Code, offset: number) => Code;
function load(...instruction: number[]): Load {
  return (address, offset) => [...address, ...instruction, UNALIGNED, ...unsigned(offset)];
}
export const load8: Load = load(0x2d);
export const load16: Load = load(0x2f);
export const load32: Load = load(0x28);
export const load64: Load = load(0x29);
export const load128: Load = load(0xfd, 0);

type Store = (address: Code, offset: number, value: Code) => Code;
function store(...instruction: number[]): Store {
  return (address, offset, value) => [...address, ...value, ...instruction, UNALIGNED, ...unsigned(offset)];
}
export const store8: Store = store(0x3a);
export const store16: Store = store(0x3b);
export const store32: Store = store(0x36);
export const store64: Store = store(0x37);
export const store128: Store = store(0xfd, 11);

/** memory.copy */
export function copyMemory(to: Code, from: Code, length: Code): Code {
  return [...to, ...from, ...length, 0xfc, 10, 0, 0];
}

export function when(condition: Code, ...body: Code[]): Code {
  return [...condition, 0x04, NO_VALUE, ...body.flat(), END];
}

/** A loop within a block, run again until a `leaveIf` right in it is true. */
export function loop(...body: Code[]): Code {
  return [0x02, NO_VALUE, 0x03, NO_VALUE, ...body.flat(), 0x0c, 0, END, END];
}

export function leaveIf(condition: Code): Code {
  return [...condition, 0x0d, 1];
}

/** All of 32 bits. */
export interface WasmFunction {
  readonly name: string;
  readonly parameters: number;
  readonly results: 0 | 1;
  /** Variables beside the parameters, numbered behind them. */
  readonly locals: number;
  readonly body: readonly Code[];
}

/** A module of exported functions and exported variables (`globals`, numbered so), over a memory that is imported. */
export function wasmModule(
  memory: readonly [string, string],
  globals: readonly string[],
  functions: readonly WasmFunction[],
): Uint8Array {
  const types = functions.map(({ parameters, results }) => [
    0x60,
    ...vector(Array<Code>(parameters).fill([I32])),
    ...vector(Array<Code>(results).fill([I32])),
  ]);
  const exported = [
    ...functions.map(({ name }, index) => [...text(name), 0, index]),
    ...globals.map((name, index) => [...text(name), 3, index]),
  ];
  const bodies = functions.map(({ locals, body }) =>
    sized([...vector([[...unsigned(locals), I32]]), ...body.flat(), END]),
  );
  return Uint8Array.of(
    ...[0, ...Buffer.from('asm'), 1, 0, 0, 0],
    ...section(1, types),
    ...section(2, [[...memory.flatMap(text), 2, 0, 1]]),
    ...section(
      3,
      functions.map((_, index) => [index]),
    ),
    ...section(
      6,
      globals.map(() => [I32, 1, ...constant(0), END]),
    ),
    ...section(7, exported),
    ...section(10, bodies),
  );
}

function section(id: number, entries: readonly Code[]): Code {
  return [id, ...sized(vector(entries))];
}

/** Entries behind how many they are. */
function vector(entries: readonly Code[]): Code {
  return [...unsigned(entries.length), ...entries.flat()];
}

function text(name: string): Code {
  return sized([...Buffer.from(name)]);
}

/** Bytes behind how many they are. */
function sized(bytes: Code): Code {
  return [...unsigned(bytes.length), ...bytes];
}

/** LEB128 */
function unsigned(value: number): Code {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

function signed(value: number): Code {
  return value >= -0x40 && value < 0x40 ? [value & 0x7f] : [(value & 0x7f) | 0x80, ...signed(value >> 7)];
}
