// `netlogs show`: packets and nft lines of all qubes as one timeline. An nft line has the ROW of the flow that it began, by
// protocol, ports, one of its addresses (the other may have been translated) and time. The view nft_flows of the index says that
// of all lines of all days; a page needs it of its own lines alone.
import { type Database, type Micros, number, optionalNumber, optionalText, type Row, text } from './database.ts';
import { asksForFlows, type Filter, ofDays, ofEnds, ofFlows, ofNames, ofTime } from './filter.ts';
import { atMost, type Page, pageOf } from './page.ts';
import { rowName } from './row-name.ts';
import { all, sql } from './sql.ts';

export interface Event {
  readonly time: Micros;
  readonly host: string;
  readonly kind: 'packet' | 'nft';
  /** Undefined for an nft line whose flow no qube has captured. */
  readonly row: string | undefined;
  readonly proto: string | undefined;
  readonly src: string | undefined;
  readonly sport: number | undefined;
  readonly dst: string | undefined;
  readonly dport: number | undefined;
  /** Of the network layer, on the wire. */
  readonly len: number | undefined;
  readonly name: string | undefined;
  /** TCP flags of a packet; prefix, class and interfaces of a line. */
  readonly about: string;
}

/** How far a line and the packets of its flow may be apart: clocks of qubes differ a little. */
const APART = sql`INTERVAL 1 SECOND`;

export async function listEvents(database: Database, filter: Filter, limit: number): Promise<Page<Event>> {
  const times = ofTime(filter);
  const wanted = asksForFlows(filter)
    ? [sql`(host, date, flow) IN (SELECT (host, date, flow) FROM flows WHERE ${ofFlows(filter)})`]
    : [];
  // A line has no name of its own, so it must be of a flow that has the name.
  const named = ofNames(filter, 'name').length > 0;
  const rows = await database.rows(sql`
    WITH seen AS (
      SELECT host, date, flow, time, forward, len, tcp_flags FROM packets
      WHERE ${all([...ofDays(filter), ...times, ...wanted])} ORDER BY time, host ${atMost(limit)}),
    lines AS (
      SELECT row_number() OVER () AS line, host, date, time, prefix, class, "in", "out", proto, src, sport, dst, dport, len
      FROM nft WHERE ${all([...ofDays(filter), ...times, ...ofEnds(filter)])}
      ORDER BY time, host ${named ? sql`` : atMost(limit)}),
    asked AS (SELECT line, host, date, time, proto,
      CASE WHEN class = 'dns' AND sport = 53 AND dport <> 53 THEN [dst, src] ELSE [src, dst] END AS ends,
      CASE WHEN class = 'dns' AND sport = 53 AND dport <> 53 THEN [dport, sport] ELSE [sport, dport] END AS ports FROM lines),
    began AS (
      SELECT a.line, min_by({'host': f.host, 'date': f.date, 'flow': f.flow, 'name': f.name},
        (f.host <> a.host, f.src <> a.ends[1], f.dst <> a.ends[2], abs(epoch_us(f.first) - epoch_us(a.time)), f.flow)) AS of
      FROM asked a JOIN flows f ON f.proto = a.proto
        AND f.sport IS NOT DISTINCT FROM a.ports[1] AND f.dport IS NOT DISTINCT FROM a.ports[2]
        AND a.time BETWEEN f.first - ${APART} AND f.last + ${APART} AND (f.src = a.ends[1] OR f.dst = a.ends[2])
        AND f.date BETWEEN a.date - 1 AND a.date + 1 ${named ? sql`AND ${all(ofNames(filter, 'f.name'))}` : sql``}
      GROUP BY a.line)
    SELECT epoch_us(s.time) AS us, s.host, 'packet' AS kind, s.host AS row_host, CAST(s.date AS VARCHAR) AS row_date, s.flow AS row_flow,
      f.proto, if(s.forward, f.src, f.dst) AS src, if(s.forward, f.sport, f.dport) AS sport,
      if(s.forward, f.dst, f.src) AS dst, if(s.forward, f.dport, f.sport) AS dport, s.len, f.name, s.tcp_flags, NULL AS about
    FROM seen s LEFT JOIN flows f ON f.host = s.host AND f.date = s.date AND f.flow = s.flow
    UNION ALL
    SELECT epoch_us(l.time), l.host, 'nft', b.of.host, CAST(b.of.date AS VARCHAR), b.of.flow,
      l.proto, l.src, l.sport, l.dst, l.dport, l.len, b.of.name, NULL,
      l.prefix || ':' || l.class || ' ' || l."in" || '>' || l."out"
    FROM lines l ${named ? sql`` : sql`LEFT`} JOIN began b ON b.line = l.line
    ORDER BY us, host, kind, row_flow ${atMost(limit)}`);
  return pageOf(rows.map(eventOf), limit);
}

function eventOf(row: Row): Event {
  const flow = optionalNumber(row, 'row_flow');
  return {
    time: number(row, 'us'),
    host: text(row, 'host'),
    kind: text(row, 'kind') === 'nft' ? 'nft' : 'packet',
    row: flow === undefined ? undefined : rowName({ host: text(row, 'row_host'), date: text(row, 'row_date'), flow }),
    proto: optionalText(row, 'proto'),
    src: optionalText(row, 'src'),
    sport: optionalNumber(row, 'sport'),
    dst: optionalText(row, 'dst'),
    dport: optionalNumber(row, 'dport'),
    len: optionalNumber(row, 'len'),
    name: optionalText(row, 'name'),
    about: optionalText(row, 'about') ?? tcpFlags(optionalNumber(row, 'tcp_flags') ?? 0),
  };
}

const TCP_FLAGS = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG', 'ECE', 'CWR'];

/** The eight bits of RFC 9293, 3.1, the lowest first. */
function tcpFlags(bits: number): string {
  return TCP_FLAGS.filter((_, bit) => (bits >> bit) & 1).join(' ');
}
