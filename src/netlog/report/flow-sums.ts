// The flows of the days: those with most bytes one by one, the rest as sums, and for each qube who most of it went to. A NAT's
// two ends, or two interfaces that one packet crossed, are counted once, as the flow that was seen first.
import { type Ask, during } from './ask.ts';
import type {
  Part,
  ReportFlow,
  ReportFlows,
  ReportPeer,
  ReportQuestion,
  ReportRest,
  ReportSum,
} from './report-data.ts';

/** With hostile names in each row, 300 bytes long, the page stays under 5 MB. */
const FLOWS_SHOWN = 2000;
const REST_SHOWN = 400;
/** Of each qube's lists. */
const PEERS_SHOWN = 12;

/** Of one qube. */
export interface Peers {
  readonly flows: number;
  readonly names: Part<ReportPeer>;
  readonly addresses: Part<ReportPeer>;
  readonly questions: Part<ReportQuestion>;
}

/** Temporary: one row a flow, `rank` 1 has most bytes. */
const TABLE = 'report_flows';

/** Makes the table that the other functions of this file read. */
export async function makeFlows(ask: Ask, days: readonly string[]): Promise<void> {
  await ask(`
    CREATE OR REPLACE TEMP TABLE ${TABLE} AS
    WITH whole AS (SELECT * FROM flows WHERE ${during(days)}),
    joined AS (
      SELECT unnest(arg_min(whole, ("first", flow))), max(name) AS any_name FROM whole WHERE nat IS NOT NULL GROUP BY host, date, nat
    ),
    once AS (
      SELECT * FROM whole WHERE nat IS NULL
      UNION ALL
      SELECT * EXCLUDE (any_name) REPLACE (coalesce(name, any_name) AS name) FROM joined
    )
    SELECT host, date, flow, proto, src, sport, dst, dport, name, "first", "last",
      (packets_forward + packets_back)::DOUBLE AS packets,
      bytes_forward::DOUBLE AS bytes_forward,
      bytes_back::DOUBLE AS bytes_back,
      (bytes_forward + bytes_back)::DOUBLE AS bytes,
      row_number() OVER (ORDER BY bytes_forward + bytes_back DESC, "first", host, date, flow) AS rank
    FROM once`);
}

export async function dropFlows(ask: Ask): Promise<void> {
  await ask(`DROP TABLE IF EXISTS ${TABLE}`);
}

export async function flowsOf(ask: Ask): Promise<ReportFlows> {
  const rows = await ask<ReportFlow>(`
    SELECT host, epoch_ms("first")::DOUBLE AS "first", epoch_ms("last")::DOUBLE AS "last", proto, src, sport, dst, dport, name,
      packets, bytes_forward AS "bytesForward", bytes_back AS "bytesBack"
    FROM ${TABLE} WHERE rank <= ${FLOWS_SHOWN} ORDER BY rank`);
  const [counted] = await ask<{ total: number }>(`SELECT count(*)::DOUBLE AS total FROM ${TABLE}`);
  const rest = await ask<ReportRest & { total: number }>(`
    SELECT host, coalesce(name, dst) AS value, ${SUMS}, (count(*) OVER ())::DOUBLE AS total
    FROM ${TABLE} WHERE rank > ${FLOWS_SHOWN} GROUP BY host, value ORDER BY bytes DESC, host, value LIMIT ${REST_SHOWN}`);
  const [all = NONE] = await ask<ReportSum>(`SELECT ${SUMS} FROM ${TABLE} WHERE rank > ${FLOWS_SHOWN}`);
  const left = (key: keyof ReportSum) => rest.reduce((sum, row) => sum - row[key], all[key]);
  return {
    rows,
    total: counted?.total ?? 0,
    rest: { rows: rest.map(({ total: _, ...row }) => row), total: rest[0]?.total ?? 0 },
    others: { flows: left('flows'), packets: left('packets'), bytes: left('bytes') },
  };
}

const NONE: ReportSum = { flows: 0, packets: 0, bytes: 0 };
const SUMS = `count(*)::DOUBLE AS flows, coalesce(sum(packets), 0)::DOUBLE AS packets, coalesce(sum(bytes), 0)::DOUBLE AS bytes`;

/** By host. */
export async function peersOf(ask: Ask, days: readonly string[]): Promise<(host: string) => Peers> {
  const flows = await ask<{ host: string; flows: number }>(
    `SELECT host, count(*)::DOUBLE AS flows FROM ${TABLE} GROUP BY host`,
  );
  const peers = (value: string) =>
    ask<Ranked & ReportPeer>(
      top(
        `SELECT host, ${value} AS value, count(*)::DOUBLE AS flows, sum(bytes) AS bytes
        FROM ${TABLE} WHERE ${value} IS NOT NULL GROUP BY host, ${value}`,
        'bytes DESC, flows DESC, value',
      ),
    );
  const [names, addresses] = [await peers('name'), await peers('dst')];
  // Questions that were seen on two interfaces are counted once, like their flow.
  const questions = await ask<Ranked & ReportQuestion>(
    top(
      `SELECT host, name, count(*) FILTER (NOT response)::DOUBLE AS asked, count(*) FILTER (response)::DOUBLE AS answered,
        greatest(asked, answered) AS count, count(*) FILTER (response AND rcode <> 'NOERROR')::DOUBLE AS refused
      FROM dns WHERE ${during(days)} AND name IS NOT NULL
        AND (flow IS NULL OR EXISTS (FROM ${TABLE} AS kept WHERE kept.host = dns.host AND kept.date = dns.date AND kept.flow = dns.flow))
      GROUP BY host, name`,
      'count DESC, name',
    ),
  );
  return (host) => ({
    flows: flows.find((row) => row.host === host)?.flows ?? 0,
    names: part(names, host, ({ value, flows, bytes }) => ({ value, flows, bytes })),
    addresses: part(addresses, host, ({ value, flows, bytes }) => ({ value, flows, bytes })),
    questions: part(questions, host, ({ name, count, refused }) => ({ name, count, refused })),
  });
}

interface Ranked {
  readonly host: string;
  /** Rows of the host before the cut. */
  readonly total: number;
}

/** The first rows of each host. */
function top(grouped: string, order: string): string {
  return `
    WITH grouped AS (${grouped})
    SELECT *, (count(*) OVER (PARTITION BY host))::DOUBLE AS total FROM grouped
    QUALIFY row_number() OVER (PARTITION BY host ORDER BY ${order}) <= ${PEERS_SHOWN} ORDER BY host, ${order}`;
}

function part<Row extends Ranked, Kept>(rows: readonly Row[], host: string, keep: (row: Row) => Kept): Part<Kept> {
  const these = rows.filter((row) => row.host === host);
  return { rows: these.map(keep), total: these[0]?.total ?? 0 };
}
