// Runs one task of the micro benchmark by tinybench and prints what it found as JSON; started by ../micro.ts:
//   node --import tsx bench/micro/worker.ts TASK DIRECTORY MILLISECONDS
import { Bench } from 'tinybench';
import { TASKS } from './tasks.ts';

const [name = '', directory = '', timeMs = ''] = process.argv.slice(2);
const task = TASKS[name];
if (task === undefined) throw new Error(`${name}: no such task`);
const { packets, before, turn, values } = await task.prepare(directory);
const bench = new Bench({ time: Number(timeMs), warmupTime: Number(timeMs) / 2, iterations: 16, throws: true });
bench.add(name, turn, before === undefined ? {} : { beforeEach: before });
const [ran] = await bench.run();
if (ran?.result.state !== 'completed') throw new Error(`${name}: ${ran?.result.state}`);
const ns = (ms: number): number => (ms * 1e6) / packets;
const { p50, min } = ran.result.latency;
process.stdout.write(`${JSON.stringify({ medianNs: ns(p50), bestNs: ns(min), ...values })}\n`);
