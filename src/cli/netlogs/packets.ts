// `netlogs packets ROW|FILTER...`
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { CaptureError, OptionError, systemErrors } from '../../errors.ts';
import { harmless } from '../../netlog/harmless.ts';
import { type Cut, cutAll, cutFilter, cutRow } from '../../netlog/query/cut.ts';
import { asksForFlows } from '../../netlog/query/filter.ts';
import { findRow, isRowName } from '../../netlog/query/row-name.ts';
import type { RecordReader } from '../../savefile/reading/record-run.ts';
import type { PacketFilter } from '../../savefile/reading/selection.ts';
import { addFlags, type Flag } from '../flag.ts';
import { DAY } from './day.ts';
import { FILTER_FLAGS, type FilterFlags, filterOf, ROOT_FLAGS, type RootFlags } from './flags.ts';
import { type OpenIndex, withIndex } from './open.ts';

interface PacketsFlags extends RootFlags, FilterFlags {
  readonly day?: string;
  readonly w?: string;
}

export const PACKETS_FLAGS: readonly Flag<PacketsFlags>[] = [
  {
    name: 'w',
    letter: 'w',
    value: 'file',
    help: 'write them there, - is standard output, and open no Wireshark',
    group: 'Output:',
  },
  {
    name: 'day',
    long: ['day'],
    value: 'day',
    help: `with a filter: ${DAY}`,
    group: 'Rows:',
    default: [undefined, 'latest'],
  },
  ...FILTER_FLAGS,
  ...ROOT_FLAGS,
];

export function packetsCommand(): Command {
  const command = new Command('netlogs packets')
    .description('Cuts packets out of the savefiles into one, and opens it in Wireshark. Of a NAT both ends are taken.')
    .argument(
      '[words...]',
      'rows, as tables name them; or a pcap-filter(7) expression, which may come with or instead of options',
    )
    .action(packets);
  addFlags(command, PACKETS_FLAGS, '');
  return command.addHelpText(
    'after',
    `
Examples:
  netlogs packets sys-dns/1127/2gosa7pa2g
      the flow of a row
  netlogs packets --name example.org -w example.pcap
      all flows with that name, on the latest day
  netlogs packets --day yesterday --qube sys-vpn -w - 'icmp or tcp port 25' | tshark -r -
`,
  );
}

async function packets(words: readonly string[], flags: PacketsFlags): Promise<void> {
  const rows = words.filter(isRowName);
  if (rows.length > 0 && rows.length < words.length)
    throw new OptionError('packets', words.join(' '), 'give rows or an expression, not both');
  if (rows.length > 0 && flags.day !== undefined)
    throw new OptionError('--day', flags.day, 'a row names its day itself');
  const expression = rows.length > 0 ? '' : words.join(' ').trim();
  // A row comes from the index as it is.
  const [asked, days] = rows.length > 0 ? [{ ...flags, index: false as const }, []] : [flags, [flags.day ?? 'latest']];
  await withIndex(asked, days, async (index) => {
    const cuts = await cutsOf(index, rows, expression, flags);
    const files = cuts.reduce((sum, cut) => sum + cut.files.length, 0);
    if (files === 0) throw new CaptureError('ERR_NO_PACKETS', 'there are no such packets');
    const failures: CaptureError[] = [];
    await index.withSavefiles(cuts, async (savefiles) => {
      const { copyPackets, openMerged } = await import('../../netlog/cut/copy.ts');
      const open = (): Promise<RecordReader> => openMerged(savefiles, (cause) => failures.push(cause));
      const copy = async (path: string): Promise<void> => {
        const reader = await open();
        const filter = await filterFor(reader, cuts, expression);
        const count = await copyPackets(reader, { filter, from: flags.from, to: flags.to }, path);
        process.stderr.write(`netlogs: ${count} ${count === 1 ? 'packet' : 'packets'}\n`);
      };
      if (flags.w !== undefined) await copy(flags.w);
      else await inWireshark(copy);
    });
    for (const { message } of failures) process.stderr.write(`netlogs: ${harmless(message)}\n`);
    if (failures.length > 0) process.exitCode = 1;
  });
}

async function cutsOf(
  index: OpenIndex,
  rows: readonly string[],
  expression: string,
  flags: FilterFlags,
): Promise<readonly Cut[]> {
  const { database, days } = index;
  if (rows.length > 0) {
    const cuts: Cut[] = [];
    for (const word of rows) cuts.push(...(await cutRow(database, await findRow(database, word))));
    return cuts;
  }
  const filter = filterOf(flags, days);
  if (asksForFlows(filter)) return cutFilter(database, filter);
  if (expression === '' && filter.hosts === undefined && filter.from === undefined && filter.to === undefined)
    throw new OptionError('packets', '', 'expected rows, an expression, or options that say which packets');
  return cutAll(database, filter);
}

/** A packet must be of one of the flows, where flows were chosen, and match the expression. */
async function filterFor(
  reader: RecordReader,
  cuts: readonly Cut[],
  expression: string,
): Promise<PacketFilter | undefined> {
  const ends = cuts.flatMap((cut) => cut.ends ?? []);
  const ofFlows = cuts.some((cut) => cut.ends !== undefined)
    ? (await import('../../netlog/cut/ends-filter.ts')).endsFilter(reader.linktype, ends)
    : undefined;
  if (expression === '') return ofFlows;
  // It loads libpcap, which nothing else of netlogs does.
  const { compileSavefileFilter } = await import('../../filter/savefile-filter.ts');
  const matches = await compileSavefileFilter(reader, expression);
  if (ofFlows === undefined || matches === undefined) return ofFlows ?? matches;
  return (view, at, caplen, len) => (ofFlows(view, at, caplen, len) === 0 ? 0 : matches(view, at, caplen, len));
}

/** The file is there as long as Wireshark is. */
async function inWireshark(copy: (path: string) => Promise<void>): Promise<void> {
  const directory = systemErrors(() => mkdtempSync(join(tmpdir(), 'netlogs-packets-')));
  try {
    const path = join(directory, 'packets.pcap');
    await copy(path);
    // It is Wireshark's, too, which ends then.
    process.on('SIGINT', () => {});
    const wireshark = spawn('wireshark', [path], { stdio: 'ignore' });
    try {
      await once(wireshark, 'close');
    } catch (cause) {
      throw new CaptureError('ERR_WIRESHARK', 'wireshark can not be started; -w FILE writes the packets', { cause });
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
