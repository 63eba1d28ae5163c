// The ring source over blocks in plain memory instead of a kernel's: the order, who owns a block when, and a kernel that
// breaks its own rules. The socket is the only double.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test, vi } from 'vitest';
import { plainMemory } from '../../../src/capture/ring/ring-memory.ts';
import { RingSource, type RingSourceOptions } from '../../../src/capture/ring/ring-source.ts';
import { CaptureSession } from '../../../src/capture/session.ts';
import { FormatError } from '../../../src/errors.ts';
import type { PacketFilter } from '../../../src/filter/packet-filter.ts';
import { TP_STATUS_KERNEL, tpacket_block_desc } from '../../../src/native/if_packet.ts';
import { SingleFile } from '../../../src/savefile/single-file.ts';
import type { Limits, RecordSink } from '../../../src/savefile/sink.ts';
import { expectReadable } from '../../savefile.ts';
import { buildBlock } from './block-builder.ts';

const BLOCK_SIZE = 256 * 1024;
const BLOCKS = 4;
const FIRST_SEC = 1_700_000_000;
const kernel = vi.hoisted(() => ({ memory: new ArrayBuffer(0), received: 0, closed: 0 }));
vi.mock('../../../src/capture/ring/socket.ts', () => ({
  RingSocket: {
    open: () => ({
      fd: -1, // poll(2) ignores it
      blockCount: 4,
      memory: plainMemory(kernel.memory),
      refuse: () => {},
      takeError: () => undefined,
      readCounters: () => ({ received: kernel.received, dropped: 0, queueFreezes: 0 }),
      close: () => {
        kernel.closed++;
      },
    }),
  },
}));

const directory = mkdtempSync(join(tmpdir(), 'tsnetpcap-source-'));
afterAll(() => rmSync(directory, { recursive: true }));
beforeEach(() => {
  kernel.memory = new ArrayBuffer(BLOCKS * BLOCK_SIZE);
  kernel.received = 0;
  kernel.closed = 0;
});

const HEADER = { linktype: 1, snaplen: 96, precision: 'micro' } as const;

function openSource(expression?: PacketFilter, options: Partial<RingSourceOptions> = {}): RingSource {
  return RingSource.open({
    ...HEADER,
    device: 'lo',
    promiscuous: false,
    exitOnDown: false,
    filter: new Uint8Array(8),
    userSpace: expression && { expression, exclusions: undefined },
    ringMemory: BLOCKS * BLOCK_SIZE,
    blockRetireMs: 100,
    notice: () => {},
    ...options,
  });
}

/** Retires a block of `packets` packets of 60 bytes. */
function retire(index: number, sequence: bigint, packets: number): DataView {
  const built = Array.from({ length: packets }, (_, n) => ({
    sec: FIRST_SEC + n,
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

const NEVER = Number.POSITIVE_INFINITY;

class Sink implements RecordSink {
  readonly limits: Limits = { startSec: 0, endSec: NEVER, records: NEVER, bytes: NEVER };
  readonly taken: number[] = [];
  /** Seconds of the records it was asked to make room for. */
  readonly cuts: number[] = [];
  full = false;
  /** Makes room, if it can. */
  onCut: (sec: number) => boolean = () => false;

  take(span: { readonly records: number }): boolean {
    this.taken.push(span.records);
    return !this.full;
  }

  resume(): boolean {
    return !this.full;
  }

  cut(sec: number): boolean {
    this.cuts.push(sec);
    return this.onCut(sec);
  }
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
  expect(source.statistics()).toMatchObject({ received: 15, unread: 0 });
});

test('what the filter outside the kernel leaves out is counted, and nobody waits for it', () => {
  // The bytes of a packet are its block's number.
  const [source, sink] = [openSource((view, at) => (view.getUint8(at) === 1 ? 0 : 1)), new Sink()];
  for (const index of [0, 1, 2]) retire(index, BigInt(index), 3);
  sink.full = true;
  expect(source.drain(sink)).toBe('held');
  expect(source.statistics()).toMatchObject({ received: 9, filtered: 0, unread: 6 });
  sink.full = false;
  expect(source.drain(sink)).toBe('empty');
  expect([owner(0), owner(1), owner(2), sink.taken]).toEqual([...new Array(3).fill(TP_STATUS_KERNEL), [3, 3]]);
  expect(source.statistics()).toMatchObject({ received: 9, filtered: 3, unread: 0 });
});

test('a block whose records are not all taken stays ours', () => {
  const [source, sink] = [openSource(), new Sink()];
  for (const index of [0, 1]) retire(index, BigInt(index), 3);
  sink.full = true;
  expect(source.drain(sink)).toBe('held');
  expect(source.drain(sink)).toBe('held');
  expect(owner(0)).not.toBe(TP_STATUS_KERNEL);
  expect(source.statistics().unread).toBe(3); // those of the block behind
  sink.full = false;
  expect(source.drain(sink)).toBe('empty');
  expect([owner(0), owner(1), sink.taken]).toEqual([TP_STATUS_KERNEL, TP_STATUS_KERNEL, [3, 3]]);
  expect(source.statistics().unread).toBe(0);
});

test('a record beyond the limits: room is asked for, once for each file', () => {
  const [source, sink] = [openSource(), new Sink()];
  retire(0, 1n, 10);
  sink.limits.records = 0;
  sink.onCut = () => {
    sink.limits.records = 4;
    return true;
  };
  sink.take = ({ records }) => {
    sink.taken.push(records);
    sink.limits.records -= records;
    return true;
  };
  expect(source.drain(sink)).toBe('empty');
  expect(sink.taken).toEqual([4, 4, 2]);
  expect(sink.cuts).toEqual([FIRST_SEC, FIRST_SEC + 4, FIRST_SEC + 8]);
});

test('no room can be made: it is asked for again and again, and nothing is lost', () => {
  const [source, sink] = [openSource(), new Sink()];
  retire(0, 1n, 10);
  sink.limits.endSec = FIRST_SEC + 3;
  for (let n = 0; n < 3; n++) expect(source.drain(sink)).toBe('held');
  expect([sink.taken, sink.cuts]).toEqual([[3], [3, 3, 3].map((n) => FIRST_SEC + n)]);
  expect(owner(0)).not.toBe(TP_STATUS_KERNEL);
  sink.onCut = () => {
    sink.limits.endSec = NEVER;
    return true;
  };
  expect(source.drain(sink)).toBe('empty');
  expect(sink.taken).toEqual([3, 7]);
});

test('room that is none is a bug, and no endless loop', () => {
  const [source, sink] = [openSource(), new Sink()];
  retire(0, 1n, 10);
  sink.limits.bytes = 10;
  sink.onCut = () => true;
  expect(() => source.drain(sink)).toThrow('unreachable');
});

test('a share of the ring, so that others get their turn', () => {
  const [source, sink] = [openSource(), new Sink()];
  for (let index = 0; index < BLOCKS; index++) retire(index, BigInt(index), 1);
  expect(source.drain(sink, 1 / 4)).toBe('more');
  expect(sink.taken).toHaveLength(1);
  expect(source.drain(sink, 1 / 2)).toBe('more');
  expect(sink.taken).toHaveLength(3);
  expect(source.drain(sink)).toBe('empty');
});

test('it is crowded when three quarters of the ring wait, wherever they lie', () => {
  const [source, sink] = [openSource(), new Sink()];
  let sequence = 0n;
  for (let round = 0; round < 6; round++) {
    for (const crowded of [false, false, true, true]) {
      retire(Number(sequence % 4n), sequence, 1);
      sequence++;
      expect(source.crowded).toBe(crowded);
    }
    expect(source.drain(sink)).toBe('more');
    expect(source.crowded).toBe(false);
    retire(Number(sequence % 4n), sequence, 1);
    sequence++;
    expect(source.drain(sink)).toBe('empty'); // begins one block further on
  }
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
    const options = { durationMs: NEVER, settleMs: 100, notice: () => {} };
    const session = new CaptureSession(openSource(), output, options);
    const running = session.run();
    await expect(running).rejects.toThrow(FormatError);
    await expect(running).rejects.toThrow(said);
    expectReadable(path, 100);
  },
);

test('the socket is closed when whoever is told of a smaller ring throws', () => {
  const notice = (text: string): void => {
    throw new Error(text);
  };
  const open = (): RingSource => openSource(undefined, { ringMemory: 2 * BLOCKS * BLOCK_SIZE, notice });
  expect(open).toThrow('ring of 1 MiB instead of 2 MiB: the kernel has no memory for more');
  expect(kernel.closed).toBe(1);
});
