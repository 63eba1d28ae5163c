// `netlogs list`: what there is of each qube and day, how long it reaches, and what is missing of it.
import { type Database, type Micros, number, optionalNumber, type Row, text } from './database.ts';
import { type Filter, ofDays } from './filter.ts';
import { all, Sql, sql } from './sql.ts';

export interface Holding {
  readonly host: string;
  readonly date: string;
  /** Of manifests, where there are any. */
  readonly bundles: number;
  readonly encrypted: number;
  /** The time that it is about: by its manifests, otherwise by its packets and lines. */
  readonly since: Micros | undefined;
  readonly until: Micros | undefined;
  readonly files: number;
  readonly packets: number;
  readonly bytes: number;
  /** Of the nft log. */
  readonly lines: number;
  /** Times in which no capture ran, and microseconds in all. */
  readonly gaps: number;
  readonly gapTime: number;
  /** Packets that a capture did not get or keep. */
  readonly lost: number;
  /** Packets that nft wrote no line for. */
  readonly unlogged: number;
  readonly missing: number;
  readonly damaged: number;
}

export async function listHoldings(database: Database, filter: Filter): Promise<readonly Holding[]> {
  const wanted = all(ofDays(filter));
  const rows = await database.rows(sql`
    WITH parts AS (
      SELECT host, date, count(*) AS bundles, count(*) FILTER (encrypted) AS encrypted, min(since) AS since, max(until) AS until
      FROM manifests WHERE ${wanted} GROUP BY ALL
      UNION ALL BY NAME SELECT host, date, count(*) AS files, sum(packets) AS packets, sum(bytes) AS bytes,
        min(first) AS first, max(last) AS last FROM files WHERE ${wanted} GROUP BY ALL
      UNION ALL BY NAME SELECT host, date, count(*) AS lines, min(time) AS first, max(time) AS last
      FROM nft WHERE ${wanted} GROUP BY ALL
      UNION ALL BY NAME SELECT host, date, count(*) FILTER (kind = 'gap') AS gaps,
        sum(epoch_us("to") - epoch_us("from")) FILTER (kind = 'gap') AS gap_us, sum(count) FILTER (kind IN ('lost', 'dropped')) AS lost,
        sum(count) FILTER (kind = 'unlogged') AS unlogged, count(*) FILTER (kind = 'missing') AS missing,
        count(*) FILTER (kind = 'damaged') AS damaged FROM gaps WHERE ${wanted} GROUP BY ALL)
    SELECT host, CAST(date AS VARCHAR) AS day, ${sums(['bundles', 'encrypted', 'files', 'packets', 'bytes', 'lines', 'gaps', 'gap_us', 'lost', 'unlogged', 'missing', 'damaged'])},
      epoch_us(coalesce(min(since), min(first))) AS since_us, epoch_us(coalesce(max(until), max(last))) AS until_us
    FROM parts GROUP BY host, date ORDER BY day, host`);
  return rows.map(holdingOf);
}

function sums(columns: readonly string[]): Sql {
  return new Sql(columns.map((column) => `coalesce(sum(${column}), 0)::BIGINT AS ${column}`).join(', '));
}

function holdingOf(row: Row): Holding {
  return {
    host: text(row, 'host'),
    date: text(row, 'day'),
    bundles: number(row, 'bundles'),
    encrypted: number(row, 'encrypted'),
    since: optionalNumber(row, 'since_us'),
    until: optionalNumber(row, 'until_us'),
    files: number(row, 'files'),
    packets: number(row, 'packets'),
    bytes: number(row, 'bytes'),
    lines: number(row, 'lines'),
    gaps: number(row, 'gaps'),
    gapTime: number(row, 'gap_us'),
    lost: number(row, 'lost'),
    unlogged: number(row, 'unlogged'),
    missing: number(row, 'missing'),
    damaged: number(row, 'damaged'),
  };
}
