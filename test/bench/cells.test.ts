// Cells of every kind, as small as they go, with the real programs: each contestant gives all its numbers, no run is void,
// nothing stays. What the numbers are is not asked. Needs root, and fails without it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { BENCHMARKS } from '../../bench/benchmarks.ts';
import type { Bench } from '../../bench/cell.ts';
import { Lab } from '../../bench/lab.ts';
import { PROGRAM } from '../program.ts';

const BOUND_MS = 120_000;

/** Which, what part of packets and seconds, and who takes part. */
const SMALL: readonly (readonly [benchmark: string, cell: string, scale: number, programs: readonly string[]])[] = [
  ['quota', 'fixed-16', 0.01, ['tsnetpcap', 'tcpdump', 'tcpdump, ring 2 MiB', 'dumpcap']],
  ['rotation', 'rate-100k', 0.01, ['tsnetpcap', 'tsnetpcap, no ledger, no sync', 'tcpdump -G 1']],
  ['rotation', 'stall', 0.05, ['tsnetpcap']],
  ['burst', 'ring-2', 1, ['tsnetpcap', 'tcpdump', 'tcpdump, ring 2 MiB']],
  ['idle', 'rate-10', 0.03, ['tsnetpcap', 'tcpdump']],
  ['idle', 'rotations', 0.02, ['tsnetpcap']],
  ['start', 'filter', 1, ['tsnetpcap', 'tcpdump', 'dumpcap']],
  ['offline', 'udp-96', 0.0002, ['tsnetpcap', 'tcpdump']],
  ['offline', 'merge-together', 0.0002, ['tsnetpcap', 'mergecap']],
  ['micro', 'walk-ethernet', 0.02, ['tsnetpcap']],
  ['micro', 'filter-flags', 0.02, ['tsnetpcap']],
  ['micro', 'read', 0.02, ['tsnetpcap']],
];

test.concurrent.each(SMALL)('%s/%s', { timeout: BOUND_MS }, async (name, id, scale, programs) => {
  const cell = BENCHMARKS.find((each) => each.name === name)?.cells.find((each) => each.id === id);
  if (cell === undefined) throw new Error(`no ${name}/${id}`);
  const lab = Lab.create();
  const directory = mkdtempSync(join(tmpdir(), 'tsnetpcap-cells-'));
  const bench: Bench = {
    program: PROGRAM,
    directory,
    lab,
    rounds: 1,
    signal: AbortSignal.timeout(BOUND_MS),
    scaled: (count) => Math.max(1, Math.round(count * scale)),
    say: () => {},
  };
  try {
    const runs = await cell.measure(bench);
    expect(runs.map(({ program }) => program)).toEqual(expect.arrayContaining([...programs]));
    for (const run of runs) {
      expect(run.flaw).toBeUndefined();
      for (const { key } of cell.metrics)
        expect([run.program, key, run.values[key]]).toEqual([run.program, key, expect.any(Number)]);
      expect(JSON.parse(JSON.stringify(run))).toEqual(run); // no NaN in it
    }
    expect(cell.peer === undefined || programs.includes(cell.peer)).toBe(true);
  } finally {
    lab.remove();
    rmSync(directory, { recursive: true });
  }
});
