// `idle`: what a capture costs that has little or nothing to do, which is most of a service's life; and what its memory
// is after many rotations.
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CaptureProcess } from './capture-process.ts';
import type { Bench, Benchmark, Cell, Measured } from './cell.ts';
import { type Contestant, ours, tcpdump, tsnetpcap } from './contestants.ts';
import { offer } from './offer.ts';
import { inTurns } from './turns.ts';

const CAPTURE = { snaplen: 96, ringMemory: 16 * 2 ** 20 } as const;
const RATES = [0, 10] as const;
const SEC = 30;
/** V8 collects the garbage of the start 8 s behind it, once and for 30 ms, and then comes to rest. */
const START_MS = 12_000;
const SETTLE_MS = 3000;
const ROTATIONS = 1000;
const PACKETS_A_FILE = 100;
const PACKETS_A_SECOND = 10_000;
const KEPT_FILES = 48;

const idling = RATES.map(
  (rate): Cell => ({
    id: `rate-${rate}`,
    title: rate === 0 ? 'no packet' : `${rate} packets a second`,
    short: false, // with its minutes the short form would not be one
    peer: tcpdump.name,
    metrics: [
      { key: 'cpu', title: 'CPU a minute', unit: 'ms', better: 'less', digits: 1 },
      { key: 'wakeUps', title: 'wake-ups a minute', unit: '', better: 'less', digits: 0 },
    ],
    settings: { ...CAPTURE, packetsPerSecond: rate, seconds: SEC, startMilliseconds: START_MS },
    measure: (bench) => inTurns(bench, [ours, tcpdump], (contestant, round) => runIdle(bench, contestant, rate, round)),
  }),
);

async function runIdle(bench: Bench, contestant: Contestant, rate: number, round: number): Promise<Measured> {
  const { lab, signal } = bench;
  const directory = await mkdtemp(join(bench.directory, 'idle-'));
  const file = join(directory, 'idle.pcap');
  const capture = await CaptureProcess.hold(lab, contestant.argv(bench.program, file, CAPTURE), signal);
  try {
    capture.release(contestant.stdin?.(CAPTURE));
    await capture.says(contestant.listening, signal);
    const sec = bench.scaled(SEC);
    const count = rate * (sec + START_MS / 1000);
    const offered = count === 0 ? Promise.resolve(0) : offer(lab, { count, rate }, signal);
    offered.catch(() => {}); // seen below
    await sleep(START_MS, undefined, { signal });
    const [cpuBefore, wakeUpsBefore, startMs] = [capture.cpuSec(), wakeUpsOf(capture.pid), performance.now()];
    await sleep(sec * 1000, undefined, { signal });
    const minutes = (performance.now() - startMs) / 60_000;
    const cpu = ((capture.cpuSec() - cpuBefore) * 1000) / minutes;
    const wakeUps = (wakeUpsOf(capture.pid) - wakeUpsBefore) / minutes;
    const all = await offered;
    await capture.quiet(signal);
    await capture.stop();
    const { captured } = contestant.counts(capture.said, all);
    const flaw = captured === all ? undefined : `${captured} of ${all} packets captured`;
    return { program: contestant.name, round, values: { cpu, wakeUps }, ...(flaw !== undefined && { flaw }) };
  } finally {
    await capture.kill();
    await rm(directory, { recursive: true });
  }
}

/** How often its threads have given up a processor to wait, in all: voluntary_ctxt_switches of proc_pid_status(5). */
export function wakeUpsOf(pid: number): number {
  const tasks = readdirSync(`/proc/${pid}/task`);
  return tasks.reduce((sum, task) => sum + statusOf(`${pid}/task/${task}`, 'voluntary_ctxt_switches'), 0);
}

function statusOf(process: string, name: string): number {
  const status = readFileSync(`/proc/${process}/status`, 'latin1');
  return Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(status)?.[1]);
}

const series = tsnetpcap('tsnetpcap', '--rotate-packets', String(PACKETS_A_FILE), '--ring', String(KEPT_FILES));

const rotations: Cell = {
  id: 'rotations',
  title: `memory, ${ROTATIONS.toLocaleString('en')} rotations`,
  short: false,
  peer: undefined,
  metrics: [
    { key: 'after', title: 'RSS after them', unit: 'MiB', better: 'less', digits: 1 },
    { key: 'before', title: 'RSS at the start', unit: 'MiB', better: 'less', digits: 1 },
    { key: 'besides', title: 'RSS after them, without the ring', unit: 'MiB', better: 'less', digits: 1 },
    { key: 'peak', title: 'peak RSS', unit: 'MiB', better: 'less', digits: 1 },
  ],
  settings: { ...CAPTURE, packetsPerFile: PACKETS_A_FILE, packetsPerSecond: PACKETS_A_SECOND, keptFiles: KEPT_FILES },
  measure: (bench) => inTurns(bench, [series], (contestant, round) => rotate(bench, contestant, round)),
};

async function rotate(bench: Bench, contestant: Contestant, round: number): Promise<Measured> {
  const { lab, signal } = bench;
  const directory = await mkdtemp(join(bench.directory, 'rotations-'));
  const argv = contestant.argv(bench.program, join(directory, 'r-%s.pcap'), CAPTURE);
  const capture = await CaptureProcess.hold(lab, argv, signal);
  try {
    capture.release();
    await capture.says(contestant.listening, signal);
    await sleep(SETTLE_MS, undefined, { signal });
    const rss = (name: string): number => statusOf(String(capture.pid), name) / 1024;
    const before = rss('VmRSS');
    const count = bench.scaled(ROTATIONS) * PACKETS_A_FILE;
    const offered = await offer(lab, { count, rate: PACKETS_A_SECOND }, signal);
    await sleep(SETTLE_MS, undefined, { signal }); // the last files are synced and hashed
    const [after, peak] = [rss('VmRSS'), rss('VmHWM')];
    await capture.stop();
    const { captured } = contestant.counts(capture.said, offered);
    const flaw = captured === offered ? undefined : `${captured} of ${offered} packets captured`;
    const values = { after, before, besides: after - CAPTURE.ringMemory / 2 ** 20, peak };
    return { program: contestant.name, round, values, ...(flaw !== undefined && { flaw }) };
  } finally {
    await capture.kill();
    await rm(directory, { recursive: true });
  }
}

export const idle: Benchmark = {
  name: 'idle',
  title: 'With little or nothing to do',
  about: `CPU time by the scheduler's own account and wake-ups (times that any thread gave up a processor to wait) of
${SEC} seconds, as of a minute, from ${START_MS / 1000} s after the start on: the start's own garbage is collected by then. For memory, a capture rotates every
${PACKETS_A_FILE} packets, ${PACKETS_A_SECOND.toLocaleString('en')} of which come a second, and keeps ${KEPT_FILES} files, each
synced, hashed and entered in the ledger; the ring's own pages are part of RSS once they were used. A run that has not
captured all packets is void.`,
  cells: [...idling, rotations],
  charts: [{ id: 'cpu', title: 'CPU a minute', metric: 'cpu', cells: idling.map(({ id }) => id) }],
};
