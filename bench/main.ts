// `npm run bench`: the built program against tcpdump on the same packets, with the same ring, snaplen and file system; with
// --series a series against a single file, with --classes a snaplen by class against one for all. In turns (A B, B A, ...),
// each judged by what the operating system accounts to it. A run whose packets don't add up is void and makes the exit code
// 1. Needs root, GNU time and capinfos; works in a network of its own (lab.ts).
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parseRingMemory, parseSnaplen, parseWhole } from '../src/capture/values.ts';
import { OptionError } from '../src/errors.ts';
import { RECORD_HEADER_LENGTH } from '../src/savefile/header.ts';
import { describeEnvironment } from './environment.ts';
import { CAPTURE, Lab } from './lab.ts';
import { keepFreeMemory } from './memory.ts';
import { DEFAULT_LENGTH } from './offer.ts';
import { measureOffline } from './offline.ts';
import { type Pair, runsTable, summarize, summaryTable } from './report.ts';
import { type Contestant, DISCARD, measure, type Run, type Settings } from './run.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PROGRAM = join(ROOT, 'dist/tsnetpcap.cjs');

const tsnetpcap: Contestant = {
  name: 'tsnetpcap',
  argv: (file, { snaplen, ringMemory }) => {
    const options = ['-i', CAPTURE.name, '-s', String(snaplen), '--ring-memory', String(ringMemory), '-q', '-w', file];
    return [process.execPath, PROGRAM, ...options];
  },
};

/** With all that a series does beside: `.part`, ledger, timer, sync and hash of the complete file. */
const series: Contestant = {
  name: 'tsnetpcap, a series',
  argv: (file, settings) => [...tsnetpcap.argv(file, settings), '--ring', '48', '--rotate', '1d'],
};

/** With a program that asks of every packet whether it is of another class, which none is: so the files are the same. */
const classes: Contestant = {
  name: 'tsnetpcap, by class',
  argv: (file, settings) => [...tsnetpcap.argv(file, settings), '--keep-names', '--snaplen-for', 'tcp port 22=200'],
};

const tcpdump: Contestant = {
  name: 'tcpdump',
  argv: (file, { snaplen, ringMemory }) => {
    const ring = String(Math.ceil(ringMemory / 1024)); // KiB
    return ['tcpdump', '-i', CAPTURE.name, '-s', String(snaplen), '-B', ring, '-Z', 'root', '-n', '-w', file];
  },
};

interface Table {
  readonly title: string;
  /** A directory for the savefiles, or `DISCARD`. */
  readonly output: string;
  readonly settings: Settings;
}

async function main(signal: AbortSignal): Promise<void> {
  const { values } = parseArgs({
    options: {
      packets: { type: 'string' },
      pairs: { type: 'string', default: '5' },
      'ring-memory': { type: 'string', default: '16MiB' },
      snaplen: { type: 'string', default: '96' },
      out: { type: 'string', default: tmpdir() },
      null: { type: 'boolean', default: false },
      pin: { type: 'boolean', default: false },
      series: { type: 'boolean', default: false },
      classes: { type: 'boolean', default: false },
      offline: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const settings: Settings = {
    packets: parseWhole('--packets', values.packets ?? (values.offline ? '5000000' : '8000000'), 1, 1_000_000_000),
    ringMemory: parseRingMemory('--ring-memory', values['ring-memory']),
    snaplen: parseSnaplen('--snaplen', values.snaplen),
    pin: values.pin,
  };
  const contestants: readonly [Contestant, Contestant] = values.series
    ? [series, tsnetpcap]
    : values.classes
      ? [classes, tsnetpcap]
      : [tsnetpcap, tcpdump];
  const pairs = parseWhole('--pairs', values.pairs, 1, 1000);
  const print = (text: string): void => void (values.json || process.stdout.write(`${text}\n`));
  build();
  if (values.offline) {
    const { packets } = settings;
    if (!measureOffline({ program: PROGRAM, directory: values.out, packets, pairs, signal }, print))
      process.exitCode = 1;
    return;
  }

  const lab = Lab.create();
  let restore: (() => void) | undefined;
  try {
    const directory = mkdtempSync(join(values.out, 'tsnetpcap-bench-'));
    try {
      const environment = describeEnvironment(directory);
      print(JSON.stringify({ ...environment, ...settings }, null, 1));
      const recordLength = RECORD_HEADER_LENGTH + Math.min(settings.snaplen, DEFAULT_LENGTH);
      restore = keepFreeMemory(directory, settings.packets * recordLength);
      const tables: Table[] = [
        {
          title: 'fixed cost: no packet at all',
          output: mkdtempSync(join(directory, 'none-')),
          settings: { ...settings, packets: 0 },
        },
        { title: `savefile in ${values.out}`, output: mkdtempSync(join(directory, 'all-')), settings },
      ];
      if (values.null) tables.push({ title: DISCARD, output: DISCARD, settings });
      const results = [];
      for (const table of tables) {
        print(`\n${table.title}`);
        const runs = await runPairs(lab, contestants, table, pairs, signal);
        const summary = summarize(runs);
        print(`${runsTable(runs)}\n${summaryTable(summary)}`);
        if (summary.validPairs < pairs) process.exitCode = 1;
        results.push({ title: table.title, runs: runs.flat(), summary });
      }
      if (values.json) process.stdout.write(`${JSON.stringify({ environment, settings, results }, null, 2)}\n`);
    } finally {
      rmSync(directory, { recursive: true });
    }
  } finally {
    restore?.();
    lab.remove();
  }
}

/** The sources as they are now, not what happens to lie in dist/. */
function build(): void {
  const { status, stdout } = spawnSync('npm', ['run', '--silent', 'build'], { cwd: ROOT, encoding: 'utf8' });
  if (status !== 0) throw new Error(`npm run build: exit code ${status}\n${stdout}`);
}

async function runPairs(
  lab: Lab,
  [first, second]: readonly [Contestant, Contestant],
  table: Table,
  count: number,
  signal: AbortSignal,
): Promise<Pair[]> {
  const pairs: Pair[] = [];
  let runs = 0;
  const run = (contestant: Contestant): Promise<Run> => {
    // A series gives no name twice, also when its file was deleted.
    const file = table.output === DISCARD ? DISCARD : join(table.output, `run${++runs}.pcap`);
    return measure(lab, contestant, file, table.settings, signal);
  };
  for (let index = 0; index < count; index++) {
    process.stderr.write(`pair ${index + 1} of ${count}: ${table.title}\n`);
    if (index % 2 === 0) pairs.push([await run(first), await run(second)]);
    else {
      const other = await run(second);
      pairs.push([await run(first), other]);
    }
  }
  return pairs;
}

// Node 20 reads these certificates at its start, for 40 ms (native-notes/start.md): nothing that a capture service has.
delete process.env['NODE_EXTRA_CA_CERTS'];
const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => interrupt.abort(new Error(`stopped by ${signal}`)));
}
try {
  await main(interrupt.signal);
} catch (cause) {
  const error = interrupt.signal.aborted ? interrupt.signal.reason : cause;
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = cause instanceof OptionError ? 2 : 1;
}
