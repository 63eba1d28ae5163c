// Rows of a table of the schema on their way into a Parquet file: for what comes as JavaScript values (dns, tls, nft, files,
// gaps, manifests). Packets and flows are too many for this and have typed columns (chunk-appender.ts).
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

/** Writes rows into a Parquet file, in `order` of SQL. */
export type WriteRows = (path: string, order?: string) => Promise<void>;

export class TableWriter<Name extends TableName> {
  readonly #name: Name;
  readonly #database: Database;
  readonly #columns: readonly { readonly name: string; readonly convert: Convert }[];
  readonly #types: DuckDBType[];
  #stage: string;
  #stages = 0;
  #appender: DuckDBAppender;
  #rows = 0;
  #pending: DuckDBValue[][];

  private constructor(database: Database, name: Name, appender: DuckDBAppender) {
    this.#database = database;
    this.#name = name;
    this.#stage = stageName(name, 0);
    this.#appender = appender;
    this.#columns = Object.entries(TABLES[name]).map(([column, type]) => ({
      name: column,
      convert: converter(database, type),
    }));
    this.#types = this.#columns.map((_, index) => appender.columnType(index));
    this.#pending = this.#columns.map(() => []);
  }

  static async create<Name extends TableName>(database: Database, name: Name): Promise<TableWriter<Name>> {
    return new TableWriter(database, name, await createStage(database, name, 0));
  }

  add(row: Row<Name>): void {
    const cells: Cells = row;
    for (let index = 0; index < this.#columns.length; index++) {
      const column = this.#columns[index];
      if (column === undefined) continue;
      const value = cells[column.name];
      this.#pending[index]?.push(value === undefined || value === null ? null : column.convert(value));
    }
    this.#rows++;
    if (this.#rows % CHUNK_ROWS === 0) this.#append();
  }

  /** Begins anew. What it resolves to writes the rows so far, while others are added, and without rows makes no file. */
  async cut(): Promise<WriteRows> {
    if (this.#rows === 0) return async () => {};
    this.#append();
    this.#appender.closeSync();
    const stage = this.#stage;
    this.#rows = 0;
    this.#appender = await createStage(this.#database, this.#name, ++this.#stages);
    this.#stage = stageName(this.#name, this.#stages);
    const { writing } = this.#database;
    return async (path, order) => {
      const by = order === undefined ? '' : ` ORDER BY ${order}`;
      await writing.run(`COPY (SELECT * FROM ${stage}${by}) TO ${quote(path)} ${PARQUET}`);
      await writing.run(`DROP TABLE ${stage}`);
    };
  }

  async writeTo(path: string, order?: string): Promise<void> {
    const write = await this.cut();
    await write(path, order);
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

function stageName(name: TableName, stage: number): string {
  return `stage_${name}_${stage}`;
}

async function createStage({ connection }: Database, name: TableName, stage: number): Promise<DuckDBAppender> {
  await connection.run(`CREATE TABLE ${stageName(name, stage)} (${columnsOf(name)})`);
  return connection.createAppender(stageName(name, stage));
}

function converter({ duckdb: { api } }: Database, type: string): Convert {
  switch (type) {
    case 'BIGINT':
      return (value) => toBigInt(value);
    case 'TIMESTAMPTZ':
      return (value) => {
        const micros = toBigInt(value);
        return micros === null ? null : new api.DuckDBTimestampTZValue(micros);
      };
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

/** NULL for what is no number, as the time of a manifest with a thirteenth month. */
function toBigInt(value: unknown): bigint | null {
  const number = Number(value);
  return Number.isFinite(number) ? BigInt(Math.trunc(number)) : null;
}
