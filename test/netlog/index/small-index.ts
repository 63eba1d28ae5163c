// A small index made of rows, for tests of what asks an index.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openDatabase } from '../../../src/netlog/index/duckdb.ts';
import { partitionPath } from '../../../src/netlog/index/partition.ts';
import { isTableName, type Row, type TableName } from '../../../src/netlog/index/schema.ts';
import { TableWriter } from '../../../src/netlog/index/table-writer.ts';

export type SmallDay = { readonly [Name in TableName]?: readonly Row<Name>[] };

/** Writes a partition below `root`, as the builder would have. */
export async function writeSmallDay(root: string, host: string, date: string, day: SmallDay): Promise<void> {
  const path = partitionPath(root, host, date);
  await mkdir(path, { recursive: true });
  const database = await openDatabase(join(path, '.temporary'), '200MB', 1);
  try {
    for (const [name, rows] of Object.entries(day)) {
      if (!isTableName(name)) continue;
      const writer = await TableWriter.create(database, name);
      for (const row of rows) writer.add(row);
      await writer.writeTo(join(path, `${name}.parquet`));
    }
  } finally {
    database.close();
  }
}
