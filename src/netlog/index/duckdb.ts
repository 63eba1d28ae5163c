// The door to DuckDB, which is loaded when an index is built or opened and not before: it has 68 MB, and the capture program
// must never need it. Nobody else imports it but for types.
import type { DuckDBConnection } from '@duckdb/node-api';
import { CaptureError, SyscallError } from '../../errors.ts';

type Api = typeof import('@duckdb/node-api');
type Bindings = typeof import('@duckdb/node-bindings');

/** `bindings`: what the API leaves out, filling vectors from typed arrays. */
export interface DuckDb {
  readonly api: Api;
  readonly bindings: Bindings;
}

/** Rejects with CaptureError where it is not installed. */
export async function loadDuckDb(): Promise<DuckDb> {
  try {
    const [api, bindings] = await Promise.all([import('@duckdb/node-api'), import('@duckdb/node-bindings')]);
    return { api, bindings: bindings.default };
  } catch (cause) {
    throw new CaptureError('ERR_DUCKDB', 'the index needs the npm package @duckdb/node-api', { cause });
  }
}

/** What DuckDB or the system refuses (a full disk, a damaged file) as a CaptureError of one line. All else is a bug. */
export function asTrouble(cause: unknown): unknown {
  const [, what] =
    (cause instanceof Error && /^(?:IO|Out of Memory|Invalid Input) Error: (.*)/.exec(cause.message)) || [];
  if (what === undefined) return SyscallError.from(cause);
  const remedy = /parquet/i.test(what) ? '; where its .index is deleted, it is made anew' : '';
  return new CaptureError('ERR_DUCKDB', `index: ${what}${remedy}`, { cause });
}

/** A database in memory. `temporary`: the folder for what does not fit there, which DuckDB makes when it needs it. */
export interface Database {
  readonly duckdb: DuckDb;
  readonly connection: DuckDBConnection;
  /** Another one, for what goes on beside. */
  readonly writing: DuckDBConnection;
  close(): void;
}

/** `memoryLimit`: `400MB`; of data, the program itself is not in it. */
export async function openDatabase(temporary: string, memoryLimit: string, threads: number): Promise<Database> {
  const duckdb = await loadDuckDb();
  const instance = await duckdb.api.DuckDBInstance.create(':memory:', {
    memory_limit: memoryLimit,
    threads: String(threads),
    temp_directory: temporary,
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    preserve_insertion_order: 'true',
  });
  const connection = await instance.connect();
  const writing = await instance.connect();
  return {
    duckdb,
    connection,
    writing,
    close() {
      writing.closeSync();
      connection.closeSync();
      instance.closeSync();
    },
  };
}
