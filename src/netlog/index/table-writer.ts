// Rows of a table of the schema on their way into a Parquet file: for what comes as JavaScript values (dns, tls, nft, files,
// gaps, manifests). Packets and flows are too many for this and have typed columns (staged-columns.ts).
import type { DuckDBAppender, DuckDBType, DuckDBValue } from '@duckdb/node-api';
import type { Database } from './duckdb.ts';
import { columnsOf, type Row, TABLES, type TableName } from './schema.ts';
import { quote } from './views.ts';

/** What a data chunk of DuckDB has at most. */
export const CHUNK_ROWS = 2048;

/** PARQUET_VERSION v2: times and numbers as differences, a third less. */
export const PARQUET = '(FORMAT parquet, PARQUET_VERSION v2)';

type Cells = Readonly<Record<string, unknown>>;
type Convert = (value: unknown) => DuckDBValue;

export class TableWriter<Name extends TableName> {
  rows = 0;
  readonly #database: Database;
  readonly #stage: string;
  readonly #appender: DuckDBAppender;
  readonly #types: DuckDBType[];
  readonly #columns: readonly { readonly name: string; readonly convert: Convert }[];
  #pending: DuckDBValue[][];

  private constructor(database: Database, name: Name, stage: string, appender: DuckDBAppender) {
    this.#database = database;
    this.#stage = stage;
    this.#appender = appender;
    this.#columns = Object.entries(TABLES[name]).map(([column, type]) => ({
      name: column,
      convert: converter(database, type),
    }));
    this.#types = this.#columns.map((_, index) => appender.columnType(index));
    this.#pending = this.#columns.map(() => []);
  }

  static async create<Name extends TableName>(database: Database, name: Name): Promise<TableWriter<Name>> {
    const stage = `stage_${name}`;
    await database.connection.run(`CREATE OR REPLACE TABLE ${stage} (${columnsOf(name)})`);
    return new TableWriter(database, name, stage, await database.connection.createAppender(stage));
  }

  add(row: Row<Name>): void {
    const cells: Cells = row;
    for (let index = 0; index < this.#columns.length; index++) {
      const column = this.#columns[index];
      if (column === undefined) continue;
      const value = cells[column.name];
      this.#pending[index]?.push(value === undefined || value === null ? null : column.convert(value));
    }
    this.rows++;
    if (this.rows % CHUNK_ROWS === 0) this.#append();
  }

  /** Writes the rows so far in `order` (of SQL), and begins anew. Without rows no file is made. */
  async writeTo(path: string, order = ''): Promise<void> {
    this.#append();
    this.#appender.flushSync();
    const rows = this.rows;
    this.rows = 0;
    if (rows === 0) return;
    const by = order === '' ? '' : ` ORDER BY ${order}`;
    const { connection } = this.#database;
    await connection.run(`COPY (SELECT * FROM ${this.#stage}${by}) TO ${quote(path)} ${PARQUET}`);
    await connection.run(`TRUNCATE ${this.#stage}`);
  }

  #append(): void {
    const count = this.#pending[0]?.length ?? 0;
    if (count === 0) return;
    const chunk = this.#database.duckdb.api.DuckDBDataChunk.create(this.#types, count);
    chunk.setColumns(this.#pending);
    this.#appender.appendDataChunk(chunk);
    this.#pending = this.#columns.map(() => []);
  }
}

function converter({ duckdb: { api } }: Database, type: string): Convert {
  switch (type) {
    case 'BIGINT':
      return (value) => BigInt(Number(value));
    case 'TIMESTAMPTZ':
      return (value) => new api.DuckDBTimestampTZValue(BigInt(Number(value)));
    case 'VARCHAR[]':
      return (value) => new api.DuckDBListValue(Array.isArray(value) ? value : []);
    case 'MAP(VARCHAR, VARCHAR)':
      return (value) =>
        new api.DuckDBMapValue(
          value instanceof Map ? [...value].map(([key, each]) => ({ key: String(key), value: String(each) })) : [],
        );
    case 'BOOLEAN':
      return (value) => value === true;
    case 'VARCHAR':
      return (value) => String(value);
    default:
      return (value) => Number(value);
  }
}
