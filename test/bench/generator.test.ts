// That exactly what was asked for arrives, by the word of a real tcpdump and capinfos. Needs root, and fails without it.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildFrame, FRAME_KINDS, MIX, readSequence } from '../../bench/frames.ts';
import { CAPTURE, Lab } from '../../bench/lab.ts';
import { type Offer, offer } from '../../bench/offer.ts';
import { Program } from '../program.ts';

const LENGTH = 128;
const BOUND_MS = 30_000;

let lab: Lab;
let directory: string;

beforeAll(() => {
  lab = Lab.create();
  directory = mkdtempSync(join(tmpdir(), 'tsnetpcap-generator-'));
});

afterAll(() => {
  lab?.remove();
  if (directory !== undefined) rmSync(directory, { recursive: true });
});

/** The savefile tcpdump made of these offers, one after the other. */
async function arrivals(...offers: Offer[]): Promise<string> {
  const file = join(directory, 'arrived.pcap');
  const judge = await Program.tcpdump(lab, ['-i', CAPTURE.name, '-B', '65536', '-w', file]);
  const total = offers.reduce((sum, { count }) => sum + count, 0);
  try {
    for (const each of offers) expect(await offer(lab, each)).toBe(each.count);
    await judge.caughtUp();
    expect(await judge.stop()).toEqual({ captured: total, received: total, dropped: 0 });
  } finally {
    await judge.kill();
  }
  const counted = execFileSync('capinfos', ['-T', '-r', '-M', '-c', file], { encoding: 'utf8' });
  expect(counted.trim().split('\t')).toEqual([file, String(total)]);
  return file;
}

/** The packets of a savefile that holds frames of `LENGTH` bytes only. */
function packets(file: string): Uint8Array[] {
  const bytes = readFileSync(file);
  const found: Uint8Array[] = [];
  for (let at = 24; at < bytes.length; at += 16 + LENGTH) found.push(bytes.subarray(at + 16, at + 16 + LENGTH));
  return found;
}

describe.each([1, 1000, 100_000])('%i packets', (count) => {
  test('injected: as many copies of the frame are received', { timeout: BOUND_MS }, async () => {
    const frame = buildFrame('udp4', LENGTH, 0);
    for (const packet of packets(await arrivals({ count }))) {
      if (Buffer.compare(packet, frame) !== 0) expect(packet).toEqual(frame);
    }
  });

  test.each([
    ['sent', { send: true }],
    ['injected with numbers', { numbered: true }],
  ])('%s: as many are received, in order', { timeout: BOUND_MS }, async (_, how) => {
    const sequence = packets(await arrivals({ count, ...how })).map((packet) => readSequence('udp4', packet));
    expect(sequence).toEqual(Array.from({ length: count }, (_, n) => n));
  });
});

// The kernel moves a tag out of the frame on reception, libpcap puts it back.
test('every kind of frame arrives as it was built', { timeout: BOUND_MS }, async () => {
  const offers = FRAME_KINDS.flatMap((frame) =>
    [false, true].map((send) => ({ count: 1, frame, length: LENGTH, send })),
  );
  const built = offers.map(({ frame }) => Buffer.from(buildFrame(frame, LENGTH, 0)));
  expect(packets(await arrivals(...offers))).toEqual(built);
});

test('a mix: frames of its lengths, each with right checksums, by their weights', { timeout: BOUND_MS }, async () => {
  const count = 12_000;
  const bytes = readFileSync(await arrivals({ count, mix: true }));
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const seen = new Map<number, number>();
  for (let at = 24; at < bytes.length; ) {
    const length = view.getUint32(at + 8, true);
    expect(Buffer.compare(bytes.subarray(at + 16, at + 16 + length), buildFrame('udp4', length, 0))).toBe(0);
    seen.set(length, (seen.get(length) ?? 0) + 1);
    at += 16 + length;
  }
  expect([...seen.keys()].sort((a, b) => a - b)).toEqual(MIX.map(({ length }) => length));
  // Drawn at random: 7,000, 4,000 and 1,000 are what is likely, and half as much or twice is not.
  for (const { length, weight } of MIX) {
    expect(seen.get(length)).toBeGreaterThan(500 * weight);
    expect(seen.get(length)).toBeLessThan(2000 * weight);
  }
});

test.each([
  ['sent', { send: true }],
  ['injected', { numbered: true }],
])('%s at a rate: spread over the time that takes', { timeout: BOUND_MS }, async (_, how) => {
  const file = await arrivals({ count: 1000, rate: 1000, ...how });
  const durationSec = execFileSync('capinfos', ['-T', '-r', '-M', '-u', file], { encoding: 'utf8' }).split('\t')[1];
  expect(Number(durationSec)).toBeGreaterThan(0.5);
});

test('sent, but dropped on the way to the peer: not offered', { timeout: BOUND_MS }, async () => {
  lab.exec(['ip', 'link', 'set', CAPTURE.name, 'mtu', '68']);
  try {
    expect(await offer(lab, { count: 10, send: true, length: LENGTH })).toBe(0);
    expect(await offer(lab, { count: 10, send: true, length: 80 })).toBe(10);
  } finally {
    lab.exec(['ip', 'link', 'set', CAPTURE.name, 'mtu', '1500']);
  }
});

test('a wrong interface, frame or count is refused', async () => {
  const generate = (...words: string[]): string =>
    lab.exec([process.execPath, '--import', 'tsx', 'bench/generator.ts', ...words]);
  expect(() => generate('--interface', 'absent0', '--count', '1')).toThrow('no such interface');
  expect(() => generate('--interface', 'cap0', '--count', '0')).toThrow('--count 0: not a count');
  expect(() => generate('--interface', 'cap0', '--count', '1', '--frame', 'tcp')).toThrow('--frame tcp: one of');
  expect(() => generate('--interface', 'cap0', '--count', '1', '--length', '45')).toThrow('udp4 has at least 46');
});
