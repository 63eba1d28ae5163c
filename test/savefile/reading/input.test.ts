// Files in pieces, compressed ones too: whatever the size of a piece, the bytes are the same, and what was compressed
// before a damage comes out before the error.
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Input } from '../../../src/savefile/reading/input.ts';
import { PROGRAM } from '../../program.ts';
import { copyByTcpdump, copyByUs, scratch } from './judge.ts';
import { MICRO, makeSavefile } from './make-savefile.ts';

const directory = scratch();
const path = (name: string): string => join(directory, name);

test('a record of many pieces is not copied with each of them', async () => {
  // With that, 64 GiB would be copied.
  const bytes = Buffer.alloc(16 * 2 ** 20);
  for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE(at, at);
  writeFileSync(path('long'), bytes);
  const input = await Input.open(path('long'), 2000);
  try {
    expect(await input.has(bytes.length)).toBe(true);
    expect(input.offset).toBe(0);
    expect(bytes.equals(input.bytes.subarray(input.at, input.end))).toBe(true);
    expect(input.at).toBeGreaterThanOrEqual(16);
  } finally {
    await input.close();
  }
});

test('bytes left over stay before those behind them, at their offset', async () => {
  const bytes = Buffer.from(Array.from({ length: 5000 }, (_, n) => (n * 7) & 0xff));
  writeFileSync(path('bytes'), bytes);
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 3000 }), fc.array(fc.nat(4000)), async (chunkSize, steps) => {
      const input = await Input.open(path('bytes'), chunkSize);
      try {
        for (const step of [...steps, 5000]) {
          const offset = input.offset;
          const enough = await input.has(step);
          expect(input.offset).toBe(offset);
          expect(enough).toBe(offset + step <= bytes.length);
          const length = Math.min(step, input.end - input.at);
          const taken = Buffer.from(input.bytes.subarray(input.at, input.at + length));
          expect(taken.equals(bytes.subarray(offset, offset + length))).toBe(true);
          input.at += length;
        }
        expect(input.offset).toBe(bytes.length);
      } finally {
        await input.close();
      }
    }),
  );
});

const records = Array.from({ length: 2000 }, (_, n) => ({ sec: n, fraction: n, caplen: (n * 13) % 1400, len: 1500 }));
const savefile = makeSavefile({
  littleEndian: true,
  magic: MICRO,
  version: [2, 4],
  snaplen: 262144,
  linktype: 1,
  records,
});
writeFileSync(path('whole.pcap'), savefile);

test('gzip, in one member or several', async () => {
  writeFileSync(path('one.gz'), gzipSync(savefile));
  writeFileSync(
    path('several'),
    Buffer.concat([gzipSync(savefile.subarray(0, 777)), gzipSync(savefile.subarray(777))]),
  );
  for (const name of ['one.gz', 'several']) {
    const { bytes, failure } = await copyByUs(path(name), path('copy'), { chunkSize: 3000 });
    expect(failure).toBeUndefined();
    expect(bytes?.equals(savefile)).toBe(true);
  }
});

test('zstd where this Node has it, and a clear word where not', async () => {
  execFileSync('zstd', ['-q', '-f', path('whole.pcap'), '-o', path('whole.zst')]);
  const { bytes, failure } = await copyByUs(path('whole.zst'), path('copy'));
  if (process.versions['zstd'] === undefined) expect(failure).toMatch(/zstd needs Node 22.15 or newer, this is \d/);
  else expect(bytes?.equals(savefile)).toBe(true);
});

test.each(['22', '24'])('zstd in several frames, by Node %s', (major) => {
  const newer = `../../../node_modules/.cache/node-${major}/node_modules/current/bin/node`;
  const node = fileURLToPath(new URL(newer, import.meta.url));
  const frame = (bytes: Buffer): Buffer => execFileSync('zstd', ['-q', '-c'], { input: bytes });
  const skippable = (length: number): Buffer => {
    const bytes = Buffer.alloc(length);
    bytes.writeUInt32LE(0x184d2a50);
    bytes.writeUInt32LE(length - 8, 4);
    return bytes;
  };
  const first = frame(savefile.subarray(0, 777));
  // Its end is that of what is read at a time.
  const filling = skippable(32 * 1024 - first.length);
  const others = [777, 778, 60_000, 400_000].map((from, n, all) => frame(savefile.subarray(from, all[n + 1])));
  writeFileSync(path('frames.zst'), Buffer.concat([first, filling, frame(Buffer.alloc(0)), ...others]));
  const args = [PROGRAM, 'read', path('frames.zst'), '-w', path('copy')];
  expect(spawnSync(node, args, { encoding: 'latin1' })).toMatchObject({ status: 0, stderr: '' });
  expect(readFileSync(path('copy')).equals(savefile)).toBe(true);
});

test('a compressed file that is cut off or damaged gives what is before that', async () => {
  const compressed = gzipSync(savefile, { level: 1 });
  for (const share of [0.3, 0.6, 0.9]) {
    const length = Math.floor(compressed.length * share);
    writeFileSync(path('cut.gz'), compressed.subarray(0, length));
    const { bytes, failure } = await copyByUs(path('cut.gz'), path('copy'));
    expect(failure).toMatch(/cut\.gz: .*(unexpected end of file|truncated).*at offset \d+/);
    // As much as gzip itself finds, to the last whole record.
    let found: Buffer;
    try {
      found = execFileSync('gzip', ['-dc', path('cut.gz')], { stdio: 'pipe', maxBuffer: 2 ** 30 });
    } catch (cause) {
      found = (cause as { stdout: Buffer }).stdout;
    }
    writeFileSync(path('found.pcap'), found);
    expect(bytes?.equals(copyByTcpdump(path('found.pcap'), path('theirs')).bytes ?? Buffer.alloc(0))).toBe(true);
  }
  const changed = Buffer.from(compressed);
  const half = changed.length >> 1;
  changed.fill(0xff, half, half + 100);
  writeFileSync(path('bad.gz'), changed);
  const { bytes, failure } = await copyByUs(path('bad.gz'), path('copy'));
  expect(failure).toMatch(/bad\.gz: .*at offset \d+/);
  // Behind the wrong bytes anything may come out, until deflate stumbles over it.
  const sure = savefile.length / 2 - 64 * 1024;
  expect(bytes?.subarray(0, sure).equals(savefile.subarray(0, sure))).toBe(true);
});

test('records that are longer than a piece', async () => {
  const long = [5, 300_000, 2_000_000, 7, 900_000].map((caplen, n) => ({ sec: n, fraction: 0, caplen, len: caplen }));
  const header = { littleEndian: true, magic: MICRO, version: [2, 4] as const, snaplen: 2 ** 27, linktype: 231 };
  const bytes = makeSavefile({ ...header, records: long });
  writeFileSync(path('long.pcap'), bytes);
  for (const chunkSize of [1000, 100_000, undefined]) {
    const copy = await copyByUs(path('long.pcap'), path('copy'), chunkSize === undefined ? {} : { chunkSize });
    expect(copy.failure).toBeUndefined();
    expect(copy.bytes?.equals(bytes)).toBe(true);
  }
});

test('a directory, and a file that is not there', async () => {
  expect((await copyByUs(directory, path('copy'))).failure).toMatch(/^read .*: Is a directory$/);
  expect((await copyByUs(path('nowhere'), path('copy'))).failure).toBe(`${path('nowhere')}: No such file or directory`);
});

test('zeros behind compressed data are padding, and what follows them is damage', async () => {
  const bytes = makeSavefile({
    littleEndian: true,
    magic: MICRO,
    version: [2, 4],
    snaplen: 96,
    linktype: 1,
    records: [{ sec: 1, fraction: 2, caplen: 3, len: 4 }],
  });
  for (const behind of [Buffer.alloc(1), Buffer.alloc(100_000), Buffer.of(0, 0, 31, 139, 0)]) {
    writeFileSync(path('followed'), Buffer.concat([gzipSync(bytes), behind]));
    const { bytes: copied, failure } = await copyByUs(path('followed'), path('ours'));
    expect(copied?.equals(bytes)).toBe(true);
    const damage = `${path('followed')}: something else follows the compressed data (at offset ${bytes.length})`;
    expect(failure).toBe(behind.some((byte) => byte !== 0) ? damage : undefined);
  }
});
