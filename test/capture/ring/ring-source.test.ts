// The ring source over blocks in plain memory instead of a kernel's: the order, who owns a block when, and a kernel that
// breaks its own rules. The socket is the only double.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test, vi } from 'vitest';
import { RingSource } from '../../../src/capture/ring/ring-source.ts';
import { CaptureSession } from '../../../src/capture/session.ts';
import { FormatError } from '../../../src/errors.ts';
import { TP_STATUS_KERNEL, tpacket_block_desc } from '../../../src/native/if_packet.ts';
import { SingleFile } from '../../../src/savefile/single-file.ts';
import type { RecordSink } from '../../../src/savefile/sink.ts';
import { expectReadable } from '../../savefile.ts';
import { buildBlock } from './block-builder.ts';

const BLOCK_SIZE = 256 * 1024;
const BLOCKS = 4;
const kernel = vi.hoisted(() => ({ memory: new ArrayBuffer(0), received: 0 }));
vi.mock('../../../src/capture/ring/socket.ts', () => ({
  RingSocket: {
    open: () => ({
      fd: -1, // poll(2) ignores it
      blockCount: 4,
      memory: kernel.memory,
      refuse: () => {},
      takeError: () => undefined,
      readCounters: () => ({ received: kernel.received, dropped: 0, queueFreezes: 0 }),
      close: () => {},
    }),
  },
}));

const directory = mkdtempSync(join(tmpdir(), 'tsnetpcap-source-'));
afterAll(() => rmSync(directory, { recursive: true }));
beforeEach(() => {
  kernel.memory = new ArrayBuffer(BLOCKS * BLOCK_SIZE);
  kernel.received = 0;
});

const HEADER = { linktype: 1, snaplen: 96, precision: 'micro' } as const;

function openSource(): RingSource {
  return RingSource.open({
    ...HEADER,
    device: 'lo',
    promiscuous: false,
    filter: new Uint8Array(8),
    ringMemory: BLOCKS * BLOCK_SIZE,
    blockRetireMs: 100,
    notice: () => {},
  });
}

/** Retires a block of `packets` packets of 60 bytes. */
function retire(index: number, sequence: bigint, packets: number): DataView {
  const built = Array.from({ length: packets }, (_, n) => ({
    sec: 1_700_000_000 + n,
    nsec: 0,
    bytes: new Uint8Array(60).fill(index),
    len: 60,
  }));
  const { memory } = buildBlock(built, 82, sequence);
  new Uint8Array(kernel.memory, index * BLOCK_SIZE).set(new Uint8Array(memory));
  kernel.received += packets;
  return new DataView(kernel.memory, index * BLOCK_SIZE, BLOCK_SIZE);
}

const owner = (index: number): number =>
  new DataView(kernel.memory).getUint32(index * BLOCK_SIZE + tpacket_block_desc.block_status, true);

class Sink implements RecordSink {
  readonly limits = { startSec: 0, endSec: Number.POSITIVE_INFINITY, records: Number.POSITIVE_INFINITY };
  readonly taken: number[] = [];
  full = false;

  take(span: { readonly records: number }): boolean {
    this.taken.push(span.records);
    return !this.full;
  }

  resume(): boolean {
    return !this.full;
  }

  cut(): void {}
}

test('blocks are drained in ring order, given back, and come round again', () => {
  const [source, sink] = [openSource(), new Sink()];
  for (let index = 0; index < BLOCKS; index++) retire(index, BigInt(7 + index), index + 1);
  expect(source.drain(sink)).toBe('more');
  expect(sink.taken).toEqual([1, 2, 3, 4]);
  expect(Array.from({ length: BLOCKS }, (_, index) => owner(index))).toEqual(new Array(BLOCKS).fill(TP_STATUS_KERNEL));
  expect(source.drain(sink)).toBe('empty');
  retire(0, 11n, 5);
  expect(source.drain(sink)).toBe('empty');
  expect(sink.taken).toEqual([1, 2, 3, 4, 5]);
  expect(source.pending()).toBe(0);
});

test('a block whose records are not all taken stays ours, and its packets pending', () => {
  const [source, sink] = [openSource(), new Sink()];
  retire(0, 1n, 3);
  sink.full = true;
  expect(source.drain(sink)).toBe('held');
  expect(source.drain(sink)).toBe('held');
  expect([owner(0) !== TP_STATUS_KERNEL, source.pending()]).toEqual([true, 3]);
  sink.full = false;
  expect(source.drain(sink)).toBe('empty');
  expect([owner(0), source.pending(), sink.taken]).toEqual([TP_STATUS_KERNEL, 0, [3]]);
});

test.each<[string, (block: DataView) => void, RegExp]>([
  ['number', (block) => block.setBigUint64(tpacket_block_desc.seq_num, 3n, true), /sequence number 2, found 3$/],
  ['length', (block) => block.setUint32(tpacket_block_desc.blk_len, 2 ** 31, true), /length from 48 to 262144/],
  ['start', (block) => block.setUint32(tpacket_block_desc.offset_to_first_pkt, 2 ** 30, true), /aligned offset/],
  ['count', (block) => block.setUint32(tpacket_block_desc.num_pkts, 1000, true), /expected a (next )?packet/],
])(
  'a block with a wrong %s ends the capture by a FormatError; what was written stays whole',
  async (name, damage, said) => {
    const path = join(directory, `${name}.pcap`);
    retire(0, 1n, 100);
    damage(retire(1, 2n, 100));
    const output = new SingleFile({ path, noClobber: false }, HEADER, Number.POSITIVE_INFINITY);
    const session = new CaptureSession(openSource(), output, { durationMs: Number.POSITIVE_INFINITY, settleMs: 100 });
    const running = session.run();
    await expect(running).rejects.toThrow(FormatError);
    await expect(running).rejects.toThrow(said);
    expectReadable(path, 100);
  },
);
