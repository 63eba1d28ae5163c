// The index's views as tables of a DuckDB in memory, with the columns that its schema has, filled by the tests' own SQL.
import { DuckDBInstance } from '@duckdb/node-api';
import type { Ask } from '../../../src/netlog/report/ask.ts';

const TABLES: Readonly<Record<string, string>> = {
  packets: `file INTEGER, flow BIGINT, time TIMESTAMPTZ, forward BOOLEAN, len INTEGER, caplen INTEGER, tcp_flags UTINYINT,
    ip_id INTEGER, ttl UTINYINT`,
  flows: `flow BIGINT, ifindex INTEGER, proto VARCHAR, src VARCHAR, sport INTEGER, dst VARCHAR, dport INTEGER, "first" TIMESTAMPTZ,
    "last" TIMESTAMPTZ, packets_forward BIGINT, packets_back BIGINT, bytes_forward BIGINT, bytes_back BIGINT,
    tcp_flags_forward UTINYINT, tcp_flags_back UTINYINT, syn BOOLEAN, name VARCHAR, name_from VARCHAR, nat BIGINT`,
  dns: `time TIMESTAMPTZ, flow BIGINT, file INTEGER, proto VARCHAR, src VARCHAR, sport INTEGER, dst VARCHAR, dport INTEGER,
    id INTEGER, response BOOLEAN, opcode INTEGER, rcode VARCHAR, name VARCHAR, type VARCHAR, answers VARCHAR[], cut BOOLEAN`,
  nft: `time TIMESTAMPTZ, prefix VARCHAR, class VARCHAR, src VARCHAR, dst VARCHAR, proto VARCHAR, sport INTEGER, dport INTEGER`,
  files: `file INTEGER, name VARCHAR, bytes BIGINT, packets BIGINT, "first" TIMESTAMPTZ, "last" TIMESTAMPTZ, linktype INTEGER,
    snaplen INTEGER, dropped BIGINT, damage VARCHAR`,
  gaps: `"from" TIMESTAMPTZ, "to" TIMESTAMPTZ, kind VARCHAR, count BIGINT, about VARCHAR`,
  manifests: `kind VARCHAR, id VARCHAR, since TIMESTAMPTZ, until TIMESTAMPTZ, last_good TIMESTAMPTZ, file VARCHAR, bytes BIGINT,
    sha256 VARCHAR, encrypted BOOLEAN, facts MAP(VARCHAR, VARCHAR)`,
};

/** Empty views, and what asks them. */
export async function emptyViews(): Promise<Ask> {
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  await connection.run("SET TimeZone = 'UTC'");
  for (const [name, columns] of Object.entries(TABLES)) {
    await connection.run(`CREATE TABLE ${name} (host VARCHAR, date DATE, ${columns})`);
  }
  return async <Row>(sql: string) => (await connection.runAndReadAll(sql)).getRowObjectsJS() as Row[];
}
