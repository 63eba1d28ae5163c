// The file ring in real directories. Every call that it makes to the file system is followed by a look at the directory.
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { SyscallError } from '../../src/errors.ts';
import { brief, readChain } from './chain.ts';
import {
  capture,
  captured,
  closing,
  completeOnDisk,
  create,
  HOUR,
  hour,
  LAST,
  nameIn,
  notices,
  openRing,
  START,
  savefileBytes,
  savefiles,
  until,
} from './rings.ts';

const { watch, watched } = await vi.hoisted(() => import('./watched-fs.ts'));
vi.mock('node:fs', async (load) =>
  watched(await load(), [
    ...['mkdirSync', 'openSync', 'closeSync', 'truncateSync', 'unlinkSync', 'rmSync'],
    ...['close', 'fdatasync'],
  ]),
);
vi.mock('node:fs/promises', async (load) =>
  watched(await load(), ['open', 'rename', 'rm', 'unlink', 'statfs', 'appendFile']),
);

/** Longer than a file header. */
const PRECIOUS = 'precious, and by no means a savefile';
const root = mkdtempSync(join(tmpdir(), 'file-ring-'));
afterAll(() => rmSync(root, { recursive: true }));

let dir = '';
let count = 0;
beforeEach(() => {
  dir = join(root, String(++count));
  watch.afterCall = (): void => undefined;
  watch.fail = undefined;
  watch.calls = 0;
  notices.length = 0;
});

describe('a savefile', () => {
  test('creates the directory and its parents, for owner and group', async () => {
    dir = join(dir, 'a', 'b');
    const ring = openRing(dir, { keep: 3 });
    expect(ring.complete).toEqual([]);
    expect(statSync(dir).mode & 0o777).toBe(0o750 & ~process.umask());
    await ring.close(LAST);
  });

  test('is NAME.part until it is published, in no mode that others read', async () => {
    const ring = openRing(dir, { keep: 3 });
    const file = create(ring, START);
    expect(file.name).toBe('pcap-20260101000000.pcap');
    expect(file.path).toBe(join(dir, file.name));
    expect(savefiles(dir)).toEqual([`${file.name}.part`]);
    expect(statSync(`${file.path}.part`).mode & 0o777).toBe(0o640 & ~process.umask());
    ring.finish(file, closing(START, [START]));
    await ring.close(LAST);
    expect(savefiles(dir)).toEqual([file.name]);
    expect(ring.complete).toEqual([file.name]);
    expect(() => closeSync(file.fd)).toThrow('EBADF');
  });

  test('in another mode, and under its own name from the start', async () => {
    const ring = openRing(dir, { fileMode: 0o600, part: false });
    const file = create(ring, START);
    expect(savefiles(dir)).toEqual([file.name]);
    expect(statSync(file.path).mode & 0o777).toBe(0o600);
    expect(ring.complete).toEqual([]);
    ring.finish(file, closing(START, [START]));
    await ring.close(LAST);
    expect(ring.complete).toEqual([file.name]);
  });

  test('is on disk, and its line in the ledger, before it has its name', async () => {
    const ring = openRing(dir, { keep: 3 });
    const seen: string[] = [];
    watch.afterCall = () => {
      const ledger = join(dir, 'pcap.ledger.jsonl');
      const closed = existsSync(ledger) && readFileSync(ledger, 'utf8').includes('"type":"close"');
      seen.push(`${closed ? 'closed' : 'open'} ${savefiles(dir).join()}`);
    };
    const name = capture(ring, START);
    await ring.close(LAST);
    expect([...new Set(seen)]).toEqual([`open ${name}.part`, `closed ${name}.part`, `closed ${name}`]);
  });

  test('into which nothing could be written leaves nothing behind, however often', async () => {
    const ring = openRing(dir, { keep: 2 });
    for (let n = 0; n < 100; n++) {
      const file = ring.create(START);
      expect(file.name).toBe(hour(0));
      ring.discard(file);
      expect(savefiles(dir)).toEqual([]);
      expect(() => closeSync(file.fd)).toThrow('EBADF');
    }
    expect(capture(ring, START)).toBe(hour(0));
    await ring.close(LAST);
    expect(brief(readChain(dir, 'pcap'))).toEqual([
      'step',
      ...[`open ${hour(0)}`, `close ${hour(0)}`, `hash ${hour(0)}`],
      'stop',
    ]);
  });

  test('that can not be brought to a whole end is left for the next start', async () => {
    const ring = openRing(dir, { keep: 2 });
    const file = create(ring, START);
    ring.forsake(file);
    await ring.close(LAST);
    expect(savefiles(dir)).toEqual([`${file.name}.part`]);
    expect(() => closeSync(file.fd)).toThrow('EBADF');
  });

  test('being written can be synced, as often as one likes', async () => {
    const ring = openRing(dir, { keep: 2 });
    const file = create(ring, START);
    for (let n = 0; n < 5; n++) ring.sync(file);
    ring.finish(file, closing(START, [START]));
    await ring.close(LAST);
    expect(ring.complete).toEqual([file.name]);
    expect(notices).toEqual([]);
  });
});

describe('a ring', () => {
  test('the 49th evicts the 1st, over restarts, and there are never more than 48 and one open', async () => {
    let most = 0;
    let mostOpen = 0;
    watch.afterCall = (): void => {
      if (!existsSync(dir)) return;
      most = Math.max(most, completeOnDisk(dir).length);
      mostOpen = Math.max(mostOpen, savefiles(dir).filter((name) => name.endsWith('.part')).length);
    };
    let ring = openRing(dir, { keep: 48, sync: false });
    for (let n = 0; n < 120; n++) {
      if (n % 17 === 16) {
        await ring.close(LAST);
        ring = openRing(dir, { keep: 48, sync: false });
      }
      await captured(ring, START + n * HOUR, n % 3 === 0 ? [] : [START + n * HOUR]);
      const kept = Array.from({ length: Math.min(n + 1, 48) }, (_, i) => hour(n - i)).reverse();
      expect(ring.complete).toEqual(kept);
      expect(completeOnDisk(dir)).toEqual(kept);
    }
    await ring.close(LAST);
    expect([most, mostOpen]).toEqual([48, 1]);
    expect(watch.calls).toBeGreaterThan(5 * 120);
  });

  test('nor when files end faster than they are published, with hashes and compression behind them', async () => {
    let most = 0;
    watch.afterCall = (): void => {
      most = Math.max(most, existsSync(dir) ? completeOnDisk(dir).length : 0);
    };
    const ring = openRing(dir, { keep: 3, compress: 'gzip', sync: false });
    for (let n = 0; n < 40; n++) {
      capture(ring, START + n * HOUR);
      if (n % 7 === 0) await new Promise(setImmediate);
    }
    await ring.close(LAST);
    expect(most).toBe(3);
    expect(completeOnDisk(dir)).toEqual([37, 38, 39].map((n) => `${hour(n)}.gz`));
    expect(savefiles(dir)).toEqual(completeOnDisk(dir));
  });

  test('of one keeps the last, and no number keeps all', async () => {
    const one = openRing(dir, { keep: 1 });
    for (let n = 0; n < 3; n++) await captured(one, START + n * HOUR);
    expect(completeOnDisk(dir)).toEqual([hour(2)]);
    await one.close(LAST);
    const all = openRing(dir, { sync: false });
    for (let n = 3; n < 60; n++) capture(all, START + n * HOUR);
    await all.close(LAST);
    expect(completeOnDisk(dir)).toHaveLength(58);
  });

  test('fewer to keep at a restart evicts down to that', async () => {
    const ring = openRing(dir, { keep: 10 });
    for (let n = 0; n < 10; n++) capture(ring, START + n * HOUR);
    await ring.close(LAST);
    const smaller = openRing(dir, { keep: 4 });
    await smaller.close(LAST);
    expect(smaller.complete).toEqual([6, 7, 8, 9].map(hour));
    expect(completeOnDisk(dir)).toEqual([6, 7, 8, 9].map(hour));
  });

  test('a clock set back does not make the newest the oldest', async () => {
    const ring = openRing(dir, { keep: 2 });
    capture(ring, START + 5 * HOUR);
    capture(ring, START + 6 * HOUR);
    capture(ring, START);
    await ring.close(LAST);
    expect(ring.complete).toEqual([hour(6), hour(0)]);
    expect(completeOnDisk(dir)).toEqual([hour(0), hour(6)]);
  });
});

describe('names', () => {
  test('files of one second get suffixes, and a name evicted in its own second does not recur', async () => {
    const ring = openRing(dir, { keep: 2 });
    const names: string[] = [];
    for (let n = 0; n < 12; n++) names.push(await captured(ring, START));
    expect(names.slice(0, 3)).toEqual([
      'pcap-20260101000000.pcap',
      'pcap-20260101000000-1.pcap',
      'pcap-20260101000000-2.pcap',
    ]);
    expect(new Set(names).size).toBe(12);
    expect(ring.complete).toEqual(names.slice(-2));
    expect(await captured(ring, START + 1)).toBe('pcap-20260101000001.pcap');
    await ring.close(LAST);
  });

  test.each(['', '.part', '.gz', '.zst'])('NAME%s is not overwritten: the next file gets a suffix', async (ending) => {
    mkdirSync(dir);
    writeFileSync(join(dir, hour(0) + ending), PRECIOUS);
    symlinkSync('nowhere', join(dir, hour(1) + ending));
    const ring = openRing(dir, { keep: 1 });
    expect(capture(ring, START)).toBe('pcap-20260101000000-1.pcap');
    expect(capture(ring, START + HOUR)).toBe('pcap-20260101010000-1.pcap');
    await ring.close(LAST);
    expect(readFileSync(join(dir, hour(0) + ending), 'utf8')).toBe(PRECIOUS);
    expect(readdirSync(dir)).toContain(hour(1) + ending);
    expect(readdirSync(dir)).not.toContain('nowhere');
  });

  test('what was put under its name while we wrote stays, and the file gets a suffix', async () => {
    const ring = openRing(dir, { keep: 1 });
    const file = create(ring, START);
    writeFileSync(file.path, PRECIOUS);
    mkdirSync(join(dir, 'pcap-20260101000000-1.pcap'));
    ring.finish(file, closing(START, [START]));
    await ring.close(LAST);
    expect(readFileSync(file.path, 'utf8')).toBe(PRECIOUS);
    expect(ring.complete).toEqual(['pcap-20260101000000-2.pcap']);
    expect(readFileSync(join(dir, 'pcap-20260101000000-2.pcap'))).toEqual(savefileBytes([START]));
    expect(brief(readChain(dir, 'pcap'))).toEqual([
      'step',
      `open ${hour(0)}`,
      'close pcap-20260101000000-2.pcap',
      'hash pcap-20260101000000-2.pcap',
      'stop',
    ]);
  });
});

describe('what the system refuses', () => {
  test('is named at the start', async () => {
    writeFileSync(dir, 'a file where the directory should be');
    expect(() => openRing(dir, { keep: 1 })).toThrow(SyscallError);
  });

  test('a rename that fails is tried until it works, and said once', async () => {
    const ring = openRing(dir, { keep: 1 });
    await captured(ring, START);
    watch.fail = { call: 'rename', code: 'EIO' };
    const [second, third] = [capture(ring, START + HOUR), capture(ring, START + 2 * HOUR)];
    await until(() => notices.length > 0);
    expect(savefiles(dir)).toEqual([`${second}.part`, `${third}.part`]);
    watch.fail = undefined;
    await ring.close(LAST);
    expect(savefiles(dir)).toEqual([third]);
    expect(notices).toEqual([expect.stringMatching(/^rename .*: EIO: finished savefiles wait as \.part$/)]);
  });

  test('a rename that still fails at the end is left for the next start, and is the error', async () => {
    const ring = openRing(dir, { keep: 1 });
    watch.fail = { call: 'rename', code: 'EIO' };
    const name = capture(ring, START);
    await expect(ring.close(LAST)).rejects.toMatchObject({ code: 'EIO', syscall: 'rename' });
    expect(savefiles(dir)).toEqual([`${name}.part`]);
    watch.fail = undefined;
    const next = openRing(dir, { keep: 1 }); // nobody has the series any more
    await next.close(LAST);
    expect(savefiles(dir)).toEqual([name]);
  });

  test('an oldest that can not be deleted is said, and no longer counted', async () => {
    const ring = openRing(dir, { keep: 1 });
    await captured(ring, START);
    watch.fail = { call: 'unlink', code: 'EPERM' };
    await captured(ring, START + HOUR);
    watch.fail = undefined;
    capture(ring, START + 2 * HOUR);
    await ring.close(LAST);
    expect(completeOnDisk(dir)).toEqual([hour(0), hour(2)]);
    expect(notices).toEqual([
      expect.stringMatching(/^unlink .*: EPERM: it is no longer counted, and deleted when that works$/),
    ]);
  });

  test.each(['fdatasync', 'close'])(
    'a failing %s: the file is published, and what it may mean is said',
    async (call) => {
      const ring = openRing(dir, { keep: 1 });
      watch.fail = { call, code: 'EIO' };
      const name = await captured(ring, START);
      watch.fail = undefined;
      await ring.close(LAST);
      expect(completeOnDisk(dir)).toEqual([name]);
      expect(notices).toEqual([`${call}: EIO: what is in ${join(dir, name)} may not be on disk`]);
    },
  );

  test('no savefile can be created: what it was', async () => {
    const ring = openRing(dir, { keep: 1 });
    watch.fail = { call: 'openSync', code: 'EMFILE' };
    expect(() => ring.create(START)).toThrow(SyscallError);
    watch.fail = undefined;
    expect(capture(ring, START)).toBe(hour(0));
    await ring.close(LAST);
  });
});

test('everything that happens is in the ledger, in order, its end last', async () => {
  const ring = openRing(dir, { keep: 1, compress: 'gzip' });
  for (let n = 0; n < 2; n++) {
    await captured(ring, START + n * HOUR);
    await until(() => existsSync(join(dir, `${hour(n)}.gz`)));
  }
  ring.record({ type: 'step', byMs: 7 });
  await ring.close(LAST);
  expect(brief(readChain(dir, 'pcap'))).toEqual([
    'step',
    ...[`open ${hour(0)}`, `close ${hour(0)}`, `hash ${hour(0)}`, `compress ${hour(0)}`],
    ...[`open ${hour(1)}`, `close ${hour(1)}`, `evict ${hour(0)} ring`, `hash ${hour(1)}`, `compress ${hour(1)}`],
    'step',
    'stop',
  ]);
  expect(nameIn(dir).series).toBe('pcap');
});
