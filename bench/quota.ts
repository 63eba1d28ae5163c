// `quota`: how little CPU is enough. A capture in a control group with a quota of CPU (cgroup.ts), the generator outside of
// it, at a rate that the machine could take many times over.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { CaptureProcess } from './capture-process.ts';
import type { Bench, Benchmark, Cell, Measured, Metric } from './cell.ts';
import { CpuGroup, PERIOD_US } from './cgroup.ts';
import { type Contestant, dumpcap, ours, tcpdump, tcpdumpByDefault } from './contestants.ts';
import { countPackets, flawOf, sync } from './judge.ts';
import { offer } from './offer.ts';
import { inTurns } from './turns.ts';

const CAPTURE = { snaplen: 96, ringMemory: 16 * 2 ** 20 } as const;
const CONTESTANTS: readonly Contestant[] = [ours, tcpdump, tcpdumpByDefault, dumpcap];
const RATE = 500_000;
const OFFERED = 4 * RATE;
/** Without a quota, so that JavaScript is compiled and files are begun when it comes. */
const WARM_UP = RATE;
const LEAST_PERCENT = 1;
const MOST_PERCENT = 100;
/** Between the smallest quota that was enough and the largest that was not. */
const PRECISION = 1.1;
const FIXED_PERCENT = [4, 8, 16] as const;
const ONE_CPU = 0;

const SETTINGS = {
  ...CAPTURE,
  packetsPerSecond: RATE,
  packets: OFFERED,
  warmUpPackets: WARM_UP,
  periodMicroseconds: PERIOD_US,
} as const;
const FILE_BYTES = (OFFERED + WARM_UP) * 112;
const LOST: Metric = { key: 'lost', title: 'packets lost', unit: '%', better: 'less', digits: 2 };

interface Trial {
  readonly lostPercent: number;
  readonly flaw: string | undefined;
}

const smallest: Cell = {
  id: 'smallest',
  title: 'smallest quota without loss',
  short: false,
  peer: tcpdump.name,
  metrics: [{ key: 'quota', title: 'smallest quota', unit: '% of a CPU', better: 'less', digits: 1 }],
  settings: { ...SETTINGS, precision: PRECISION },
  fileBytes: FILE_BYTES,
  measure: (bench) =>
    inGroup(bench, (group) =>
      inTurns(bench, CONTESTANTS, async (contestant, round): Promise<Measured> => {
        const flaws: string[] = [];
        const quota = await bisect(LEAST_PERCENT, MOST_PERCENT, PRECISION, async (percent) => {
          const { lostPercent, flaw } = await capture(bench, contestant, group, percent);
          bench.say(`${contestant.name} with ${percent.toFixed(1)} %: ${lostPercent.toFixed(2)} % lost`);
          if (flaw !== undefined) flaws.push(flaw);
          return lostPercent === 0;
        });
        const [flaw] = flaws;
        const values = quota === undefined ? {} : { quota };
        return { program: contestant.name, round, values, ...(flaw !== undefined && { flaw }) };
      }),
    ),
};

const fixed = FIXED_PERCENT.map(
  (percent): Cell => ({
    id: `fixed-${percent}`,
    title: `quota of ${percent} % of a CPU`,
    short: false,
    peer: tcpdump.name,
    metrics: [LOST],
    settings: { ...SETTINGS, percent },
    fileBytes: FILE_BYTES,
    measure: (bench) =>
      inGroup(bench, (group) =>
        inTurns(bench, CONTESTANTS, async (contestant, round) =>
          measured(contestant, round, await capture(bench, contestant, group, percent)),
        ),
      ),
  }),
);

/** Needs no group: what can be said where none can be made. */
const oneCpu: Cell = {
  id: 'one-cpu',
  title: 'no quota, capture and generator on one CPU, full generator speed',
  short: false,
  peer: tcpdump.name,
  metrics: [LOST],
  settings: { ...CAPTURE, packets: OFFERED, warmUpPackets: WARM_UP, cpu: ONE_CPU },
  fileBytes: FILE_BYTES,
  measure: (bench) =>
    inTurns(bench, CONTESTANTS, async (contestant, round) =>
      measured(contestant, round, await capture(bench, contestant, undefined, undefined)),
    ),
};

function measured({ name }: Contestant, round: number, { lostPercent, flaw }: Trial): Measured {
  return { program: name, round, values: { lost: lostPercent }, ...(flaw !== undefined && { flaw }) };
}

/** The group is removed however `measure` ends; where it can't be made, every round is void and says why. */
async function inGroup(bench: Bench, measure: (group: CpuGroup) => Promise<Measured[]>): Promise<Measured[]> {
  let group: CpuGroup;
  try {
    group = CpuGroup.create(`tsnetpcap-bench-${process.pid}`);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const flaw = `no CPU quota here (${reason}): see capture and generator on one CPU`;
    return CONTESTANTS.map(({ name }) => ({ program: name, round: 0, values: {}, flaw }));
  }
  try {
    bench.say(`cgroup version ${group.version}`);
    return await measure(group);
  } finally {
    await group.remove();
  }
}

/** One capture with a quota in `group`, or without one on the generator's CPU. */
async function capture(
  bench: Bench,
  contestant: Contestant,
  group: CpuGroup | undefined,
  percent: number | undefined,
): Promise<Trial> {
  const { lab, signal } = bench;
  await sync(signal);
  const file = join(bench.directory, 'quota.pcap');
  const argv = contestant.argv(bench.program, file, CAPTURE);
  const pinned = group === undefined ? ['taskset', '-c', String(ONE_CPU)] : [];
  const process = await CaptureProcess.hold(lab, [...pinned, ...argv], signal);
  try {
    group?.limit(undefined);
    group?.add(process.pid);
    process.release(contestant.stdin?.(CAPTURE));
    await process.says(contestant.listening, signal);
    const how = group === undefined ? { cpu: ONE_CPU } : { rate: RATE };
    const warmUp = await offer(lab, { count: bench.scaled(WARM_UP), ...how }, signal);
    group?.limit(percent);
    const offered = await offer(lab, { count: bench.scaled(OFFERED), ...how }, signal);
    await process.quiet(signal);
    group?.limit(undefined);
    await process.stop();
    const all = warmUp + offered;
    const written = await countPackets([file], signal);
    const flaw = flawOf({ ...contestant.counts(process.said, all), offered: all, written });
    return { lostPercent: (100 * (all - written)) / offered, flaw };
  } finally {
    await process.kill();
    rmSync(file, { force: true });
  }
}

/**
 * The smallest number between `least` and `most` that is enough, to within the factor `precision`: the larger the better, and
 * undefined if not even `most` is. Halves the distance of the logarithms.
 */
export async function bisect(
  least: number,
  most: number,
  precision: number,
  isEnough: (value: number) => Promise<boolean>,
): Promise<number | undefined> {
  if (!(await isEnough(most))) return undefined;
  let [tooLittle, enough] = [least, most];
  while (enough / tooLittle > precision) {
    const middle = Math.sqrt(tooLittle * enough);
    if (await isEnough(middle)) enough = middle;
    else tooLittle = middle;
  }
  return enough;
}

export const quota: Benchmark = {
  name: 'quota',
  title: 'How little CPU is enough',
  about: `The capture alone, not the generator, is in a control group whose processes get a quota of one CPU's time, anew
every ${PERIOD_US / 1000} ms. It is set when the capture listens and has taken ${WARM_UP.toLocaleString('en')} packets without
one; then come ${OFFERED.toLocaleString('en')} packets at ${RATE.toLocaleString('en')} a second. What a ring holds has a part in
it: between two quotas packets wait there, and 16 MiB hold those of about 160 ms, 2 MiB those of 20. The smallest quota is
found by bisection of its logarithm, to within a tenth. A run is void when received, written and dropped don't add up to what
was offered, and without a number when even a whole CPU is not enough. Where no such group can be made, all that can be said
is in the last row: capture and generator on one CPU, which they share as the scheduler likes.`,
  cells: [smallest, ...fixed, oneCpu],
  charts: [
    { id: 'smallest', title: 'Smallest quota without loss', metric: 'quota', cells: ['smallest'] },
    { id: 'fixed', title: 'Packets lost', metric: 'lost', cells: fixed.map(({ id }) => id) },
  ],
};
