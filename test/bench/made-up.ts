// Cells, runs and conditions for tests of what is done with results.
import type { Bench, Benchmark, Cell, Measured, Metric } from '../../bench/cell.ts';
import type { Environment } from '../../bench/environment.ts';

export const cpu: Metric = { key: 'cpu', title: 'CPU', unit: 's', better: 'less', digits: 2 };
export const lost: Metric = { key: 'lost', title: 'lost', unit: '', better: 'less', digits: 0 };
export const seen: Metric = { key: 'seen', title: 'seen', unit: '', better: 'neither', digits: 0 };

export const environment: Environment = {
  kernel: '6.1',
  cpu: '2 x Abacus',
  node: '20.0.0',
  versions: { tcpdump: '4.99' },
  fileSystem: 'ext4',
  commit: 'abc',
  source: 'def',
  date: '2026-01-31',
};

export function cell(id: string, changes: Partial<Cell> = {}): Cell {
  const measure = (_: Bench): Promise<Measured[]> => Promise.resolve([]);
  const settings = { packets: 1000 };
  return { id, title: id, short: true, peer: 'theirs', metrics: [cpu, lost, seen], settings, measure, ...changes };
}

export function benchmark(...cells: Cell[]): Benchmark {
  const charts = [{ id: 'cpu', title: 'CPU <s> & more', metric: 'cpu', cells: cells.map(({ id }) => id) }];
  return { name: 'made-up', title: 'Made up', about: 'About it.', cells, charts };
}

/** A run of each program in each round, with these values of `cpu`. */
export function runs(cpus: Readonly<Record<string, readonly number[]>>, lostPackets = 0): Measured[] {
  return Object.entries(cpus).flatMap(([program, values]) =>
    values.map((value, round) => ({ program, round, values: { cpu: value, lost: lostPackets, seen: round } })),
  );
}
