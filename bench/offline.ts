// `offline`: savefiles read, filtered and written anew against tcpdump -r -w, and merged against mergecap. Whole processes,
// in turns, from the page cache to a file; a round whose outputs differ is void.
import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Bench, Benchmark, Cell, Measured, Metric } from './cell.ts';
import { sync } from './judge.ts';
import { type Made, makeSavefile, WHOLE_LENGTH } from './offline-input.ts';
import { inTurns } from './turns.ts';

const execute = promisify(execFile);

interface Contestant {
  readonly name: string;
  readonly argv: (program: string, inputs: readonly string[], output: string) => readonly string[];
}

interface Contest {
  readonly id: string;
  readonly title: string;
  readonly short?: boolean;
  /** Each input file. */
  readonly inputs: readonly Made[];
  readonly contestants: readonly [Contestant, Contestant];
}

const PACKETS = 5_000_000;
const HEADER_LENGTH = 24;
const RECORD_HEADER = 16;
const SHORT_LENGTH = 96;
const FILES_TO_MERGE = 24;
const SEC_PER_FILE = 3600;
const START_SEC = 1_767_225_600;

const METRICS: readonly Metric[] = [
  { key: 'wallSec', title: 'time', unit: 's', better: 'less', digits: 2 },
  { key: 'cpuSec', title: 'CPU', unit: 's', better: 'less', digits: 2 },
  { key: 'rss', title: 'peak RSS', unit: 'MiB', better: 'less', digits: 0 },
];

function read(id: string, title: string, expression: string, length: number, short = false): Contest {
  const words = expression === '' ? [] : [expression];
  return {
    id,
    title: `${length} bytes a packet, ${title}`,
    short,
    inputs: [{ packets: PACKETS, length, startSec: START_SEC, seconds: 1 }],
    contestants: [
      {
        name: 'tsnetpcap',
        argv: (program, inputs, output) => [process.execPath, program, 'read', ...inputs, '-w', output, ...words],
      },
      {
        name: 'tcpdump',
        argv: (_, [input = ''], output) => ['tcpdump', '-Z', 'root', '-r', input, '-w', output, ...words],
      },
    ],
  };
}

/** `apart`: seconds from the start of one file to that of the next. */
function merge(id: string, title: string, apart: number, short = false): Contest {
  const packets = Math.ceil(PACKETS / FILES_TO_MERGE);
  return {
    id,
    title,
    short,
    inputs: Array.from({ length: FILES_TO_MERGE }, (_, n) => ({
      packets,
      length: SHORT_LENGTH,
      startSec: START_SEC + n * apart,
      seconds: SEC_PER_FILE,
    })),
    contestants: [
      {
        name: 'tsnetpcap',
        argv: (program, inputs, output) => [process.execPath, program, 'read', ...inputs, '-w', output],
      },
      {
        name: 'mergecap',
        // Of equal times it takes the later argument's first.
        argv: (_, inputs, output) => ['mergecap', '-F', 'pcap', '-w', output, ...inputs.toReversed()],
      },
    ],
  };
}

/** UDP over IPv4 is in three packets of five behind tags or not, in one without; UDP of any kind without tags in two. */
const EXPRESSIONS = [
  ['all', 'all', ''],
  ['udp', '`udp`, which keeps two of five', 'udp'],
  [
    'one-in-five',
    '`ip host 10.77.0.1 and udp port 40001`, which keeps one of five',
    'ip host 10.77.0.1 and udp port 40001',
  ],
  ['not-net', '`not net 10.137.0.0/16`, which keeps all', 'not net 10.137.0.0/16'],
] as const;

const CONTESTS: readonly Contest[] = [
  ...[SHORT_LENGTH, WHOLE_LENGTH].flatMap((length) =>
    EXPRESSIONS.map(([id, title, expression]) =>
      read(`${id}-${length}`, title, expression, length, id === 'all' || (id === 'not-net' && length === SHORT_LENGTH)),
    ),
  ),
  merge('merge-apart', `merge of ${FILES_TO_MERGE} files, one hour after the other`, SEC_PER_FILE),
  merge('merge-together', `merge of ${FILES_TO_MERGE} files of the same hour`, 0, true),
];

const cells = CONTESTS.map((contest): Cell => {
  const { id, title, short = false, inputs, contestants } = contest;
  const bytes = inputs.reduce((sum, { packets, length }) => sum + packets * (RECORD_HEADER + length), 0);
  return {
    id,
    title,
    short,
    peer: contestants[1].name,
    metrics: METRICS,
    settings: { packets: PACKETS, length: inputs[0]?.length ?? 0, files: inputs.length },
    fileBytes: 3 * bytes, // the input and both outputs
    measure: (bench) => measure(bench, contest),
  };
});

async function measure(bench: Bench, { inputs, contestants }: Contest): Promise<Measured[]> {
  const files = inputs.map((made, n) => {
    const path = join(bench.directory, `input${n}.pcap`);
    makeSavefile(path, { ...made, packets: bench.scaled(made.packets) });
    return path;
  });
  const outputs = contestants.map((_, n) => join(bench.directory, `output${n}.pcap`));
  const runs = await inTurns(bench, contestants, async (contestant, round): Promise<Measured> => {
    const output = outputs[contestants.indexOf(contestant)] ?? '';
    rmSync(output, { force: true });
    await sync(bench.signal);
    const argv = contestant.argv(bench.program, files, output);
    const values = await timeOf(argv, bench.signal);
    const other = contestant === contestants[round % 2 === 0 ? 1 : 0];
    const flaw = other && !(await sameRecords(outputs, bench.signal)) ? { flaw: 'not the same records' } : {};
    return { program: contestant.name, round, values, ...flaw };
  });
  return runs;
}

async function timeOf(argv: readonly string[], signal: AbortSignal): Promise<Record<string, number>> {
  const startMs = performance.now();
  const { stderr } = await execute('/usr/bin/time', ['-f', '%U %S %M', ...argv], { signal });
  const wallSec = (performance.now() - startMs) / 1000;
  const lastLine = stderr.trim().split('\n').at(-1) ?? ''; // behind what the program says
  const [userSec = Number.NaN, systemSec = Number.NaN, rssKib = Number.NaN] = lastLine.split(' ').map(Number);
  return { wallSec, cpuSec: userSec + systemSec, rss: rssKib / 1024 };
}

/** The snaplen in mergecap's file header is its own. */
async function sameRecords(files: readonly string[], signal: AbortSignal): Promise<boolean> {
  try {
    await execute('cmp', ['-s', '-i', String(HEADER_LENGTH), ...files], { signal });
    return true;
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 1) return false;
    throw cause;
  }
}

export const offline: Benchmark = {
  name: 'offline',
  title: 'Reading savefiles',
  about: `\`tsnetpcap read X -w Y\` against \`tcpdump -r X -w Y\`, and \`tsnetpcap read X1 X2 ... -w Y\` against mergecap:
${PACKETS.toLocaleString('en')} packets in all, whole processes with their start, from the page cache to a file. A round is void
when the two outputs do not hold the same records, byte for byte.`,
  cells,
  charts: [
    {
      id: 'read',
      title: 'Time to read and write anew',
      metric: 'wallSec',
      cells: ['all-96', 'not-net-96', 'all-400', 'udp-400'],
    },
    { id: 'merge', title: 'Time to merge', metric: 'wallSec', cells: ['merge-apart', 'merge-together'] },
  ],
};
