// One owner of a series at a time, with real processes for the others.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { CaptureError, SyscallError } from '../../src/errors.ts';
import { SeriesLock } from '../../src/rotation/lock.ts';

const root = mkdtempSync(join(tmpdir(), 'lock-'));
afterAll(() => rmSync(root, { recursive: true }));

let dir = '';
let path = '';
beforeEach(() => {
  dir = mkdtempSync(join(root, 'dir-'));
  path = join(dir, 'pcap.lock');
});

test('holds the pid while it is held, and can be taken again when it was released', () => {
  const lock = SeriesLock.take(dir, 'pcap');
  expect(readFileSync(path, 'utf8')).toBe(`${process.pid}\n`);
  expect(statSync(path).mode & 0o777).toBe(0o640 & ~process.umask());
  lock.release();
  expect(existsSync(path)).toBe(true);
  SeriesLock.take(dir, 'pcap').release();
});

test('is one lock for each series', () => {
  const locks = ['pcap', 'other'].map((series) => SeriesLock.take(dir, series));
  for (const lock of locks) lock.release();
});

test('a second owner is refused, and told who is the first, until that one is gone, however it went', async () => {
  writeFileSync(path, '1234567 a longer text that was there before\n');
  const source = JSON.stringify(new URL('../../src/rotation/lock.ts', import.meta.url).href);
  const code = `import { SeriesLock } from ${source}; SeriesLock.take(process.argv[1], 'pcap');
    process.stdout.write('taken'); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code, dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(child, 'exit');
  await once(child.stdout, 'data');
  expect(() => SeriesLock.take(dir, 'pcap')).toThrow(CaptureError);
  expect(() => SeriesLock.take(dir, 'pcap')).toThrow(`${path}: process ${child.pid} is writing this series already`);
  expect(() => SeriesLock.take(dir, 'pcap')).toThrow(expect.objectContaining({ code: 'ERR_LOCKED' }));
  expect(readFileSync(path, 'utf8')).toBe(`${child.pid}\n`);
  child.kill('SIGKILL');
  await exit;
  SeriesLock.take(dir, 'pcap').release();
  expect(readFileSync(path, 'utf8')).toBe(`${process.pid}\n`);
});

test('is not taken through a link, nor where there is no file to lock', () => {
  writeFileSync(join(dir, 'precious'), 'precious');
  symlinkSync('precious', path);
  expect(() => SeriesLock.take(dir, 'pcap')).toThrow(expect.objectContaining({ code: 'ELOOP', path }));
  expect(readFileSync(join(dir, 'precious'), 'utf8')).toBe('precious');
  mkdirSync(join(dir, 'other.lock'));
  expect(() => SeriesLock.take(dir, 'other')).toThrow(SyscallError);
  expect(() => SeriesLock.take(join(dir, 'missing'), 'pcap')).toThrow(expect.objectContaining({ code: 'ENOENT' }));
});
