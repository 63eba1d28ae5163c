// The benchmark `capture`: what a captured packet costs. Not every combination of rate, output, frame, ring and program, but
// the rows that each answer a question, one varied at a time from the same starting point.
import { join } from 'node:path';
import { CAPTURE_METRICS, DISCARD, FIXED_METRICS, measureCapture } from './capture-run.ts';
import type { Bench, Benchmark, Cell, Measured } from './cell.ts';
import {
  type Contestant,
  capEngine,
  dumpcap,
  libpcapEngine,
  netsniffNg,
  ours,
  tcpdump,
  tcpdumpByDefault,
  tsnetpcap,
} from './contestants.ts';
import { DEFAULT_LENGTH } from './offer.ts';
import { inTurns } from './turns.ts';

const MIB = 1024 * 1024;
const SNAPLEN = 96;
const WHOLE = 262144;
const RECORD_HEADER = 16;
const FULL_SPEED = 0;
const MIX = 'mix';
/** Packets, or a part of them: at full speed five seconds, and two. */
const MANY = 8_000_000;
const SOME = 3_000_000;

interface Row {
  readonly id: string;
  readonly title: string;
  readonly short?: boolean;
  readonly packets: number;
  /** Packets a second, `FULL_SPEED` for as fast as the generator goes. */
  readonly rate?: number;
  /** Bytes of a frame, or `MIX`. */
  readonly length?: number | typeof MIX;
  readonly snaplen?: number;
  readonly ringMib?: number;
  readonly discard?: boolean;
  readonly contestants: readonly Contestant[];
}

const SERIES = tsnetpcap('tsnetpcap, a series', '--ring', '48', '--rotate', '1d');
const CLASSES = tsnetpcap('tsnetpcap, by class', '--keep-names', '--snaplen-for', 'tcp port 22=200');
const PAIR = [ours, tcpdump];
const SHORT = [ours, tcpdump, tcpdumpByDefault];
const OTHERS = [ours, tcpdump, libpcapEngine, capEngine, dumpcap, netsniffNg];
const ALL = [...SHORT, libpcapEngine, capEngine, dumpcap, netsniffNg];

const ROWS: readonly Row[] = [
  { id: 'none', title: 'no packet at all', short: true, packets: 0, contestants: SHORT },
  { id: 'full', title: 'full speed', short: true, packets: MANY, contestants: SHORT },
  { id: 'full-mix', title: 'full speed, the mix', short: true, packets: MANY, length: MIX, contestants: SHORT },
  { id: 'rate-100k', title: '100,000/s', short: true, packets: 1_000_000, rate: 100_000, contestants: SHORT },
  {
    id: 'rate-100k-mix',
    title: '100,000/s, the mix',
    short: true,
    packets: 1_000_000,
    rate: 100_000,
    length: MIX,
    contestants: SHORT,
  },
  { id: 'rate-500k', title: '500,000/s', packets: 5_000_000, rate: 500_000, contestants: SHORT },
  { id: 'rate-10k', title: '10,000/s, for a minute', packets: 600_000, rate: 10_000, contestants: ALL },
  { id: 'others-full', title: 'full speed, all programs', packets: SOME, contestants: OTHERS },
  { id: 'others-100k', title: '100,000/s, all programs', packets: 1_000_000, rate: 100_000, contestants: OTHERS },
  {
    id: 'discard-full',
    title: 'full speed, to /dev/null',
    packets: MANY,
    discard: true,
    contestants: [...SHORT, netsniffNg],
  },
  { id: 'size-64', title: 'full speed, frames of 64 bytes', packets: SOME, length: 64, contestants: PAIR },
  { id: 'size-512', title: 'full speed, frames of 512 bytes', packets: SOME, length: 512, contestants: PAIR },
  { id: 'size-1514', title: 'full speed, frames of 1,514 bytes', packets: SOME, length: 1514, contestants: PAIR },
  {
    id: 'whole-1514',
    title: '100,000/s, frames of 1,514 bytes kept whole',
    packets: 1_000_000,
    rate: 100_000,
    length: 1514,
    snaplen: WHOLE,
    contestants: PAIR,
  },
  { id: 'ring-2', title: 'full speed, ring of 2 MiB', packets: SOME, ringMib: 2, contestants: PAIR },
  { id: 'ring-64', title: 'full speed, ring of 64 MiB', packets: SOME, ringMib: 64, contestants: PAIR },
  { id: 'ring-256', title: 'full speed, ring of 256 MiB', packets: SOME, ringMib: 256, contestants: PAIR },
  { id: 'series', title: 'full speed, a series or a single file', packets: SOME, contestants: [SERIES, ours, tcpdump] },
  {
    id: 'classes',
    title: 'full speed, asked for classes of snaplen that no packet is in',
    packets: SOME,
    contestants: [CLASSES, ours, tcpdump],
  },
];

function toCell(row: Row): Cell {
  const { id, title, short = false, packets, rate = FULL_SPEED, length = DEFAULT_LENGTH } = row;
  const { snaplen = SNAPLEN, ringMib = 16, discard = false } = row;
  const record = RECORD_HEADER + Math.min(snaplen, length === MIX ? SNAPLEN : length);
  return {
    id,
    title,
    short,
    peer: tcpdump.name,
    metrics: packets === 0 ? FIXED_METRICS : CAPTURE_METRICS,
    settings: { packets, rate, length, snaplen, ringMib, output: discard ? DISCARD : 'file' },
    fileBytes: discard ? 0 : packets * record,
    measure: (bench) => measure(bench, row),
  };
}

function measure(bench: Bench, row: Row): Promise<Measured[]> {
  const { packets, rate = FULL_SPEED, length = DEFAULT_LENGTH, snaplen = SNAPLEN, ringMib = 16, discard } = row;
  const shape = length === MIX ? { mix: true } : { length };
  const offer =
    packets === 0 ? undefined : { count: bench.scaled(packets), ...shape, ...(rate === FULL_SPEED ? {} : { rate }) };
  let runs = 0;
  return inTurns(bench, row.contestants, (contestant, round) => {
    // A series gives no name twice, also when its file was deleted.
    const file = discard ? DISCARD : join(bench.directory, `run${++runs}.pcap`);
    return measureCapture(bench, contestant, { file, offer, snaplen, ringMemory: ringMib * MIB }, round);
  });
}

const ABOUT = `
What does a captured packet cost, in CPU time of the whole process, start included, and is it kept? Frames of 128 bytes
(UDP over IPv4) unless said otherwise, or the simple Internet mix: 60, 590 and 1,514 bytes, 7 : 4 : 1, in random order. Snaplen
96, ring of 16 MiB for all but "tcpdump, ring 2 MiB", which is its default, one file on a real file system. Full speed is what
the generator does while somebody listens. "tsnetpcap, libpcap" and "tsnetpcap, cap" are its other engines.

CPU time is the scheduler's sum for the process, user and system, from its exec to its end (not the ticks of 10 ms that
/proc/PID/stat and time(1) have); divided by the packets written, so that losing them does not look cheap. A run is void
unless received = offered = written + dropped, the program's own numbers, and the file has, by capinfos, what the program says.
To /dev/null its own word stands for written. \`cap\` does not know what the kernel dropped: there it is what is not written.
`;

/** `npm run bench -- capture` */
export const capture: Benchmark = {
  name: 'capture',
  title: 'What a captured packet costs',
  about: ABOUT.trim(),
  cells: ROWS.map(toCell),
  charts: [
    {
      id: 'rates',
      title: 'CPU seconds for a million packets, by rate',
      metric: 'cpuPerMillion',
      cells: ['full', 'full-mix', 'rate-500k', 'rate-100k', 'rate-10k'],
    },
    {
      id: 'programs',
      title: 'CPU seconds for a million packets, all programs',
      metric: 'cpuPerMillion',
      cells: ['others-full', 'others-100k'],
    },
    {
      id: 'memory',
      title: 'Peak memory, MiB, ring included',
      metric: 'rssMib',
      cells: ['ring-2', 'full', 'ring-64', 'ring-256'],
    },
  ],
};
