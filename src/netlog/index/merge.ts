// The flows of a partition out of their parts, in SQL: counts added up, who opened each one decided by its earliest part, the
// name that a client knew its server by, and which flows are the same packets on two interfaces. build.ts calls it when all
// parts, DNS messages and ClientHellos of the partition are written.
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Database } from './duckdb.ts';
import { namesIn } from './partition.ts';
import { PARQUET } from './table-writer.ts';
import { literally, quote, tableRows } from './views.ts';

const KEY = 'flow, ifindex, proto, low, high, low_port, high_port';

/** `folder`: has parts-*.parquet and the tables; gets flows.parquet. */
export async function mergeFlows({ connection }: Database, folder: string): Promise<void> {
  const names = await namesIn(folder);
  const pathsOf = (table: string): string[] =>
    names.filter((name) => name.startsWith(`${table}-`)).map((name) => join(folder, name));
  const parts = pathsOf('parts');
  if (parts.length === 0) return;
  const run = async (sql: string): Promise<void> => void (await connection.run(sql));
  await run(`CREATE VIEW parts AS FROM read_parquet([${parts.map((path) => quote(literally(path))).join(', ')}])`);
  await run(MERGED);
  await turnAround(connection.run.bind(connection), folder, names);
  for (const table of ['dns', 'tls'] as const) await run(`CREATE VIEW ${table} AS ${tableRows(table, pathsOf(table))}`);
  for (const step of [ORIENTED, PAIRS, NAMED, SNI]) await run(step);
  await run(`COPY (${FLOWS}) TO ${quote(join(folder, 'flows.parquet'))} ${PARQUET}`);
  await run('DROP VIEW parts; DROP VIEW dns; DROP VIEW tls');
  await run('DROP TABLE merged; DROP TABLE oriented; DROP TABLE pairs; DROP TABLE named; DROP TABLE sni');
}

/**
 * A part that was begun without sight of an earlier one may have the ends the other way round: its packets and the part
 * itself are written anew. That happens where savefiles were indexed at different times, and where the flow table was full.
 */
async function turnAround(
  run: (sql: string) => Promise<{ getRows(): Promise<unknown[][]> }>,
  folder: string,
  names: readonly string[],
): Promise<void> {
  await run(`CREATE TABLE turned AS SELECT DISTINCT p.file, p.part, p.flow FROM parts p JOIN merged m USING (${KEY})
    WHERE p.low_opened <> m.low_opened`);
  const files = await (await run('SELECT DISTINCT file, part FROM turned')).getRows();
  for (const [file, part] of files)
    for (const name of names) {
      const packets = name.startsWith(`packets-${file}-${part}-`);
      if (!packets && name !== `parts-${file}-${part}.parquet`) continue;
      const column = packets ? 'forward' : 'low_opened';
      const path = join(folder, name);
      const here = `flow IN (SELECT flow FROM turned WHERE file = ${file} AND part = ${part})`;
      await run(`COPY (SELECT * EXCLUDE file_row_number REPLACE (if(${here}, NOT ${column}, ${column}) AS ${column})
        FROM read_parquet(${quote(literally(path))}, file_row_number = true) ORDER BY file_row_number)
        TO ${quote(`${path}.new`)} ${PARQUET}`);
      await rename(`${path}.new`, path);
    }
  await run('DROP TABLE turned');
}

const MERGED = `
CREATE TABLE merged AS
SELECT ${KEY}, arg_min(low_opened, first) AS low_opened, arg_min(syn, first) AS syn, min(first) AS first, max(last) AS last,
  sum(packets_low)::BIGINT AS packets_low, sum(packets_high)::BIGINT AS packets_high,
  sum(bytes_low)::BIGINT AS bytes_low, sum(bytes_high)::BIGINT AS bytes_high,
  bit_or(flags_low) AS flags_low, bit_or(flags_high) AS flags_high,
  arg_min(ip_id, first) FILTER (ttl >= 0) AS ip_id, arg_min(ttl, first) FILTER (ttl >= 0) AS ttl
FROM parts GROUP BY ${KEY}`;

/** From the one who opened it to the other. */
const ORIENTED = `
CREATE TABLE oriented AS
SELECT flow, ifindex::INTEGER AS ifindex, nullif(proto, '') AS proto,
  if(low_opened, low, high) AS src, nullif(if(low_opened, low_port, high_port), -1) AS sport,
  if(low_opened, high, low) AS dst, nullif(if(low_opened, high_port, low_port), -1) AS dport, first, last,
  if(low_opened, packets_low, packets_high) AS packets_forward, if(low_opened, packets_high, packets_low) AS packets_back,
  if(low_opened, bytes_low, bytes_high) AS bytes_forward, if(low_opened, bytes_high, bytes_low) AS bytes_back,
  if(proto = 'TCP', if(low_opened, flags_low, flags_high), NULL) AS tcp_flags_forward,
  if(proto = 'TCP', if(low_opened, flags_high, flags_low), NULL) AS tcp_flags_back,
  syn, nullif(ip_id, -1) AS ip_id, ttl::UTINYINT AS ttl
FROM merged`;

/**
 * A flow on one interface and the one on another that its packets became: TTL lower by one, begun within 100 ms. Masquerading
 * keeps the source port unless that is taken, and the identification; DNAT keeps all but the destination. As-of joins give
 * at most one each, so that nobody can make them many.
 */
const PAIRS = `
CREATE TABLE pairs AS
WITH ends AS (
  SELECT flow, ifindex, proto, src, coalesce(sport, -1) AS sport, dst, coalesce(dport, -1) AS dport, first,
    first + INTERVAL 5 MILLISECOND AS latest, ttl::INTEGER AS ttl, coalesce(ip_id, 0) AS id
  FROM oriented WHERE ifindex > 0 AND ttl IS NOT NULL
),
by_port AS (
  SELECT a.flow AS before, b.flow AS after FROM (FROM ends WHERE sport >= 0) b ASOF JOIN ends a
    ON a.proto = b.proto AND a.sport = b.sport AND a.dport = b.dport AND a.id = b.id AND a.ttl = b.ttl + 1
    AND b.latest >= a.first
  WHERE a.ifindex <> b.ifindex AND a.first >= b.first - INTERVAL 100 MILLISECOND AND (b.id > 0 OR a.src = b.src OR a.dst = b.dst)
),
by_server AS (
  SELECT a.flow AS before, b.flow AS after FROM (FROM ends WHERE id > 0 AND flow NOT IN (SELECT after FROM by_port)) b
    ASOF JOIN ends a
    ON a.proto = b.proto AND a.dst = b.dst AND a.dport = b.dport AND a.id = b.id AND a.ttl = b.ttl + 1 AND b.latest >= a.first
  WHERE a.ifindex <> b.ifindex AND a.first >= b.first - INTERVAL 100 MILLISECOND
),
chosen AS (
  SELECT after, any_value(before) AS before FROM (FROM by_port UNION ALL FROM by_server) GROUP BY after
),
rooted AS (
  SELECT c.after, c.before, coalesce(p.before, c.before) AS root FROM chosen c LEFT JOIN chosen p ON c.before = p.after
)
SELECT flow, min(root) AS nat FROM (
  SELECT after AS flow, root FROM rooted UNION ALL SELECT before, root FROM rooted UNION ALL SELECT root, root FROM rooted
) GROUP BY flow`;

/** Which address a client was told for which name. */
const NAMED = `
CREATE TABLE named AS
SELECT time, dst AS client, name, split_part(answer, ' ', 2) AS address
FROM (SELECT time, dst, name, unnest(answers) AS answer FROM dns WHERE response AND name IS NOT NULL)
WHERE answer LIKE 'A %' OR answer LIKE 'AAAA %'`;

const SNI = `
CREATE TABLE sni AS
SELECT flow, arg_min(name, time) AS name FROM tls WHERE name IS NOT NULL GROUP BY flow`;

const FLOWS = `
WITH own AS (
  SELECT o.*, p.nat, coalesce(s.name, n.name) AS own_name,
    CASE WHEN s.name IS NOT NULL THEN 'sni' WHEN n.name IS NOT NULL THEN 'dns' END AS own_from
  FROM oriented o LEFT JOIN pairs p USING (flow) LEFT JOIN sni s USING (flow)
    ASOF LEFT JOIN named n ON o.src = n.client AND o.dst = n.address AND o.first >= n.time
),
shared AS (
  SELECT nat, arg_max(own_name, own_from) AS name, max(own_from) AS name_from FROM own
  WHERE nat IS NOT NULL AND own_name IS NOT NULL GROUP BY nat
)
SELECT flow, ifindex, proto, src, sport, dst, dport, first, last, packets_forward, packets_back, bytes_forward, bytes_back,
  tcp_flags_forward, tcp_flags_back, syn, ip_id, ttl, coalesce(own_name, s.name) AS name,
  coalesce(own_from, s.name_from) AS name_from, own.nat
FROM own LEFT JOIN shared s ON own.nat = s.nat ORDER BY first, flow`;
