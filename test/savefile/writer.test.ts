// The writer against bytes, other programs, a full disk and full pipes.
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SyscallError } from '../../src/errors.ts';
import { fallocate } from '../../src/native/libc.ts';
import { PcapWriter } from '../../src/savefile/writer.ts';
import { expectReadable, readSavefile } from '../savefile.ts';
import { Tmpfs } from '../tmpfs.ts';

const dir = mkdtempSync(join(tmpdir(), 'writer-'));
afterAll(() => rmSync(dir, { recursive: true }));

const HEADER = { precision: 'micro', snaplen: 96, linktype: 1 } as const;
// A whole IPv4 UDP packet, so that tcpdump prints it without complaint.
const PACKET = Buffer.from(
  '020000000001020000000002080045000020000100004011f9bb0a0000010a000002303900350' + '00c0000' + '61626364',
  'hex',
);

test('the bytes of a file: header and record, word by word', () => {
  const path = join(dir, 'bytes.pcap');
  const writer = PcapWriter.create(path, { precision: 'nano', snaplen: 65535, linktype: 276 });
  writer.writePacket(0x01020304, 999_999_999, Uint8Array.of(0xaa, 0xbb), 70_000);
  writer.close();
  expect(readFileSync(path).toString('hex')).toBe(
    ['4d3cb2a1', '0200', '0400', '00000000', '00000000', 'ffff0000', '14010000'].join('') +
      ['04030201', 'ffc99a3b', '02000000', '70110100', 'aabb'].join(''),
  );
});

test('tcpdump and capinfos read what was written, cut to the snaplen', () => {
  const path = join(dir, 'read.pcap');
  const writer = PcapWriter.create(path, { ...HEADER, snaplen: 40 });
  const count = 20_000;
  for (let i = 0; i < count; i++) writer.writePacket(1_700_000_000 + i, i, PACKET);
  writer.close();
  expect(writer.size).toBe(statSync(path).size);
  expect(writer.size).toBe(24 + count * (16 + 40));
  expect(execFileSync('capinfos', ['-c', '-M', path], { encoding: 'utf8' })).toMatch(/Number of packets: +20000/);
  const printed = execFileSync('tcpdump', ['-nttr', path, '-c', '1'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  expect(printed).toMatch(/^1700000000\.000000 IP 10\.0\.0\.1\.12345 > 10\.0\.0\.2\.53/);
});

test('packets larger than a batch, and spans between packets, keep their order', () => {
  const path = join(dir, 'order.pcap');
  const writer = PcapWriter.create(path, { ...HEADER, snaplen: 262144 });
  writer.writePacket(1, 0, PACKET);
  writer.writePacket(2, 0, Buffer.alloc(262144, 0x45));
  const span = Buffer.alloc(18);
  span.writeUInt32LE(3, 0);
  span.writeUInt32LE(2, 8);
  span.writeUInt32LE(2, 12);
  writer.writeRecords(span);
  writer.writePacket(4, 0, PACKET);
  writer.close();
  const fields = execFileSync('tshark', ['-r', path, '-T', 'fields', '-e', 'frame.time_epoch', '-e', 'frame.cap_len'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const rows = fields
    .trim()
    .split('\n')
    .map((line) => line.split('\t').map(Number));
  expect(rows).toEqual([
    [1, 46],
    [2, 262144],
    [3, 2],
    [4, 46],
  ]);
});

test('an existing file is emptied, or refused when asked', () => {
  const path = join(dir, 'exists.pcap');
  writeFileSync(path, 'precious');
  expect(() => PcapWriter.create(path, HEADER, true)).toThrow(SyscallError);
  expect(readFileSync(path, 'utf8')).toBe('precious');
  PcapWriter.create(path, HEADER).close();
  expect(statSync(path).size).toBe(24);
});

describe('a disk that fills up', () => {
  let disk: Tmpfs;
  let path = '';
  beforeEach(() => {
    disk = Tmpfs.mount('300k');
    path = join(disk.path, 'full.pcap');
  });
  afterEach(() => disk.unmount());

  const LENGTH = 1016;
  /** `count` records of 1016 bytes; each says its number, from `first`. */
  function records(count: number, first = 0): Buffer {
    const span = Buffer.alloc(count * LENGTH, 0x45);
    for (let n = 0; n < count; n++) {
      span.writeUInt32LE(first + n, n * LENGTH);
      span.writeUInt32LE(0, n * LENGTH + 4);
      span.writeUInt32LE(LENGTH - 16, n * LENGTH + 8);
      span.writeUInt32LE(LENGTH - 16, n * LENGTH + 12);
    }
    return span;
  }
  const open = (): PcapWriter => PcapWriter.create(path, { ...HEADER, snaplen: 262144 });
  const numbers = (): number[] => readSavefile(path).records.map(({ sec }) => sec);
  const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
  const ENOSPC = expect.objectContaining({ code: 'ENOSPC', syscall: 'write' });

  /** Writes spans of 100 records until one does not fit; how many were accepted. */
  function fill(writer: PcapWriter): number {
    for (let accepted = 100; ; accepted += 100) {
      try {
        writer.writeRecords(records(100, accepted - 100));
      } catch (cause) {
        expect(cause).toBeInstanceOf(SyscallError);
        expect(cause).toEqual(ENOSPC);
        return accepted;
      }
    }
  }

  test('the file ends with a whole record, and the rest is pending', () => {
    const writer = open();
    const accepted = fill(writer);
    const there = numbers();
    expect(there).toEqual(upTo(there.length));
    expect(there.length).toBeGreaterThan(200);
    expect(writer.pendingRecords).toBe(accepted - there.length);
    expect(writer.size).toBe(24 + accepted * LENGTH);
    expect(execFileSync('capinfos', ['-cM', path], { encoding: 'utf8' })).toMatch(
      `Number of packets:   ${there.length}`,
    );
  });

  test('flush() completes it when there is room, byte for byte', () => {
    const writer = open();
    const accepted = fill(writer);
    const { size } = statSync(path);
    for (let n = 0; n < 3; n++) {
      expect(() => writer.flush()).toThrow(ENOSPC);
      expect(statSync(path).size).toBe(size);
    }
    execFileSync('mount', ['-o', 'remount,size=1m', disk.path]);
    expect(writer.flush()).toBe(true);
    expect(writer.pendingRecords).toBe(0);
    writer.writeRecords(records(7, accepted));
    writer.close();
    expect(
      readFileSync(path)
        .subarray(24)
        .equals(records(accepted + 7)),
    ).toBe(true);
    expectReadable(path, accepted + 7);
  });

  test('flush() gets as far as there is room, again and again', () => {
    const writer = open();
    const accepted = fill(writer);
    let pending = writer.pendingRecords;
    for (let kib = 304; pending > 0; kib += 12) {
      execFileSync('mount', ['-o', `remount,size=${kib}k`, disk.path]);
      try {
        writer.flush();
      } catch (cause) {
        expect(cause).toEqual(ENOSPC);
      }
      expect(numbers()).toEqual(upTo(accepted - writer.pendingRecords));
      expect(writer.pendingRecords).toBeLessThanOrEqual(pending);
      pending = writer.pendingRecords;
    }
    writer.close();
    expect(numbers()).toEqual(upTo(accepted));
  });

  test('abandon() forgets what is pending, and later records follow those that are there', () => {
    const writer = open();
    fill(writer);
    const there = numbers().length;
    writer.abandon();
    expect(writer.pendingRecords).toBe(0);
    expect(writer.size).toBe(statSync(path).size);
    expect(writer.flush()).toBe(true);
    execFileSync('mount', ['-o', 'remount,size=1m', disk.path]);
    writer.writeRecords(records(5, there));
    expect(writer.size).toBe(24 + (there + 5) * LENGTH);
    writer.close();
    expect(numbers()).toEqual(upTo(there + 5));
  });

  test('finish() says what did not arrive, and leaves the descriptor to the caller', () => {
    const writer = open();
    fill(writer);
    const there = numbers().length;
    expect(() => writer.finish()).toThrow(ENOSPC);
    expect(fstatSync(writer.fd).size).toBe(24 + there * LENGTH);
    writer.abandon();
    writer.finish();
    closeSync(writer.fd);
    expect(numbers()).toEqual(upTo(there));
  });

  test('close() closes all the same', () => {
    const writer = open();
    fill(writer);
    const there = numbers().length;
    expect(() => writer.close()).toThrow(ENOSPC);
    expect(() => fstatSync(writer.fd)).toThrow('EBADF');
    expect(numbers()).toEqual(upTo(there));
  });

  test('packet by packet: those collected are counted, and arrive when there is room', () => {
    const writer = open();
    disk.fill(2);
    let accepted = 0;
    const packet = Buffer.alloc(LENGTH - 16, 0x45);
    const write = (): void => {
      for (; accepted < 1000; accepted++) writer.writePacket(accepted, 0, packet);
    };
    expect(write).toThrow(ENOSPC);
    const there = numbers();
    expect(there.length).toBeLessThanOrEqual(16);
    expect(there.length + writer.pendingRecords).toBe(accepted);
    disk.giveBack();
    expect(writer.flush()).toBe(true);
    for (let n = 0; n < 3; n++) writer.writePacket(accepted++, 0, packet);
    writer.close();
    expect(readFileSync(path).subarray(24).equals(records(accepted))).toBe(true);
  });

  test('no room for the file header: no part of it', () => {
    disk.fill();
    expect(() => open()).toThrow(ENOSPC);
    expect(statSync(path).size).toBe(0);
  });
});

test('finish() hands everything over, and keeps the descriptor open', () => {
  const path = join(dir, 'finish.pcap');
  const writer = PcapWriter.create(path, HEADER);
  writer.writePacket(1, 0, PACKET);
  expect(statSync(path).size).toBe(24);
  writer.finish();
  expect(statSync(path).size).toBe(24 + 16 + PACKET.length);
  expect(statSync(path).size).toBe(writer.size);
  expect(fstatSync(writer.fd).isFile()).toBe(true);
  closeSync(writer.fd);
});

describe('disk space asked for ahead', () => {
  const MIB = 2 ** 20;
  /** One record of 1 MiB, less the file header in the first. */
  const megabyte = (): Buffer => {
    const record = Buffer.alloc(MIB);
    record.writeUInt32LE(MIB - 16, 8);
    record.writeUInt32LE(MIB - 16, 12);
    return record;
  };

  test('is returned when the file is closed, and does not count as its size', () => {
    const path = join(dir, 'reserved.pcap');
    const writer = PcapWriter.create(path, { ...HEADER, snaplen: MIB }, false, fallocate);
    const allocated = (): number => statSync(path).blocks * 512;
    for (let n = 0; n < 10; n++) writer.writeRecords(megabyte());
    expect(statSync(path).size).toBe(24 + 10 * MIB);
    fsyncSync(writer.fd); // what is not yet on disk has no place there
    expect(allocated()).toBeGreaterThanOrEqual(16 * MIB);
    writer.close();
    expect(statSync(path).size).toBe(24 + 10 * MIB);
    expect(allocated()).toBeLessThan(11 * MIB);
  });

  test('is not asked for by a file that stays small, and not again once it is refused', () => {
    const asked: number[] = [];
    const refuse = (_: number, offset: number): void => {
      asked.push(offset);
      throw new Error('refused');
    };
    const path = join(dir, 'refused.pcap');
    const writer = PcapWriter.create(path, { ...HEADER, snaplen: MIB }, false, refuse);
    for (let n = 0; n < 7; n++) writer.writeRecords(megabyte());
    expect(asked).toEqual([]);
    for (let n = 0; n < 21; n++) writer.writeRecords(megabyte());
    writer.close();
    expect(asked).toEqual([8 * MIB]);
    expect(statSync(path).size).toBe(24 + 28 * MIB);
  });
});

test('a full pipe that does not block: nothing is lost or doubled, the caller is told', () => {
  const fifo = join(dir, 'fifo');
  execFileSync('mkfifo', [fifo]);
  const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
  const fd = openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
  const writer = new PcapWriter(fd, HEADER);
  const span = Buffer.alloc(112 * 5000);
  for (let at = 0; at < span.length; at += 112) {
    span.writeUInt32LE(at / 112, at);
    span.writeUInt32LE(96, at + 8);
    span.writeUInt32LE(96, at + 12);
  }
  expect(writer.writeRecords(span)).toBe(false);
  expect(() => writer.writeRecords(span)).toThrow(/flush/);
  const parts: Buffer[] = [];
  for (let done = false; !done; ) {
    const part = Buffer.alloc(100_001);
    parts.push(part.subarray(0, readSync(reader, part)));
    done = writer.flush();
  }
  writer.close();
  for (let got = -1; got !== 0; ) {
    const part = Buffer.alloc(100_001);
    got = readSync(reader, part);
    parts.push(part.subarray(0, got));
  }
  closeSync(reader);
  expect(Buffer.concat(parts).subarray(24).equals(span)).toBe(true);
});

test('a reader that has gone is EPIPE', () => {
  const fifo = join(dir, 'gone');
  execFileSync('mkfifo', [fifo]);
  const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = new PcapWriter(openSync(fifo, constants.O_WRONLY), HEADER);
  closeSync(reader);
  expect(() => writer.writeRecords(Buffer.alloc(16))).toThrow(expect.objectContaining({ code: 'EPIPE' }));
});

test('a full pipe at the end: nobody waits for its reader', () => {
  const fifo = join(dir, 'full');
  execFileSync('mkfifo', [fifo]);
  const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = new PcapWriter(openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK), HEADER);
  const span = Buffer.alloc(112 * 5000);
  for (let at = 0; at < span.length; at += 112) span.writeUInt32LE(96, at + 8);
  expect(writer.writeRecords(span)).toBe(false);
  writer.close();
  expect(() => fstatSync(writer.fd)).toThrow('EBADF');
  closeSync(reader);
});
