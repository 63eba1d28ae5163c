// The index as queries see it: a database in memory with a view of each table over the Parquet files of some hosts and days.
// Every question of netlogs goes through `query`, and what a user wrote through `sql`. Both have read these files before and
// can reach no others: DuckDB's access to files is limited to those of the views, and its settings are locked.
import { rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { DuckDBMaterializedResult, DuckDBValue } from '@duckdb/node-api';
import { CaptureError } from '../../errors.ts';
import { asTrouble, type Database, openDatabase } from './duckdb.ts';
import { listPartitions, namesIn, type Partition, tableOf } from './partition.ts';
import { workFolder } from './partition-folder.ts';
import { TABLE_NAMES, type TableName } from './schema.ts';
import { literally, NFT_FLOWS, quote, tableView } from './views.ts';

/** Of a result's value: times are microseconds since 1970, dates `2026-11-24`, whole numbers beyond 2^53 rounded. */
export type Cell = null | boolean | number | string | readonly Cell[] | { readonly [key: string]: Cell };

interface Kinds {
  number: number;
  text: string;
  boolean: boolean;
  texts: readonly string[];
  map: Readonly<Record<string, string>>;
}
type Kind = keyof Kinds;
type ValueOf<K> = K extends `${infer Base extends Kind}?` ? Kinds[Base] | null : K extends Kind ? Kinds[K] : never;

/** The columns of a question's answer: `{ flow: 'number', name: 'text?' }`, where `?` is for what may be NULL. */
export type Shape = Readonly<Record<string, Kind | `${Kind}?`>>;
export type Answer<S extends Shape> = { readonly [Column in keyof S]: ValueOf<S[Column]> };

export interface SqlResult {
  readonly columns: readonly string[];
  /** The types of these, in DuckDB's words. */
  readonly types: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
  /** There were more rows than asked for. */
  readonly more: boolean;
}

export interface OpenOptions {
  /** Default all. */
  readonly hosts?: readonly string[] | undefined;
  /** `2026-11-24`. Default all. */
  readonly days?: readonly string[] | undefined;
}

const MEMORY_LIMIT = '700MB';
const THREADS = 2;

export class Index {
  readonly partitions: readonly Partition[];
  readonly #database: Database;
  readonly #temporary: string;

  private constructor(database: Database, partitions: readonly Partition[], temporary: string) {
    this.#database = database;
    this.partitions = partitions;
    this.#temporary = temporary;
  }

  /** `root`: the folder that has `.index`, as `~/NetLogs`. Rejects with CaptureError without DuckDB. To be closed. */
  static async open(root: string, { hosts, days }: OpenOptions = {}): Promise<Index> {
    const partitions = (await listPartitions(root)).filter(
      ({ host, date }) => hosts?.includes(host) !== false && days?.includes(date) !== false,
    );
    const temporary = workFolder(root);
    const database = await openDatabase(temporary, MEMORY_LIMIT, THREADS);
    try {
      const files = await createViews(database, partitions);
      const allowed = new Set([...files, ...files.map(literally)]);
      await database.connection.run(`SET allowed_paths = [${[...allowed].map(quote).join(', ')}]`);
      await database.connection.run('SET enable_external_access = false');
      await database.connection.run('SET lock_configuration = true');
    } catch (cause) {
      database.close();
      throw asTrouble(cause);
    }
    return new Index(database, partitions, temporary);
  }

  /**
   * The answer to a question of ours, `$name` in it being `values.name`; checked to have the columns of `shape`. Rejects with
   * CaptureError where the index can't be read or memory does not do.
   */
  async query<S extends Shape>(shape: S, sql: string, values: Record<string, DuckDBValue> = {}): Promise<Answer<S>[]> {
    const result = await this.#run(sql, values);
    const names = result.columnNames();
    const wanted = Object.keys(shape);
    if (wanted.join() !== names.join()) throw new Error(`unreachable: columns ${names}, wanted ${wanted}`);
    const kinds = Object.values(shape);
    const rows = (await result.getRows()).map((row) => row.map((value) => this.#cell(value)));
    return rows.map((row) => {
      const checked = row.map((cell, at) => {
        if (isOfKind(cell, kinds[at])) return [wanted[at], cell];
        throw new Error(`unreachable: column ${names[at]} is no ${kinds[at]}`);
      });
      return Object.fromEntries(checked) as Answer<S>;
    });
  }

  /**
   * Rows of a statement of ours by column, for questions that check what they read themselves (query/database.ts). Rejects as
   * `query` does.
   */
  async rows(sql: string): Promise<{ readonly [column: string]: Cell }[]> {
    const result = await this.#run(sql, {});
    const names = result.columnNames();
    const rows = await result.getRows();
    return rows.map((row) => Object.fromEntries(row.map((value, at) => [names[at] ?? '', this.#cell(value)])));
  }

  /**
   * What a user asked: one statement that only reads. `most`: rows to give. Rejects with CaptureError where it is another
   * statement, or what DuckDB says is wrong with it.
   */
  async sql(text: string, most: number): Promise<SqlResult> {
    try {
      await this.#requireSelect(text);
      const reader = await this.#database.connection.streamAndReadUntil(text, most + 1);
      const rows = reader.getRows().map((row) => row.map((value) => this.#cell(value)));
      return {
        columns: reader.deduplicatedColumnNames(),
        types: reader.columnTypes().map(String),
        rows: rows.slice(0, most),
        more: rows.length > most,
      };
    } catch (cause) {
      if (cause instanceof CaptureError || !(cause instanceof Error)) throw cause;
      throw new CaptureError('ERR_SQL', cause.message, { cause });
    }
  }

  /** DuckDB's own parser says what it is: binding alone, as preparing does it, makes folders for EXPORT. */
  async #requireSelect(text: string): Promise<void> {
    const result = await this.#run('SELECT json_serialize_sql($text::VARCHAR)', { text });
    const [[json] = []] = await result.getRows();
    const parsed: { error_type?: string; error_message?: string; statements?: unknown[] } = JSON.parse(String(json));
    if (parsed.error_type === 'parser') throw new CaptureError('ERR_SQL', String(parsed.error_message));
    if (parsed.statements === undefined)
      throw new CaptureError('ERR_SQL', 'only what reads: SELECT, WITH, FROM, VALUES, DESCRIBE, SUMMARIZE, SHOW');
    if (parsed.statements.length !== 1) throw new CaptureError('ERR_SQL', 'one statement at a time');
  }

  async close(): Promise<void> {
    this.#database.close();
    await rm(this.#temporary, { recursive: true, force: true });
  }

  async #run(sql: string, values: Record<string, DuckDBValue>): Promise<DuckDBMaterializedResult> {
    try {
      return await this.#database.connection.run(sql, values);
    } catch (cause) {
      throw asTrouble(cause);
    }
  }

  #cell(value: DuckDBValue): Cell {
    const { api } = this.#database.duckdb;
    if (value === null || typeof value === 'boolean' || typeof value === 'number' || typeof value === 'string')
      return value;
    if (typeof value === 'bigint') return Number(value);
    if (value instanceof api.DuckDBTimestampTZValue || value instanceof api.DuckDBTimestampValue)
      return Number(value.micros);
    if (value instanceof api.DuckDBListValue) return value.items.map((item) => this.#cell(item));
    if (value instanceof api.DuckDBMapValue)
      return Object.fromEntries(value.entries.map(({ key, value: each }) => [String(key), this.#cell(each)]));
    if (value instanceof api.DuckDBStructValue)
      return Object.fromEntries(Object.entries(value.entries).map(([key, each]) => [key, this.#cell(each)]));
    if (value instanceof api.DuckDBDecimalValue) return value.toDouble();
    return String(value);
  }
}

/** Resolves to the files that they read. */
async function createViews({ connection }: Database, partitions: readonly Partition[]): Promise<string[]> {
  const files = new Map<TableName, string[]>(TABLE_NAMES.map((name) => [name, []]));
  for (const { path } of partitions)
    for (const name of await namesIn(path)) {
      const table = tableOf(name);
      if (table !== undefined) files.get(table)?.push(resolve(path, name));
    }
  for (const [name, paths] of files) await connection.run(tableView(name, paths));
  await connection.run(NFT_FLOWS);
  return [...files.values()].flat();
}

function isOfKind(cell: Cell | undefined, kind: string | undefined): boolean {
  if (cell === undefined || kind === undefined) return false;
  if (cell === null) return kind.endsWith('?');
  const base = kind.replace('?', '');
  if (base === 'text') return typeof cell === 'string';
  if (base === 'texts') return Array.isArray(cell);
  if (base === 'map') return typeof cell === 'object' && !Array.isArray(cell);
  return typeof cell === base;
}
