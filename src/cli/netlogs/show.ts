// `netlogs show [DAY]`
import { Command } from 'commander';
import { type Event, listEvents } from '../../netlog/query/timeline.ts';
import { addFlags, type Flag } from '../flag.ts';
import { type Column, endOf } from './column.ts';
import { DAY } from './day.ts';
import {
  DEFAULT_LIMIT,
  FILTER_FLAGS,
  type FilterFlags,
  FORMAT_FLAGS,
  type FormatFlags,
  filterOf,
  LIMIT_FLAGS,
  type LimitFlags,
  ROOT_FLAGS,
  type RootFlags,
} from './flags.ts';
import { withIndex } from './open.ts';
import { noteMore, printRows } from './output.ts';

interface ShowFlags extends RootFlags, FormatFlags, LimitFlags, FilterFlags {}

export const SHOW_FLAGS: readonly Flag<ShowFlags>[] = [...FILTER_FLAGS, ...LIMIT_FLAGS, ...FORMAT_FLAGS, ...ROOT_FLAGS];

const COLUMNS: readonly Column<Event>[] = [
  { name: 'time', of: ({ time }) => time, kind: 'instant' },
  { name: 'host', of: ({ host }) => host, whole: true },
  { name: 'kind', of: ({ kind }) => kind, whole: true, spare: 5 },
  { name: 'row', of: ({ row }) => row, spare: 1 },
  { name: 'proto', of: ({ proto }) => proto, whole: true, spare: 2 },
  { name: 'from', of: ({ src, sport }) => endOf(src, sport), only: 'table' },
  { name: 'to', of: ({ dst, dport }) => endOf(dst, dport), only: 'table' },
  { name: 'src', of: ({ src }) => src, only: 'data' },
  { name: 'sport', of: ({ sport }) => sport, only: 'data' },
  { name: 'dst', of: ({ dst }) => dst, only: 'data' },
  { name: 'dport', of: ({ dport }) => dport, only: 'data' },
  { name: 'len', of: ({ len }) => len, spare: 4 },
  { name: 'name', of: ({ name }) => name, spare: 3 },
  { name: 'about', of: ({ about }) => about },
];

export function showCommand(): Command {
  const command = new Command('netlogs show')
    .description('Packets and nft lines of all qubes as one timeline.')
    .argument('[day]', DAY, 'latest')
    .action(async (day: string, flags: ShowFlags) => {
      const { limit = DEFAULT_LIMIT } = flags;
      await withIndex(flags, [day], async ({ database, days }) => {
        const { rows, more } = await listEvents(database, filterOf(flags, days), limit);
        printRows(COLUMNS, rows, flags);
        noteMore(more, rows.length);
      });
    });
  addFlags(command, SHOW_FLAGS, '');
  return command.addHelpText(
    'after',
    `
Examples:
  netlogs show --addr 203.0.113.66 --from 2026-01-31T12:00
      all that was seen of an address from noon on
  netlogs show yesterday --qube sys-net --port 53
      what sys-net logged of DNS
`,
  );
}
