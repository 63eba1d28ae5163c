// The memory of a ring, and the one thing that is done to it once a packet: moving a packet's bytes behind its record header.
// Called by the ring's socket; the block walk calls `copy`.
//
// JavaScript's own `copyWithin` takes 16 ns for 96 bytes, of which 5 are the copy: the rest is the way there, out of compiled
// code. A WebAssembly function takes 5 in all, and whole captures a sixth less CPU (native-notes/ring-memory.md). It sees
// nothing but the memory that it was made with, so the ring is mapped onto that.
import * as libc from '../../native/libc.ts';

export interface RingMemory {
  readonly buffer: ArrayBuffer;
  /**
   * Moves `length` bytes of `buffer` from offset `from` down to offset `to`, at least 16 below. Offsets and length are 32-bit
   * integers, signed or not.
   */
  readonly copy: Copy;
}

type Copy = (to: number, from: number, length: number) => void;

/** Of memory that anybody may have made. */
export function plainMemory(buffer: ArrayBuffer): RingMemory {
  const bytes = new Uint8Array(buffer);
  return {
    buffer,
    copy: (to, from, length) => {
      bytes.copyWithin(to >>> 0, from >>> 0, (from >>> 0) + length);
    },
  };
}

export interface MappedRing extends RingMemory {
  /** After this call `buffer` must not be touched. */
  unmap(): void;
}

/** The ring of a packet socket, `length` bytes. @throws SyscallError */
export function mapRing(fd: number, length: number): MappedRing {
  const memory = allocate(length);
  const mapping = libc.mmapShared(fd, length, memory?.buffer);
  const { buffer, copy } = memory ?? plainMemory(mapping.memory);
  return { buffer, copy, unmap: () => mapping.unmap() };
}

// What is used of WebAssembly's interface, of which neither TypeScript nor Node's types know without those of a browser.
declare const WebAssembly:
  | {
      readonly Memory: new (pages: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
      readonly Module: new (bytes: Uint8Array) => object;
      readonly Instance: new (
        module: object,
        imports: { ring: { memory: object } },
      ) => { readonly exports: { readonly copy: Copy } };
    }
  | undefined;

const PAGE = 65536;

/**
 * Undefined where WebAssembly is not to be had: with --jitless it is not there, and its memory takes 10 GiB of addresses,
 * though not of memory, which a limit such as systemd's LimitAS= may refuse.
 */
export function allocate(length: number): RingMemory | undefined {
  if (typeof WebAssembly === 'undefined') return undefined;
  const pages = Math.ceil(length / PAGE);
  try {
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const { copy } = new WebAssembly.Instance(new WebAssembly.Module(MODULE), { ring: { memory } }).exports;
    return { buffer: memory.buffer, copy };
  } catch (cause) {
    if (cause instanceof RangeError) return undefined;
    throw cause;
  }
}

// Instructions of the WebAssembly specification, 5.4, and the parameters and the local of `copy`.
const [TO, FROM, LENGTH, LAST] = [0, 1, 2, 3];
const I32 = 0x7f;
const NO_VALUE = 0x40;
const [BLOCK, LOOP, IF, END, BR, BR_IF, RETURN] = [0x02, 0x03, 0x04, 0x0b, 0x0c, 0x0d, 0x0f];
const [GET, SET, CONST] = [0x20, 0x21, 0x41];
const [LESS_UNSIGNED, NOT_LESS_UNSIGNED, ADD, SUB] = [0x49, 0x4f, 0x6a, 0x6b];
/** With an alignment of 2 ** 0 and an offset of 0. */
const [LOAD_128, STORE_128] = [
  [0xfd, 0, 0, 0],
  [0xfd, 11, 0, 0],
];
/** memory.copy, within memory 0. */
const COPY = [0xfc, 10, 0, 0];

/**
 * 16 bytes a turn. The last 16 are moved as such, which moves some of them twice: what was stored before ends at least 16
 * below them. Fewer than 16 bytes are left to memory.copy, as JavaScript would.
 */
// biome-ignore format: a line is a statement
const COPY_BODY = [
  1, 1, I32, // local last: i32
  GET, LENGTH, CONST, 16, LESS_UNSIGNED, IF, NO_VALUE, // if length < 16
    GET, TO, GET, FROM, GET, LENGTH, ...COPY, RETURN,
  END,
  GET, FROM, GET, LENGTH, ADD, CONST, 16, SUB, SET, LAST, // last = from + length - 16
  BLOCK, NO_VALUE, LOOP, NO_VALUE,
    GET, FROM, GET, LAST, NOT_LESS_UNSIGNED, BR_IF, 1, // while from < last
    GET, TO, GET, FROM, ...LOAD_128, ...STORE_128,
    GET, TO, CONST, 16, ADD, SET, TO,
    GET, FROM, CONST, 16, ADD, SET, FROM,
    BR, 0,
  END, END,
  GET, TO, GET, FROM, SUB, GET, LAST, ADD, GET, LAST, ...LOAD_128, ...STORE_128, // to - from + last <- last
  END,
];

/** A section, or anything else that is preceded by its length; less than 128 bytes here. */
function sized(bytes: readonly number[]): number[] {
  return [bytes.length, ...bytes];
}

function name(text: string): number[] {
  return sized([...Buffer.from(text)]);
}

/** Each section with how many things are in it: types, imports, functions, exports, code. */
const MODULE: Uint8Array = Uint8Array.of(
  ...[0, ...Buffer.from('asm'), 1, 0, 0, 0],
  ...[1, ...sized([1, 0x60, 3, I32, I32, I32, 0])],
  ...[2, ...sized([1, ...name('ring'), ...name('memory'), 2, 0, 1])],
  ...[3, ...sized([1, 0])],
  ...[7, ...sized([1, ...name('copy'), 0, 0])],
  ...[10, ...sized([1, ...sized(COPY_BODY)])],
);
