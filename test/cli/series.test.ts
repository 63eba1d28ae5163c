// What a user sees of a series beside its rotation (test/capture/rotation): limits, modes, programs run for complete files,
// what a crash leaves, and the ledger that a capture wrote, by `tsnetpcap verify`. Live, in a lab; needs root.
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { readSequence } from '../../bench/frames.ts';
import { Lab } from '../../bench/lab.ts';
import { offer } from '../../bench/offer.ts';
import { PROGRAM, Program } from '../program.ts';
import { expectReadable, readSavefile, savefilesIn } from '../savefile.ts';

const RECORD = 16 + 128;
const FILE_HEADER = 24;

let lab: Lab;
let root: string;
/** Of the test, for its savefiles. */
let home: string;

beforeAll(() => {
  lab = Lab.create();
  root = mkdtempSync(join(tmpdir(), 'tsnetpcap-series-'));
});

afterAll(() => {
  lab?.remove();
  if (root !== undefined) rmSync(root, { recursive: true });
});

beforeEach(() => {
  home = mkdtempSync(join(root, 'home-'));
});

const start = (...options: string[]): Promise<Program> =>
  Program.capture(lab, ['-i', 'cap0', '-w', join(home, 'p-%Y%m%d%H%M%S.pcap'), ...options]);
const numbersIn = (name: string): number[] =>
  readSavefile(join(home, name)).records.map(({ packet }) => readSequence('udp4', packet));
const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

interface Line {
  readonly type: string;
  readonly [member: string]: unknown;
}

function ledger(): Line[] {
  const text = readFileSync(join(home, 'p.ledger.jsonl'), 'utf8');
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
}

/** What `tsnetpcap verify` prints, and that it is content. */
async function verify(): Promise<string> {
  const { code, stdout, stderr } = await Program.run(undefined, [process.execPath, PROGRAM, 'verify', home]);
  expect([stderr, stdout, code]).toEqual(['', stdout, 0]);
  return stdout;
}

test('by packets and by size: no file is larger, nothing is lost, whatever comes first counts', async () => {
  const size = FILE_HEADER + 99 * RECORD + RECORD - 1; // 99 records of 128 bytes, and all but one byte of another
  const program = await start('-s', '128', '--rotate', '1d', '--rotate-size', String(size), '--rotate-packets', '200');
  try {
    expect(await offer(lab, { count: 1000, send: true })).toBe(1000);
    await program.stop();
  } finally {
    await program.kill();
  }
  const names = ledger().flatMap(({ type, name }) => (type === 'close' ? [String(name)] : []));
  expect(names.map((name) => statSync(join(home, name)).size)).toEqual([
    ...Array.from({ length: 10 }, () => FILE_HEADER + 99 * RECORD),
    FILE_HEADER + 10 * RECORD,
  ]);
  expect(names.flatMap(numbersIn)).toEqual(upTo(1000));
  expect(await verify()).toContain('11 of 11 complete savefiles');
});

test('the ledger has every term of the balance, by file and in all', async () => {
  const program = await start('--rotate', '1d', '--rotate-packets', '300', '-c', '1000');
  try {
    expect(await offer(lab, { count: 1200 })).toBe(1200);
    expect(await program.exit()).toBe(0);
  } finally {
    await program.kill();
  }
  const stop = ledger().at(-1);
  expect(stop).toMatchObject({ type: 'stop', received: 1200, written: 1000, unread: 200, late: 0 });
  expect(stop).toMatchObject({ dropped: 0, noSpace: 0, filtered: 0, ifDropped: 0, queueFreezes: 0 });
  expect(program.stderr).toContain('200 packets not read');
  expect(program.stderr).not.toContain('unaccounted');
  const closed = ledger().filter(({ type }) => type === 'close');
  expect(closed.map(({ packets }) => packets)).toEqual([300, 300, 300, 100]);
  for (const line of closed) expect(line).toMatchObject({ dropped: 0, ifDropped: 0, queueFreezes: 0, noSpace: 0 });
  await verify();
});

test('a second capture of the series refuses, and names the first', async () => {
  const program = await start();
  try {
    const files = savefilesIn(home);
    const argv = ['-i', 'cap0', '-w', join(home, 'p-%H.pcap')];
    const { code, stderr } = await Program.run(lab, [process.execPath, PROGRAM, ...argv]);
    expect([code, stderr]).toEqual([
      1,
      `tsnetpcap: ${join(home, 'p.lock')}: process ${program.process.pid} is writing this series already\n`,
    ]);
    expect(savefilesIn(home)).toEqual(files);
    await program.stop();
  } finally {
    await program.kill();
  }
});

test.each([
  ['', '640'],
  ['--file-mode=600', '600'],
])('%s: files, ledger and compressed copies of mode %s', async (option, mode) => {
  const program = await start('--compress', 'gzip', ...(option === '' ? [] : [option]));
  try {
    await program.stop();
  } finally {
    await program.kill();
  }
  const modes = readdirSync(home)
    .filter((name) => !name.endsWith('.lock'))
    .map((name) => (statSync(join(home, name)).mode & 0o777).toString(8));
  expect(modes).toEqual([mode, mode]);
  expect(savefilesIn(home)).toEqual([expect.stringMatching(/\.pcap\.gz$/)]);
});

test('-z and --compress: also for what a crash left, and for the last file', async () => {
  const log = join(home, 'log');
  const script = join(home, 'notify');
  writeFileSync(script, `#!/bin/sh\necho "$# $1 $(nice)" >> ${log}\n`);
  chmodSync(script, 0o755);
  const killed = await start();
  try {
    expect(await offer(lab, { count: 500 })).toBe(500);
    const [part = ''] = savefilesIn(home).filter((name) => name.endsWith('.part'));
    await killed.until(() => statSync(join(home, part)).size === FILE_HEADER + 500 * RECORD);
  } finally {
    await killed.kill();
  }
  const [part = ''] = savefilesIn(home).filter((name) => name.endsWith('.part'));
  appendFileSync(join(home, part), Buffer.alloc(RECORD - 1, 1)); // the kernel had taken this much of the next record
  const next = await start('-z', script, '--compress', 'gzip');
  try {
    expect(await offer(lab, { count: 50 })).toBe(50);
    await next.stop();
  } finally {
    await next.kill();
  }
  const adopted = part.replace('.part', '');
  expect(next.stderr).toContain(`${adopted}: left by a process that died, now complete: 500 packets`);
  const [last, ...others] = savefilesIn(home).filter((name) => /^p-/.test(name) && name !== `${adopted}.gz`);
  expect([last, others]).toEqual([expect.stringMatching(/\.pcap\.gz$/), []]);
  const files = [`${adopted}.gz`, String(last)];
  expect(readFileSync(log, 'utf8').trim().split('\n')).toEqual(files.map((name) => `1 ${join(home, name)} 19`));
  for (const name of files) {
    execFileSync('gzip', ['-t', join(home, name)]);
    writeFileSync(join(root, name.replace('.gz', '')), gunzipSync(readFileSync(join(home, name))));
  }
  expectReadable(join(root, adopted), 500);
  expectReadable(join(root, String(files[1]).replace('.gz', '')), 50);
  const told = await verify();
  expect(told).toContain('2 of 2 complete savefiles');
  expect(told).toMatch(/without a stop line/);
});

test('--no-part: under the final name at once, and made whole after a crash all the same', async () => {
  const killed = await start('--no-part');
  try {
    expect(await offer(lab, { count: 100 })).toBe(100);
    const [only = ''] = savefilesIn(home);
    expect(savefilesIn(home)).toEqual([expect.stringMatching(/\.pcap$/)]);
    await killed.until(() => statSync(join(home, only)).size === FILE_HEADER + 100 * RECORD);
  } finally {
    await killed.kill();
  }
  const [torn = ''] = savefilesIn(home);
  appendFileSync(join(home, torn), Buffer.alloc(20, 1));
  const next = await start('--no-part', '--sync', '1s');
  try {
    await next.stop();
  } finally {
    await next.kill();
  }
  expectReadable(join(home, torn), 100);
  expect(ledger()).toContainEqual(expect.objectContaining({ type: 'adopt', name: torn, packets: 100, cutBytes: 20 }));
  await verify();
});

test('--no-ledger: none, and the ring works without', async () => {
  for (let run = 0; run < 3; run++) {
    const program = await start('--no-ledger', '--ring', '2', '--sync', 'none');
    try {
      await program.stop();
    } finally {
      await program.kill();
    }
  }
  expect(savefilesIn(home).length).toBe(2);
  expect(existsSync(join(home, 'p.ledger.jsonl'))).toBe(false);
});
