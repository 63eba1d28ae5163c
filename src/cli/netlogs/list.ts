// `netlogs list [DAY]`
import { Command } from 'commander';
import { type Holding, listHoldings } from '../../netlog/query/holdings.ts';
import { addFlags, type Flag } from '../flag.ts';
import type { Column } from './column.ts';
import { DAY } from './day.ts';
import { FORMAT_FLAGS, type FormatFlags, ROOT_FLAGS, type RootFlags } from './flags.ts';
import { withIndex } from './open.ts';
import { printRows } from './output.ts';

interface ListFlags extends RootFlags, FormatFlags {}

export const LIST_FLAGS: readonly Flag<ListFlags>[] = [...FORMAT_FLAGS, ...ROOT_FLAGS];

const COLUMNS: readonly Column<Holding>[] = [
  { name: 'date', of: ({ date }) => date, whole: true },
  { name: 'host', of: ({ host }) => host },
  { name: 'since', of: ({ since }) => since, kind: 'time', spare: 2 },
  { name: 'until', of: ({ until }) => until, kind: 'time', spare: 1 },
  { name: 'bundles', of: ({ bundles }) => bundles, spare: 4 },
  { name: 'encrypted', of: ({ encrypted }) => encrypted, only: 'data' },
  { name: 'files', of: ({ files }) => files, spare: 3 },
  { name: 'packets', of: ({ packets }) => packets },
  { name: 'bytes', of: ({ bytes }) => bytes, only: 'data' },
  { name: 'lines', of: ({ lines }) => lines },
  { name: 'gaps', of: ({ gaps }) => gaps, hideZero: true },
  { name: 'gap_seconds', of: ({ gapTime }) => gapTime / 1e6, only: 'data' },
  { name: 'lost', of: ({ lost }) => lost, hideZero: true },
  { name: 'unlogged', of: ({ unlogged }) => unlogged, hideZero: true },
  { name: 'missing', of: ({ missing }) => missing, hideZero: true },
  { name: 'damaged', of: ({ damaged }) => damaged, hideZero: true },
];

export function listCommand(): Command {
  const command = new Command('netlogs list')
    .description('What there is of each qube and day, how long it reaches, and what is missing of it.')
    .argument('[day]', `${DAY}; all without it`)
    .action(async (day: string | undefined, flags: ListFlags) => {
      await withIndex(flags, day === undefined ? [] : [day], async ({ database, days }) => {
        const holdings = await listHoldings(database, { days });
        if (holdings.length === 0) process.stderr.write('netlogs: nothing of these days is there\n');
        printRows(COLUMNS, holdings, flags);
      });
    });
  addFlags(command, LIST_FLAGS, '');
  return command.addHelpText(
    'after',
    `
Columns:
  gaps: times in which no capture ran; lost: packets that it did not get or keep; unlogged: packets that nft wrote no
  line for; missing and damaged: savefiles. "netlogs check --only capture" shows each.
`,
  );
}
