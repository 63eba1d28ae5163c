// Where the index of one host's day lies, and what it was made of.
//
//   ROOT/.index/host=sys-vpn/date=2026-11-24/packets-3-0.parquet ... flows.parquet partition.json
//   ROOT/.index/.work-PID-N/   one that is being made, and what DuckDB puts aside meanwhile (partition-folder.ts)
import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isTableName, type Row, type TableName, VERSION } from './schema.ts';

export const INDEX = '.index';
export const DESCRIPTION = 'partition.json';
const DAY = /^\d{4}-\d{2}-\d{2}$/;

/** What a partition was made of. */
export interface PartitionDescription {
  readonly version: number;
  /** Of the day's sources. */
  readonly fingerprint: string;
  readonly savefiles: readonly IndexedSource[];
  /** A line each: what of these could not be read. */
  readonly problems: readonly string[];
}

/** An indexed savefile: `file` is its number in the tables, `row` what `files` has of it. */
export interface IndexedSource {
  readonly file: number;
  readonly name: string;
  readonly bytes: number;
  readonly row: Row<'files'>;
}

export interface Partition {
  readonly host: string;
  readonly date: string;
  readonly path: string;
}

export function partitionPath(root: string, host: string, date: string): string {
  return join(root, INDEX, `host=${encodeURIComponent(host)}`, `date=${date}`);
}

/** Those that are there, by host and date. None where there is no index. */
export async function listPartitions(root: string): Promise<Partition[]> {
  const index = join(root, INDEX);
  const found: Partition[] = [];
  for (const hostFolder of await foldersIn(index)) {
    const host = hostOf(hostFolder);
    if (host === undefined) continue;
    for (const dateFolder of await foldersIn(join(index, hostFolder))) {
      const date = dateFolder.slice(5);
      if (dateFolder.startsWith('date=') && DAY.test(date))
        found.push({ host, date, path: join(index, hostFolder, dateFolder) });
    }
  }
  return found;
}

/** Undefined for a folder that no build has made. */
function hostOf(folder: string): string | undefined {
  if (!folder.startsWith('host=')) return undefined;
  try {
    return decodeURIComponent(folder.slice(5));
  } catch {
    return undefined;
  }
}

/** `packets-3-0.parquet` is of `packets`; undefined for what is no table, as `parts-3.parquet`. */
export function tableOf(fileName: string): TableName | undefined {
  const [, name = ''] = /^([a-z]+)(?:-\d+)*\.parquet$/.exec(fileName) ?? [];
  return isTableName(name) ? name : undefined;
}

/** Undefined where there is none, or none of this version. */
export async function readDescription(path: string): Promise<PartitionDescription | undefined> {
  let description: Partial<PartitionDescription>;
  try {
    description = JSON.parse(await readFile(join(path, DESCRIPTION), 'utf8'));
  } catch {
    return undefined;
  }
  const { version, fingerprint, savefiles, problems } = description;
  if (version !== VERSION || fingerprint === undefined || savefiles === undefined || problems === undefined)
    return undefined;
  return { version, fingerprint, savefiles, problems };
}

/** Sorted. No links: what is in these folders is deleted with them. */
async function foldersIn(path: string): Promise<string[]> {
  const entries = await Promise.all(
    (await namesIn(path)).map(async (name) => ({ name, stats: await lstat(join(path, name)) })),
  );
  return entries.flatMap(({ name, stats }) => (stats.isDirectory() ? [name] : []));
}

/** Sorted; none where there is no such folder. */
export async function namesIn(path: string): Promise<string[]> {
  try {
    return (await readdir(path)).sort();
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return [];
    throw cause;
  }
}
