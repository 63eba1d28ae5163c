// `npm run bench:write-size`: CPU that the file system takes for a record of 112 bytes, by the size of the writes, by where
// in the file they end, and without the page cache. The reason for WRITE_SIZE in src/savefile/writer.ts.
import { closeSync, constants, fstatSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parseWhole } from '../src/capture/values.ts';
import { fallocate } from '../src/native/libc.ts';
import { mmapAnonymous } from './memory.ts';

const KIB = 1024;
const RECORD = 112;
const RING = 16 * KIB * KIB;

interface Case {
  readonly size: number;
  /** Bytes written before, so that no write ends at a multiple of its size. */
  readonly skew?: number;
  readonly direct?: boolean;
  /** Asks for disk space ahead, this much at a time. */
  readonly reserve?: number;
}

const CASES: readonly Case[] = [
  ...[4, 16, 64, 128, 256, 512, 1024].map((kib) => ({ size: kib * KIB })),
  { size: 128 * KIB, reserve: 8 * KIB * KIB },
  { size: 128 * KIB, skew: 2000 },
  ...[128, 512, 1024].map((kib) => ({ size: kib * KIB, direct: true })),
];

/** Nanoseconds of CPU a record, writing `bytes` in all from memory as large as a ring, round and round. */
function cpuNsARecord(
  { size, skew = 0, direct = false, reserve }: Case,
  ring: Uint8Array,
  path: string,
  bytes: number,
): number {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (direct ? constants.O_DIRECT : 0);
  const fd = openSync(path, flags);
  try {
    if (skew > 0) writeSync(fd, ring, 0, skew);
    const before = process.cpuUsage();
    for (let at = 0; at < bytes; at += size) {
      if (reserve !== undefined && at % reserve === 0) fallocate(fd, at, reserve);
      writeSync(fd, ring, at % RING, size);
    }
    const { user, system } = process.cpuUsage(before);
    if (fstatSync(fd).size < bytes) throw new Error(`${path}: a short write`);
    return ((user + system) * 1000) / (bytes / RECORD);
  } finally {
    closeSync(fd);
    rmSync(path);
  }
}

const { values } = parseArgs({
  options: { out: { type: 'string', default: tmpdir() }, rounds: { type: 'string', default: '8' } },
});
const rounds = parseWhole('--rounds', values.rounds, 1, 1000);
const path = join(values.out, `tsnetpcap-write-size-${process.pid}`);
const ring = mmapAnonymous(RING).fill(7);
const found = CASES.map((): number[] => []);
for (let round = 0; round < rounds; round++) {
  for (const [index, each] of CASES.entries()) found[index]?.push(cpuNsARecord(each, ring, path, 14 * RING));
}
for (const [index, { size, skew, direct, reserve }] of CASES.entries()) {
  const sorted = (found[index] ?? []).sort((a, b) => a - b);
  const name = `${size / KIB} KiB${skew === undefined ? '' : ', ends elsewhere'}${direct === true ? ', O_DIRECT' : ''}${reserve === undefined ? '' : ', ahead'}`;
  const median = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  process.stdout.write(
    `${name.padEnd(24)} ${sorted[0]?.toFixed(1)} ns of CPU a record at best, median ${median.toFixed(1)}\n`,
  );
}
