// The views that queries see: one over the Parquet files of each table, and `nft_flows`, which says to which flow a line of
// the packet log belongs. open.ts creates them before it takes the connection's access to files away.
import { TABLES, type TableName } from './schema.ts';

/** A string literal of SQL. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** A path as a pattern that matches it alone, which is what DuckDB's functions take. */
export function literally(path: string): string {
  return path.replace(/[*?[]/g, '[$&]');
}

/** `files`: paths, each below `host=.../date=.../`; none make an empty view. */
export function tableView(name: TableName, files: readonly string[]): string {
  const hive = "hive_partitioning = true, hive_types = {'host': VARCHAR, 'date': DATE}";
  const columns = { host: 'VARCHAR', date: 'DATE', ...TABLES[name] };
  return `CREATE VIEW ${name} AS ${select(columns, files, `, ${hive}`)}`;
}

/** The rows of a table in `files`, without `host` and `date`. */
export function tableRows(name: TableName, files: readonly string[]): string {
  return select(TABLES[name], files, '');
}

function select(columns: Readonly<Record<string, string>>, files: readonly string[], options: string): string {
  const names = Object.keys(columns).map((column) => `"${column}"`);
  const paths = files.map((file) => quote(literally(file)));
  if (paths.length > 0) return `SELECT ${names.join(', ')} FROM read_parquet([${paths.join(', ')}]${options})`;
  const nulls = Object.entries(columns).map(([column, type]) => `NULL::${type} AS "${column}"`);
  return `SELECT ${names.join(', ')} FROM (SELECT ${nulls.join(', ')}) WHERE false`;
}

/**
 * Each line of `nft` with its flow. The line of a reply (`sport` 53) is looked for as the query's. First by the 5-tuple; then
 * without the destination, which DNAT changes; then by destination, ports and IP identification, which masquerading in a qube
 * between the log and the capture leaves as they were. The flow is the last that had begun a second after the line, and it
 * must have lasted until a second before.
 *
 * Columns: those of `nft`, then `flow_host`, `flow_date`, `flow`, `ifindex`, `first`, `last`, `name`, `name_from`, `nat`, and
 * `joined`: `tuple`, `source` or `destination`, NULL without a flow.
 */
export const NFT_FLOWS: string = `
CREATE VIEW nft_flows AS
WITH lines AS (
  SELECT n.*, row_number() OVER () AS nr, time + INTERVAL 1 SECOND AS latest,
    if(reply, dst, src) AS client, if(reply, src, dst) AS server, if(reply, dport, sport) AS client_port,
    if(reply, sport, dport) AS server_port, if(reply, -1, coalesce(ip_id, 0)) AS ident
  FROM (SELECT *, coalesce(sport = 53 AND dport <> 53, false) AS reply FROM nft) n
),
ends AS (
  SELECT host AS flow_host, date AS flow_date, flow, ifindex, first, last, name, name_from, nat,
    proto, src AS client, dst AS server, sport AS client_port, dport AS server_port, coalesce(ip_id, 0) AS ident
  FROM flows WHERE (proto, sport, dport) IN (SELECT (proto, client_port, server_port) FROM lines)
),
${stage('by_tuple', 'lines', ['client', 'server'])},
left_1 AS (FROM lines WHERE nr NOT IN (SELECT nr FROM by_tuple)),
${stage('by_source', 'left_1', ['client'])},
left_2 AS (FROM left_1 WHERE nr NOT IN (SELECT nr FROM by_source)),
${stage('by_destination', 'left_2', ['server', 'ident'])},
joined AS (
  SELECT *, 'tuple' AS joined FROM by_tuple UNION ALL SELECT *, 'source' FROM by_source
  UNION ALL SELECT *, 'destination' FROM by_destination
)
SELECT l.* EXCLUDE (reply, nr, latest, client, server, client_port, server_port, ident),
  j.flow_host, j.flow_date, j.flow, j.ifindex, j.first, j.last, j.name, j.name_from, j.nat, j.joined
FROM lines l LEFT JOIN joined j USING (nr)`;

function stage(name: string, lines: string, columns: readonly string[]): string {
  const same = ['proto', 'client_port', 'server_port', ...columns].map((column) => `l.${column} = e.${column}`);
  return `${name} AS (
  SELECT nr, e.* FROM ${lines} l ASOF JOIN ends e ON ${same.join(' AND ')} AND l.latest >= e.first
  WHERE e.last >= l.time - INTERVAL 1 SECOND
)`;
}
