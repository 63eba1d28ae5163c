// `netlogs diff`: what each client talks to in some days, and did not in others: names, addresses, ports. A client is an
// address that a qube forwards for, or the qube itself; of a NAT its near end. "Did it start phoning home after the update?"
import { type Database, type Micros, number, optionalNumber, optionalText, type Row, text } from './database.ts';
import { type Days, during } from './days.ts';
import { firstEnds } from './flows.ts';
import { atMost, type Page, pageOf } from './page.ts';
import { rowName } from './row-name.ts';
import { type Sql, sql } from './sql.ts';

export interface Novelty {
  readonly host: string;
  readonly client: string;
  readonly kind: 'name' | 'address' | 'port';
  /** A name, an address, or `TCP 443`. */
  readonly value: string;
  readonly first: Micros;
  /** Flows, questions and nft lines with it. */
  readonly times: number;
  /** Of the first of them; undefined where only nft lines have it. */
  readonly row: string | undefined;
}

/** Host, client, kind and value, with a time and a flow for each. */
function contacts(days: Days): Sql {
  return sql`
    SELECT host, date, src AS client, unnest([{'kind': 'name', 'value': lower(name)}, {'kind': 'address', 'value': dst},
        {'kind': 'port', 'value': if(dport IS NULL OR (proto = 'TCP' AND NOT syn), NULL, proto || ' ' || dport)}], recursive := true),
      first AS time, flow
    FROM (${firstEnds(during(days))} SELECT f.* FROM ends e JOIN flows f ON f.host = e.host AND f.date = e.date AND f.flow = e.near)
    UNION ALL
    SELECT d.host, d.date, d.src, 'name', lower(d.name), d.time, d.flow FROM dns d JOIN (
      ${firstEnds(during(days))} SELECT host, date, near AS flow FROM ends) e ON d.host = e.host AND d.date = e.date AND d.flow = e.flow
    WHERE NOT d.response AND d.${during(days)}
    UNION ALL
    SELECT host, date, src, unnest([{'kind': 'address', 'value': dst},
        {'kind': 'port', 'value': proto || ' ' || dport}], recursive := true), time, NULL
    FROM nft WHERE class = 'new' AND ${during(days)}`;
}

/** `limit`: of the rows, the first seen come first. */
export async function listNovelties(
  database: Database,
  before: Days,
  after: Days,
  limit: number,
): Promise<Page<Novelty>> {
  const rows = await database.rows(sql`
    WITH fresh AS (SELECT host, client, kind, value, min(time) AS first, count(*) AS times,
      min_by({'date': CAST(date AS VARCHAR), 'flow': flow}, time) FILTER (flow IS NOT NULL) AS of
      FROM (${contacts(after)}) WHERE value IS NOT NULL GROUP BY ALL)
    SELECT host, client, kind, value, epoch_us(first) AS us, times, of.date AS day, of.flow AS flow FROM fresh
    ANTI JOIN (SELECT DISTINCT host, client, kind, value FROM (${contacts(before)})) USING (host, client, kind, value)
    ORDER BY host, client, kind DESC, us, value ${atMost(limit)}`);
  return pageOf(rows.map(noveltyOf), limit);
}

function noveltyOf(row: Row): Novelty {
  const host = text(row, 'host');
  const kind = text(row, 'kind');
  const flow = optionalNumber(row, 'flow');
  return {
    host,
    client: text(row, 'client'),
    kind: kind === 'name' || kind === 'port' ? kind : 'address',
    value: text(row, 'value'),
    first: number(row, 'us'),
    times: number(row, 'times'),
    row: flow === undefined ? undefined : rowName({ host, date: optionalText(row, 'day') ?? '', flow }),
  };
}
