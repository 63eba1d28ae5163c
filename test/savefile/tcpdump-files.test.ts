// The files of -C, -G and -W: with -C those that tcpdump makes of the same savefile, with -G by the clock.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { utcZone } from '../../src/native/time.ts';
import { encodeFileHeader } from '../../src/savefile/header.ts';
import { TcpdumpFiles, type TcpdumpFilesOptions } from '../../src/savefile/tcpdump-files.ts';
import { CompletionCommand } from '../../src/service/completion-command.ts';
import { readSavefile } from '../savefile.ts';
import { Tmpfs } from '../tmpfs.ts';
import { NEVER, NOON, offer, type Stamp, span, write } from './series-builder.ts';

const HEADER = { precision: 'micro', snaplen: 262144, linktype: 1 } as const;
const SETTLE_MS = 200;
const MB = 1e6;

const root = mkdtempSync(join(tmpdir(), 'tsnetpcap-tcpdump-files-'));
afterAll(() => rmSync(root, { recursive: true }));

let home: string;
let notices: string[];
beforeEach(() => {
  home = mkdtempSync(join(root, 'home-'));
  notices = [];
});

function open(wishes: Partial<TcpdumpFilesOptions>, count = NEVER): TcpdumpFiles {
  const { pattern = 'f', ...rest } = wishes;
  const notice = (text: string): void => void notices.push(text);
  const defaults = { zone: utcZone(), fullAt: NEVER, durationSec: NEVER, files: undefined, command: undefined };
  const options = { ...defaults, settleMs: SETTLE_MS, notice, ...rest, pattern: join(home, pattern) };
  return new TcpdumpFiles(options, HEADER, count, NOON * 1000 + 700);
}

/** The files of a directory, with their bytes. */
function bytesIn(directory: string): Map<string, Buffer> {
  return new Map(readdirSync(directory).map((name) => [name, readFileSync(join(directory, name))]));
}

/** The seconds, from NOON, of the records in each file. */
function seconds(): Record<string, number[]> {
  const names = readdirSync(home).sort();
  return Object.fromEntries(
    names.map((name) => [name, readSavefile(join(home, name)).records.map((r) => r.sec - NOON)]),
  );
}

describe('-C, with -W or without', () => {
  const stamps = fc.array(
    fc.record({ caplen: fc.integer({ min: 1, max: 262144 }), gapSec: fc.integer({ min: 0, max: 3 }) }),
    { minLength: 1, maxLength: 60 },
  );

  test('the files are those of tcpdump -r, names and bytes', () => {
    const files = fc.constantFrom(undefined, 1, 2, 3, 10, 11);
    fc.assert(
      fc.property(stamps, files, fc.constantFrom(1, 2), (gaps, files, millions) => {
        let sec = NOON;
        const records = gaps.map(({ caplen, gapSec }): Stamp => {
          sec += gapSec;
          return { sec, nsec: 0, caplen, tag: caplen };
        });
        const input = join(root, 'in.pcap');
        writeFileSync(input, Buffer.concat([encodeFileHeader(HEADER), span(...records).bytes]));
        const theirs = mkdtempSync(join(root, 'theirs-'));
        const ring = files === undefined ? [] : ['-W', String(files)];
        const args = ['-Z', 'root', '-r', input, '-w', join(theirs, 'f'), '-C', String(millions), ...ring];
        execFileSync('tcpdump', args, { stdio: 'pipe' });

        home = mkdtempSync(join(root, 'ours-'));
        const output = open({ fullAt: millions * MB, files });
        expect(offer(output, records)).toEqual([]);
        output.close();
        expect(output.written).toBe(records.length);
        expect([...bytesIn(home).keys()].sort()).toEqual([...bytesIn(theirs).keys()].sort());
        for (const [name, bytes] of bytesIn(theirs)) expect(bytesIn(home).get(name)?.equals(bytes)).toBe(true);
        for (const directory of [home, theirs]) rmSync(directory, { recursive: true });
      }),
      { numRuns: 12 },
    );
  });

  test('a file that is exactly as large takes one more record', () => {
    const output = open({ fullAt: 24 + 17 });
    write(output, NOON, NOON + 1, NOON + 2);
    output.close();
    expect(seconds()).toEqual({ f: [0, 1], f1: [2] });
  });

  test('-c ends it in the middle of a file, and begins none after a full one', () => {
    const output = open({ fullAt: 30 }, 2);
    expect(offer(output, [NOON, NOON + 1, NOON + 2]).length).toBe(1);
    expect(output.done).toBe(true);
    output.close();
    expect(seconds()).toEqual({ f: [0], f1: [1] });
  });
});

describe('-G', () => {
  test('periods count from the start, packets are in that of their own second', () => {
    const output = open({ pattern: 'f-%H%M%S', durationSec: 10 });
    write(output, NOON, NOON + 9, NOON + 10, NOON + 25, NOON + 3);
    output.close();
    expect(seconds()).toEqual({ 'f-120000': [0, 9], 'f-120010': [10], 'f-120020': [25, 3] });
  });

  test('a period without a packet ends on time', () => {
    const output = open({ pattern: 'f-%H%M%S', durationSec: 10 });
    expect(output.dueMs).toBe((NOON + 10) * 1000 + SETTLE_MS);
    output.due(output.dueMs);
    output.due(output.dueMs);
    output.close();
    expect(seconds()).toEqual({ 'f-120000': [], 'f-120010': [], 'f-120020': [] });
  });

  test('a name that recurs is written over', () => {
    const output = open({ pattern: 'f', durationSec: 10 });
    write(output, NOON, NOON + 10);
    output.close();
    expect(seconds()).toEqual({ f: [10] });
  });

  test('-W ends it after so many files, with a line, and the next packet is not taken', () => {
    const output = open({ pattern: 'f-%s', durationSec: 10, files: 2 });
    expect(output.ending).toBeUndefined();
    expect(offer(output, [NOON, NOON + 10, NOON + 20, NOON + 21]).length).toBe(2);
    expect(output.done).toBe(true);
    expect(output.ending).toBe('Maximum file limit reached: 2');
    output.close();
    expect(seconds()).toEqual({ [`f-${NOON}`]: [0], [`f-${NOON + 10}`]: [10] });
  });

  test('with -C the count begins again in each period; -W pads it and has it begin again, and ends nothing', () => {
    const output = open({ pattern: 'f-%S.', durationSec: 10, fullAt: 30, files: 11 });
    write(output, NOON, NOON + 1, NOON + 12, NOON + 13, NOON + 14, NOON + 25);
    output.close();
    const all = { 'f-00.00': [0], 'f-00.01': [1], 'f-10.00': [12], 'f-10.01': [13], 'f-10.02': [14], 'f-20.00': [25] };
    expect(seconds()).toEqual(all);
    expect(output.done).toBe(false);
  });
});

test('-z is run with each complete file, the last one too', async () => {
  const script = join(root, 'script');
  writeFileSync(script, '#!/bin/sh\nmv "$1" "$1.seen"\n', { mode: 0o755 });
  const command = new CompletionCommand(script, (text) => notices.push(text));
  const output = open({ fullAt: 30, command });
  write(output, NOON, NOON + 1, NOON + 2);
  output.close();
  await output.settled();
  expect(seconds()).toEqual({ 'f.seen': [0], 'f1.seen': [1], 'f2.seen': [2] });
  expect(notices).toEqual([]);
});

test('a full disk is waited for, and every record is in a file', () => {
  const tmpfs = Tmpfs.mount('64k');
  try {
    home = tmpfs.path;
    const large = (sec: number): Stamp => ({ sec, nsec: 0, caplen: 3000, tag: 3000 });
    const output = open({ fullAt: 8000 });
    write(output, large(NOON));
    tmpfs.fill();
    expect(offer(output, [large(NOON + 1)])).toEqual([]); // what it is not done with it keeps
    expect(output.stuck).toBe(true);
    expect(output.resume()).toBe(false);
    tmpfs.giveBack();
    expect(output.resume()).toBe(true);
    expect(output.stuck).toBe(false);
    write(output, large(NOON + 2), large(NOON + 3));
    output.close();
    expect(seconds()).toEqual({ f: [0, 1, 2], f1: [3] });
    expect(notices).toEqual([expect.stringMatching(/ENOSPC.*packets wait in memory$/)]);
  } finally {
    tmpfs.unmount();
  }
});

test('a file that can not be opened when its turn comes ends it, as for tcpdump', () => {
  const output = open({ pattern: 'f', fullAt: 30 });
  write(output, NOON);
  mkdirSync(join(home, 'f1'));
  expect(() => offer(output, [NOON + 1])).toThrow(/f1: Is a directory/);
});
