// A ring where WebAssembly's memory is not to be had: the same packets, by JavaScript's own copy.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Lab } from '../../bench/lab.ts';
import { offer } from '../../bench/offer.ts';
import { PROGRAM, Program } from '../program.ts';
import { expectReadable, readSavefile } from '../savefile.ts';

const PACKETS = 5000;
let lab: Lab;
let directory: string;

beforeAll(() => {
  lab = Lab.create();
  directory = mkdtempSync(join(tmpdir(), 'tsnetpcap-plain-'));
});
afterAll(() => {
  lab?.remove();
  if (directory !== undefined) rmSync(directory, { recursive: true });
});

test('with a limit on addresses, or without WebAssembly at all, the packets are the same', async () => {
  const ways: readonly [string, ...string[]][] = [
    [process.execPath, PROGRAM],
    ['prlimit', '--as=3000000000', process.execPath, PROGRAM],
    [process.execPath, '--jitless', PROGRAM],
  ];
  const files = ways.map((_, index) => join(directory, `${index}.pcap`));
  const programs = ways.map((way, index) => {
    const options = ['-i', 'cap0', '-s', '96', '-c', String(PACKETS), '-w', files[index] ?? ''];
    return new Program(lab, [...way, ...options]);
  });
  try {
    for (const program of programs) await program.says(/listening on cap0/);
    expect(await offer(lab, { count: PACKETS, numbered: true, rate: 50_000 })).toBe(PACKETS);
    for (const program of programs) expect(await program.exit()).toBe(0);
  } finally {
    for (const program of programs) await program.kill();
  }
  const kept = files.map((file) => {
    expectReadable(file, PACKETS);
    return readSavefile(file).records.map(({ packet }) => packet);
  });
  expect(kept[1]).toEqual(kept[0]);
  expect(kept[2]).toEqual(kept[0]);
});
