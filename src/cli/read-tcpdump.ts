// `-r` and `-V`: savefiles filtered and written anew exactly as tcpdump does it. What it ignores then (-s, -i, -Q, -y) is
// ignored here; what it does not have and can't be had offline is refused.
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { chooseOutput } from '../capture/output-options.ts';
import { CaptureError, OptionError, SavefileError, SyscallError } from '../errors.ts';
import { compileOffline } from '../filter/offline.ts';
import { compileSavefileFilter } from '../filter/savefile-filter.ts';
import { pcap_datalink_val_to_description, pcap_datalink_val_to_name } from '../native/libpcap.ts';
import { Counter } from '../savefile/counter.ts';
import { dltOf, LINKTYPE_LINUX_SLL2 } from '../savefile/linktype.ts';
import { ConcatenatedReader } from '../savefile/reading/concatenated.ts';
import { FirstPackets } from '../savefile/reading/first-packets.ts';
import { openSavefile } from '../savefile/reading/open.ts';
import type { RecordReader } from '../savefile/reading/record-run.ts';
import { type PacketFilter, Selection } from '../savefile/reading/selection.ts';
import type { Account } from '../service/account.ts';
import type { CaptureFlags } from './capture-flags.ts';
import { guardInputs } from './input-guard.ts';
import { openOutput, runOffline } from './offline-run.ts';

/** About what the kernel does, or a device; tcpdump has none of them. */
const OF_CAPTURES = {
  exclude: '--exclude',
  snaplenFor: '--snaplen-for',
  keepNames: '--keep-names',
  headersOnly: '--headers-only',
  sampleFlows: '--sample-flows',
  engine: '--engine',
  ringMemory: '--ring-memory',
  waitForInterface: '--wait-for-interface',
  exitOnDown: '--exit-on-down',
  duration: '--duration',
  statsInterval: '--stats-interval',
  statsFile: '--stats-file',
} as const;

/** Rejects with OptionError, CaptureError, SavefileError where a file is damaged, SyscallError. */
export async function readLikeTcpdump(flags: CaptureFlags, expression: string): Promise<void> {
  for (const [name, option] of Object.entries(OF_CAPTURES)) {
    if (flags[name as keyof typeof OF_CAPTURES] !== undefined)
      throw new OptionError(option, `with ${flags.V === undefined ? '-r' : '-V'}`, 'it is for captures only');
  }
  if (flags.r !== undefined && flags.V !== undefined) throw new OptionError('-V', flags.V, 'can not be given with -r');
  const prints = flags.d !== undefined || (flags.w === undefined && flags.count === true);
  const options = prints ? undefined : chooseOutput(flags, 0);
  const precision = flags.timeStampPrecision;
  const failed = (cause: unknown): void => {
    if (!(cause instanceof SavefileError)) throw cause;
    process.stderr.write(`tsnetpcap: ${cause.message}\n`);
    process.exitCode = 1;
  };
  const names = flags.V === undefined ? [flags.r ?? '-'] : await namesIn(flags.V);
  let filter: PacketFilter | undefined;
  const open = async (name: string): Promise<RecordReader> => {
    const reader = await openAndSay(name);
    return flags.V === undefined || flags.c === undefined ? reader : new FirstPackets(reader, flags.c, () => filter);
  };
  const reader = await openAll(flags.V, names, open, failed);
  if (reader.linktype === LINKTYPE_LINUX_SLL2) process.stderr.write('Warning: interface names might be incorrect\n');
  try {
    if (flags.d !== undefined) {
      process.stdout.write(compileOffline(expression, reader).dump(flags.d));
      return;
    }
    reader.readAs = precision;
    filter = await compileSavefileFilter(reader, expression);
    const everything = { from: undefined, to: undefined, snaplen: Number.POSITIVE_INFINITY };
    const selection = new Selection({ ...everything, filter, precision });
    const header = { precision, snaplen: reader.snaplen, linktype: reader.linktype };
    const account = flags.Z === undefined ? undefined : await findAccount(flags.Z);
    // tcpdump's -c is for each file of -V.
    const count = flags.V === undefined ? (flags.c ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY;
    const guard = guardInputs(flags.V === undefined ? names : [flags.V, ...names]);
    const output =
      options === undefined ? new Counter(count) : await openOutput(options, header, count, guard, account);
    if (options === undefined) account?.become();
    const written = await runOffline(reader, selection, output, flags.q !== true);
    if (flags.count) process.stdout.write(`${written} ${written === 1 ? 'packet' : 'packets'}\n`);
  } finally {
    await reader.close();
  }
}

async function findAccount(user: string): Promise<Account | undefined> {
  const { Account } = await import('../service/account.ts');
  // What a later file of -V may take; the user may not be allowed to where this program lies.
  await Promise.all([import('../savefile/reading/pcapng.ts'), import('../savefile/reading/decompressor.ts')]);
  return Account.find(user);
}

/** `list`: what -V says, a name for the files of it; the first is opened at once. */
async function openAll(
  list: string | undefined,
  [first = '', ...rest]: readonly string[],
  open: (name: string) => Promise<RecordReader>,
  damaged: (cause: unknown) => void,
): Promise<RecordReader> {
  const reader = await open(first);
  return list === undefined ? reader : new ConcatenatedReader(list, reader, rest, open, damaged);
}

/** Says what tcpdump says of each file. */
async function openAndSay(name: string): Promise<RecordReader> {
  const reader = await openSavefile(name);
  const dlt = dltOf(reader.linktype);
  const type = pcap_datalink_val_to_name(dlt);
  const described = type === undefined ? String(dlt) : `${type} (${pcap_datalink_val_to_description(dlt)})`;
  process.stderr.write(`reading from file ${name}, link-type ${described}, snapshot length ${reader.snaplen}\n`);
  return reader;
}

/** `list`: a file with a name in each line, - for standard input. At least one. */
async function namesIn(list: string): Promise<string[]> {
  let lines: string;
  try {
    lines = list === '-' ? await text(process.stdin) : await readFile(list, 'utf8');
  } catch (cause) {
    throw SyscallError.from(cause, list);
  }
  const names = lines.split('\n').filter((name) => name !== '');
  if (names.length === 0) throw new CaptureError('ERR_NO_INPUT', `${list}: no file is named there`);
  return names;
}
