// What left for an address outside, as the checks see it: a table `sent` of flows and nft lines, each judged for where it goes
// and whether its qube forwarded it. Made once for all checks of traffic.
//
//   host         where it was seen            remote, rport  the far end, outside
//   ifindex      null for nft lines           client         the near end, of a NAT what it was before
//   leaves       the last interface that a flow crossed: what is on the wire behind this qube
//   forwarded    true; false: the qube's own; null: came in and was not seen to leave
import { inNetworks } from '../address.ts';
import type { Database } from '../database.ts';
import { type Filter, ofDays } from '../filter.ts';
import { all, sql } from '../sql.ts';
import { NEVER_LEAVES, type Policy } from './policy.ts';

export async function makeSent(database: Database, filter: Filter, { inside }: Policy): Promise<void> {
  const wanted = all(ofDays(filter));
  // Each address once: judged where flows are read, it would be for each of these.
  await database.rows(sql`
    CREATE OR REPLACE TEMP TABLE addresses AS
    SELECT src AS address FROM flows WHERE ${wanted} UNION SELECT dst FROM flows WHERE ${wanted}
    UNION SELECT dst FROM nft WHERE ${wanted}`);
  await database.rows(sql`
    CREATE OR REPLACE TEMP TABLE outside AS SELECT address, ${inNetworks(sql`address`, inside)} AS inside FROM addresses
    WHERE address IS NOT NULL AND NOT ${inNetworks(sql`address`, NEVER_LEAVES)}`);
  await database.rows(sql`DELETE FROM outside WHERE inside`);
  await database.rows(sql`
    CREATE OR REPLACE TEMP TABLE sent AS
    WITH going AS (
      SELECT host, date, flow, ifindex, nat, proto, src, first, last, name, dst AS remote, dport AS rport,
        packets_forward AS packets, bytes_forward + bytes_back AS bytes
      FROM flows WHERE ${wanted} AND packets_forward > 0 AND dst IN (SELECT address FROM outside)
      -- Begun before the capture, or seen from the far end first.
      UNION ALL SELECT host, date, flow, ifindex, nat, proto, dst, first, last, name, src, sport, packets_back,
        bytes_forward + bytes_back
      FROM flows WHERE ${wanted} AND packets_back > 0 AND src IN (SELECT address FROM outside)
        AND dst NOT IN (SELECT address FROM outside)),
    crossing AS (
      SELECT host, date, nat, count(DISTINCT ifindex) AS interfaces, min_by(src, (first, flow)) AS client,
        min_by(flow, (first, flow)) AS near, max_by(flow, (first, flow)) AS far, max(name) AS name
      FROM going WHERE nat IS NOT NULL GROUP BY ALL),
    clients AS (SELECT DISTINCT host, client FROM crossing WHERE interfaces > 1
      AND (host, client) NOT IN (SELECT (g.host, g.src) FROM crossing c JOIN going g ON g.host = c.host AND g.date = c.date AND g.flow = c.far WHERE c.interfaces > 1))
    SELECT 'flow' AS seen, g.host, g.date, g.flow, g.ifindex, coalesce(c.near, g.flow) AS near, g.proto,
      coalesce(c.client, g.src) AS client, g.remote, g.rport, g.first, g.last, g.packets, g.bytes, coalesce(g.name, c.name) AS name,
      c.far IS NULL OR c.far = g.flow AS leaves,
      CASE WHEN c.interfaces > 1 THEN TRUE WHEN (g.host, g.src) IN (SELECT (host, client) FROM clients) THEN NULL ELSE FALSE END AS forwarded,
      NULL AS class, NULL AS about
    FROM going g LEFT JOIN crossing c ON c.host = g.host AND c.date = g.date AND c.nat = g.nat
    UNION ALL
    SELECT 'nft', host, date, NULL, NULL, NULL, proto, src, dst, dport, time, time, 1, len, NULL, TRUE,
      "in" <> '', class, prefix || ':' || class || ' ' || "in" || '>' || "out"
    FROM nft WHERE ${wanted} AND "out" <> '' AND dst IN (SELECT address FROM outside)`);
}
