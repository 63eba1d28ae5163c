// `netlogs diff DAY DAY`
import { Command } from 'commander';
import { listNovelties, type Novelty } from '../../netlog/query/diff.ts';
import { addFlags, type Flag } from '../flag.ts';
import type { Column } from './column.ts';
import { DAY } from './day.ts';
import {
  DEFAULT_LIMIT,
  FORMAT_FLAGS,
  type FormatFlags,
  LIMIT_FLAGS,
  type LimitFlags,
  ROOT_FLAGS,
  type RootFlags,
} from './flags.ts';
import { withIndex } from './open.ts';
import { noteMore, printRows } from './output.ts';

interface DiffFlags extends RootFlags, FormatFlags, LimitFlags {}

export const DIFF_FLAGS: readonly Flag<DiffFlags>[] = [...LIMIT_FLAGS, ...FORMAT_FLAGS, ...ROOT_FLAGS];

const COLUMNS: readonly Column<Novelty>[] = [
  { name: 'host', of: ({ host }) => host, whole: true },
  { name: 'client', of: ({ client }) => client },
  { name: 'kind', of: ({ kind }) => kind, whole: true },
  { name: 'value', of: ({ value }) => value },
  { name: 'first', of: ({ first }) => first, kind: 'time', spare: 1 },
  { name: 'times', of: ({ times }) => times, spare: 2 },
  { name: 'row', of: ({ row }) => row },
];

export function diffCommand(): Command {
  const command = new Command('netlogs diff')
    .description(
      'What is new on the second day: names, addresses and ports that a client did not talk to on the first.',
    )
    .argument('<before>', DAY)
    .argument('<after>', DAY)
    .action(async (before: string, after: string, flags: DiffFlags) => {
      const { limit = DEFAULT_LIMIT } = flags;
      await withIndex(flags, [after, before], async ({ database, days, parse }) => {
        const { rows, more } = await listNovelties(database, parse(before), days, limit);
        printRows(COLUMNS, rows, flags);
        noteMore(more, rows.length);
      });
    });
  addFlags(command, DIFF_FLAGS, '');
  return command.addHelpText(
    'after',
    `
Example:
  netlogs diff 2026-01-24..2026-01-30 2026-01-31
      what began to phone home after the update of the 31st
`,
  );
}
