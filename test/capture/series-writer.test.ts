// A series out of a program's own packets, in real directories: cut by their time, published, verified, on time when it is
// live, and what becomes of packets for which there is no room. Needs root, for a file system of a few pages.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { planSeries, type SeriesOptions } from '../../src/capture/series-options.ts';
import { SeriesWriter, type SeriesWriterOptions } from '../../src/capture/series-writer.ts';
import { PROGRAM } from '../program.ts';
import { expectReadable, readSavefile } from '../savefile.ts';
import { Tmpfs } from '../tmpfs.ts';

const HEADER = { precision: 'micro', snaplen: 96, linktype: 1 } as const;
/** On the hour. */
const NOON = Date.parse('2026-03-01T12:00:00Z') / 1000;
const FRAME = new Uint8Array(60);

const root = mkdtempSync(join(tmpdir(), 'tsnetpcap-series-writer-'));
afterAll(() => rmSync(root, { recursive: true }));

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(root, 'home-'));
});

const list = (): string[] =>
  readdirSync(home)
    .filter((name) => name.includes('.pcap'))
    .sort();
const secondsIn = (name: string): number[] => readSavefile(join(home, name)).records.map(({ sec }) => sec - NOON);
const verify = (): string => execFileSync(process.execPath, [PROGRAM, 'verify', home], { encoding: 'utf8' });

function open(options: Partial<SeriesOptions> = {}, more: SeriesWriterOptions = {}): SeriesWriter {
  const pattern = join(home, 'p-%H%M%S.pcap');
  return new SeriesWriter(planSeries({ pattern, utc: true, ...options }), HEADER, more);
}

test('each packet is in the file of its own hour, and the ledger says so', async () => {
  const writer = open();
  for (const sec of [10, 3599, 3600, 3601, 7200]) expect(writer.writePacket(NOON + sec, 999_999, FRAME)).toBe(true);
  expect(list()).toEqual([]); // nothing but what the packets say, and they are still collected
  expect(writer.flush()).toBe(true);
  expect(writer.name).toBe(join(home, 'p-140000.pcap'));
  await writer.close();
  expect(writer.written).toBe(5);
  expect(list()).toEqual(['p-120010.pcap', 'p-130000.pcap', 'p-140000.pcap']);
  expect(list().map(secondsIn)).toEqual([[10, 3599], [3600, 3601], [7200]]);
  for (const [n, name] of list().entries()) expectReadable(join(home, name), [2, 2, 1][n] ?? 0);
  expect(verify()).toMatch(/^p: 3 of 3 complete savefiles are as the ledger says/);
});

test('a packet has the bytes of the header’s snaplen, its own length, and its fraction as it was given', async () => {
  const writer = open();
  writer.writePacket(NOON, 1, new Uint8Array(200).fill(7), 1500);
  await writer.close();
  const [packet] = readSavefile(join(home, 'p-120000.pcap')).records;
  expect(packet).toEqual({ sec: NOON, fraction: 1, len: 1500, packet: Buffer.alloc(96, 7) });
});

test('packets that are larger than what is written at a time', async () => {
  const large = new Uint8Array(200_000).fill(1);
  const output = planSeries({ pattern: join(home, 'p-%H%M%S.pcap'), utc: true });
  const writer = new SeriesWriter(output, { precision: 'nano', snaplen: 262144, linktype: 1 });
  for (let n = 0; n < 5; n++) {
    expect(writer.writePacket(NOON + n, n, n % 2 === 0 ? FRAME : large)).toBe(true);
  }
  await writer.close();
  expectReadable(join(home, 'p-120000.pcap'), 5);
  expect(readSavefile(join(home, 'p-120000.pcap')).records.map(({ packet }) => packet.length)).toEqual([
    60, 200_000, 60, 200_000, 60,
  ]);
});

test('a ring, files by packets and by size, and one that rotate() ends', async () => {
  const writer = open({ keep: 2, rotatePackets: 3 });
  for (let n = 0; n < 8; n++) writer.writePacket(NOON + n, 0, FRAME);
  expect(writer.rotate()).toBe(true);
  writer.writePacket(NOON + 8, 0, FRAME);
  await writer.close();
  expect(list().map(secondsIn)).toEqual([[6, 7], [8]]);
  const sized = open({ pattern: join(home, 's-%H%M%S.pcap'), rotateSize: 24 + 2 * 76 });
  for (let n = 0; n < 3; n++) sized.writePacket(NOON + n, 0, FRAME.subarray(0, 60));
  await sized.close();
  expect(['s-120000.pcap', 's-120002.pcap'].map(secondsIn)).toEqual([[0, 1], [2]]);
});

test('no packets, no files; the next writer goes on behind the last one, and only one at a time', async () => {
  await open().close();
  expect(list()).toEqual([]);
  const first = open();
  first.writePacket(NOON, 0, FRAME);
  first.flush();
  const second = open();
  second.writePacket(NOON, 0, FRAME);
  expect(() => second.flush()).toThrow(/process \d+ is writing this series already/);
  await first.close();
  await second.close();
  expect(list()).toEqual(['p-120000-1.pcap', 'p-120000.pcap']);
  expect(verify()).toMatch(/^p: 2 of 2 /);
});

test('live, packets are written within a second, and files begin and end on time without one', async () => {
  const writer = open({ rotateSec: 1, pattern: join(home, 'p-%s.pcap') }, { live: true });
  const begunSec = Math.floor(Date.now() / 1000);
  expect(list()).toHaveLength(1);
  while (list().length < 4) await sleep(20);
  writer.writePacket(Math.floor(Date.now() / 1000), 0, FRAME);
  while (writer.written === 0) await sleep(20);
  await writer.close();
  const seconds = list().map((name) => Number(/\d+/.exec(name)));
  expect(seconds[0]).toBeLessThanOrEqual(begunSec);
  expect(new Set(seconds).size).toBe(seconds.length);
  expect(list().flatMap(secondsIn)).toHaveLength(1);
  expect(verify()).toMatch(/complete savefiles are as the ledger says/);
});

test('the timers of a live one do not keep a process alive', () => {
  const source = `
    import { planSeries, SeriesWriter } from '${new URL('../../dist/index.js', import.meta.url)}';
    const output = planSeries({ pattern: '${home}/p-%s.pcap' });
    new SeriesWriter(output, { precision: 'micro', snaplen: 96, linktype: 1 }, { live: true });
  `;
  execFileSync(process.execPath, ['--input-type=module', '-e', source], { timeout: 30_000, stdio: 'pipe' });
});

test('without room a packet is refused and comes later, or is counted when there is no later', async () => {
  const disk = Tmpfs.mount('256k');
  try {
    home = disk.path;
    const notices: string[] = [];
    const writer = open({ keep: 1 }, { notice: (text) => notices.push(text) });
    writer.writePacket(NOON, 0, FRAME);
    expect(writer.flush()).toBe(true);
    disk.fill();
    let taken = 1;
    while (writer.writePacket(NOON + 1, taken, FRAME)) taken++;
    expect(notices.join()).toMatch(/ENOSPC .*packets wait in memory/);
    disk.giveBack();
    expect(writer.writePacket(NOON + 1, taken, FRAME)).toBe(true);
    taken++;
    expect(writer.flush()).toBe(true);
    expect(writer.written).toBe(taken);
    disk.fill();
    while (writer.writePacket(NOON + 2, taken, FRAME)) taken++;
    const lost = taken - writer.written;
    const said = new RegExp(`: ${lost} packets could not be stored$`);
    await expect(writer.close()).rejects.toMatchObject({ code: 'ERR_STORAGE', message: expect.stringMatching(said) });
    expect(lost).toBeGreaterThan(0);
    disk.giveBack();
    const next = open({ keep: 1 }, { notice: (text) => notices.push(text) });
    next.writePacket(NOON + 3600, 0, FRAME); // a start completes what could not be
    await next.close();
    expect(list()).toEqual(['p-130000.pcap']);
    expect(notices.join()).toContain(`${writer.written} packets`);
  } finally {
    disk.unmount();
  }
});
