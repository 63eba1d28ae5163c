// XDP programs for the generator, as the instructions of the kernel's eBPF: struct bpf_insn is one byte of opcode, four
// bits each of source and destination register, a 16-bit offset and a 32-bit immediate (<linux/bpf.h>).

const XDP_PASS = 2;
const BPF_PSEUDO_MAP_FD = 1;
const BPF_FUNC_map_lookup_elem = 1;
const BPF_FUNC_get_prandom_u32 = 7;
const BPF_FUNC_xdp_adjust_tail = 65;
const BPF_FETCH_ADD = 0x01;

function insn(code: number, dst: number, src: number, offset: number, imm: number): number[] {
  const bytes = new DataView(new ArrayBuffer(8));
  bytes.setUint8(0, code);
  bytes.setUint8(1, (src << 4) | dst);
  bytes.setInt16(2, offset, true);
  bytes.setInt32(4, imm, true);
  return [...new Uint8Array(bytes.buffer)];
}

/** Lets every frame pass. */
export function passProgram(): Uint8Array {
  return Uint8Array.from([...insn(0xb7, 0, 0, 0, XDP_PASS), ...insn(0x95, 0, 0, 0, 0)]);
}

/**
 * Lets every frame pass, after it has put the next number at offset `at`, 32 bits in network order. `mapFd`: an array map
 * whose one value, 64 bits, is the next number.
 */
export function numberingProgram(mapFd: number, at: number): Uint8Array {
  return Uint8Array.from([
    ...insn(0xbf, 6, 1, 0, 0), // r6 = the context, a struct xdp_md
    ...insn(0x62, 10, 0, -4, 0), // key 0, on the stack
    ...insn(0xbf, 2, 10, 0, 0),
    ...insn(0x07, 2, 0, 0, -4), // r2 = address of the key
    ...insn(0x18, 1, BPF_PSEUDO_MAP_FD, 0, mapFd), // r1 = the map, in two instructions
    ...insn(0x00, 0, 0, 0, 0),
    ...insn(0x85, 0, 0, 0, BPF_FUNC_map_lookup_elem),
    ...insn(0x15, 0, 0, 10, 0), // if r0 == NULL goto pass
    ...insn(0xb7, 1, 0, 0, 1),
    ...insn(0xdb, 0, 1, 0, BPF_FETCH_ADD), // r1 = the value, which becomes one more
    ...insn(0x61, 2, 6, 0, 0), // r2 = data
    ...insn(0x61, 3, 6, 4, 0), // r3 = data_end
    ...insn(0xbf, 4, 2, 0, 0),
    ...insn(0x07, 4, 0, 0, at + 4),
    ...insn(0x2d, 4, 3, 2, 0), // if data + at + 4 > data_end goto pass
    ...insn(0xdc, 1, 0, 0, 32), // to network order
    ...insn(0x63, 2, 1, at, 0),
    ...insn(0xb7, 0, 0, 0, XDP_PASS),
    ...insn(0x95, 0, 0, 0, 0),
  ]);
}

/** A frame of a mix, and how many of all weights it is. */
export interface Weighted {
  readonly frame: Uint8Array;
  readonly weight: number;
}

/**
 * Lets every frame pass, after it has made it one of `frames`, drawn at random by their weights. It is given the longest;
 * the others are its beginning but for the bytes in `[from, to)`, which hold lengths and checksums. Both are even.
 */
export function mixProgram(frames: readonly Weighted[], longest: number, from: number, to: number): Uint8Array {
  const total = frames.reduce((sum, { weight }) => sum + weight, 0);
  const bodies = frames.map(({ frame }) => becomes(frame, longest, from, to));
  const code = [
    ...insn(0xbf, 6, 1, 0, 0), // r6 = the context, a struct xdp_md
    ...insn(0x61, 7, 6, 0, 0), // r7 = data
    ...insn(0x61, 3, 6, 4, 0), // r3 = data_end
    ...insn(0xbf, 4, 7, 0, 0),
    ...insn(0x07, 4, 0, 0, to),
    ...insn(0x3d, 3, 4, 2, 0), // if data_end >= data + to goto draw
    ...insn(0xb7, 0, 0, 0, XDP_PASS),
    ...insn(0x95, 0, 0, 0, 0),
    ...insn(0x85, 0, 0, 0, BPF_FUNC_get_prandom_u32), // draw:
    ...insn(0x97, 0, 0, 0, total), // r0 %= total
  ];
  let upTo = 0;
  for (const [index, { weight }] of frames.entries()) {
    upTo += weight;
    const body = bodies[index] ?? [];
    code.push(...insn(0x35, 0, 0, body.length / 8, upTo), ...body); // if r0 >= upTo goto the next
  }
  code.push(...insn(0xb7, 0, 0, 0, XDP_PASS), ...insn(0x95, 0, 0, 0, 0));
  return Uint8Array.from(code);
}

/** Instructions that make the frame at r7 this one and let it pass. */
function becomes(frame: Uint8Array, longest: number, from: number, to: number): number[] {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const code: number[] = [];
  // The kernel is little-endian where this runs: the halves are stored as they lie in the frame.
  for (let at = from; at < to; at += 2) code.push(...insn(0x6a, 7, 0, at, view.getUint16(at, true)));
  code.push(...insn(0xbf, 1, 6, 0, 0), ...insn(0xb7, 2, 0, 0, frame.byteLength - longest));
  code.push(...insn(0x85, 0, 0, 0, BPF_FUNC_xdp_adjust_tail));
  code.push(...insn(0xb7, 0, 0, 0, XDP_PASS), ...insn(0x95, 0, 0, 0, 0));
  return code;
}
