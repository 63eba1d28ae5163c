// How a ring's memory is divided into blocks. Asked by the ring source, and by --print-config.

export interface RingGeometry {
  readonly blockSize: number;
  readonly blockCount: number;
}

/** We are woken once a block, so a large one saves wake-ups, as long as a good many make up the ring. */
const MAX_BLOCK_SIZE = 1024 * 1024;
const MIN_BLOCK_SIZE = 256 * 1024;
const BLOCKS_WANTED = 16;
/** Block descriptor, packet header, link address and alignment: what a block needs beside one packet's bytes. */
const BLOCK_OVERHEAD = 1024;

/** `memory`: bytes asked for; rounded up to whole blocks, two at least. `snaplen`: the most that is kept of a packet. */
export function ringGeometry(memory: number, snaplen: number): RingGeometry {
  // The kernel takes memory for blocks in powers of two, and cuts a packet that is larger than a block.
  let blockSize = MIN_BLOCK_SIZE;
  while (blockSize < snaplen + BLOCK_OVERHEAD) blockSize *= 2;
  while (blockSize < MAX_BLOCK_SIZE && 2 * blockSize * BLOCKS_WANTED <= memory) blockSize *= 2;
  return { blockSize, blockCount: Math.max(2, Math.ceil(memory / blockSize)) };
}
