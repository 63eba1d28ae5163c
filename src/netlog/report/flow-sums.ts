// The flows of the days: those with most bytes one by one, the rest as sums, and for each qube who most of it went to. A NAT's
// two ends, or two interfaces that one packet crossed, are counted once, as the flow that was seen first.
import { type Database, number, optionalNumber, optionalText, type Row, text } from '../query/database.ts';
import { type Days, during } from '../query/days.ts';
import { rowName, shortRowName } from '../query/row-name.ts';
import { type Sql, sql } from '../query/sql.ts';
import type {
  Part,
  ReportFlow,
  ReportFlows,
  ReportPeer,
  ReportQube,
  ReportQuestion,
  ReportRest,
  ReportSum,
} from './report-data.ts';

/** With hostile names in each row, 300 bytes long, the page stays under 5 MB. */
const FLOWS_SHOWN = 2000;
const REST_SHOWN = 400;
/** Of each qube's lists. */
const PEERS_SHOWN = 12;

/**
 * Makes the temporary table `report_flows` that the other functions of this file read. `near`: the flow that is counted,
 * `named`: the one of the same NAT that has a name. `rank` 1 has most bytes. Names are joined where they are needed: a million
 * long ones would not fit into the memory that the index has.
 */
export async function makeFlows(database: Database, days: Days): Promise<void> {
  await database.rows(sql`
    CREATE OR REPLACE TEMP TABLE report_flows AS
    WITH ends AS (
      SELECT host, date, nat, flow AS near, flow AS named, name IS NOT NULL AS known, first, dst,
        packets_forward + packets_back AS packets, bytes_forward + bytes_back AS bytes
      FROM flows WHERE ${during(days)}
    ), joined AS (
      SELECT unnest(arg_min(ends, (first, near))), arg_min(named, (NOT known, first, near)) AS best
      FROM ends WHERE nat IS NOT NULL GROUP BY host, date, nat
    ), once AS (
      SELECT * FROM ends WHERE nat IS NULL
      UNION ALL SELECT * EXCLUDE (best) REPLACE (best AS named) FROM joined
    )
    SELECT host, date, near, named, dst, packets, bytes, row_number() OVER (ORDER BY bytes DESC, first, host, date, near) AS rank
    FROM once`);
}

export async function dropFlows(database: Database): Promise<void> {
  await database.rows(sql`DROP TABLE IF EXISTS report_flows`);
}

export async function flowsOf(database: Database): Promise<ReportFlows> {
  const rows = await database.rows(sql`
    SELECT f.* REPLACE (CAST(f.date AS VARCHAR) AS date, epoch_ms(f.first) AS first, epoch_ms(f.last) AS last), e.packets,
      o.name AS best_name
    FROM report_flows e JOIN flows f ON f.host = e.host AND f.date = e.date AND f.flow = e.near
      JOIN flows o ON o.host = e.host AND o.date = e.date AND o.flow = e.named
    WHERE rank <= ${FLOWS_SHOWN} ORDER BY rank`);
  const rest = await database.rows(sql`
    SELECT host, coalesce(name, dst) AS value, ${SUMS}, count(*) OVER () AS total
    FROM ${NAMED} WHERE rank > ${FLOWS_SHOWN} GROUP BY host, value ORDER BY bytes DESC, host, value LIMIT ${REST_SHOWN}`);
  const [all] = (await database.rows(sql`SELECT ${SUMS} FROM report_flows WHERE rank > ${FLOWS_SHOWN}`)).map(sumOf);
  const shown = rest.map((row): ReportRest => ({ host: text(row, 'host'), value: text(row, 'value'), ...sumOf(row) }));
  const left = (key: keyof ReportSum): number => shown.reduce((sum, row) => sum - row[key], all?.[key] ?? 0);
  return {
    rows: rows.map(flowOf),
    total: rows.length + (all?.flows ?? 0),
    rest: part(rest, () => shown),
    others: { flows: left('flows'), packets: left('packets'), bytes: left('bytes') },
  };
}

const NAMED = sql`(
  SELECT e.*, f.name FROM report_flows e JOIN flows f ON f.host = e.host AND f.date = e.date AND f.flow = e.named)`;

const SUMS = sql`count(*) AS flows, coalesce(sum(packets), 0) AS packets, coalesce(sum(bytes), 0) AS bytes`;

function sumOf(row: Row): ReportSum {
  return { flows: number(row, 'flows'), packets: number(row, 'packets'), bytes: number(row, 'bytes') };
}

function flowOf(row: Row): ReportFlow {
  const host = text(row, 'host');
  return {
    row: shortRowName(rowName({ host, date: text(row, 'date'), flow: number(row, 'flow') })),
    host,
    first: number(row, 'first'),
    last: number(row, 'last'),
    proto: text(row, 'proto'),
    src: text(row, 'src'),
    sport: optionalNumber(row, 'sport') ?? null,
    dst: text(row, 'dst'),
    dport: optionalNumber(row, 'dport') ?? null,
    name: optionalText(row, 'best_name') ?? null,
    packets: number(row, 'packets'),
    bytesForward: number(row, 'bytes_forward'),
    bytesBack: number(row, 'bytes_back'),
  };
}

type Peers = Pick<ReportQube, 'flows' | 'names' | 'addresses' | 'questions'>;

/** Of a host. */
export async function peersOf(database: Database, days: Days): Promise<(host: string) => Peers> {
  const counts = await database.rows(sql`SELECT host, count(*) AS flows FROM report_flows GROUP BY host`);
  const peers = (value: Sql, from: Sql): Promise<readonly Row[]> =>
    top(
      database,
      sql`SELECT host, ${value} AS value, ${SUMS} FROM ${from} WHERE ${value} IS NOT NULL GROUP BY host, ${value}`,
      sql`bytes DESC, flows DESC, value`,
    );
  const [names, addresses] = [await peers(sql`name`, NAMED), await peers(sql`dst`, sql`report_flows`)];
  // Questions that were seen on two interfaces are counted once, like their flow.
  const questions = await top(
    database,
    sql`SELECT host, name, greatest(count(*) FILTER (NOT response), count(*) FILTER (response)) AS count,
        count(*) FILTER (response AND rcode <> 'NOERROR') AS refused
      FROM dns WHERE ${during(days)} AND name IS NOT NULL AND (flow IS NULL OR EXISTS (
        FROM report_flows AS kept WHERE kept.host = dns.host AND kept.date = dns.date AND kept.near = dns.flow))
      GROUP BY host, name`,
    sql`count DESC, name`,
  );
  return (host) => {
    const of = (rows: readonly Row[]): readonly Row[] => rows.filter((row) => text(row, 'host') === host);
    return {
      flows: of(counts).reduce((sum, row) => sum + number(row, 'flows'), 0),
      names: part(of(names), (rows) => rows.map(peerOf)),
      addresses: part(of(addresses), (rows) => rows.map(peerOf)),
      questions: part(of(questions), (rows) => rows.map(questionOf)),
    };
  };
}

/** The first rows of each host. */
function top(database: Database, grouped: Sql, order: Sql): Promise<readonly Row[]> {
  return database.rows(sql`
    WITH grouped AS (${grouped})
    SELECT *, count(*) OVER (PARTITION BY host) AS total FROM grouped
    QUALIFY row_number() OVER (PARTITION BY host ORDER BY ${order}) <= ${PEERS_SHOWN} ORDER BY host, ${order}`);
}

/** `total` stands in each row. */
function part<Kept>(rows: readonly Row[], keep: (rows: readonly Row[]) => readonly Kept[]): Part<Kept> {
  const [first] = rows;
  return { rows: keep(rows), total: first === undefined ? 0 : number(first, 'total') };
}

function peerOf(row: Row): ReportPeer {
  return { value: text(row, 'value'), flows: number(row, 'flows'), bytes: number(row, 'bytes') };
}

function questionOf(row: Row): ReportQuestion {
  return { name: text(row, 'name'), count: number(row, 'count'), refused: number(row, 'refused') };
}
