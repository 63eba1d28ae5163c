// `netlogs flows`: connections and exchanges of datagrams, most bytes first. The ends of a NAT, and the interfaces that a
// packet crossed, are one row: the end that saw it first, which is the client's, and what it became.
import { type Database, flag, type Micros, number, optionalNumber, optionalText, type Row, text } from './database.ts';
import { type Filter, ofFlows } from './filter.ts';
import { atMost, type Page, pageOf } from './page.ts';
import { rowName } from './row-name.ts';
import { Sql, sql } from './sql.ts';

export interface Flow {
  readonly row: string;
  readonly host: string;
  readonly date: string;
  readonly first: Micros;
  readonly last: Micros;
  readonly proto: string;
  readonly src: string;
  readonly sport: number | undefined;
  readonly dst: string;
  readonly dport: number | undefined;
  /** By SNI or a DNS answer, as `nameFrom` says. */
  readonly name: string | undefined;
  readonly nameFrom: string | undefined;
  readonly packetsForward: number;
  readonly packetsBack: number;
  /** Of the network layer, on the wire. */
  readonly bytesForward: number;
  readonly bytesBack: number;
  /** Its first packet was seen. */
  readonly whole: boolean;
  /** The other end of the NAT, where its addresses or ports are others. */
  readonly via:
    | {
        readonly src: string;
        readonly sport: number | undefined;
        readonly dst: string;
        readonly dport: number | undefined;
      }
    | undefined;
}

export type FlowOrder = 'bytes' | 'packets' | 'first' | 'last';

const ORDERS: Readonly<Record<FlowOrder, string>> = {
  bytes: 'f.bytes_forward + f.bytes_back DESC, f.first',
  packets: 'f.packets_forward + f.packets_back DESC, f.first',
  first: 'f.first',
  last: 'f.last DESC',
};

/** A statement for `WITH legs AS (...)`: of each flow that `wanted` holds for, or for the other end of it, its first end. */
export function firstEnds(wanted: Sql): Sql {
  return sql`
    WITH hit AS (SELECT host, date, flow, nat FROM flows WHERE ${wanted}),
    groups AS (SELECT DISTINCT host, date, nat FROM hit WHERE nat IS NOT NULL),
    ends AS (
      SELECT host, date, nat, min_by(flow, (first, flow)) AS near, max_by(flow, (first, flow)) AS far
      FROM flows SEMI JOIN groups USING (host, date, nat) GROUP BY ALL
      UNION ALL SELECT host, date, NULL, flow, flow FROM hit WHERE nat IS NULL)`;
}

export async function listFlows(
  database: Database,
  filter: Filter,
  order: FlowOrder,
  limit: number,
): Promise<Page<Flow>> {
  const by = new Sql(ORDERS[order]);
  const rows = await database.rows(sql`
    ${firstEnds(ofFlows(filter))},
    page AS (
      SELECT f.*, e.far FROM ends e JOIN flows f ON f.host = e.host AND f.date = e.date AND f.flow = e.near
      ORDER BY ${by}, f.host, f.flow ${atMost(limit)})
    SELECT CAST(f.date AS VARCHAR) AS day, coalesce(f.syn, FALSE) AS whole, epoch_us(f.first) AS first_us,
      epoch_us(f.last) AS last_us, f.*, coalesce(f.name, o.name) AS best_name, coalesce(f.name_from, o.name_from) AS best_from,
      (o.src, o.sport, o.dst, o.dport) IS DISTINCT FROM (f.src, f.sport, f.dst, f.dport) AS translated,
      o.src AS via_src, o.sport AS via_sport, o.dst AS via_dst, o.dport AS via_dport
    FROM page f JOIN flows o ON o.host = f.host AND o.date = f.date AND o.flow = f.far
    ORDER BY ${by}, f.host, f.flow`);
  return pageOf(rows.map(flowOf), limit);
}

function flowOf(row: Row): Flow {
  const [host, date] = [text(row, 'host'), text(row, 'day')];
  return {
    row: rowName({ host, date, flow: number(row, 'flow') }),
    host,
    date,
    first: number(row, 'first_us'),
    last: number(row, 'last_us'),
    proto: text(row, 'proto'),
    src: text(row, 'src'),
    sport: optionalNumber(row, 'sport'),
    dst: text(row, 'dst'),
    dport: optionalNumber(row, 'dport'),
    name: optionalText(row, 'best_name'),
    nameFrom: optionalText(row, 'best_from'),
    packetsForward: number(row, 'packets_forward'),
    packetsBack: number(row, 'packets_back'),
    bytesForward: number(row, 'bytes_forward'),
    bytesBack: number(row, 'bytes_back'),
    whole: flag(row, 'whole'),
    via: flag(row, 'translated')
      ? {
          src: text(row, 'via_src'),
          sport: optionalNumber(row, 'via_sport'),
          dst: text(row, 'via_dst'),
          dport: optionalNumber(row, 'via_dport'),
        }
      : undefined,
  };
}
