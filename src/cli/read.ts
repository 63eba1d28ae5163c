// `tsnetpcap read [options] FILES|DIRS [expression]`: savefiles filtered, cut, merged and written anew.
import { Command } from 'commander';
import { chooseOutput } from '../capture/output-options.ts';
import { CaptureError, OptionError } from '../errors.ts';
import { compileSavefileFilter } from '../filter/savefile-filter.ts';
import { Counter } from '../savefile/counter.ts';
import { LINKTYPE_LINUX_SLL, LINKTYPE_LINUX_SLL2 } from '../savefile/linktype.ts';
import { openSavefile } from '../savefile/reading/open.ts';
import type { RecordReader } from '../savefile/reading/record-run.ts';
import { Selection } from '../savefile/reading/selection.ts';
import { readExpression } from './expression-file.ts';
import { addFlags } from './flag.ts';
import { guardInputs } from './input-guard.ts';
import { openOutput, runOffline } from './offline-run.ts';
import { parseReadArguments, type ReadArguments } from './read-arguments.ts';
import { READ_FLAGS, type ReadFlags } from './read-flags.ts';

/** What all inputs together may take for their pieces, two each. */
const READ_MEMORY = 48 * 1024 * 1024;
const LARGEST_PIECE = 1024 * 1024;
const SMALLEST_PIECE = 32 * 1024;

/** `args`: the words behind `read`, for where `--` stands among them. */
export function readCommand(args: readonly string[]): Command {
  const dashes = args.indexOf('--');
  const afterDashes = dashes === -1 ? 0 : args.length - dashes - 1;
  const command = new Command('tsnetpcap read')
    .description('Reads savefiles, merged by time, and writes the packets that are wanted into new ones.')
    .usage('[options] FILE|DIR... [expression]')
    .argument('[words...]', 'savefiles (pcap, pcapng, gzip, zstd), directories of a series, - for stdin; then a filter')
    .action((words: readonly string[], flags: ReadFlags) => read(parseReadArguments(words, afterDashes), flags));
  addFlags(command, READ_FLAGS, '');
  return command.addHelpText(
    'after',
    `
Examples:
  tsnetpcap read a.pcap b.pcapng.gz -w both.pcap
      two savefiles merged by time
  tsnetpcap read /var/log/netpcap --from 2026-01-31T12:00 -w part.pcap port 53
      of a series what matches from noon on
`,
  );
}

async function read({ inputs, expression }: ReadArguments, flags: ReadFlags): Promise<void> {
  if (flags.w === undefined && flags.count !== true)
    throw new OptionError(
      'read',
      inputs[0]?.name ?? '',
      'packets are not printed: give -w FILE or --count; tcpdump -r and tshark -r print them',
    );
  if (flags.w === '-' && flags.count === true)
    throw new OptionError('-w', '-', 'leave out --count, which prints to stdout too');
  const { from, to, snaplen = Number.POSITIVE_INFINITY, c: count = Number.POSITIVE_INFINITY } = flags;
  const options = flags.w === undefined ? undefined : chooseOutput(flags, flags.snaplen ?? 0);
  const failures: CaptureError[] = [];
  const failed = (cause: unknown): void => {
    if (!(cause instanceof CaptureError)) throw cause;
    failures.push(cause);
  };
  const reader = await converted(await openInputs(inputs, failed), flags.y);
  try {
    reader.readAs = flags.timeStampPrecision ?? reader.precision;
    const precision = reader.readAs;
    const filter = await compileSavefileFilter(reader, flags.F === undefined ? expression : readExpression(flags.F));
    const selection = new Selection({ filter, from, to, snaplen, precision });
    const header = { precision, snaplen: Math.min(snaplen, reader.snaplen), linktype: reader.linktype };
    const guard = guardInputs(inputs.map(({ name }) => name));
    const output = options === undefined ? new Counter(count) : await openOutput(options, header, count, guard);
    const written = await runOffline(reader, selection, output, flags.q !== true);
    if (flags.count === true) process.stdout.write(`${written} ${written === 1 ? 'packet' : 'packets'}\n`);
  } finally {
    await reader.close();
    report(failures);
  }
}

/** What was wrong with some of the inputs does not keep the others from being read. */
function report(failures: readonly CaptureError[]): void {
  for (const { message } of failures) process.stderr.write(`tsnetpcap: ${message}\n`);
  if (failures.length > 0) process.exitCode = 1;
}

async function openInputs(inputs: ReadArguments['inputs'], failed: (cause: unknown) => void): Promise<RecordReader> {
  const share = READ_MEMORY / 2 / inputs.length;
  const pieceSize = Math.max(SMALLEST_PIECE, Math.min(LARGEST_PIECE, 2 ** Math.floor(Math.log2(share))));
  const readers: RecordReader[] = [];
  try {
    for (const { name, directory } of inputs) {
      try {
        const reader = directory ? await openSeries(name, pieceSize, failed) : await openSavefile(name, pieceSize);
        if (reader !== undefined) readers.push(reader);
      } catch (cause) {
        if (inputs.length === 1) throw cause;
        failed(cause);
      }
    }
    const [first, ...others] = readers;
    if (first === undefined)
      throw new CaptureError('ERR_NO_INPUT', `${inputs.map(({ name }) => name).join(', ')}: no packets to read`);
    if (inputs.length === 1) return first;
    for (const { name, linktype } of others) {
      if (linktype !== first.linktype)
        throw new CaptureError(
          'ERR_LINKTYPE',
          `${name}: link type ${linktype}, but ${first.name} has ${first.linktype}, and one pcap file has one`,
        );
    }
    const { MergedReader } = await import('../savefile/reading/merged.ts');
    return new MergedReader(readers, failed);
  } catch (cause) {
    for (const reader of readers) await reader.close();
    throw cause;
  }
}

async function openSeries(
  directory: string,
  pieceSize: number,
  failed: (cause: unknown) => void,
): Promise<RecordReader | undefined> {
  const { openDirectory } = await import('../savefile/reading/directory.ts');
  return openDirectory(directory, pieceSize, failed);
}

/** `type`: what -y says. Closes the reader where it can't be had. */
async function converted(reader: RecordReader, type: string | undefined): Promise<RecordReader> {
  if (type === undefined) return reader;
  if (type === 'LINUX_SLL' && reader.linktype === LINKTYPE_LINUX_SLL) return reader;
  if (type === 'LINUX_SLL' && reader.linktype === LINKTYPE_LINUX_SLL2) {
    const { SllReader } = await import('../savefile/reading/to-sll.ts');
    return new SllReader(reader);
  }
  await reader.close();
  throw new OptionError(
    '-y',
    type,
    `${reader.name} has link type ${reader.linktype}; only LINUX_SLL2 can be made LINUX_SLL`,
  );
}
