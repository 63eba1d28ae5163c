// `npm run bench:compression`: what compressing a savefile of 96-byte packets takes and saves, by format and level, and how
// long hashing and compressing in the background hold up the event loop. The reason for the constants in
// src/rotation/compression.ts and file-pieces.ts.
import { createHash } from 'node:crypto';
import { createReadStream, linkSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHistogram } from 'node:perf_hooks';
import type { Transform } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import * as zlib from 'node:zlib';
import { parseWhole } from '../src/capture/values.ts';
import { compressFile } from '../src/rotation/compression.ts';
import { hashFile } from '../src/rotation/digest.ts';
import { PIECE_SIZE } from '../src/rotation/file-pieces.ts';
import { trafficSavefile } from './traffic.ts';

const ZSTD_COMPRESSION_LEVEL = 100;
const { createZstdCompress } = zlib as {
  createZstdCompress?: (options: { chunkSize: number; params: Record<number, number> }) => Transform;
};

interface Case {
  readonly name: string;
  readonly make: () => Transform;
}

const CASES: readonly Case[] = [
  ...[1, 3, 6].map((level) => ({
    name: `gzip ${level}`,
    make: () => zlib.createGzip({ level, chunkSize: PIECE_SIZE }),
  })),
  ...[1, 3].flatMap((level) =>
    createZstdCompress === undefined
      ? []
      : [
          {
            name: `zstd ${level}`,
            make: () => createZstdCompress({ chunkSize: PIECE_SIZE, params: { [ZSTD_COMPRESSION_LEVEL]: level } }),
          },
        ],
  ),
];

interface Cost {
  readonly wallMs: number;
  readonly cpuMs: number;
}

async function costOf(action: () => Promise<unknown>): Promise<Cost> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await action();
  const { user, system } = process.cpuUsage(cpu);
  return { wallMs: performance.now() - start, cpuMs: (user + system) / 1000 };
}

async function compressedSize(path: string, through: Transform): Promise<number> {
  let bytes = 0;
  for await (const piece of createReadStream(path, { highWaterMark: PIECE_SIZE }).pipe(through)) bytes += piece.length;
  return bytes;
}

/** Time between turns of the event loop during `action`, which has all its turns in a row. */
async function turnsDuring(action: () => Promise<unknown>): Promise<string> {
  const turns = createHistogram();
  let over = false;
  const turn = (): void => {
    turns.recordDelta();
    if (!over) setImmediate(turn);
  };
  turn();
  await action();
  over = true;
  const ms = (ns: number): string => (ns / 1e6).toFixed(2);
  return `99.9 % of the turns within ${ms(turns.percentile(99.9))} ms, the longest ${ms(turns.max)}`;
}

const say = (text: string): void => void process.stdout.write(`${text}\n`);

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: tmpdir() },
    mib: { type: 'string', default: '64' },
    rounds: { type: 'string', default: '5' },
  },
});
const rounds = parseWhole('--rounds', values.rounds, 1, 1000);
const directory = mkdtempSync(join(values.out, 'tsnetpcap-compression-'));
try {
  const name = 'traffic.pcap';
  const path = join(directory, name);
  const bytes = trafficSavefile(parseWhole('--mib', values.mib, 1, 1024) * 2 ** 20, 96);
  writeFileSync(path, bytes);
  say(`Node ${process.versions.node}, ${(bytes.length / 1e6).toFixed()} MB, best of ${rounds} rounds`);

  for (const { name: what, make } of CASES) {
    let size = 0;
    let [wallMs, cpuMs] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
    for (let round = 0; round < rounds; round++) {
      const cost = await costOf(async () => {
        size = await compressedSize(path, make());
      });
      [wallMs, cpuMs] = [Math.min(wallMs, cost.wallMs), Math.min(cpuMs, cost.cpuMs)];
    }
    const share = ((100 * size) / bytes.length).toFixed(1);
    const speed = (bytes.length / 1000 / wallMs).toFixed();
    say(`${what}: ${share} % of its size, ${speed} MB/s, ${((cpuMs * 1e6) / bytes.length).toFixed(1)} ms CPU a MB`);
  }

  const pieces = Array.from({ length: 400 }, () => {
    const start = performance.now();
    createHash('sha256').update(bytes.subarray(0, PIECE_SIZE)).digest();
    return performance.now() - start;
  }).sort((a, b) => a - b);
  say(`SHA-256 of ${PIECE_SIZE / 1024} KiB: median ${pieces[200]?.toFixed(2)} ms`);

  let copies = 0;
  const jobs = {
    hashFile: () => hashFile(path),
    compressFile: () => {
      const copied = `${copies++}.pcap`;
      linkSync(path, join(directory, copied));
      return compressFile(directory, copied, 'gzip', 0o600);
    },
  };
  say(`nothing to do: ${await turnsDuring(() => sleep(500))}`);
  for (const [what, job] of Object.entries(jobs)) {
    const { wallMs, cpuMs } = await costOf(job);
    say(
      `${what}: ${(bytes.length / 1000 / wallMs).toFixed()} MB/s, ${((cpuMs * 1e6) / bytes.length).toFixed(1)} ms CPU a MB`,
    );
    say(`  turns of the event loop: ${await turnsDuring(job)}`);
  }
} finally {
  rmSync(directory, { recursive: true });
}
