// `netlogs dns [DAY]`
import { Command } from 'commander';
import { listQuestions, type Question } from '../../netlog/query/dns.ts';
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

interface DnsFlags extends RootFlags, FormatFlags, LimitFlags, FilterFlags {}

export const DNS_FLAGS: readonly Flag<DnsFlags>[] = [...FILTER_FLAGS, ...LIMIT_FLAGS, ...FORMAT_FLAGS, ...ROOT_FLAGS];

const COLUMNS: readonly Column<Question>[] = [
  { name: 'row', of: ({ row }) => row },
  { name: 'host', of: ({ host }) => host, only: 'data' },
  { name: 'time', of: ({ time }) => time, kind: 'time', spare: 1 },
  { name: 'from', of: ({ src }) => src, only: 'table' },
  { name: 'to', of: ({ dst, dport }) => endOf(dst, dport), only: 'table', spare: 3 },
  { name: 'proto', of: ({ proto }) => proto, only: 'data' },
  { name: 'src', of: ({ src }) => src, only: 'data' },
  { name: 'sport', of: ({ sport }) => sport, only: 'data' },
  { name: 'dst', of: ({ dst }) => dst, only: 'data' },
  { name: 'dport', of: ({ dport }) => dport, only: 'data' },
  { name: 'type', of: ({ type }) => type, whole: true },
  { name: 'name', of: ({ name }) => name },
  { name: 'rcode', of: ({ rcode }) => rcode, whole: true, spare: 2 },
  { name: 'answers', of: ({ answers }) => answers },
  { name: 'asked', of: ({ asked }) => asked, spare: 4 },
  { name: 'took_us', of: ({ took }) => took, spare: 5 },
  { name: 'cut', of: ({ cut }) => cut, only: 'data' },
];

export function dnsCommand(): Command {
  const command = new Command('netlogs dns')
    .description('Questions with what was answered, one row for each. An empty rcode: no answer was seen.')
    .argument('[day]', DAY, 'latest')
    .action(async (day: string, flags: DnsFlags) => {
      const { limit = DEFAULT_LIMIT } = flags;
      await withIndex(flags, [day], async ({ database, days }) => {
        const { rows, more } = await listQuestions(database, filterOf(flags, days), limit);
        printRows(COLUMNS, rows, flags);
        noteMore(more, rows.length);
      });
    });
  addFlags(command, DNS_FLAGS, '');
  return command.addHelpText(
    'after',
    `
Examples:
  netlogs dns --name example.org
      who asked for example.org or a name below it
  netlogs dns yesterday --addr 10.137.0.10 --json
      all that a qube asked for
`,
  );
}
