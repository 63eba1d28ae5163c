// What a start finds in a directory, and in which order the savefiles are to go. The night when an hour comes twice, and
// what becomes of all this, is in file-ring-restart.test.ts.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { type LedgerEntry, type LedgerEvent, NO_HASH } from '../../src/rotation/ledger-entry.ts';
import { type Stock, takeStock } from '../../src/rotation/stock.ts';
import { closing, HOUR, hour, nameIn, START } from './rings.ts';
import { savefileBytes } from './savefile-bytes.ts';

const root = mkdtempSync(join(tmpdir(), 'stock-'));
afterAll(() => rmSync(root, { recursive: true }));

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(root, 'dir-'));
});

const put = (name: string, content: Uint8Array | string = savefileBytes([START])): void =>
  writeFileSync(join(dir, name), content);
const GZIP = Uint8Array.of(0x1f, 0x8b, 8, 0);

/** Told at midnight. */
const TIME = '2026-02-01T00:00:00.000Z';
const past = (...events: LedgerEvent[]): LedgerEntry[] =>
  events.map((event) => ({ ...event, time: TIME, prev: NO_HASH }));
const opened = (name: string): LedgerEvent => ({ type: 'open', name, startSec: START, endSec: START + 3600 });
const closed = (name: string, ...secs: number[]): LedgerEvent => {
  const { interval, ...rest } = closing(START, secs);
  return { type: 'close', name, ...interval, ...rest };
};
const STARTED: LedgerEvent = {
  type: 'start',
  version: '',
  node: '',
  host: '',
  pid: 1,
  zoneOffset: 0,
  pattern: '',
  device: '',
  interfaces: [],
  linktype: 1,
  snaplen: 96,
  precision: 'micro',
  filter: '',
  exclude: [],
  program: '',
};
const evicted = (name: string): LedgerEvent => ({ type: 'evict', name, reason: 'ring' });

const take = (entries: readonly LedgerEntry[] = [], part = true): Stock => takeStock(nameIn(dir), part, entries);
const names = (stock: Stock): string[] => stock.complete.map(({ name }) => name);

test('an empty directory', () => {
  expect(take()).toEqual({ complete: [], unfinished: [], copies: [], missing: new Set() });
});

test('what is complete: its name, what it is called, its size, the time of its last packet', () => {
  put(hour(0), savefileBytes([START + 5, START + 9]));
  put(`${hour(1)}.gz`, GZIP);
  put(hour(2), savefileBytes());
  put(`${hour(3)}.gz`, GZIP);
  expect(take(past(closed(hour(0), START + 5, START + 9), closed(hour(3), START + 7))).complete).toEqual([
    { name: hour(1), fileName: `${hour(1)}.gz`, bytes: 4, endMs: (START + 3600) * 1000, gone: false },
    { name: hour(2), fileName: hour(2), bytes: 24, endMs: (START + 7200) * 1000, gone: false },
    { name: hour(0), fileName: hour(0), bytes: 58, endMs: (START + 9) * 1000, gone: false },
    { name: hour(3), fileName: `${hour(3)}.gz`, bytes: 4, endMs: (START + 7) * 1000, gone: false },
  ]);
});

test('a file without a packet is as old as its line in the ledger', () => {
  put(hour(0), savefileBytes());
  expect(take(past(closed(hour(0)))).complete[0]?.endMs).toBe(Date.parse(TIME));
});

describe('the order', () => {
  test('is that of the ledger: that of the last line that makes a file complete', () => {
    for (const n of [0, 1, 2, 3]) put(hour(n));
    const adopted: LedgerEvent = {
      type: 'adopt',
      name: hour(0),
      packets: 0,
      bytes: 24,
      first: null,
      last: null,
      cutBytes: 0,
    };
    const entries = past(
      ...[closed(hour(0)), closed(hour(3)), opened(hour(1)), closed(hour(2))],
      ...[closed(hour(1)), adopted, evicted(hour(2)), closed(hour(2))],
    );
    expect(names(take(entries))).toEqual([hour(3), hour(1), hour(0), hour(2)]);
  });

  test('of what the ledger does not know, or says is gone: older than the rest, by the first record', () => {
    put(hour(0), savefileBytes([START + 20]));
    put(hour(1), savefileBytes([START + 10]));
    put(hour(2), savefileBytes([START + 30]));
    expect(names(take(past(closed(hour(2)), closed(hour(0)), evicted(hour(0)))))).toEqual([hour(1), hour(0), hour(2)]);
  });

  test('of one first record: by suffix as a number', () => {
    const suffixed = [0, 1, 2, 9, 10, 100].map((suffix) => nameIn(dir).at(START, suffix));
    for (const name of [...suffixed].reverse()) put(name);
    expect(names(take())).toEqual(suffixed);
  });
});

describe('what has no end', () => {
  test('NAME.part, whatever is in it, in the order in which they were begun', () => {
    put(`${hour(1)}.part`, '');
    put(`${hour(0)}.part`, 'no magic at all, and longer than a header');
    put(`${hour(2)}.part`);
    const { unfinished, complete } = take(past(opened(hour(2)), opened(hour(1)), opened(hour(0))));
    expect(complete).toEqual([]);
    expect(unfinished).toEqual([2, 1, 0].map((n) => ({ name: hour(n), partial: true })));
  });

  test('NAME.part of which there is no line yet comes last, but before one that was begun later', () => {
    for (const n of [5, 6, 7, 8]) put(`${hour(n)}.part`, savefileBytes([START + n]));
    const { unfinished } = take(past(closed(hour(4)), opened(hour(7)), opened(hour(5))));
    expect(unfinished.map(({ name }) => name)).toEqual([6, 7, 5, 8].map(hour));
  });

  test('NAME-1.part without a packet and a line was begun after NAME.part', () => {
    const next = nameIn(dir).next(hour(1));
    put(`${hour(1)}.part`, savefileBytes([START + HOUR + 1]));
    put(`${next}.part`, savefileBytes());
    expect(take(past(opened(hour(1)))).unfinished.map(({ name }) => name)).toEqual([hour(1), next]);
  });

  test('a process that died while it adopted had begun its own file before the lines of the others', () => {
    for (const n of [7, 6, 5]) put(`${hour(n)}.part`, savefileBytes([START + n]));
    const adopted = (n: number): LedgerEvent => {
      const { packets, bytes, first, last } = closing(START, [START + n]);
      return { type: 'adopt', name: hour(n), packets, bytes, first, last, cutBytes: 0 };
    };
    // Hour 6 had no line when its process died.
    const entries = past(opened(hour(5)), STARTED, opened(hour(7)), adopted(5), adopted(6));
    expect(take(entries).unfinished.map(({ name }) => name)).toEqual([hour(5), hour(6), hour(7)]);
  });

  test('NAME of which there is no line yet, in a series without .part, is the newest', () => {
    const opens = (n: number): LedgerEvent => ({ ...opened(hour(n)), startSec: START + n * HOUR }) as LedgerEvent;
    const begun = (n: number, behind: number, name = hour(n)): void =>
      put(name, savefileBytes([START + n * HOUR + behind]));
    const next = nameIn(dir).next(hour(4));
    begun(0, 0); // its lines were rotated away
    begun(2, 0);
    begun(3, 0);
    begun(4, 1);
    begun(4, 2, next);
    begun(4, 3, hour(1)); // evicted, but not deleted yet
    put(nameIn(dir).next(next), ''); // not even a file header
    put(hour(5), 'precious'); // not of ours, whatever its name
    const entries = past(opens(2), closed(hour(2)), opens(3), closed(hour(3)), opens(4), evicted(hour(1)));
    const stock = take(entries, false);
    expect(names(stock)).toEqual([hour(0), hour(1), hour(2), hour(3)]);
    expect(stock.unfinished).toEqual([
      { name: hour(4), partial: false },
      { name: next, partial: false },
      { name: nameIn(dir).next(next), partial: false }, // of this one only the name tells the time
    ]);
    expect(names(take(entries, true))).toHaveLength(5); // with it, NAME is complete
  });

  test('NAME, when the ledger saw it begun and not closed', () => {
    for (const n of [0, 1, 2]) put(hour(n));
    const entries = past(opened(hour(0)), closed(hour(0)), opened(hour(1)), opened(hour(2)), closed(hour(2)));
    const { unfinished, complete } = take(entries);
    expect(unfinished).toEqual([{ name: hour(1), partial: false }]);
    expect(complete.map(({ name }) => name)).toEqual([hour(0), hour(2)]);
  });

  test('NAME.part that the ledger saw closed', () => {
    put(`${hour(0)}.part`);
    const { unfinished, missing } = take(past(opened(hour(0)), closed(hour(0))));
    expect(unfinished).toEqual([{ name: hour(0), partial: true }]);
    expect(missing).toEqual(new Set([hour(0)]));
  });
});

describe('a compressed copy', () => {
  test('stands in for its savefile where that is gone', () => {
    put(`${hour(0)}.gz.part`, GZIP);
    put(`${hour(1)}.zst.part`, '');
    put(hour(1));
    const stock = take(past(closed(hour(0)), closed(hour(1))));
    const [alone] = stock.complete;
    expect(stock.complete.map(({ fileName }) => fileName)).toEqual([`${hour(0)}.gz.part`, hour(1)]);
    expect(stock.copies).toEqual([
      { name: hour(0), fileName: `${hour(0)}.gz.part`, file: alone },
      { name: hour(1), fileName: `${hour(1)}.zst.part`, file: undefined },
    ]);
    expect(stock.copies[0]?.file).toBe(alone);
    expect(stock.missing).toEqual(new Set());
    expect(stock.complete[1]?.bytes).toBe(41);
  });

  test('of what is evicted is of no use', () => {
    put(`${hour(0)}.gz.part`, GZIP);
    const stock = take(past(closed(hour(0)), evicted(hour(0))));
    expect(stock.complete).toEqual([]);
    expect(stock.copies).toEqual([{ name: hour(0), fileName: `${hour(0)}.gz.part`, file: undefined }]);
  });

  test('beside its savefile is one file of the ring', () => {
    put(hour(0));
    put(`${hour(0)}.gz`, GZIP);
    expect(take().complete).toEqual([expect.objectContaining({ name: hour(0), bytes: 41 + 4 })]);
  });
});

test('what is missing: complete by the ledger, and not there', () => {
  put(hour(1));
  put(hour(4), 'no savefile');
  const entries = past(
    ...[closed(hour(0)), closed(hour(1)), closed(hour(2)), evicted(hour(2)), opened(hour(3)), closed(hour(4))],
  );
  expect(take(entries).missing).toEqual(new Set([hour(0), hour(4)]));
});

test('what is not ours is not there', () => {
  put('notes.txt');
  put('other-20260101000000.pcap');
  put('pcap-20260101.pcap');
  put(hour(0), 'no magic');
  put(`${hour(1)}.gz`);
  put(hour(2), '');
  writeFileSync(join(root, 'outside'), savefileBytes([START]));
  symlinkSync(join(root, 'outside'), join(dir, hour(3)));
  symlinkSync(join(root, 'outside'), join(dir, `${hour(4)}.part`));
  symlinkSync('nowhere', join(dir, `${hour(5)}.gz.part`));
  mkdirSync(join(dir, hour(6)));
  mkdirSync(join(dir, `${hour(7)}.part`));
  mkdirSync(join(dir, `${hour(8)}.gz.part`));
  expect(take()).toEqual({ complete: [], unfinished: [], copies: [], missing: new Set() });
});
