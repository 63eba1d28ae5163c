// `netlogs sql STATEMENT`
import { Command } from 'commander';
import type { Cell as IndexCell } from '../../netlog/index/open.ts';
import { addFlags, type Flag } from '../flag.ts';
import type { Cell, Column } from './column.ts';
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
import { jsonText, noteMore, printRows } from './output.ts';

interface SqlFlags extends RootFlags, FormatFlags, LimitFlags {}

export const SQL_FLAGS: readonly Flag<SqlFlags>[] = [...LIMIT_FLAGS, ...FORMAT_FLAGS, ...ROOT_FLAGS];

/** What `all` is here: rows are held in memory. */
const MOST_ROWS = 10_000_000;

export function sqlCommand(): Command {
  const command = new Command('netlogs sql')
    .description(
      "A statement of your own, in DuckDB's SQL. Views: packets, flows, dns, tls, nft, nft_flows, files, gaps, manifests.",
    )
    .argument('<statement>', 'SQL')
    .action(async (statement: string, flags: SqlFlags) => {
      const { limit = DEFAULT_LIMIT } = flags;
      await withIndex(flags, [], async ({ index }) => {
        const most = Number.isFinite(limit) ? limit : MOST_ROWS;
        const { columns, types, rows, more } = await index.sql(statement, most);
        printRows(
          columns.map((name, at) => columnOf(name, at, types[at] ?? '')),
          rows,
          flags,
        );
        noteMore(more, rows.length);
      });
    });
  addFlags(command, SQL_FLAGS, '');
  return command.addHelpText(
    'after',
    `
Examples:
  netlogs sql "SELECT dst, sum(bytes_back) FROM flows GROUP BY dst ORDER BY 2 DESC LIMIT 10"
  netlogs sql "DESCRIBE flows"
`,
  );
}

/** A column of points in time has microseconds. */
function columnOf(name: string, at: number, type: string): Column<readonly IndexCell[]> {
  const of = (row: readonly IndexCell[]): Cell => cellOf(row[at]);
  return type.startsWith('TIMESTAMP') ? { name, of, kind: 'instant' } : { name, of };
}

function cellOf(value: IndexCell | undefined): Cell {
  if (value === null || value === undefined) return undefined;
  return typeof value === 'object' ? jsonText(value) : value;
}
