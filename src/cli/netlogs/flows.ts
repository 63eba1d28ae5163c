// `netlogs flows [DAY]`
import { Command } from 'commander';
import { OptionError } from '../../errors.ts';
import { type Flow, type FlowOrder, listFlows } from '../../netlog/query/flows.ts';
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

interface FlowsFlags extends RootFlags, FormatFlags, LimitFlags, FilterFlags {
  readonly sort?: FlowOrder;
}

const ORDERS: readonly FlowOrder[] = ['bytes', 'packets', 'first', 'last'];

export const FLOWS_FLAGS: readonly Flag<FlowsFlags>[] = [
  ...FILTER_FLAGS,
  {
    name: 'sort',
    long: ['sort'],
    value: 'column',
    words: ORDERS,
    help: 'most bytes or packets first, or by time: bytes, packets, first, last',
    group: 'Output:',
    parse: parseOrder,
    default: ['bytes'],
  },
  ...LIMIT_FLAGS,
  ...FORMAT_FLAGS,
  ...ROOT_FLAGS,
];

const COLUMNS: readonly Column<Flow>[] = [
  { name: 'row', of: ({ row }) => row },
  { name: 'host', of: ({ host }) => host, only: 'data' },
  { name: 'date', of: ({ date }) => date, only: 'data' },
  { name: 'first', of: ({ first }) => first, kind: 'time', spare: 2 },
  { name: 'last', of: ({ last }) => last, kind: 'time', only: 'data' },
  { name: 'proto', of: ({ proto }) => proto, whole: true, spare: 4 },
  { name: 'from', of: ({ src, sport }) => endOf(src, sport), only: 'table' },
  { name: 'to', of: ({ dst, dport }) => endOf(dst, dport), only: 'table' },
  { name: 'src', of: ({ src }) => src, only: 'data' },
  { name: 'sport', of: ({ sport }) => sport, only: 'data' },
  { name: 'dst', of: ({ dst }) => dst, only: 'data' },
  { name: 'dport', of: ({ dport }) => dport, only: 'data' },
  { name: 'name', of: ({ name }) => name },
  { name: 'name_from', of: ({ nameFrom }) => nameFrom, only: 'data' },
  {
    name: 'via',
    spare: 5,
    of: ({ via }) => (via === undefined ? undefined : `${endOf(via.src, via.sport)}>${endOf(via.dst, via.dport)}`),
  },
  { name: 'packets', of: ({ packetsForward, packetsBack }) => packetsForward + packetsBack, only: 'table', spare: 3 },
  { name: 'sent', of: ({ bytesForward }) => bytesForward, only: 'table' },
  { name: 'received', of: ({ bytesBack }) => bytesBack, only: 'table', spare: 1 },
  { name: 'packets_forward', of: ({ packetsForward }) => packetsForward, only: 'data' },
  { name: 'packets_back', of: ({ packetsBack }) => packetsBack, only: 'data' },
  { name: 'bytes_forward', of: ({ bytesForward }) => bytesForward, only: 'data' },
  { name: 'bytes_back', of: ({ bytesBack }) => bytesBack, only: 'data' },
  { name: 'whole', of: ({ whole }) => whole, only: 'data' },
];

export function flowsCommand(): Command {
  const command = new Command('netlogs flows')
    .description(
      'Connections and exchanges of datagrams: bytes on the wire, when, with whom, by which name. The two ends of a NAT are one row.',
    )
    .argument('[day]', DAY, 'latest')
    .action(async (day: string, flags: FlowsFlags) => {
      const { sort = 'bytes', limit = DEFAULT_LIMIT } = flags;
      await withIndex(flags, [day], async ({ database, days }) => {
        const { rows, more } = await listFlows(database, filterOf(flags, days), sort, limit);
        printRows(COLUMNS, rows, flags);
        noteMore(more, rows.length);
      });
    });
  addFlags(command, FLOWS_FLAGS, '');
  return command.addHelpText(
    'after',
    `
Examples:
  netlogs flows --port 443 --name example.org
      who talks to example.org or a name below it by HTTPS, on the latest day
  netlogs flows yesterday --qube sys-vpn --sort packets --csv
      for a spreadsheet
`,
  );
}

function parseOrder(option: string, text: string): FlowOrder {
  const order = ORDERS.find((each) => each === text);
  if (order === undefined) throw new OptionError(option, text, `expected one of ${ORDERS.join(', ')}`);
  return order;
}
