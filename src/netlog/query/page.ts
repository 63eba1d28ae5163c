// So many rows of an answer, and whether there are more.
import { type Sql, sql } from './sql.ts';

export interface Page<Row> {
  readonly rows: readonly Row[];
  readonly more: boolean;
}

/** Infinity: all of them. One more is asked for than wanted, to know whether there are more. */
export function atMost(limit: number): Sql {
  return limit === Number.POSITIVE_INFINITY ? sql`` : sql`LIMIT ${limit + 1}`;
}

export function pageOf<Row>(rows: readonly Row[], limit: number): Page<Row> {
  return { rows: rows.slice(0, limit), more: rows.length > limit };
}
