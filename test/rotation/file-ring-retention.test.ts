// What a file ring deletes while it runs, for which reason, and what it does when it can not: on real file systems, full ones
// included.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { FileRing } from '../../src/rotation/file-ring.ts';
import type { Retention } from '../../src/rotation/retention.ts';
import { Tmpfs } from '../tmpfs.ts';
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
  notices,
  openRing,
  START,
  savefileBytes,
  savefiles,
  until,
} from './rings.ts';

const root = mkdtempSync(join(tmpdir(), 'file-ring-retention-'));
afterAll(() => rmSync(root, { recursive: true }));

let dir = '';
let disk: Tmpfs | undefined;
beforeEach(() => {
  dir = mkdtempSync(join(root, 'dir-'));
  notices.length = 0;
});
afterEach(() => {
  vi.useRealTimers();
  disk?.unmount();
  disk = undefined;
});

function onTmpfs(size: string): Tmpfs {
  disk = Tmpfs.mount(size);
  dir = disk.path;
  return disk;
}

const evictions = (): string[] => brief(readChain(dir, 'pcap')).filter((line) => line.startsWith('evict'));
const evicted =
  (...ns: readonly number[]): ((reason: string) => string[]) =>
  (reason) =>
    ns.map((n) => `evict ${hour(n)} ${reason}`);

/** A file of so many records in hour `n`. */
const captureMany = (ring: FileRing, n: number, packets: number): Promise<string> =>
  captured(
    ring,
    START + n * HOUR,
    Array.from({ length: packets }, (_, i) => START + n * HOUR + i),
  );

/** Of a savefile of 1,000 records. */
const BYTES = savefileBytes(new Array(1000).fill(0)).length;

describe('limits', () => {
  test('--max-bytes: the oldest go before one more is complete, the newest stays whatever its size', async () => {
    const ring = openRing(dir, { retention: { maxBytes: 3 * BYTES } });
    for (let n = 0; n < 5; n++) await captureMany(ring, n, 1000);
    expect(completeOnDisk(dir)).toEqual([2, 3, 4].map(hour));
    await captureMany(ring, 5, 1);
    expect(completeOnDisk(dir)).toEqual([3, 4, 5].map(hour));
    await captureMany(ring, 6, 9000);
    await ring.close(LAST);
    expect(completeOnDisk(dir)).toEqual([hour(6)]);
    expect(evictions()).toEqual(evicted(0, 1, 2, 3, 4, 5)('max-bytes'));
  });

  test('--max-age: also while nothing is captured, by the last packet of each', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: (START + 2 * HOUR) * 1000 });
    const ring = openRing(dir, { retention: { maxAgeSec: 2 * HOUR } });
    for (const n of [0, 1, 2]) await captured(ring, START + n * HOUR, [START + n * HOUR, START + n * HOUR + 1800]);
    expect(ring.complete).toHaveLength(3);
    vi.setSystemTime((START + 2 * HOUR + 1800) * 1000);
    ring.keepHouse();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(ring.complete).toHaveLength(3);
    vi.setSystemTime((START + 2 * HOUR + 1800) * 1000 + 1);
    ring.keepHouse();
    await until(() => completeOnDisk(dir).length === 2);
    vi.setSystemTime((START + 100 * HOUR) * 1000);
    ring.keepHouse();
    await until(() => completeOnDisk(dir).length === 0);
    await ring.close(LAST);
    expect(evictions()).toEqual(evicted(0, 1, 2)('max-age'));
  });

  test('--min-free: as much as is wanted, and no file more', async () => {
    const full = onTmpfs('1m');
    const ring = openRing(dir, { retention: { minFree: { bytes: 256 * 1024 } } });
    for (let n = 0; n < 6; n++) await captureMany(ring, n, 1000); // five pages each
    full.fill(60); // 16 pages are wanted, and give or take one that the ledger takes
    ring.keepHouse();
    await until(() => completeOnDisk(dir).length < 6);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(completeOnDisk(dir).length).toBe(5);
    full.fill(33);
    ring.keepHouse();
    await until(() => completeOnDisk(dir).length === 1);
    full.fill();
    ring.keepHouse(); // the newest stays
    await ring.close(LAST).catch(() => {});
    expect(completeOnDisk(dir)).toEqual([hour(5)]);
    full.giveBack();
    expect(evictions()).toEqual(evicted(0, 1, 2, 3, 4)('min-free'));
  });

  test('--min-free: a file that someone still reads is not paid for by all others', async () => {
    const full = onTmpfs('1m');
    const ring = openRing(dir, { retention: { minFree: { bytes: 256 * 1024 } } });
    for (let n = 0; n < 6; n++) await captureMany(ring, n, 1000);
    const reader = openSync(join(dir, hour(0)), 'r');
    full.fill(60);
    ring.keepHouse();
    await until(() => completeOnDisk(dir).length < 6);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(completeOnDisk(dir)).toEqual([1, 2, 3, 4, 5].map(hour));
    closeSync(reader);
    full.giveBack();
    await ring.close(LAST);
  });

  test.each<[string, Retention, string]>([
    ['ring', { keep: 2, maxBytes: 10 * BYTES, maxAgeSec: 10_000 * HOUR, minFree: { bytes: 1 } }, 'ring'],
    ['max-bytes', { keep: 10, maxBytes: 2 * BYTES, maxAgeSec: 10_000 * HOUR, minFree: { bytes: 1 } }, 'max-bytes'],
    ['max-age', { keep: 10, maxBytes: 10 * BYTES, maxAgeSec: 2 * HOUR, minFree: { bytes: 1 } }, 'max-age'],
    [
      'min-free',
      { keep: 10, maxBytes: 10 * BYTES, maxAgeSec: 10_000 * HOUR, minFree: { share: 0.999999 } },
      'min-free',
    ],
  ])('all together: %s is the first to be broken', async (_, retention, reason) => {
    vi.useFakeTimers({ toFake: ['Date'], now: START * 1000 });
    const ring = openRing(dir, { retention });
    for (let n = 0; n < 4; n++) {
      vi.setSystemTime((START + n * HOUR) * 1000 + 1);
      await captureMany(ring, n, 1000);
    }
    ring.keepHouse();
    await ring.close(LAST);
    expect(new Set(evictions().map((line) => line.split(' ')[2]))).toEqual(new Set([reason]));
    expect(ring.complete.at(-1)).toBe(hour(3));
  });

  test('a full disk: the oldest at each call, never the newest', async () => {
    const ring = openRing(dir);
    for (let n = 0; n < 4; n++) await captured(ring, START + n * HOUR);
    for (let n = 0; n < 10; n++) {
      ring.makeRoom();
      ring.makeRoom(); // while it still does
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await ring.close(LAST);
    expect(completeOnDisk(dir)).toEqual([hour(3)]);
    expect(evictions()).toEqual(evicted(0, 1, 2)('no-space'));
  });
});

describe('released savefiles', () => {
  const list = (): string => join(dir, 'pcap.released');

  test('are entered while it runs, and no longer counted', async () => {
    const ring = openRing(dir, { keep: 3 });
    for (let n = 0; n < 3; n++) await captured(ring, START + n * HOUR);
    for (const n of [0, 2]) rmSync(join(dir, hour(n)));
    writeFileSync(list(), `${hour(0)}\n${hour(2)}\nnever-heard-of.pcap\n`);
    ring.keepHouse();
    await until(() => !existsSync(list()) && ring.complete.length === 1);
    await captured(ring, START + 3 * HOUR);
    await ring.close(LAST);
    expect(completeOnDisk(dir)).toEqual([hour(1), hour(3)]);
    expect(evictions()).toEqual(evicted(0, 2)('released'));
    expect(readdirSync(dir).filter((name) => name.includes('released'))).toEqual([]);
  });

  test('while none runs are entered by the next start', async () => {
    const ring = openRing(dir);
    for (let n = 0; n < 3; n++) await captured(ring, START + n * HOUR);
    await ring.close(LAST);
    rmSync(join(dir, hour(1)));
    writeFileSync(list(), `${hour(1)}\n`);
    const next = openRing(dir);
    await next.close(LAST);
    expect(evictions()).toEqual(evicted(1)('released'));
    expect(next.complete).toEqual([hour(0), hour(2)]);
  });

  test('a list that can not be read is said once, and does not end the rest of the housekeeping', async () => {
    const ring = openRing(dir, { retention: { maxAgeSec: 1 } });
    mkdirSync(list());
    for (let n = 0; n < 3; n++) {
      await captured(ring, START + n * HOUR);
      ring.keepHouse();
      await until(() => completeOnDisk(dir).length === 0);
    }
    expect(notices).toEqual([expect.stringMatching(/EISDIR.*: released savefiles wait to be entered$/)]);
    await ring.close(LAST);
    expect(evictions()).toEqual(evicted(0, 1, 2)('max-age'));
  });
});

describe('what is not ours', () => {
  test('only savefiles of the series are counted and deleted', async () => {
    const outside = join(dir, 'outside');
    writeFileSync(outside, savefileBytes([START]));
    const foreign: Record<string, string | Uint8Array> = {
      [hour(1)]: 'no magic',
      [hour(2)]: '',
      [`${hour(3)}.gz`]: savefileBytes([START]), // a magic, but not that of gzip
      [`${hour(4)}.zst`]: 'no magic',
      'other-20260101000000.pcap': savefileBytes([START]),
      'notes.txt': 'hello',
    };
    for (const [name, content] of Object.entries(foreign)) writeFileSync(join(dir, name), content);
    symlinkSync(outside, join(dir, hour(6)));
    mkdirSync(join(dir, hour(7)));
    const untouched = readdirSync(dir);
    writeFileSync(join(dir, hour(8)), savefileBytes([START + 8 * HOUR]));
    const ring = openRing(dir, { keep: 1, ledger: false });
    expect(ring.complete).toEqual([hour(8)]);
    for (const n of [9, 10, 11]) capture(ring, START + n * HOUR);
    await ring.close(LAST);
    expect(readdirSync(dir).sort()).toEqual([...untouched, hour(11), 'pcap.lock'].sort());
    for (const [name, content] of Object.entries(foreign))
      expect(readFileSync(join(dir, name))).toEqual(Buffer.from(content));
  });

  test('an oldest that was deleted, or replaced by something else, is passed over', async () => {
    const ring = openRing(dir, { keep: 2 });
    await captured(ring, START);
    await captured(ring, START + HOUR);
    unlinkSync(join(dir, hour(0)));
    await captured(ring, START + 2 * HOUR);
    expect(completeOnDisk(dir)).toEqual([hour(1), hour(2)]);
    unlinkSync(join(dir, hour(1)));
    writeFileSync(join(dir, hour(1)), 'notes about that hour');
    capture(ring, START + 3 * HOUR);
    await ring.close(LAST);
    expect(ring.complete).toEqual([hour(2), hour(3)]);
    expect(completeOnDisk(dir)).toEqual([hour(1), hour(2), hour(3)]);
  });

  test('a savefile that was compressed meanwhile is evicted as what it is now', async () => {
    const ring = openRing(dir, { keep: 2 });
    await captured(ring, START);
    await captured(ring, START + HOUR);
    unlinkSync(join(dir, hour(0)));
    writeFileSync(join(dir, `${hour(0)}.gz`), Uint8Array.of(0x1f, 0x8b, 8, 0));
    capture(ring, START + 2 * HOUR);
    await ring.close(LAST);
    expect(savefiles(dir)).toEqual([hour(1), hour(2)]);
  });
});

describe('what can not be deleted', () => {
  test('an oldest in whose place is a directory: left alone, and the ring goes on', async () => {
    const ring = openRing(dir, { keep: 2 });
    for (let n = 0; n < 2; n++) await captured(ring, START + n * HOUR);
    rmSync(join(dir, hour(0)));
    mkdirSync(join(dir, hour(0)));
    await captured(ring, START + 2 * HOUR);
    await ring.close(LAST);
    expect(ring.complete).toEqual([hour(1), hour(2)]);
    expect(savefiles(dir)).toEqual([0, 1, 2].map(hour));
  });

  test('an immutable oldest: said once, not counted, and deleted when that works', async () => {
    const ring = openRing(dir, { keep: 1 });
    await captured(ring, START);
    execFileSync('chattr', ['+i', join(dir, hour(0))]);
    try {
      for (const n of [1, 2, 3]) await captured(ring, START + n * HOUR);
      expect(completeOnDisk(dir)).toEqual([hour(0), hour(3)]);
      expect(notices).toEqual([expect.stringMatching(/pcap-20260101000000.pcap: EPERM: it is no longer counted/)]);
    } finally {
      execFileSync('chattr', ['-i', join(dir, hour(0))]);
    }
    await ring.close(LAST);
    const next = openRing(dir, { keep: 1 });
    await next.close(LAST);
    expect(completeOnDisk(dir)).toEqual([hour(3)]);
  });
});

describe('others', () => {
  test('a second process is refused, told who is the first, and harms nothing', async () => {
    const ring = openRing(dir);
    const file = create(ring, START);
    const rings = JSON.stringify(new URL('../../src/rotation/lock.ts', import.meta.url).href);
    const code = `import { SeriesLock } from ${rings}; SeriesLock.take(process.argv[1], 'pcap');`;
    const second = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code, dir], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    second.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    await once(second, 'close');
    expect(said).toContain(`process ${process.pid} is writing this series already`);
    expect(() => openRing(dir)).toThrow(`process ${process.pid} is writing this series already`);
    expect(savefiles(dir)).toEqual([`${file.name}.part`]);
    ring.finish(file, closing(START, [START]));
    await ring.close(LAST);
    expect(brief(readChain(dir, 'pcap'))).toHaveLength(5);
    const next = openRing(dir);
    await next.close(LAST);
    expect(next.complete).toEqual([hour(0)]);
  });

  test('remove the directory while it runs: it is made again, and what comes is published', async () => {
    const ring = openRing(dir, { keep: 2 });
    await captured(ring, START);
    const lost = create(ring, START + HOUR);
    rmSync(dir, { recursive: true });
    ring.finish(lost, closing(START + HOUR, [START + HOUR]));
    await captured(ring, START + 2 * HOUR);
    await captured(ring, START + 3 * HOUR);
    await ring.close(LAST);
    expect(ring.complete).toEqual([2, 3].map(hour));
    expect(completeOnDisk(dir)).toEqual([2, 3].map(hour));
    expect(notices).toEqual([expect.stringMatching(/^rename .*: ENOENT: it was removed by someone else$/)]);
  });
});

describe('the end', () => {
  test('comes when all is published, and its line is the last', async () => {
    const ring = openRing(dir, { keep: 5, compress: 'gzip' });
    for (let n = 0; n < 5; n++) capture(ring, START + n * HOUR);
    await ring.close(LAST);
    expect(savefiles(dir)).toEqual([0, 1, 2, 3, 4].map((n) => `${hour(n)}.gz`));
    expect(brief(readChain(dir, 'pcap')).at(-1)).toBe('stop');
  });

  test('on a disk that stays full: does not wait for room, says so, and leaves the rest to the next start', async () => {
    const full = onTmpfs('256k');
    const ring = openRing(dir);
    await captured(ring, START);
    const file = create(ring, START + HOUR);
    full.fill();
    for (let n = 0; n < 1000; n++) ring.record({ type: 'step', byMs: n }); // more than was kept ahead
    ring.finish(file, closing(START + HOUR, [START + HOUR]));
    await until(() => notices.length > 0);
    await expect(ring.close(LAST)).rejects.toThrow();
    expect(savefiles(dir)).toEqual([hour(0), `${hour(1)}.part`]);
    full.giveBack();
  });

  test('of a start that failed has no line', async () => {
    const ring = openRing(dir);
    await ring.close(undefined);
    expect(brief(readChain(dir, 'pcap'))).toEqual(['step']);
  });
});
