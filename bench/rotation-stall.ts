// A capture of these sources that times its own rotations and its looks at the ring, and prints them as JSON when it has been
// stopped. Started in a lab by rotation.ts:
//   node --import tsx bench/rotation-stall.ts PATTERN SNAPLEN RING_MEMORY PACKETS_A_FILE
import { openCapture } from '../src/capture/open.ts';
import { RingSource } from '../src/capture/ring/ring-source.ts';
import { planSeries } from '../src/capture/series-options.ts';
import { Series } from '../src/savefile/series.ts';
import { CAPTURE } from './lab.ts';

export interface Stall {
  /** Milliseconds that a rotation took. */
  readonly median: number;
  readonly p99: number;
  readonly max: number;
  /** The longest time between two waits for the ring, with a rotation in it and without. */
  readonly awayMax: number;
  readonly elseMax: number;
  readonly rotations: number;
  readonly received: number;
  readonly written: number;
  readonly dropped: number;
}

const rotations: number[] = [];
let awayMax = 0;
let elseMax = 0;
let lookedMs = 0;
let rotated = false;

/** The same method, timed. */
function timed<Args extends unknown[], Result>(
  method: (this: Series, ...args: Args) => Result,
): (this: Series, ...args: Args) => Result {
  return function (this: Series, ...args: Args): Result {
    const startMs = performance.now();
    const result = method.apply(this, args);
    rotations.push(performance.now() - startMs);
    rotated = true;
    return result;
  };
}

Series.prototype.cut = timed(Series.prototype.cut);
Series.prototype.due = timed(Series.prototype.due);
const { wait } = RingSource.prototype;
RingSource.prototype.wait = function (this: RingSource, timeoutMs: number): void {
  const awayMs = performance.now() - lookedMs;
  if (rotated) awayMax = Math.max(awayMax, awayMs);
  else elseMax = Math.max(elseMax, awayMs);
  rotated = false;
  wait.call(this, timeoutMs);
  lookedMs = performance.now();
};

const [pattern = '', snaplen, ringMemory, rotatePackets] = process.argv.slice(2);
const output = planSeries({ pattern, rotateSec: 86_400, rotatePackets: Number(rotatePackets), keep: 48 });
const request = { device: CAPTURE.name, snaplen: Number(snaplen), ringMemory: Number(ringMemory), output };
const { session, source } = await openCapture(request, (text) => process.stderr.write(`${text}\n`));
process.once('SIGTERM', () => session.stop());
lookedMs = performance.now();
process.stdout.write('listening\n');
await session.run();
source.close();
const { received, written, dropped } = session.statistics();
rotations.sort((a, b) => a - b);
const within = (share: number): number => rotations[Math.ceil(rotations.length * share) - 1] ?? Number.NaN;
const stall: Stall = {
  median: within(0.5),
  p99: within(0.99),
  max: within(1),
  awayMax,
  elseMax,
  rotations: rotations.length,
  received,
  written,
  dropped,
};
process.stdout.write(`${JSON.stringify(stall)}\n`);
