// How the report asks the index. Numbers of rows are made DOUBLE in SQL, times milliseconds: what comes back is as JSON has it.

/** Runs one statement over the index's views, and answers its rows. */
export type Ask = <Row>(sql: string) => Promise<readonly Row[]>;

/** What a view's rows of `days` satisfy. A day is a date of the index's folders, so that other days are not read. */
export function during(days: readonly string[]): string {
  return `date IN (${days.map((day) => `DATE '${day}'`).join(', ')})`;
}
