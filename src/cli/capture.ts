// `tsnetpcap [capture] [options] [expression]`: the option table, and a capture from its start to its statistics.
import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { checkAwaited, waitForInterface } from '../capture/interface-wait.ts';
import { openCapture } from '../capture/open.ts';
import * as options from '../capture/options.ts';
import type { SessionStatistics } from '../capture/session.ts';
import { SyscallError } from '../errors.ts';
import { compileFilter } from '../filter/compile.ts';
import { type CompressionFormat, parseCompression } from '../rotation/compression-format.ts';
import { parseDuration } from '../rotation/duration.ts';
import { type FreeSpace, parseFreeSpace, parseSize } from '../rotation/retention.ts';
import { onSignals } from '../service/signals.ts';
import { parseStatsFile } from '../service/stats-file.ts';
import { listDevices } from './devices.ts';
import { parseStatsInterval, startReports } from './reports.ts';
import { reportLine, statisticsLines, statusLine } from './statistics.ts';

interface Flags {
  readonly interface: string;
  readonly snaplen: number;
  readonly w?: string;
  readonly y?: string;
  readonly p?: true;
  readonly waitForInterface?: true;
  readonly exitOnDown?: true;
  readonly B?: number;
  readonly ringMemory?: number;
  readonly F?: string;
  readonly exclude?: readonly string[];
  readonly timeStampPrecision: 'micro' | 'nano';
  readonly rotate?: number;
  readonly rotateSize?: number;
  readonly rotatePackets?: number;
  readonly ring?: number;
  readonly maxAge?: number;
  readonly maxBytes?: number;
  readonly minFree?: FreeSpace;
  readonly utc?: true;
  readonly clobber: boolean;
  readonly fileMode?: number;
  readonly part: boolean;
  readonly sync?: options.SyncPolicy;
  readonly compress?: CompressionFormat;
  readonly z?: string;
  readonly ledger: boolean;
  readonly c?: number;
  readonly duration?: number;
  readonly q?: true;
  readonly statsInterval?: number;
  readonly statsFile?: string;
  readonly D?: true;
}

/** A signal to stop, so long after the first, means at once: what goes on in the background may take its time. */
const IMPATIENT_MS = 1000;
const MAX_DURATION_SEC = 10 * 366 * 86400;

/** A command-line option whose value is parsed, and rejected, under the name the user gave it. */
function option<T>(flags: string, description: string, parse: (option: string, text: string) => T): Option {
  const made = new Option(flags, description);
  const name = made.long ?? made.short ?? flags;
  return made.argParser((text: string) => parse(name, text));
}

export function addCaptureOptions(command: Command): Command {
  const snaplen = option('-s, --snaplen <bytes>', 'bytes to keep of each packet, 0 for all', options.parseSnaplen);
  return command
    .optionsGroup('Packets:')
    .option('-i, --interface <name>', 'interface, its number in -D, or any', 'any')
    .addOption(snaplen.default(options.parseSnaplen('-s', '0'), '262144'))
    .option('-p', 'do not put the interface into promiscuous mode')
    .option('--wait-for-interface', 'begin when the interface is there and up')
    .option('--exit-on-down', 'end when the interface is removed, instead of waiting for it')
    .option('-y <type>', 'link type of the savefile: LINUX_SLL or LINUX_SLL2 on any')
    .option(
      '--exclude <net|expr>',
      'leave these packets out, VLAN-tagged ones too; repeatable',
      (value, all: readonly string[] = []) => [...all, value],
    )
    .option('-F <file>', 'read the filter expression from a file')
    .addOption(option('-c <count>', 'stop after so many packets', options.parseCount))
    .addOption(
      option('--duration <time>', 'stop after this time: seconds, or 30s, 15m, 1h, 1d', (name, text) =>
        parseDuration(name, text, MAX_DURATION_SEC),
      ),
    )
    .optionsGroup('Savefiles:')
    .option(
      '-w <file>',
      `file, - for stdout, or a strftime(3) pattern for a series (default: "${options.DEFAULT_SERIES}")`,
    )
    .addOption(
      option('--rotate <time>', 'a new file at each multiple of this time on the clock (default: 1h)', parseDuration),
    )
    .addOption(option('--rotate-size <size>', 'a new file before one has more bytes than this', parseSize))
    .addOption(option('--rotate-packets <count>', 'a new file after so many packets', options.parseCount))
    .addOption(option('--ring <files>', 'keep this many complete files, delete the oldest', options.parseRingFiles))
    .addOption(
      option('--max-age <time>', 'delete files whose last packet is older', (name, text) =>
        parseDuration(name, text, MAX_DURATION_SEC),
      ),
    )
    .addOption(option('--max-bytes <size>', 'delete the oldest files while all together are larger', parseSize))
    .addOption(option('--min-free <size|%>', 'delete the oldest files while less disk space is free', parseFreeSpace))
    .option('--utc', 'names and boundaries in UTC instead of local time')
    .option('--no-clobber', 'do not overwrite an existing file')
    .addOption(option('--file-mode <mode>', 'permissions of new files (default: 640)', options.parseFileMode))
    .option('--no-part', 'write under the final name at once, not under NAME.part until complete')
    .addOption(option('--sync <when>', 'none, close, or a time such as 30s (default: close)', options.parseSync))
    .addOption(option('--compress <format>', 'compress complete files: gzip or zstd', parseCompression))
    .addOption(option('-z <program>', 'run this program with each complete file', options.parseProgram))
    .option('--no-ledger', 'keep no ledger of the files')
    .addOption(option('--time-stamp-precision <unit>', 'micro or nano', options.parsePrecision).default('micro'))
    .optionsGroup('Kernel ring:')
    .addOption(
      option('-B <KiB>', 'memory for the ring between kernel and program', options.parseBufferKib).conflicts(
        'ringMemory',
      ),
    )
    .addOption(
      option('--ring-memory <size>', 'the same with a unit, such as 64MiB (default: 16MiB)', options.parseRingMemory),
    )
    .optionsGroup('Information:')
    .option('-d', 'print the filter program that is attached, -dd as C, -ddd as numbers')
    .option('-D', 'list the interfaces')
    .option('-q', 'no status line on a terminal')
    .addOption(option('--stats-interval <time>', 'print all counters at each such time', parseStatsInterval))
    .addOption(option('--stats-file <file>', 'keep all counters there for Prometheus', parseStatsFile));
}

/** `dumpLevel`: how often -d was given. Resolves when the capture is over. */
export async function capture(flags: Flags, words: readonly string[], dumpLevel: number): Promise<void> {
  if (flags.D) return listDevices();
  const captureOptions: options.CaptureOptions = {
    device: flags.interface,
    snaplen: flags.snaplen,
    linktype: flags.y,
    promiscuous: flags.p !== true,
    waitForInterface: flags.waitForInterface === true,
    exitOnDown: flags.exitOnDown === true,
    ringMemory: flags.B ?? flags.ringMemory ?? options.DEFAULT_RING_MEMORY,
    expression: flags.F === undefined ? words.join(' ') : readExpression(flags.F),
    exclude: flags.exclude ?? [],
    precision: flags.timeStampPrecision,
    output: options.chooseOutput(flags, flags.snaplen),
    count: flags.c ?? Number.POSITIVE_INFINITY,
    durationMs: (flags.duration ?? Number.POSITIVE_INFINITY) * 1000,
  };
  if (captureOptions.waitForInterface) checkAwaited(captureOptions.device);
  if (dumpLevel > 0) {
    process.stdout.write(compileFilter(captureOptions).program.dump(dumpLevel));
    return;
  }
  await run(captureOptions, flags);
}

async function run(captureOptions: options.CaptureOptions, flags: Flags): Promise<void> {
  const live = flags.q !== true && process.stderr.isTTY === true;
  const say = (text: string): void => void process.stderr.write(`${live ? '\r\x1b[K' : ''}${text}\n`);
  const notice = (text: string): void => say(`tsnetpcap: ${text}`);
  const series = captureOptions.output.kind === 'series';
  if (captureOptions.waitForInterface && !(await interfaceCame(captureOptions.device, series, notice))) return;
  const { session, source, output, description } = await openCapture(captureOptions, notice);
  let reported: { readonly statistics?: SessionStatistics; readonly atMs: number } = { atMs: performance.now() };
  let stoppedMs = Number.POSITIVE_INFINITY;
  const offSignals = onSignals({
    stop: () => {
      // Not at once: timeout(1) and terminals send the same signal twice.
      if (performance.now() < stoppedMs + IMPATIENT_MS) {
        stoppedMs = Math.min(stoppedMs, performance.now());
        return session.stop();
      }
      notice('stopped before all files were complete, the next start completes them');
      process.exit(1);
    },
    rotate: () => (series ? session.rotate() : session.stop()),
    report: () => {
      const now = session.statistics();
      notice(statisticsLines(now).join(', ')); // tcpdump's line
      notice(reportLine(now, reported.statistics, (performance.now() - reported.atMs) / 1000));
      reported = { statistics: now, atMs: performance.now() };
    },
  });
  notice(`listening on ${description}`);
  const endReports = startReports(() => session.statistics(), {
    intervalSec: flags.statsInterval,
    file: flags.statsFile,
    labels: { device: captureOptions.device, output: flags.w ?? options.DEFAULT_SERIES },
    say: notice,
  });
  let previous = live ? session.statistics() : undefined;
  const timer = live
    ? setInterval(() => {
        const now = session.statistics();
        process.stderr.write(`\r\x1b[K${statusLine(now, previous, 1, output.name, output.dueMs)}`);
        previous = now;
      }, 1000)
    : undefined;
  try {
    await session.run();
  } finally {
    clearInterval(timer);
    offSignals();
    const reported = endReports();
    for (const line of statisticsLines(session.statistics())) say(line);
    source.close();
    await reported;
  }
}

/** Resolves when the capture can begin, or to false when a signal has ended it before. */
async function interfaceCame(device: string, series: boolean, notice: (text: string) => void): Promise<boolean> {
  let stopping = false;
  const stop = (): void => {
    stopping = true;
  };
  const offSignals = onSignals({
    stop,
    rotate: () => (series ? undefined : stop()),
    report: () => notice(`${device}: waiting for the interface`),
  });
  try {
    await waitForInterface(device, () => stopping, notice);
    return !stopping;
  } finally {
    offSignals();
  }
}

/** As tcpdump reads `-F`: from `#` to the end of a line is a comment. */
function readExpression(path: string): string {
  try {
    return readFileSync(path, 'utf8').replace(/#.*/g, ' ').replace(/\s+/g, ' ').trim();
  } catch (cause) {
    throw SyscallError.from(cause);
  }
}
