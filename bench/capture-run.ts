// One measured capture: a contestant started in the lab, fed by the generator, stopped when it has read everything, and
// judged: a run whose packets don't add up is void. Called by cells, for one contestant at a time.
import { rmSync } from 'node:fs';
import { CaptureProcess } from './capture-process.ts';
import type { Bench, Measured, Metric } from './cell.ts';
import type { CaptureSettings, Contestant } from './contestants.ts';
import { countPackets, flawOf, sync } from './judge.ts';
import { type Offer, offer } from './offer.ts';

/** A file that no packet stays in. */
export const DISCARD = '/dev/null';

const MIB = 1024 * 1024;
/** For start, stop and the packets' own time at a tenth of the generator's speed. */
const BOUND_MS = 120_000;
const SLOWEST_PER_MS = 50;

const counts: readonly Metric[] = (['offered', 'received', 'written', 'dropped'] as const).map((key) => ({
  key,
  title: key,
  unit: '',
  better: key === 'dropped' ? 'less' : 'neither',
  digits: 0,
}));

const cpuSec: Metric = { key: 'cpuSec', title: 'CPU in all', unit: 's', better: 'less', digits: 2 };
const rss: Metric = { key: 'rssMib', title: 'peak memory', unit: 'MiB', better: 'less', digits: 0 };

/** Of a capture with packets. */
export const CAPTURE_METRICS: readonly Metric[] = [
  { key: 'cpuPerMillion', title: 'CPU a million packets', unit: 's', better: 'less', digits: 3 },
  cpuSec,
  { key: 'captureSec', title: 'of it before the stop', unit: 's', better: 'neither', digits: 2 },
  rss,
  ...counts,
];

/** Of one without. */
export const FIXED_METRICS: readonly Metric[] = [{ ...cpuSec, title: 'CPU', digits: 3 }, rss];

export interface CaptureRun extends CaptureSettings {
  /** Deleted afterwards, unless it is `DISCARD`. */
  readonly file: string;
  /** Undefined for none at all. */
  readonly offer: Offer | undefined;
}

/** Resolves to the values of `CAPTURE_METRICS` and `FIXED_METRICS`. */
export async function measureCapture(
  { lab, program, signal }: Pick<Bench, 'lab' | 'program' | 'signal'>,
  contestant: Contestant,
  run: CaptureRun,
  round: number,
): Promise<Measured> {
  const { file, offer: offering } = run;
  const expectedMs = offering === undefined ? 0 : (offering.count / (offering.rate ?? 1e6)) * 1000;
  const patience = BOUND_MS + expectedMs + (offering?.count ?? 0) / SLOWEST_PER_MS;
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(patience)]);
  await sync(bounded);
  try {
    const capture = await CaptureProcess.hold(lab, contestant.argv(program, file, run), bounded);
    try {
      capture.release(contestant.stdin?.(run));
      await capture.says(contestant.listening, bounded);
      const offered = offering === undefined ? 0 : await offer(lab, offering, bounded);
      await capture.quiet(bounded);
      const usage = await capture.stop();
      const { received, captured, dropped } = contestant.counts(capture.said, offered);
      const written = file === DISCARD ? captured : await countPackets([file], bounded);
      const { cpuSec, captureSec, peakRss } = usage;
      // Of packets written, so that dropping them doesn't look cheap.
      const cpuPerMillion = written > 0 ? { cpuPerMillion: (cpuSec / written) * 1e6 } : {};
      const values = {
        ...cpuPerMillion,
        cpuSec,
        captureSec,
        rssMib: peakRss / MIB,
        offered,
        received,
        written,
        dropped,
      };
      const flaw = flawOf({ offered, received, written, dropped, captured });
      return { program: contestant.name, round, values: countable(values), ...(flaw === undefined ? {} : { flaw }) };
    } finally {
      await capture.kill();
    }
  } finally {
    if (file !== DISCARD) rmSync(file, { force: true });
  }
}

/** Without what the program did not say: JSON has no NaN. */
function countable(values: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => Number.isFinite(value)));
}
