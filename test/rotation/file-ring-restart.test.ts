// The file ring at a start: what it makes of the files that earlier processes left, and in which order they go.
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { localZone } from '../../src/native/time.ts';
import { CompletionCommand } from '../../src/service/completion-command.ts';
import { expectReadable, readSavefile } from '../savefile.ts';
import { brief, readChain } from './chain.ts';
import {
  capture,
  captured,
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
  type Wishes,
} from './rings.ts';

const root = mkdtempSync(join(tmpdir(), 'file-ring-restart-'));
afterAll(() => rmSync(root, { recursive: true }));

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(root, 'dir-'));
  notices.length = 0;
});

const put = (name: string, content: Uint8Array | string): void => writeFileSync(join(dir, name), content);
const ledger = (): string[] => brief(readChain(dir, 'pcap'));

/** Opens a ring and closes it again; the names of what is complete then, oldest first. */
async function restart(wishes: Wishes = {}): Promise<readonly string[]> {
  const ring = openRing(dir, wishes);
  await ring.close(LAST);
  return ring.complete;
}

describe('a savefile without an end', () => {
  test.each([
    ['whole', 0, 3, 0],
    ['torn in a packet', 1, 2, 16],
    ['torn in a record header', 10, 2, 7],
    ['torn behind the file header', 3 * 17 - 1, 0, 1],
  ])('%s: cut to its last whole record and published', async (_, torn, packets, cutBytes) => {
    const secs = [START, START + 1, START + 2];
    put(`${hour(0)}.part`, savefileBytes(secs));
    truncateSync(join(dir, `${hour(0)}.part`), 24 + 3 * 17 - torn);
    expect(await restart()).toEqual([hour(0)]);
    expect(savefiles(dir)).toEqual([hour(0)]);
    expectReadable(join(dir, hour(0)), packets);
    expect(readChain(dir, 'pcap')[1]).toMatchObject({
      type: 'adopt',
      name: hour(0),
      packets,
      bytes: 24 + 17 * packets,
      first: packets === 0 ? null : `${START}.000000000`,
      last: packets === 0 ? null : `${START + packets - 1}.000000000`,
      cutBytes,
    });
    expect(ledger()).toEqual(['step', `adopt ${hour(0)}`, `hash ${hour(0)}`, 'stop']);
    const said = cutBytes === 0 ? '' : `, ${cutBytes} bytes of a torn record cut off`;
    expect(notices).toEqual([`${hour(0)}: left by a process that died, now complete: ${packets} packets${said}`]);
  });

  test('that ends in zeros, as a power cut leaves it', async () => {
    put(`${hour(0)}.part`, Buffer.concat([savefileBytes([START, START + 1]), Buffer.alloc(10_000)]));
    await restart();
    expectReadable(join(dir, hour(0)), 2);
    expect(readChain(dir, 'pcap')[1]).toMatchObject({ type: 'adopt', packets: 2, cutBytes: 10_000 });
  });

  test.each([
    ['empty', Buffer.alloc(0)],
    ['with a piece of a file header', savefileBytes().subarray(0, 23)],
    ['of zeros', Buffer.alloc(4096)],
  ])('%s: removed, and entered as empty', async (_, content) => {
    put(`${hour(0)}.part`, content);
    expect(await restart()).toEqual([]);
    expect(savefiles(dir)).toEqual([]);
    expect(readChain(dir, 'pcap')[1]).toMatchObject({ type: 'evict', name: hour(0), reason: 'empty' });
  });

  test('that is none at all, no file, or a link: left alone and said', async () => {
    const outside = join(root, 'outside');
    writeFileSync(outside, savefileBytes([START]).subarray(0, 30));
    put(`${hour(0)}.part`, 'it has the name of a savefile, but nothing else of one');
    symlinkSync(outside, join(dir, `${hour(1)}.part`));
    mkdirSync(join(dir, `${hour(2)}.part`));
    put(`${hour(3)}.part`, savefileBytes([START]));
    const before = readdirSync(dir).filter((name) => name !== `${hour(3)}.part`);
    expect(await restart({ keep: 1 })).toEqual([hour(3)]);
    expect(savefiles(dir)).toEqual([...before, hour(3)].sort());
    expect(statSync(outside).size).toBe(30);
    expect(readFileSync(join(dir, `${hour(0)}.part`), 'utf8')).toMatch(/nothing else of one$/);
    expect(notices[0]).toMatch(
      /expected the magic of a savefile, found other bytes: pcap-20260101000000.pcap is left as it is$/,
    );
  });

  test('whose name was taken meanwhile: published with a suffix', async () => {
    put(`${hour(0)}.part`, savefileBytes([START]));
    put(hour(0), 'by hand');
    expect(await restart()).toEqual(['pcap-20260101000000-1.pcap']);
    expect(readFileSync(join(dir, hour(0)), 'utf8')).toBe('by hand');
    expect(ledger()).toContain('adopt pcap-20260101000000-1.pcap');
  });

  test('several: in their order, each making room for itself', async () => {
    const ring = openRing(dir, { keep: 3 });
    for (const n of [0, 1, 2]) await captured(ring, START + n * HOUR);
    await ring.close(LAST);
    for (const n of [5, 3, 4]) put(`${hour(n)}.part`, savefileBytes([START + n * HOUR]));
    expect(await restart({ keep: 3 })).toEqual([3, 4, 5].map(hour));
    expect(ledger().filter((line) => /^(adopt|evict)/.test(line))).toEqual(
      [0, 1, 2].flatMap((n) => [`adopt ${hour(n + 3)}`, `evict ${hour(n)} ring`]),
    );
  });

  test('closed in the ledger, and not renamed any more', async () => {
    const ring = openRing(dir);
    await captured(ring, START);
    await ring.close(LAST);
    renameSync(join(dir, hour(0)), join(dir, `${hour(0)}.part`));
    expect(await restart()).toEqual([hour(0)]);
    expect(completeOnDisk(dir)).toEqual([hour(0)]);
    expect(ledger().filter((line) => line.includes('pcap-'))).toEqual([
      ...[`open ${hour(0)}`, `close ${hour(0)}`, `hash ${hour(0)}`],
      ...[`adopt ${hour(0)}`, `hash ${hour(0)}`],
    ]);
  });

  test('under its own name, without .part: cut in place', async () => {
    const ring = openRing(dir, { part: false });
    await captured(ring, START);
    create(ring, START + HOUR, [START + HOUR, START + HOUR + 1]);
    await ring.close(undefined); // as if it had died
    appendFileSync(join(dir, hour(1)), 'a torn record');
    expect(await restart({ part: false })).toEqual([hour(0), hour(1)]);
    expectReadable(join(dir, hour(1)), 2);
    expect(readChain(dir, 'pcap').at(-3)).toMatchObject({ type: 'adopt', name: hour(1), packets: 2, cutBytes: 13 });
  });

  test('gets its completion command, and its compression', async () => {
    put(`${hour(0)}.part`, savefileBytes([START]));
    const command = new CompletionCommand('cp', (text) => notices.push(text));
    command.run(join(dir, 'missing')); // it has no second argument: its failure shows that it ran
    await restart({ compress: 'gzip', command });
    expect(completeOnDisk(dir)).toEqual([`${hour(0)}.gz`]);
    const failed = notices.filter((text) => text.startsWith('-z cp:')).map((text) => text.split(' ')[2]);
    expect(failed.sort()).toEqual(['missing:', `${hour(0)}.gz:`]);
  });

  test('while the capture writes its own: nobody is in the way of the other', async () => {
    put(`${hour(0)}.part`, savefileBytes([START]));
    const ring = openRing(dir);
    const name = capture(ring, START, [START + 5]);
    expect(name).toBe('pcap-20260101000000-1.pcap');
    await ring.close(LAST);
    expect(ring.complete).toEqual([hour(0), name]);
    expect(readSavefile(join(dir, name)).records[0]?.sec).toBe(START + 5);
  });
});

describe('a compressed copy without an end', () => {
  const gzip = gzipSync(savefileBytes([START]));

  test('beside the savefile: removed, and made again', async () => {
    const ring = openRing(dir);
    await captured(ring, START);
    await ring.close(LAST);
    put(`${hour(0)}.gz.part`, gzip.subarray(0, 20));
    expect(await restart({ compress: 'gzip' })).toEqual([hour(0)]);
    expect(savefiles(dir)).toEqual([`${hour(0)}.gz`]);
    expect(ledger().slice(-2)).toEqual([`compress ${hour(0)}`, 'stop']);
  });

  test('in the place of the savefile, whole: completed, and counted', async () => {
    const ring = openRing(dir, { keep: 2 });
    for (const n of [0, 1]) await captured(ring, START + n * HOUR);
    await ring.close(LAST);
    rmSync(join(dir, hour(0)));
    put(`${hour(0)}.gz.part`, gzip);
    const next = openRing(dir, { keep: 2 });
    capture(next, START + 2 * HOUR);
    await next.close(LAST);
    expect(next.complete).toEqual([hour(1), hour(2)]);
    expect(savefiles(dir)).toEqual([hour(1), hour(2)]);
    expect(ledger()).toContain(`evict ${hour(0)} ring`);
  });

  test.each([true, false])(
    'in the place of the savefile (ledger %s): it is what it was, in its place',
    async (keepsLedger) => {
      const ring = openRing(dir, { ledger: keepsLedger });
      for (const n of [0, 1, 2]) await captured(ring, START + n * HOUR);
      await ring.close(LAST);
      rmSync(join(dir, hour(1)));
      put(`${hour(1)}.gz.part`, gzip);
      expect(await restart({ ledger: keepsLedger })).toEqual([0, 1, 2].map(hour));
      expect(savefiles(dir)).toEqual([hour(0), `${hour(1)}.gz`, hour(2)]);
    },
  );

  test('torn or no such thing: removed where the savefile is gone, too', async () => {
    put(`${hour(0)}.gz.part`, gzip.subarray(0, 20));
    put(`${hour(1)}.gz.part`, gzip.subarray(0, 0));
    symlinkSync('nowhere', join(dir, `${hour(2)}.gz.part`));
    expect(await restart({ keep: 1 })).toEqual([]);
    expect(savefiles(dir)).toEqual([`${hour(2)}.gz.part`]);
  });
});

describe('the oldest', () => {
  const gzip = Uint8Array.of(0x1f, 0x8b, 8, 0);
  const zstd = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd);

  test('without a ledger is the one whose first record is, then by suffix, never by mtime', async () => {
    const t = START;
    const files: [string, Uint8Array][] = [
      [hour(9), savefileBytes([t - 10])], // its name is younger
      [hour(0), savefileBytes()], // no record: its name
      ['pcap-20260101000000-1.pcap', savefileBytes([t])],
      ['pcap-20260101000000-2.pcap', savefileBytes([t], { nano: true, fraction: 1500 })],
      ['pcap-20260101000000-3.pcap', savefileBytes([t], { fraction: 2, bigEndian: true })], // 2000 ns
      ['pcap-20260101000000-4.pcap', savefileBytes([t], { nano: true, fraction: 2500, bigEndian: true })],
      [`${hour(1)}.gz`, gzip],
      [`${hour(2)}.zst`, zstd],
      ['pcap-20260101000000-5.pcap', savefileBytes([t + 3 * HOUR])],
      ['pcap-20260101000000-6.pcap', savefileBytes([t + 3 * HOUR])],
      ['pcap-20260101000000-10.pcap', savefileBytes([t + 3 * HOUR])],
    ];
    for (const [index, [name, content]] of files.entries()) {
      put(name, content);
      utimesSync(join(dir, name), 1000 - index, 1000 - index);
    }
    const names = files.map(([name]) => name.replace(/\.(gz|zst)$/, ''));
    expect(await restart({ ledger: false })).toEqual(names);
    expect(await restart({ ledger: false, keep: 2 })).toEqual(names.slice(-2));
    expect(savefiles(dir)).toEqual(names.slice(-2).sort());
  });

  test('with a ledger is the one that was closed first; what it does not know is older', async () => {
    const ring = openRing(dir);
    for (const n of [5, 6, 0, 1]) capture(ring, START + n * HOUR); // the clock was set back
    await ring.close(LAST);
    put(hour(7), savefileBytes([START + 7 * HOUR]));
    put(hour(3), savefileBytes([START + 3 * HOUR]));
    expect(await restart()).toEqual([3, 7, 5, 6, 0, 1].map(hour));
    expect(await restart({ keep: 3 })).toEqual([6, 0, 1].map(hour));
  });

  test('stays what it is over a restart within the second that names several', async () => {
    const ring = openRing(dir, { ledger: false });
    for (let n = 0; n < 12; n++) capture(ring, START);
    await ring.close(LAST);
    expect(await restart({ ledger: false, keep: 3 })).toEqual([9, 10, 11].map((n) => `pcap-20260101000000-${n}.pcap`));
  });
});

test('a name that was evicted within its own second does not recur after a restart', async () => {
  for (const start of [0, 3]) {
    const ring = openRing(dir, { keep: 1 });
    for (const n of [0, 1, 2]) expect(capture(ring, START)).toBe(nameIn(dir).at(START, start + n));
    await ring.close(LAST);
    expect(savefiles(dir)).toEqual([nameIn(dir).at(START, start + 2)]);
  }
});

describe('the night when an hour comes twice', () => {
  const before = process.env['TZ'];
  afterAll(() => {
    if (before === undefined) delete process.env['TZ'];
    else process.env['TZ'] = before;
  });

  const NIGHTS = [
    ['Europe/Berlin', '2026-10-25T00:00Z', 'pcap-20261025020000'], // 02:00 to 03:00, twice
    ['America/New_York', '2026-11-01T05:00Z', 'pcap-20261101010000'],
    ['Australia/Sydney', '2026-04-04T15:00Z', 'pcap-20260405020000'],
  ] as const;
  const cases = NIGHTS.flatMap((night) =>
    [true, false].flatMap((keepsLedger) =>
      [
        [0, 0, 0, 0],
        [5, 5, 5, 5],
        [0, 1800, 0, 0],
        [0, 0, 1, 0],
        [0, 1800, 1, 0],
      ].map((firsts) => [...night, keepsLedger, firsts] as const),
    ),
  );

  // `firsts`: behind each file's start, its first record; 0 for none.
  test.each(cases)(
    '%s, from %s, ledger %s: the first pass goes first (%j)',
    async (zone, from, stem, keepsLedger, firsts) => {
      process.env['TZ'] = zone;
      const start = Date.parse(from) / 1000;
      const name = nameIn(dir, localZone());
      const wishes = { keep: 3, name, ledger: keepsLedger };
      const names: string[] = [];
      for (const [index, first] of firsts.entries()) {
        const at = start + (index - 1) * HOUR;
        const ring = openRing(dir, wishes); // each file by a process of its own
        names.push(await captured(ring, at, first === 0 ? [] : [at + first]));
        await ring.close(LAST);
      }
      expect(names.slice(1, 3)).toEqual([`${stem}.pcap`, `${stem}-1.pcap`]);
      const ring = openRing(dir, wishes);
      await captured(ring, start + 3 * HOUR);
      await ring.close(LAST);
      expect(completeOnDisk(dir).sort()).toEqual([names[2], names[3], name.at(start + 3 * HOUR)].sort());
      expect(existsSync(join(dir, `${stem}.pcap`))).toBe(false);
    },
  );
});
