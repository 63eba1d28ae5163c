// The file ring in real directories. Every call of node:fs that it makes is followed by a look at the directory.
import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test, vi } from 'vitest';
import { SyscallError } from '../../src/errors.ts';
import { utcZone } from '../../src/native/time.ts';
import { FileRing } from '../../src/rotation/file-ring.ts';
import { SavefileName } from '../../src/rotation/name.ts';

const hook = vi.hoisted(() => ({ afterCall: (): void => undefined, fail: '' }));
vi.mock('node:fs', async (load) => {
  const fs = await load<typeof import('node:fs')>();
  const watched = ['mkdirSync', 'openSync', 'renameSync', 'rmSync', 'unlinkSync', 'linkSync'] as const;
  const wrapped = watched.map((name) => {
    const call = (...args: unknown[]): unknown => {
      if (hook.fail === name)
        throw Object.assign(new Error('no'), { code: 'EIO', errno: -5, syscall: name, path: String(args[0]) });
      const result: unknown = Reflect.apply(fs[name], fs, args);
      hook.afterCall();
      return result;
    };
    return [name, call];
  });
  return { ...fs, ...Object.fromEntries(wrapped) };
});

const root = mkdtempSync(join(tmpdir(), 'file-ring-'));
afterAll(() => rmSync(root, { recursive: true }));

const START = Date.parse('2026-01-01T00:00:00Z') / 1000;
const HOUR = 3600;
let dir = '';
let count = 0;
beforeEach(() => {
  dir = join(root, String(++count));
  hook.afterCall = (): void => undefined;
  hook.fail = '';
});

const nameIn = (directory: string): SavefileName => new SavefileName(`${directory}/pcap-%Y%m%d%H%M%S.pcap`, utcZone());
const openRing = (keep?: number): FileRing => FileRing.open({ name: nameIn(dir), keep });
const list = (): string[] => readdirSync(dir).sort();
const completeOnDisk = (): string[] => list().filter((name) => name.endsWith('.pcap'));
const hour = (n: number): string => nameIn(dir).at(START + n * HOUR);

/** A savefile with one record, or with none. */
function savefile(sec?: number, options: { nano?: boolean; bigEndian?: boolean; fraction?: number } = {}): Uint8Array {
  const view = new DataView(new ArrayBuffer(sec === undefined ? 24 : 40));
  const little = options.bigEndian !== true;
  view.setUint32(0, options.nano === true ? 0xa1b23c4d : 0xa1b2c3d4, little);
  if (sec !== undefined) {
    view.setUint32(24, sec, little);
    view.setUint32(28, options.fraction ?? 0, little);
  }
  return new Uint8Array(view.buffer);
}

/** What the capture does: create, write, close, publish. */
function capture(ring: FileRing, sec: number, records = true): string {
  const file = ring.create(sec);
  appendFileSync(file.fd, savefile(records ? sec : undefined));
  closeSync(file.fd);
  ring.publish(file);
  return file.name;
}

test('creates the directory and its parents, for owner and group', () => {
  dir = join(dir, 'a', 'b');
  expect(openRing(3).complete).toEqual([]);
  expect(statSync(dir).mode & 0o777).toBe(0o750 & ~process.umask());
});

test('a file is NAME.part until it is published, and in no mode that others read', () => {
  const ring = openRing(3);
  const file = ring.create(START);
  expect(file.name).toBe('pcap-20260101000000.pcap');
  expect(file.path).toBe(join(dir, file.name));
  expect(list()).toEqual([`${file.name}.part`]);
  expect(statSync(`${file.path}.part`).mode & 0o777).toBe(0o640 & ~process.umask());
  closeSync(file.fd);
  ring.publish(file);
  expect(list()).toEqual([file.name]);
  expect(ring.complete).toEqual([file.name]);
});

test('another mode', () => {
  const ring = FileRing.open({ name: nameIn(dir), keep: undefined, fileMode: 0o600 });
  const file = ring.create(START);
  expect(statSync(`${file.path}.part`).mode & 0o777).toBe(0o600);
  closeSync(file.fd);
});

test('the 49th evicts the 1st, over restarts, and there are never more than 48 and one open', () => {
  let most = 0;
  let mostOpen = 0;
  hook.afterCall = (): void => {
    if (!existsSync(dir)) return;
    most = Math.max(most, completeOnDisk().length);
    mostOpen = Math.max(mostOpen, list().filter((name) => name.endsWith('.part')).length);
  };
  let ring = openRing(48);
  for (let n = 0; n < 120; n++) {
    if (n % 17 === 16) ring = openRing(48);
    capture(ring, START + n * HOUR, n % 3 !== 0);
    const kept = Array.from({ length: Math.min(n + 1, 48) }, (_, i) => hour(n - i)).reverse();
    expect(completeOnDisk()).toEqual(kept);
    expect(ring.complete).toEqual(kept);
  }
  expect(most).toBe(48);
  expect(mostOpen).toBe(1);
});

test('a ring of one keeps the last, and no number keeps all', () => {
  const one = openRing(1);
  for (let n = 0; n < 3; n++) capture(one, START + n * HOUR);
  expect(completeOnDisk()).toEqual([hour(2)]);
  const all = openRing();
  for (let n = 3; n < 60; n++) capture(all, START + n * HOUR);
  expect(completeOnDisk()).toHaveLength(58);
});

test('fewer to keep at a restart evicts down to that', () => {
  const ring = openRing(10);
  for (let n = 0; n < 10; n++) capture(ring, START + n * HOUR);
  expect(openRing(4).complete).toEqual([6, 7, 8, 9].map(hour));
  expect(completeOnDisk()).toEqual([6, 7, 8, 9].map(hour));
});

test('files of one second get suffixes, and a name evicted in its own second does not recur', () => {
  const ring = openRing(2);
  const names = Array.from({ length: 12 }, () => capture(ring, START));
  expect(names.slice(0, 3)).toEqual([
    'pcap-20260101000000.pcap',
    'pcap-20260101000000-1.pcap',
    'pcap-20260101000000-2.pcap',
  ]);
  expect(new Set(names).size).toBe(12);
  expect(ring.complete).toEqual(names.slice(-2));
  // -10 comes after -9, with the same first record.
  expect(openRing(3).complete).toEqual(['pcap-20260101000000-10.pcap', 'pcap-20260101000000-11.pcap']);
  expect(capture(ring, START + 1)).toBe('pcap-20260101000001.pcap');
});

test.each(['', '.part', '.gz', '.zst'])('NAME%s is not overwritten: the next file gets a suffix', (ending) => {
  mkdirSync(dir);
  writeFileSync(join(dir, hour(0) + ending), 'precious');
  symlinkSync('nowhere', join(dir, hour(1) + ending));
  const ring = openRing(1);
  expect(capture(ring, START)).toBe('pcap-20260101000000-1.pcap');
  expect(capture(ring, START + HOUR)).toBe('pcap-20260101010000-1.pcap');
  expect(readFileSync(join(dir, hour(0) + ending), 'utf8')).toBe('precious');
  expect(readdirSync(dir)).not.toContain('nowhere');
});

test('a file put there while we wrote is not overwritten either', () => {
  const ring = openRing(1);
  const file = ring.create(START);
  closeSync(file.fd);
  writeFileSync(file.path, 'precious');
  expect(() => ring.publish(file)).toThrow(expect.objectContaining({ code: 'EEXIST', path: file.path }));
  expect(readFileSync(file.path, 'utf8')).toBe('precious');
  expect(list()).toEqual([file.name, `${file.name}.part`]);
});

test('only savefiles of the series are counted and deleted', () => {
  mkdirSync(dir);
  const outside = join(dir, 'outside');
  writeFileSync(outside, savefile(START));
  const foreign: Record<string, string | Uint8Array> = {
    [hour(1)]: 'no magic',
    [hour(2)]: '',
    [`${hour(3)}.gz`]: savefile(START), // a magic, but not that of gzip
    [`${hour(4)}.zst`]: 'no magic',
    [`${hour(5)}.part`]: savefile(START),
    'other-20260101000000.pcap': savefile(START),
    'notes.txt': 'hello',
  };
  for (const [name, content] of Object.entries(foreign)) writeFileSync(join(dir, name), content);
  symlinkSync(outside, join(dir, hour(6)));
  mkdirSync(join(dir, hour(7)));
  const untouched = list();
  writeFileSync(join(dir, hour(8)), savefile(START + 8 * HOUR));
  const ring = openRing(1);
  expect(ring.complete).toEqual([hour(8)]);
  const last = [9, 10, 11].map((n) => capture(ring, START + n * HOUR)).at(-1) ?? '';
  expect(list()).toEqual([...untouched, last].sort());
});

test('the oldest is the one whose first record is, by any byte order and precision, then by suffix', () => {
  mkdirSync(dir);
  const put = (name: string, content: Uint8Array): string => {
    writeFileSync(join(dir, name), content);
    return name;
  };
  const t = START;
  const gzip = Uint8Array.of(0x1f, 0x8b, 8, 0);
  const zstd = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd);
  const expected = [
    put(hour(9), savefile(t - 10)), // its name is younger
    put(hour(0), savefile()), // no record: its name
    put('pcap-20260101000000-1.pcap', savefile(t)),
    put('pcap-20260101000000-2.pcap', savefile(t, { nano: true, fraction: 1500 })),
    put('pcap-20260101000000-3.pcap', savefile(t, { fraction: 2, bigEndian: true })), // 2000 ns
    put('pcap-20260101000000-4.pcap', savefile(t, { nano: true, fraction: 2500, bigEndian: true })),
    put(`${hour(1)}.gz`, gzip),
    put(`${hour(2)}.zst`, zstd),
    put('pcap-20260101000000-5.pcap', savefile(t + 3 * HOUR)),
    put('pcap-20260101000000-6.pcap', savefile(t + 3 * HOUR)),
    put('pcap-20260101000000-10.pcap', savefile(t + 3 * HOUR)),
  ];
  expect(openRing().complete).toEqual(expected);
  expect(openRing(2).complete).toEqual(expected.slice(-2));
  expect(list()).toEqual(expected.slice(-2).sort());
});

test('a clock set back does not make the newest the oldest', () => {
  const ring = openRing(2);
  capture(ring, START + 5 * HOUR);
  capture(ring, START + 6 * HOUR);
  capture(ring, START);
  expect(ring.complete).toEqual([hour(6), hour(0)]);
});

test('an oldest that was released, or replaced by something else, is passed over', () => {
  const ring = openRing(2);
  capture(ring, START);
  capture(ring, START + HOUR);
  unlinkSync(join(dir, hour(0)));
  capture(ring, START + 2 * HOUR);
  expect(completeOnDisk()).toEqual([hour(1), hour(2)]);
  writeFileSync(join(dir, hour(1)), 'notes about that hour');
  capture(ring, START + 3 * HOUR);
  expect(ring.complete).toEqual([hour(2), hour(3)]);
  expect(completeOnDisk()).toEqual([hour(1), hour(2), hour(3)]);
});

test.each(['renameSync', 'rmSync'])('a failing %s is an error, and a second try goes on', (call) => {
  const ring = openRing(1);
  capture(ring, START);
  const file = ring.create(START + HOUR);
  appendFileSync(file.fd, savefile());
  closeSync(file.fd);
  hook.fail = call;
  expect(() => ring.publish(file)).toThrow(SyscallError);
  expect(list()).toContain(`${file.name}.part`);
  hook.fail = '';
  ring.publish(file);
  expect(list()).toEqual([file.name]);
  expect(ring.complete).toEqual([file.name]);
});

test('what the system refuses is named', () => {
  writeFileSync(dir, 'a file where the directory should be');
  expect(() => openRing(1)).toThrow(SyscallError);
  rmSync(dir);
  const ring = openRing(1);
  rmSync(dir, { recursive: true });
  expect(() => ring.create(START)).toThrow(expect.objectContaining({ code: 'ENOENT', syscall: 'open' }));
});

test('a savefile that was compressed meanwhile is evicted as what it is now', () => {
  const ring = openRing(2);
  capture(ring, START);
  capture(ring, START + HOUR);
  unlinkSync(join(dir, hour(0)));
  writeFileSync(join(dir, `${hour(0)}.gz`), Uint8Array.of(0x1f, 0x8b, 8, 0));
  capture(ring, START + 2 * HOUR);
  expect(list()).toEqual([hour(1), hour(2)]);
});

test('a savefile into which nothing could be written leaves nothing behind', () => {
  const ring = openRing(2);
  ring.discard(ring.create(START));
  expect(list()).toEqual([]);
  expect(capture(ring, START)).toBe(`${hour(0).replace('.pcap', '-1.pcap')}`);
});
