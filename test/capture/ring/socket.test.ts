// The ring's socket where the kernel says no, and where its counters wrap. The faults are injected at the two calls; all
// else is a real socket on lo that keeps nothing. Needs root, and fails without it.
import { beforeEach, expect, test, vi } from 'vitest';
import { RingSource } from '../../../src/capture/ring/ring-source.ts';
import { RingSocket, type RingSocketOptions } from '../../../src/capture/ring/socket.ts';
import { SyscallError } from '../../../src/errors.ts';
import { PACKET_RX_RING, PACKET_STATISTICS, tpacket_req3, tpacket_stats_v3 } from '../../../src/native/if_packet.ts';
import { if_nametoindex } from '../../../src/native/libc.ts';

const fault = vi.hoisted(() => ({ mostBlocks: Number.POSITIVE_INFINITY, counters: undefined as number[] | undefined }));
vi.mock('../../../src/native/libc.ts', async (load) => {
  const libc = await load<typeof import('../../../src/native/libc.ts')>();
  const setsockopt: typeof libc.setsockopt = (fd, level, name, value, what) => {
    const blocks = new DataView(value.buffer, value.byteOffset);
    if (name === PACKET_RX_RING && blocks.getUint32(tpacket_req3.tp_block_nr, true) > fault.mostBlocks)
      throw new SyscallError('ENOMEM', 12, `setsockopt ${what}`);
    libc.setsockopt(fd, level, name, value, what);
  };
  const getsockopt: typeof libc.getsockopt = (fd, level, name, value, what, length) => {
    if (name !== PACKET_STATISTICS || value === null || fault.counters === undefined)
      return libc.getsockopt(fd, level, name, value, what, length);
    const view = new DataView(value.buffer);
    for (const [index, counter] of fault.counters.entries()) view.setUint32(4 * index, counter, true);
    return tpacket_stats_v3.sizeof;
  };
  return { ...libc, setsockopt, getsockopt };
});

beforeEach(() => {
  fault.mostBlocks = Number.POSITIVE_INFINITY;
  fault.counters = undefined;
});

const KEEP_NONE = Uint8Array.of(6, 0, 0, 0, 0, 0, 0, 0);
const options = (): RingSocketOptions => ({
  ifindex: if_nametoindex('lo') ?? 0,
  cooked: false,
  promiscuous: false,
  filter: KEEP_NONE,
  blockSize: 256 * 1024,
  blockCount: 16,
  blockRetireMs: 100,
});

test.each([
  [16, 16],
  [15, 12],
  [11, 9],
  [2, 2],
])('a kernel with memory for %i of 16 blocks gives a ring of %i', (mostBlocks, blockCount) => {
  fault.mostBlocks = mostBlocks;
  const socket = RingSocket.open(options());
  try {
    expect(socket.blockCount).toBe(blockCount);
    expect(socket.memory.buffer.byteLength).toBe(blockCount * 256 * 1024);
  } finally {
    socket.close();
  }
});

test('a kernel without memory for two blocks: ENOMEM, with what to do about it', () => {
  fault.mostBlocks = 1;
  expect(() => RingSocket.open(options())).toThrow(SyscallError);
  expect(() => RingSocket.open(options())).toThrow(
    /^setsockopt PACKET_RX_RING: ENOMEM \(ask for less with --ring-memory\)$/,
  );
});

test('a smaller ring than asked for is said', () => {
  fault.mostBlocks = 9;
  const said: string[] = [];
  const source = RingSource.open({
    linktype: 1,
    snaplen: 96,
    precision: 'micro',
    device: 'lo',
    promiscuous: false,
    exitOnDown: false,
    filter: KEEP_NONE,
    userSpace: undefined,
    ringMemory: 16 * 2 ** 20,
    blockRetireMs: 100,
    notice: (text) => said.push(text),
  });
  source.close();
  expect(said).toEqual(['ring of 9 MiB instead of 16 MiB: the kernel has no memory for more']);
});

test('counters add up beyond 2^32', () => {
  const socket = RingSocket.open(options());
  try {
    const before = socket.readCounters();
    fault.counters = [0xffffffff, 0x80000000, 3];
    for (let reads = 0; reads < 3; reads++) socket.readCounters();
    fault.counters = [0, 0, 0];
    expect(socket.readCounters()).toEqual({
      received: before.received + 3 * 0xffffffff,
      dropped: before.dropped + 3 * 0x80000000,
      queueFreezes: before.queueFreezes + 9,
    });
  } finally {
    socket.close();
  }
});
