// How a capture ends: with every packet that the kernel had accepted, in a file of whole records, under any load. Live,
// in a lab; needs root, and fails without it.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readSequence } from '../../bench/frames.ts';
import { Lab } from '../../bench/lab.ts';
import { offer } from '../../bench/offer.ts';
import { Program } from '../program.ts';
import { expectReadable, readSavefile, savefilesIn } from '../savefile.ts';

/** With a snaplen of 64. */
const RECORD = 16 + 64;

let lab: Lab;
let directory: string;

beforeAll(() => {
  lab = Lab.create();
  directory = mkdtempSync(join(tmpdir(), 'tsnetpcap-stop-'));
});

afterAll(() => {
  lab?.remove();
  if (directory !== undefined) rmSync(directory, { recursive: true });
});

test.each(['SIGTERM', 'SIGINT'] as const)(
  '%s right behind 2,000 packets: all of them are in the file',
  async (signal) => {
    const file = join(directory, `${signal}.pcap`);
    const program = await Program.capture(lab, ['-i', 'cap0', '-w', file]);
    try {
      expect(await offer(lab, { count: 2000, send: true })).toBe(2000);
      program.signal(signal);
      expect(await program.exit()).toBe(0);
      expect(program.statistics()).toEqual({ captured: 2000, received: 2000, dropped: 0 });
      const numbers = readSavefile(file).records.map(({ packet }) => readSequence('udp4', packet));
      expect(numbers).toEqual(Array.from({ length: 2000 }, (_, n) => n));
      expectReadable(file, 2000);
    } finally {
      await program.kill();
    }
  },
);

test.each([
  ['one file', 'load.pcap', []],
  ['a series', 'load-%Y.pcap', ['--rotate', '1s']],
])('SIGTERM under full load, %s: it ends while packets still come, and the counts agree', async (_, name, options) => {
  const home = mkdtempSync(join(directory, 'load-'));
  const bytes = (): number => savefilesIn(home).reduce((sum, each) => sum + statSync(join(home, each)).size, 0);
  const program = await Program.capture(lab, ['-i', 'cap0', '-s', '64', '-w', join(home, name), ...options]);
  const load = new AbortController();
  let loaded = true;
  const offered = offer(lab, { count: 20_000_000 }, load.signal).finally(() => {
    loaded = false;
  });
  offered.catch(() => {}); // it is interrupted, on purpose
  try {
    await program.until(() => bytes() > 20_000_000);
    const before = bytes() / RECORD;
    const asked = performance.now();
    const { captured, received, dropped } = await program.stop();
    const tookMs = performance.now() - asked;
    expect(loaded).toBe(true);
    // What was in the ring, and no packet of those that went on coming: there are gaps between a million and the next,
    // in which it could have ended by luck.
    expect(captured - before).toBeLessThan(500_000);
    const files = savefilesIn(home);
    expect(files.filter((each) => !each.endsWith('.pcap'))).toEqual([]);
    const records = files.map((each) => readSavefile(join(home, each)).records.length);
    const written = records.reduce((sum, each) => sum + each, 0);
    expect({ captured, received }).toEqual({ captured: written, received: written + dropped });
    process.stdout.write(`stopped under load in ${tookMs.toFixed()} ms: ${captured} captured, ${dropped} dropped\n`);
  } finally {
    load.abort();
    await program.kill();
    await expect.poll(() => execFileSync('ip', ['netns', 'pids', lab.name], { encoding: 'utf8' })).toBe('');
  }
});

test('SIGTERM without any packet, and a second one behind it: an empty savefile', async () => {
  const file = join(directory, 'idle.pcap');
  const program = await Program.capture(lab, ['-i', 'cap0', '-w', file]);
  try {
    program.signal('SIGTERM');
    program.signal('SIGINT');
    expect(await program.exit()).toBe(0);
    expect(program.statistics()).toEqual({ captured: 0, received: 0, dropped: 0 });
    expect(statSync(file).size).toBe(24);
    expectReadable(file, 0);
  } finally {
    await program.kill();
  }
});

test('--exit-on-down and an interface that is removed: what it had brought is in the file, exit code 1', async () => {
  const own = Lab.create();
  const file = join(directory, 'gone.pcap');
  const program = await Program.capture(own, ['-i', 'cap0', '--exit-on-down', '-w', file]);
  try {
    expect(await offer(own, { count: 2000 })).toBe(2000);
    own.exec(['ip', 'link', 'delete', 'cap0']);
    expect(await program.exit()).toBe(1);
    expect(program.stderr).toContain('tsnetpcap: cap0: the interface disappeared\n');
    expect(program.statistics()).toEqual({ captured: 2000, received: 2000, dropped: 0 });
    expectReadable(file, 2000);
  } finally {
    await program.kill();
    own.remove();
  }
});

test('SIGTERM during a series completes its last file', async () => {
  const home = join(directory, 'series');
  const program = await Program.capture(lab, ['-i', 'cap0', '--rotate', '1d', '-w', join(home, 'p-%s.pcap')]);
  try {
    expect(savefilesIn(home)).toEqual([expect.stringMatching(/^p-\d+\.pcap\.part$/)]);
    expect(await offer(lab, { count: 2000 })).toBe(2000);
    expect(await program.stop()).toEqual({ captured: 2000, received: 2000, dropped: 0 });
    const [only = '', ...others] = savefilesIn(home);
    expect([only, others]).toEqual([expect.stringMatching(/^p-\d+\.pcap$/), []]);
    expectReadable(join(home, only), 2000);
  } finally {
    await program.kill();
  }
});
