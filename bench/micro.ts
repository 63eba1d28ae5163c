// `micro`: what the parts of the program cost a packet, each in a process of its own (micro/worker.ts), without kernel, disk
// and start. It has no peer: it shows what a change does that a whole capture is too noisy for.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Bench, Benchmark, Cell, Measured, Metric } from './cell.ts';
import { TASKS } from './micro/tasks.ts';
import { inTurns } from './turns.ts';

const WORKER = fileURLToPath(new URL('micro/worker.ts', import.meta.url));
const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Of measured turns, a round. */
const TIME_MS = 500;
const SHORT: readonly string[] = ['walk-ethernet', 'filter-not-net', 'read'];

const TIMES: readonly Metric[] = [
  { key: 'medianNs', title: 'a packet, median', unit: 'ns', better: 'less', digits: 1 },
  { key: 'bestNs', title: 'a packet, at best', unit: 'ns', better: 'less', digits: 1 },
];
const OF_FILTERS: readonly Metric[] = [
  { key: 'firstNs', title: 'a packet of the first 1 MiB', unit: 'ns', better: 'less', digits: 0 },
  { key: 'compileMs', title: 'compiling', unit: 'ms', better: 'less', digits: 1 },
  { key: 'instructions', title: 'instructions', unit: '', better: 'neither', digits: 0 },
];

const cells = Object.entries(TASKS).map(
  ([id, { title }]): Cell => ({
    id,
    title,
    short: SHORT.includes(id),
    peer: undefined,
    metrics: id.startsWith('filter-') ? [...TIMES, ...OF_FILTERS] : TIMES,
    settings: { timeMs: TIME_MS },
    measure: (bench) => inTurns(bench, [{ name: 'tsnetpcap' }], (_, round) => run(bench, id, round)),
  }),
);

async function run(bench: Bench, task: string, round: number): Promise<Measured> {
  const argv = ['--import', 'tsx', WORKER, task, bench.directory, String(bench.scaled(TIME_MS))];
  const { stdout } = await promisify(execFile)(process.execPath, argv, { cwd: ROOT, signal: bench.signal });
  return { program: 'tsnetpcap', round, values: JSON.parse(stdout) };
}

export const micro: Benchmark = {
  name: 'micro',
  title: 'Parts of the program',
  about: `Nanoseconds of time that single functions take a packet of 96 bytes, by tinybench, over memory that is filled as
the kernel or a file would fill it. Each round is a process of its own, which first runs half as long unmeasured. Kernel and
disk have no part in it: what a whole capture takes is under capture.`,
  cells,
  charts: [],
};
