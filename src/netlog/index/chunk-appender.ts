// Rows of typed columns on their way into a table of DuckDB, a data chunk at a time: the columns' memory is copied into the
// chunk's vectors as it is. For packets and parts of flows, of which there are millions (native-notes/netlog-index.md).
import type { DuckDBAppender, DuckDBType } from '@duckdb/node-api';
import type { Database } from './duckdb.ts';
import { CHUNK_ROWS } from './table-writer.ts';

/** Has CHUNK_ROWS values. A `Float64Array` is for whole numbers below 2^53, in columns of 64 bits. */
export type Column = Uint8Array | Int16Array | Int32Array | Float64Array | string[];

export class ChunkAppender {
  /** Rows that were appended. */
  rows = 0;
  readonly #database: Database;
  readonly #appender: DuckDBAppender;
  readonly #columns: readonly Column[];
  readonly #types: readonly DuckDBType[];
  /** The halves of 64-bit values. */
  readonly #halves: Uint32Array<ArrayBuffer> = new Uint32Array(2 * CHUNK_ROWS);

  private constructor(database: Database, appender: DuckDBAppender, columns: readonly Column[]) {
    this.#database = database;
    this.#appender = appender;
    this.#columns = columns;
    this.#types = columns.map((_, index) => appender.columnType(index));
  }

  /** Makes the table. `columns`: as in CREATE TABLE, and their memory in the same order. */
  static async create(
    database: Database,
    table: string,
    sql: string,
    columns: readonly Column[],
  ): Promise<ChunkAppender> {
    await database.connection.run(`CREATE TABLE ${table} (${sql})`);
    return new ChunkAppender(database, await database.connection.createAppender(table), columns);
  }

  /** Appends the first `count` values of the columns. */
  append(count: number): void {
    if (count === 0) return;
    const { api, bindings } = this.#database.duckdb;
    const chunk = api.DuckDBDataChunk.create(this.#types, count);
    for (const [index, column] of this.#columns.entries()) {
      const vector = bindings.data_chunk_get_vector(chunk.chunk, index);
      if (Array.isArray(column)) {
        for (let row = 0; row < count; row++) bindings.vector_assign_string_element(vector, row, column[row] ?? '');
        continue;
      }
      const { buffer, byteOffset, BYTES_PER_ELEMENT } =
        column instanceof Float64Array ? this.#split(column, count) : column;
      if (!(buffer instanceof ArrayBuffer)) throw new Error('unreachable: columns in shared memory');
      const size = column instanceof Float64Array ? 8 : BYTES_PER_ELEMENT;
      bindings.copy_data_to_vector(vector, 0, buffer, byteOffset, count * size);
    }
    this.#appender.appendDataChunk(chunk);
    this.rows += count;
  }

  /** All rows are in the table then, and no more can be appended. */
  close(): void {
    this.#appender.closeSync();
  }

  #split(values: Float64Array, count: number): Uint32Array<ArrayBuffer> {
    const halves = this.#halves;
    for (let row = 0; row < count; row++) {
      const value = values[row] ?? 0;
      halves[2 * row] = value;
      halves[2 * row + 1] = Math.floor(value / 2 ** 32);
    }
    return halves;
  }
}
