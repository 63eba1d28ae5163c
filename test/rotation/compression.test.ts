// Compressed copies of savefiles: what gzip(1) and zstd(1) make of them, and what is left when the disk is full, a read
// fails, or the process is killed. Needs root, and fails without it: it mounts. zstd is tried with the Node 24 that
// scripts/test installs; this file's own Node is made to look like one without it.
import { execFileSync, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeEach, expect, test, vi } from 'vitest';
import { trafficSavefile } from '../../bench/traffic.ts';
import { OptionError, SyscallError } from '../../src/errors.ts';
import { compressFile } from '../../src/rotation/compression.ts';
import { parseCompression } from '../../src/rotation/compression-format.ts';
import { hashFile } from '../../src/rotation/digest.ts';
import { Program } from '../program.ts';

vi.mock('node:zlib', async (load) => ({ ...(await load<object>()), createZstdCompress: undefined }));

/** With zstd, and able to run TypeScript; scripts/test installs it. */
const MAJOR = 24;
const NODE = fileURLToPath(
  new URL(`../../node_modules/.cache/node-${MAJOR}/node_modules/current/bin/node`, import.meta.url),
);
const MODULE = fileURLToPath(new URL('../../src/rotation/compression.ts', import.meta.url));
const NAME = 'pcap-20260101000000.pcap';

const root = mkdtempSync(join(tmpdir(), 'compression-'));
afterAll(() => rmSync(root, { recursive: true }));

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(root, 'dir-'));
});

const list = (directory = dir): string[] => readdirSync(directory).sort();
const descriptors = (): number => readdirSync('/proc/self/fd').length;
const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'nothing',
    (cause: unknown) => cause,
  );

function putSavefile(bytes: number, directory = dir): Uint8Array {
  const savefile = trafficSavefile(bytes, 96);
  writeFileSync(join(directory, NAME), savefile);
  return savefile;
}

/** `compressFile` in a process of its own, of a Node with zstd. */
const compressElsewhere = (format: string): Program =>
  new Program(undefined, [
    NODE,
    '--no-warnings',
    '--input-type=module',
    '-e',
    `import { compressFile } from ${JSON.stringify(MODULE)};
     import { parseCompression } from ${JSON.stringify(MODULE.replace('.ts', '-format.ts'))};
     const format = parseCompression('--compress', ${JSON.stringify(format)});
     console.log(JSON.stringify(await compressFile(${JSON.stringify(dir)}, ${JSON.stringify(NAME)}, format, 0o600)));`,
  ]);

test.each([24, 2000, 3_000_000])('gzip(1) gives a savefile of %i bytes back', async (bytes) => {
  const savefile = putSavefile(bytes);
  const before = descriptors();
  const copy = await compressFile(dir, NAME, 'gzip', 0o640);
  const part = join(dir, `${NAME}.gz.part`);
  expect(copy).toEqual({ as: `${NAME}.gz`, ...(await hashFile(part)) });
  expect(list()).toEqual([NAME, `${NAME}.gz.part`]);
  expect(statSync(part)).toMatchObject({ size: copy.bytes, mode: 0o100640 & ~process.umask() });
  expect(readFileSync(join(dir, NAME)).equals(savefile)).toBe(true);
  execFileSync('gzip', ['--test'], { input: readFileSync(part) });
  expect(execFileSync('gzip', ['-dc'], { input: readFileSync(part), maxBuffer: 2 ** 26 }).equals(savefile)).toBe(true);
  if (bytes > 100_000) expect(copy.bytes).toBeLessThan(bytes * 0.7);
  expect(descriptors()).toBe(before);
});

test('pieces of any size: each is compressed before the next one takes its place', async () => {
  const savefile = trafficSavefile(1_000_000, 96);
  execFileSync('mkfifo', [join(dir, NAME)]);
  const writer = spawn('dd', ['bs=3000', 'status=none', `of=${join(dir, NAME)}`], {
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  writer.stdin.end(savefile);
  await compressFile(dir, NAME, 'gzip', 0o600);
  const back = execFileSync('gzip', ['-dc'], { input: readFileSync(join(dir, `${NAME}.gz.part`)), maxBuffer: 2 ** 26 });
  expect(back.equals(savefile)).toBe(true);
});

test('zstd(1) gives a savefile back that a Node with zstd compressed', async () => {
  const savefile = putSavefile(3_000_000);
  const program = compressElsewhere('zstd');
  try {
    expect([await program.exit(), program.stderr]).toEqual([0, '']);
  } finally {
    await program.kill();
  }
  const part = join(dir, `${NAME}.zst.part`);
  const copy: unknown = JSON.parse(program.stdout);
  expect(copy).toEqual({ as: `${NAME}.zst`, ...(await hashFile(part)) });
  expect(list()).toEqual([NAME, `${NAME}.zst.part`]);
  expect(execFileSync('zstd', ['-dc'], { input: readFileSync(part), maxBuffer: 2 ** 26 }).equals(savefile)).toBe(true);
  expect(statSync(part).size).toBeLessThan(savefile.length * 0.6);
});

test('the option', () => {
  expect(parseCompression('--compress', 'gzip')).toBe('gzip');
  const refused = (text: string): unknown => {
    try {
      return parseCompression('--compress', text);
    } catch (cause) {
      return cause;
    }
  };
  for (const text of ['', 'gz', 'GZIP', 'xz']) expect(refused(text)).toBeInstanceOf(OptionError);
  expect(refused('xz')).toMatchObject({ message: '--compress xz: expected gzip or zstd' });
  expect(refused('zstd')).toMatchObject({
    message: `--compress zstd: needs Node 22.15 or newer, this is ${process.versions.node}`,
  });
});

test.each([700, 500, 300, 100, 0])(
  'a disk with only %i KiB left: the savefile stays, no copy does, and later it succeeds',
  async (kib) => {
    const disk = join(dir, 'disk');
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tsnetpcap-test', disk]);
    try {
      const savefile = putSavefile(2_000_000, disk);
      const { bavail, bsize } = statfsSync(disk);
      writeFileSync(join(disk, 'filling'), Buffer.alloc(bavail * bsize - kib * 1024));
      const before = descriptors();
      const failure = await failureOf(compressFile(disk, NAME, 'gzip', 0o640));
      expect(failure).toBeInstanceOf(SyscallError);
      expect(failure).toMatchObject({ code: 'ENOSPC', path: join(disk, `${NAME}.gz.part`) });
      expect(list(disk)).toEqual(['filling', NAME]);
      expect(readFileSync(join(disk, NAME)).equals(savefile)).toBe(true);
      expect(descriptors()).toBe(before);
      rmSync(join(disk, 'filling'));
      expect(await compressFile(disk, NAME, 'gzip', 0o640)).toMatchObject({ as: `${NAME}.gz` });
    } finally {
      execFileSync('umount', [disk]);
    }
  },
);

test('killed in the middle: the savefile is as it was, and what there is of the copy is no complete file', async () => {
  const savefile = putSavefile(60_000_000);
  const program = compressElsewhere('gzip');
  const part = join(dir, `${NAME}.gz.part`);
  try {
    await program.until(() => existsSync(part) && statSync(part).size > 1_000_000);
  } finally {
    await program.kill();
  }
  expect(program.stdout).toBe('');
  expect(list()).toEqual([NAME, `${NAME}.gz.part`]);
  expect(readFileSync(join(dir, NAME)).equals(savefile)).toBe(true);
  // A copy that a crash left is for the start to judge, not for the next compression to overwrite.
  const bytes = readFileSync(part);
  expect(await failureOf(compressFile(dir, NAME, 'gzip', 0o640))).toMatchObject({ code: 'EEXIST', path: part });
  expect(readFileSync(part).equals(bytes)).toBe(true);
});

test('what is no readable file leaves no copy, and links in the way are not followed', async () => {
  const outside = join(root, 'outside');
  const before = descriptors();
  expect(await failureOf(compressFile(dir, NAME, 'gzip', 0o640))).toMatchObject({
    code: 'ENOENT',
    path: join(dir, NAME),
  });
  mkdirSync(join(dir, NAME));
  expect(await failureOf(compressFile(dir, NAME, 'gzip', 0o640))).toMatchObject({
    code: 'EISDIR',
    path: join(dir, NAME),
  });
  expect(list()).toEqual([NAME]);
  rmSync(join(dir, NAME), { recursive: true });
  putSavefile(2000);
  symlinkSync(outside, join(dir, `${NAME}.gz.part`));
  expect(await failureOf(compressFile(dir, NAME, 'gzip', 0o640))).toMatchObject({ code: 'EEXIST' });
  expect(existsSync(outside)).toBe(false);
  const missing = join(dir, 'missing');
  expect(await failureOf(compressFile(missing, NAME, 'gzip', 0o640))).toMatchObject({
    code: 'ENOENT',
    syscall: 'open',
  });
  expect(descriptors()).toBe(before);
});
