// `npm run bench:write-size`: what the file system takes for a record of 112 bytes, by the way the bytes are handed to it:
// how many at a time, where in the file they end, piece by piece (writev), past the page cache (O_DIRECT). In CPU time, all
// threads, and in how long one call may hold up the capture. The reason for WRITE_SIZE in src/savefile/writer.ts.
import {
  closeSync,
  constants,
  fstatSync,
  mkdtempSync,
  openSync,
  rmSync,
  write as writeOnPool,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import koffi from 'koffi';
import { parseWhole } from '../src/capture/values.ts';
import { fallocate, libc, syscallError } from '../src/native/libc.ts';
import { keepFreeMemory, mmapAnonymous } from './memory.ts';

const KIB = 1024;
const RECORD = 112;
/** From packet to packet in a ring, for records of that size. */
const STRIDE = 208;
const RING = 16 * KIB * KIB;
const BYTES = 14 * RING;
/** What the writer asks for at a time. */
const RESERVE = 8 * KIB * KIB;
/** IOV_MAX */
const PIECES = 1024;

const writevFn = libc.func('long writev(int fd, const void *pieces, int count)');
const onPool = promisify(writeOnPool);

/** Hands `size` bytes, which begin at `at` in the ring, to the file. */
type Write = (fd: number, at: number, size: number) => Promise<unknown> | undefined;

interface Case {
  readonly name: string;
  readonly size: number;
  readonly write?: Write;
  /** Bytes written before, so that no write ends at a multiple of its size. */
  readonly skew?: number;
  readonly direct?: boolean;
  /** Asks for disk space ahead. */
  readonly reserve?: boolean;
}

const ring = mmapAnonymous(RING).fill(7);

const whole: Write = (fd, at, size) => {
  writeSync(fd, ring, at, size);
  return undefined;
};

const staging = mmapAnonymous(KIB * KIB);
/** Copied first, as for records that don't lie where O_DIRECT wants them. */
const staged: Write = (fd, at, size) => {
  staging.set(ring.subarray(at, at + size));
  writeSync(fd, staging, 0, size);
  return undefined;
};

const pool: Write = (fd, at, size) => onPool(fd, ring, at, size);

const ringAddress = Number(koffi.address(ring));
/** struct iovec, <sys/uio.h>, in halves: a store of 64 bits would cost more than the call. */
const iovecs = new Uint32Array(4 * PIECES);
/** Records where the kernel has put their packets. */
const pieces: Write = (fd, at) => {
  for (let piece = 0; piece < PIECES; piece++) {
    const address = ringAddress + ((at + piece * STRIDE) % (RING - STRIDE));
    iovecs[4 * piece] = address;
    iovecs[4 * piece + 1] = address / 2 ** 32;
    iovecs[4 * piece + 2] = RECORD;
  }
  if (writevFn(fd, iovecs, PIECES) < 0) throw syscallError('writev');
  return undefined;
};

const kib = (...sizes: number[]): { name: string; size: number }[] =>
  sizes.map((size) => ({ name: `${size} KiB`, size: size * KIB }));

const CASES: readonly Case[] = [
  ...kib(4, 16, 64, 128, 256, 512, 1024),
  ...kib(128, 256, 512, 1024).map((each) => ({ ...each, name: `${each.name}, ahead`, reserve: true })),
  { name: '128 KiB, ends elsewhere', size: 128 * KIB, skew: 2000 },
  { name: 'writev of 1024 records', size: PIECES * RECORD, write: pieces },
  { name: 'writev of 1024 records, ahead', size: PIECES * RECORD, write: pieces, reserve: true },
  ...kib(128, 256, 512, 1024).map((each) => ({ ...each, name: `${each.name}, O_DIRECT`, direct: true })),
  ...kib(512, 1024).map((each) => ({ ...each, name: `${each.name}, O_DIRECT, ahead`, direct: true, reserve: true })),
  ...kib(512).map((each) => ({ ...each, name: `${each.name}, O_DIRECT, copied`, direct: true, write: staged })),
  ...kib(512, 1024).map((each) => ({ ...each, name: `${each.name}, O_DIRECT, pool`, direct: true, write: pool })),
];

interface Cost {
  readonly cpuNs: number;
  readonly longestMs: number;
}

/** Writes `BYTES` in all from memory as large as a ring, round and round. */
async function measure(each: Case, path: string): Promise<Cost> {
  const { size, write = whole, skew = 0, direct = false, reserve = false } = each;
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (direct ? constants.O_DIRECT : 0);
  const fd = openSync(path, flags);
  try {
    if (skew > 0) writeSync(fd, ring, 0, skew);
    let reserved = 0;
    let longestMs = 0;
    const before = process.cpuUsage();
    for (let at = 0; at < BYTES; at += size) {
      const startMs = performance.now();
      if (reserve && at + size > reserved) {
        fallocate(fd, reserved, RESERVE);
        reserved += RESERVE;
      }
      const written = write(fd, RING % size === 0 ? at % RING : 0, size);
      if (written !== undefined) await written;
      longestMs = Math.max(longestMs, performance.now() - startMs);
    }
    const { user, system } = process.cpuUsage(before);
    if (fstatSync(fd).size < BYTES) throw new Error(`${path}: a short write`);
    return { cpuNs: ((user + system) * 1000) / (BYTES / RECORD), longestMs };
  } finally {
    closeSync(fd);
    rmSync(path);
  }
}

const { values } = parseArgs({
  options: { out: { type: 'string', default: tmpdir() }, rounds: { type: 'string', default: '8' } },
});
const rounds = parseWhole('--rounds', values.rounds, 1, 1000);
const directory = mkdtempSync(join(values.out, 'tsnetpcap-write-size-'));
try {
  const restore = keepFreeMemory(directory, BYTES);
  try {
    const found = CASES.map((): Cost[] => []);
    for (let round = 0; round < rounds; round++) {
      for (const [index, each] of CASES.entries()) found[index]?.push(await measure(each, join(directory, 'file')));
    }
    for (const [index, { name }] of CASES.entries()) {
      const costs = found[index] ?? [];
      const sorted = costs.map(({ cpuNs }) => cpuNs).sort((a, b) => a - b);
      const median = sorted[Math.floor(sorted.length / 2)];
      const longest = Math.max(...costs.map(({ longestMs }) => longestMs));
      process.stdout.write(
        `${name.padEnd(30)} ${sorted[0]?.toFixed(1)} ns of CPU a record at best, median ${median?.toFixed(1)}, longest call ${longest.toFixed(1)} ms\n`,
      );
    }
  } finally {
    restore();
  }
} finally {
  rmSync(directory, { recursive: true });
}
