// The memory of a ring, and what is done to it once a packet. Called by the ring's socket; the block walk calls `copy`, and
// `plain` for the packets that have nothing special.
//
// JavaScript's own `copyWithin` takes 16 ns for 96 bytes, of which 5 are the copy: the rest is the way there, out of compiled
// code. WebAssembly's functions (ring-module.ts) have no such way (native-notes/ring-memory.md). They see nothing but the
// memory that they were made with, so the ring is mapped onto that.
import * as libc from '../../native/libc.ts';
import { RING_MODULE } from './ring-module.ts';

export interface RingMemory {
  readonly buffer: ArrayBuffer;
  /**
   * Moves `length` bytes of `buffer` from offset `from` down to offset `to`, at least 16 below. Offsets and length are 32-bit
   * integers, signed or not.
   */
  readonly copy: Copy;
  /** Undefined where the block walk has to do without. */
  readonly plain?: PlainWalk | undefined;
}

type Copy = (to: number, from: number, length: number) => void;

/**
 * Makes records of packets, as the block walk does, until it has made `count` or comes upon one that is not plain: with a VLAN
 * tag (but for `sll2`, which leaves it off), outside of the seconds from `firstSec` to `lastSec`, too long for `outEnd`, or broken. It leaves that one as it is and
 * returns how many it made. The last packet of a block is not for it, as that one's tp_next_offset means nothing.
 * `nano` and `sll2` are 0 or 1. All numbers are 32-bit integers, signed or not; `at`, `out` and their ends are offsets in the ring.
 */
export interface PlainWalk {
  readonly walk: (
    at: number,
    out: number,
    count: number,
    end: number,
    outEnd: number,
    firstSec: number,
    lastSec: number,
    snaplen: number,
    nano: number,
    sll2: number,
  ) => number;
  // After a call, as signed integers: where it stopped, and the last packet's time if it made a record.
  readonly at: Global;
  readonly out: Global;
  readonly sec: Global;
  readonly nsec: Global;
}

interface Global {
  readonly value: number;
}

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
  return { ...(memory ?? plainMemory(mapping.memory)), unmap: () => mapping.unmap() };
}

// What is used of WebAssembly's interface, of which neither TypeScript nor Node's types know without those of a browser.
declare const WebAssembly:
  | {
      readonly Memory: new (pages: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
      readonly Module: new (bytes: Uint8Array) => object;
      readonly Instance: new (
        module: object,
        imports: { ring: { memory: object } },
      ) => { readonly exports: { readonly copy: Copy } & PlainWalk };
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
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(RING_MODULE), { ring: { memory } });
    return { buffer: memory.buffer, copy: exports.copy, plain: exports };
  } catch (cause) {
    if (cause instanceof RangeError) return undefined;
    throw cause;
  }
}
