// Merging against a stable sort, and against mergecap where that keeps the order of equal times.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ConcatenatedReader } from '../../../src/savefile/reading/concatenated.ts';
import { MergedReader } from '../../../src/savefile/reading/merged.ts';
import { openSavefile } from '../../../src/savefile/reading/open.ts';
import { copyRecords, scratch } from './judge.ts';
import { Blocks } from './make-pcapng.ts';
import { type MadeRecord, MICRO, makeSavefile, NANO } from './make-savefile.ts';

const directory = scratch();
const path = (name: string | number): string => join(directory, `${name}`);

function write(name: string, records: readonly MadeRecord[], linktype = 1, magic = MICRO): string {
  const header = { littleEndian: true, magic, version: [2, 4] as const, snaplen: 262144, linktype };
  writeFileSync(path(name), makeSavefile({ ...header, records }));
  return path(name);
}

async function merge(names: readonly string[], chunkSize?: number): Promise<{ bytes: Buffer; failures: string[] }> {
  const failures: string[] = [];
  const readers = await Promise.all(names.map((name) => openSavefile(name, chunkSize)));
  const merged = new MergedReader(readers, (cause) => failures.push((cause as Error).message));
  expect(await copyRecords(merged, path('ours'), merged.precision)).toBeUndefined();
  return { bytes: readFileSync(path('ours')), failures };
}

/** Records as text, `sec.fraction len`. */
function recordsIn(bytes: Buffer): string[] {
  const records: string[] = [];
  for (let at = 24; at < bytes.length; at += 16 + bytes.readUInt32LE(at + 8))
    records.push(`${bytes.readUInt32LE(at)}.${bytes.readUInt32LE(at + 4)} ${bytes.readUInt32LE(at + 12)}`);
  return records;
}

// Few times, so that many are equal; which record is which the length tells.
const time = fc.record({ sec: fc.integer({ min: 5, max: 8 }), fraction: fc.nat(3) });
const inputs = fc.array(fc.array(time, { maxLength: 40 }), { minLength: 1, maxLength: 6 });

test('like a stable sort: equal times in the order of the arguments', async () => {
  await fc.assert(
    fc.asyncProperty(inputs, fc.constantFrom(50, 333, 65536), async (times, chunkSize) => {
      const files = times.map((file, n) =>
        file
          .toSorted((a, b) => a.sec - b.sec || a.fraction - b.fraction)
          .map((each, m) => ({ ...each, caplen: (n * 7 + m) % 60, len: n * 1000 + m })),
      );
      const names = files.map((file, n) => write(`in${n}`, file));
      const { bytes, failures } = await merge(names, chunkSize);
      const sorted = files.flat().toSorted((a, b) => a.sec - b.sec || a.fraction - b.fraction);
      expect(recordsIn(bytes)).toEqual(sorted.map(({ sec, fraction, len }) => `${sec}.${fraction} ${len}`));
      expect(failures).toEqual([]);
    }),
    { numRuns: 300 },
  );
});

test('like mergecap, whatever the order within a file', async () => {
  await fc.assert(
    fc.asyncProperty(inputs, async (times) => {
      let n = 0; // no time twice: mergecap puts the later argument first
      const files = times.map((file) => file.map(({ sec }) => ({ sec, fraction: n++, caplen: n % 50, len: n })));
      const names = files.map((file, at) => write(`in${at}`, file));
      execFileSync('mergecap', ['-F', 'pcap', '-w', path('theirs'), ...names], { stdio: 'pipe' });
      const { bytes } = await merge(names, 200);
      expect(recordsIn(bytes)).toEqual(recordsIn(readFileSync(path('theirs'))));
    }),
    { numRuns: 30 },
  );
});

test('long stretches of one file, and stretches that fill the buffer', async () => {
  const long = (from: number): MadeRecord[] =>
    Array.from({ length: 3000 }, (_, n) => ({ sec: from + n, fraction: 0, caplen: 1200, len: 1200 + from }));
  const names = [write('long1', long(0)), write('long2', long(1500)), write('long3', long(6000))];
  const { bytes } = await merge(names);
  const secs = recordsIn(bytes).map((text) => Number.parseInt(text, 10));
  expect(secs).toHaveLength(9000);
  expect(secs).toEqual(secs.toSorted((a, b) => a - b));
});

test('micro- and nanoseconds make nanoseconds', async () => {
  const micro = write('micro', [{ sec: 1, fraction: 5, caplen: 0, len: 1 }]);
  const nano = write('nano', [{ sec: 1, fraction: 4999, caplen: 0, len: 2 }], 1, NANO);
  const { bytes } = await merge([micro, nano]);
  expect(recordsIn(bytes)).toEqual(['1.4999 2', '1.5000 1']);
  expect(bytes.readUInt32LE(0)).toBe(NANO);
});

test('of a damaged file, what is whole', async () => {
  const file = (sec: number): MadeRecord[] =>
    [sec, sec + 10, sec + 20].map((each) => ({ sec: each, fraction: 0, caplen: 10, len: each }));
  const names = [write('whole1', file(1)), write('cut', file(2)), write('whole2', file(3))];
  writeFileSync(path('cut'), readFileSync(path('cut')).subarray(0, 24 + 26 + 20));
  const { bytes, failures } = await merge(names);
  expect(recordsIn(bytes).map((text) => Number.parseInt(text, 10))).toEqual([1, 2, 3, 11, 13, 21, 23]);
  expect(failures).toEqual([
    `${path('cut')}: truncated dump file; tried to read 10 captured bytes, only got 4 (at offset 50)`,
  ]);
});

test('one file after the other, those left out that do not fit', async () => {
  const record = (sec: number): MadeRecord => ({ sec, fraction: 0, caplen: 10, len: sec });
  const names = [
    write('a', [record(1)]),
    write('b', [record(9)]),
    write('sll', [record(3)], 113),
    write('c', [record(2)]),
  ];
  const [first = '', ...rest] = [...names, path('nowhere')];
  const failures: string[] = [];
  const concatenated = new ConcatenatedReader(
    'series',
    await openSavefile(first),
    rest,
    (name) => openSavefile(name),
    (cause) => failures.push((cause as Error).message),
  );
  expect(await copyRecords(concatenated, path('ours'), 'micro')).toBeUndefined();
  expect(recordsIn(readFileSync(path('ours')))).toEqual(['1.0 1', '9.0 9', '2.0 2']);
  expect(failures).toEqual([
    `${path('sll')}: link type 113, but series begins with 1`,
    `${path('nowhere')}: No such file or directory`,
  ]);
});

test('records of another link type are not put together with the rest', async () => {
  const packet = Buffer.alloc(20);
  const blocks = new Blocks(true).section().interface(1, 0).interface(113, 0);
  blocks.packet(0, 1_000_000n, packet).packet(1, 3_000_000n, packet).packet(1, 3_000_001n, packet);
  writeFileSync(path('mixed'), blocks.packet(0, 5_000_000n, packet).bytes);
  const names = [
    path('mixed'),
    write(
      'uniform',
      [2, 4, 6].map((sec) => ({ sec, fraction: 0, caplen: 20, len: 20 })),
    ),
  ];
  const readers = await Promise.all(names.map((name) => openSavefile(name)));
  const merged = new MergedReader(readers, (cause) => expect.unreachable(String(cause)));
  const found: [number, number][] = [];
  for (let run = await merged.next(); run !== undefined; run = await merged.next())
    found.push([run.linktype, run.records]);
  await merged.close();
  expect(found).toEqual([
    [1, 2],
    [113, 2],
    [1, 3],
  ]);
});
