// `tsnetpcap [capture] [options] [expression]`: the option table, and a capture from its start to its statistics.
import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { openCapture } from '../capture/open.ts';
import * as options from '../capture/options.ts';
import { SyscallError } from '../errors.ts';
import { compileFilter } from '../filter/compile.ts';
import { parseDuration } from '../rotation/duration.ts';
import { onSignals } from '../service/signals.ts';
import { listDevices } from './devices.ts';
import { statisticsLines, statusLine } from './statistics.ts';

interface Flags {
  readonly interface: string;
  readonly snaplen: number;
  readonly w?: string;
  readonly y?: string;
  readonly p?: true;
  readonly B?: number;
  readonly ringMemory?: number;
  readonly F?: string;
  readonly exclude?: readonly string[];
  readonly timeStampPrecision: 'micro' | 'nano';
  readonly rotate?: number;
  readonly ring?: number;
  readonly utc?: true;
  readonly clobber: boolean;
  readonly c?: number;
  readonly duration?: number;
  readonly q?: true;
  readonly D?: true;
}

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
    .addOption(option('--ring <files>', 'keep this many complete files, delete the oldest', options.parseRingFiles))
    .option('--utc', 'names and boundaries in UTC instead of local time')
    .option('--no-clobber', 'do not overwrite an existing file')
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
    .option('-q', 'no status line on a terminal');
}

/** `dumpLevel`: how often -d was given. Resolves when the capture is over. */
export async function capture(flags: Flags, words: readonly string[], dumpLevel: number): Promise<void> {
  if (flags.D) return listDevices();
  const captureOptions: options.CaptureOptions = {
    device: flags.interface,
    snaplen: flags.snaplen,
    linktype: flags.y,
    promiscuous: flags.p !== true,
    ringMemory: flags.B ?? flags.ringMemory ?? options.DEFAULT_RING_MEMORY,
    expression: flags.F === undefined ? words.join(' ') : readExpression(flags.F),
    exclude: flags.exclude ?? [],
    precision: flags.timeStampPrecision,
    output: options.chooseOutput(flags),
    count: flags.c ?? Number.POSITIVE_INFINITY,
    durationMs: (flags.duration ?? Number.POSITIVE_INFINITY) * 1000,
  };
  if (dumpLevel > 0) {
    process.stdout.write(compileFilter(captureOptions).program.dump(dumpLevel));
    return;
  }
  await run(captureOptions, flags.q !== true && process.stderr.isTTY === true);
}

async function run(captureOptions: options.CaptureOptions, live: boolean): Promise<void> {
  const say = (text: string): void => void process.stderr.write(`${live ? '\r\x1b[K' : ''}${text}\n`);
  const { session, source, output, description } = openCapture(captureOptions, (text) => say(`tsnetpcap: ${text}`));
  const series = captureOptions.output.kind === 'series';
  const offSignals = onSignals({
    stop: () => session.stop(),
    rotate: () => (series ? session.rotate() : session.stop()),
    report: () => say(`tsnetpcap: ${statisticsLines(session.statistics()).join(', ')}`),
  });
  say(`tsnetpcap: listening on ${description}`);
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
    for (const line of statisticsLines(session.statistics())) say(line);
    source.close();
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
