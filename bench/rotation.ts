// `rotation`: what a new savefile every second costs, and whether it costs packets; and for how long the capture path stands
// still at a rotation.
import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { CaptureProcess } from './capture-process.ts';
import type { Bench, Benchmark, Cell, Measured, Metric } from './cell.ts';
import { type Contestant, ours, tcpdump, tsnetpcap } from './contestants.ts';
import { countPackets, flawOf, sync } from './judge.ts';
import { offer } from './offer.ts';
import type { Stall } from './rotation-stall.ts';
import { inTurns } from './turns.ts';

const CAPTURE = { snaplen: 96, ringMemory: 16 * 2 ** 20 } as const;
const RECORD_LENGTH = 112;
const RATE = 100_000;
const SEC = 10;
const FULL_SPEED_PACKETS = 12_000_000;
/** For the last packets: a program that begins a file every second never writes nothing for a while. */
const SETTLE_MS = 2000;
/** In the process that is measured from within, so that ten seconds have a hundred of them. */
const STALL_PACKETS_A_FILE = RATE / 10;
const STALL = fileURLToPath(new URL('rotation-stall.ts', import.meta.url));
const ROOT = fileURLToPath(new URL('..', import.meta.url));

interface Contender {
  readonly name: string;
  readonly contestant: Contestant;
  /** In a directory of its own. */
  readonly file: string;
}

const SERIES = 's-%Y%m%d%H%M%S.pcap';
const everySecond = ['--rotate', '1s', '--ring', '48'];
const dumped: Contestant = { ...tcpdump, argv: (...given) => [...tcpdump.argv(...given), '-G', '1'] };
const CONTENDERS: readonly Contender[] = [
  { name: 'tsnetpcap', contestant: tsnetpcap('', ...everySecond), file: SERIES },
  {
    name: 'tsnetpcap, no ledger, no sync',
    contestant: tsnetpcap('', ...everySecond, '--no-ledger', '--sync', 'none'),
    file: SERIES,
  },
  { name: 'tsnetpcap, one file', contestant: ours, file: 'one.pcap' },
  { name: 'tcpdump -G 1', contestant: dumped, file: SERIES },
  { name: 'tcpdump, one file', contestant: tcpdump, file: 'one.pcap' },
];

const METRICS: readonly Metric[] = [
  { key: 'cpuPerMillion', title: 'CPU a million packets', unit: 's', better: 'less', digits: 3 },
  { key: 'cpuSec', title: 'CPU in all', unit: 's', better: 'less', digits: 2 },
  { key: 'captureSec', title: 'of it before the stop', unit: 's', better: 'neither', digits: 2 },
  { key: 'files', title: 'files', unit: '', better: 'neither', digits: 0 },
  { key: 'lost', title: 'packets lost', unit: '', better: 'less', digits: 0 },
];

function everySecondAt(id: string, title: string, packets: number, rate: number | undefined): Cell {
  return {
    id,
    title: `a file a second, ${title}`,
    short: false,
    peer: 'tcpdump -G 1',
    metrics: METRICS,
    settings: { ...CAPTURE, packets, ...(rate !== undefined && { packetsPerSecond: rate }), rotateSeconds: 1 },
    fileBytes: packets * RECORD_LENGTH,
    measure: (bench) =>
      inTurns(bench, CONTENDERS, (contender, round) => capture(bench, contender, packets, rate, round)),
  };
}

async function capture(
  bench: Bench,
  { name, contestant, file }: Contender,
  packets: number,
  rate: number | undefined,
  round: number,
): Promise<Measured> {
  const { lab, signal } = bench;
  await sync(signal);
  const directory = await mkdtemp(join(bench.directory, 'rotation-'));
  const argv = contestant.argv(bench.program, join(directory, file), CAPTURE);
  const process = await CaptureProcess.hold(lab, argv, signal);
  try {
    process.release();
    await process.says(contestant.listening, signal);
    const count = bench.scaled(packets);
    const offered = await offer(lab, { count, ...(rate !== undefined && { rate }) }, signal);
    await sleep(SETTLE_MS, undefined, { signal });
    const { cpuSec, captureSec } = await process.stop();
    const files = readdirSync(directory).filter((name) => name.endsWith('.pcap'));
    const paths = files.map((name) => join(directory, name));
    const written = await countPackets(paths, signal);
    const flaw = flawOf({ ...contestant.counts(process.said, offered), offered, written });
    const cpuPerMillion = (cpuSec / written) * 1e6;
    const values = { cpuPerMillion, cpuSec, captureSec, files: files.length, lost: offered - written };
    return { program: name, round, values, ...(flaw !== undefined && { flaw }) };
  } finally {
    await process.kill();
    await rm(directory, { recursive: true });
  }
}

const stall: Cell = {
  id: 'stall',
  title: `time that a rotation takes, a file every ${STALL_PACKETS_A_FILE.toLocaleString('en')} packets`,
  short: true,
  peer: undefined,
  metrics: [
    { key: 'median', title: 'a rotation, median', unit: 'ms', better: 'less', digits: 2 },
    { key: 'p99', title: '99 % within', unit: 'ms', better: 'less', digits: 2 },
    { key: 'max', title: 'longest', unit: 'ms', better: 'less', digits: 2 },
    { key: 'awayMax', title: 'longest time away from the ring at a rotation', unit: 'ms', better: 'less', digits: 2 },
    { key: 'elseMax', title: 'longest time away otherwise', unit: 'ms', better: 'neither', digits: 2 },
    { key: 'rotations', title: 'rotations', unit: '', better: 'neither', digits: 0 },
    { key: 'lost', title: 'packets lost', unit: '', better: 'less', digits: 0 },
  ],
  settings: { ...CAPTURE, packetsPerSecond: RATE, packets: RATE * SEC, packetsPerFile: STALL_PACKETS_A_FILE },
  fileBytes: RATE * SEC * RECORD_LENGTH,
  measure: (bench) => inTurns(bench, [ours], (_, round) => measureStall(bench, round)),
};

async function measureStall(bench: Bench, round: number): Promise<Measured> {
  const { lab, signal } = bench;
  await sync(signal);
  const directory = await mkdtemp(join(bench.directory, 'stall-'));
  const pattern = join(directory, SERIES);
  const words = [pattern, String(CAPTURE.snaplen), String(CAPTURE.ringMemory), String(STALL_PACKETS_A_FILE)];
  const argv = ['env', '-C', ROOT, process.execPath, '--import', 'tsx', STALL, ...words];
  const capture = await CaptureProcess.hold(lab, argv, signal);
  try {
    capture.release();
    await capture.says(/^listening$/m, signal);
    const offered = await offer(lab, { count: bench.scaled(RATE * SEC), rate: RATE }, signal);
    await sleep(SETTLE_MS, undefined, { signal });
    await capture.stop();
    const { received, written, dropped, ...found }: Stall = JSON.parse(/^\{.*\}$/m.exec(capture.said)?.[0] ?? '{}');
    const flaw = flawOf({ offered, received, written, dropped, captured: written });
    const values = { ...found, lost: offered - written };
    return { program: ours.name, round, values, ...(flaw !== undefined && { flaw }) };
  } finally {
    await capture.kill();
    await rm(directory, { recursive: true });
  }
}

const cells: readonly Cell[] = [
  everySecondAt('rate-100k', '100,000/s', RATE * SEC, RATE),
  everySecondAt('full', 'full speed', FULL_SPEED_PACKETS, undefined),
  stall,
];

export const rotation: Benchmark = {
  name: 'rotation',
  title: 'Rotation',
  about: `A new savefile every second of the wall clock, of which 48 are kept, against one file for all, and against \`tcpdump -G
1\`. Ours are synced and hashed when they are complete, and entered in the ledger, which tcpdump never does; so there is a row
without. How long a rotation takes is measured within the process, of the sources, not the built program: the calls that close
one file and begin the next, between which no packet is taken from the ring. Beside it stands the longest time between two
looks at the ring, with a rotation in it and without, which has everything in it: writing, garbage collection, the background's
share of the event loop, and whatever the disk makes it wait for. Packets lost are those offered that are in no savefile.`,
  cells,
  charts: [
    {
      id: 'cpu',
      title: 'CPU a million packets, a file a second',
      metric: 'cpuPerMillion',
      cells: ['rate-100k', 'full'],
    },
  ],
};
