// The views of an index as plain tables in memory, with the columns that every question relies on: a test fills in the rows it
// is about, and what it does not name is a row's usual value.
import { DuckDBInstance } from '@duckdb/node-api';
import type { Database, Row } from '../../../src/netlog/query/database.ts';
import { Sql } from '../../../src/netlog/query/sql.ts';

const TABLES = `
  CREATE TABLE packets (host VARCHAR, date DATE, file INTEGER, flow BIGINT, time TIMESTAMPTZ, forward BOOLEAN, len INTEGER,
    caplen INTEGER, tcp_flags UTINYINT, ip_id INTEGER, ttl UTINYINT);
  CREATE TABLE flows (host VARCHAR, date DATE, flow BIGINT, ifindex INTEGER, proto VARCHAR, src VARCHAR, sport INTEGER,
    dst VARCHAR, dport INTEGER, first TIMESTAMPTZ, last TIMESTAMPTZ, packets_forward BIGINT, packets_back BIGINT,
    bytes_forward BIGINT, bytes_back BIGINT, tcp_flags_forward UTINYINT, tcp_flags_back UTINYINT, syn BOOLEAN, name VARCHAR,
    name_from VARCHAR, nat BIGINT);
  CREATE TABLE dns (host VARCHAR, date DATE, time TIMESTAMPTZ, flow BIGINT, file INTEGER, proto VARCHAR, src VARCHAR,
    sport INTEGER, dst VARCHAR, dport INTEGER, id INTEGER, response BOOLEAN, opcode INTEGER, rcode VARCHAR, name VARCHAR,
    type VARCHAR, answers VARCHAR[], cut BOOLEAN);
  CREATE TABLE tls (host VARCHAR, date DATE, time TIMESTAMPTZ, flow BIGINT, file INTEGER, transport VARCHAR, src VARCHAR,
    sport INTEGER, dst VARCHAR, dport INTEGER, name VARCHAR, alpn VARCHAR[], version VARCHAR, cut BOOLEAN);
  CREATE TABLE nft (host VARCHAR, date DATE, time TIMESTAMPTZ, prefix VARCHAR, class VARCHAR, "in" VARCHAR, "out" VARCHAR,
    src VARCHAR, dst VARCHAR, proto VARCHAR, sport INTEGER, dport INTEGER, len INTEGER, ttl INTEGER, ip_id INTEGER,
    flow_label BIGINT, tcp_flags VARCHAR, icmp_type INTEGER, icmp_code INTEGER, uid BIGINT, gid BIGINT, inner_src VARCHAR,
    inner_dst VARCHAR, inner_proto VARCHAR, inner_sport INTEGER, inner_dport INTEGER, line VARCHAR);
  CREATE TABLE files (host VARCHAR, date DATE, file INTEGER, name VARCHAR, bytes BIGINT, packets BIGINT, first TIMESTAMPTZ,
    last TIMESTAMPTZ, linktype INTEGER, snaplen INTEGER, dropped BIGINT, damage VARCHAR);
  CREATE TABLE gaps (host VARCHAR, date DATE, "from" TIMESTAMPTZ, "to" TIMESTAMPTZ, kind VARCHAR, count BIGINT, about VARCHAR);
  CREATE TABLE manifests (host VARCHAR, date DATE, kind VARCHAR, id VARCHAR, since TIMESTAMPTZ, until TIMESTAMPTZ,
    last_good TIMESTAMPTZ, file VARCHAR, bytes BIGINT, sha256 VARCHAR, encrypted BOOLEAN, facts MAP(VARCHAR, VARCHAR));`;

type Values = Readonly<
  Record<string, string | number | boolean | null | readonly string[] | Readonly<Record<string, string>>>
>;

export const DAY = '2026-11-27';
/** Seconds of that day, as a time of any column. */
export function at(second: number): string {
  return new Date(Date.parse(`${DAY}T12:00:00Z`) + second * 1000).toISOString();
}

const USUAL: Readonly<Record<string, Values>> = {
  flows: {
    host: 'sys-dns',
    date: DAY,
    ifindex: 2,
    proto: 'UDP',
    src: '10.137.0.10',
    dst: '10.139.1.1',
    sport: 40000,
    dport: 53,
    first: at(0),
    last: at(1),
    packets_forward: 1,
    packets_back: 1,
    bytes_forward: 100,
    bytes_back: 200,
    tcp_flags_forward: 0,
    tcp_flags_back: 0,
    syn: true,
  },
  packets: {
    host: 'sys-dns',
    date: DAY,
    file: 0,
    time: at(0),
    forward: true,
    len: 100,
    caplen: 96,
    tcp_flags: 0,
    ip_id: 1,
    ttl: 64,
  },
  dns: {
    host: 'sys-dns',
    date: DAY,
    time: at(0),
    file: 0,
    proto: 'UDP',
    src: '10.137.0.10',
    sport: 40000,
    dst: '10.139.1.1',
    dport: 53,
    id: 7,
    response: false,
    opcode: 0,
    name: 'example.org',
    type: 'A',
    answers: [],
    cut: false,
  },
  nft: {
    host: 'sys-net',
    date: DAY,
    time: at(0),
    prefix: 'SYSNET',
    class: 'new',
    in: 'vif2.0',
    out: 'ens6',
    proto: 'TCP',
    len: 60,
  },
  files: {
    host: 'sys-dns',
    date: DAY,
    file: 0,
    name: 'a.pcap',
    bytes: 1000,
    packets: 10,
    first: at(0),
    last: at(10),
    dropped: 0,
  },
  gaps: { host: 'sys-dns', date: DAY, from: at(0), to: at(60), kind: 'gap', count: 0, about: '' },
  manifests: {
    host: 'sys-dns',
    date: DAY,
    kind: 'pcaps',
    id: 'x',
    since: at(0),
    until: at(3600),
    encrypted: false,
    facts: {},
  },
};

export class Tables implements Database {
  readonly #connection: Awaited<ReturnType<DuckDBInstance['connect']>>;

  private constructor(connection: Awaited<ReturnType<DuckDBInstance['connect']>>) {
    this.#connection = connection;
  }

  static async create(): Promise<Tables> {
    const instance = await DuckDBInstance.create(':memory:', { autoinstall_known_extensions: 'false' });
    const tables = new Tables(await instance.connect());
    await tables.rows(new Sql(TABLES));
    return tables;
  }

  async rows({ text }: Sql): Promise<readonly Row[]> {
    return (await this.#connection.runAndReadAll(text)).getRowObjectsJS();
  }

  async add(table: string, ...rows: readonly Values[]): Promise<void> {
    for (const row of rows) {
      const values = Object.entries({ ...USUAL[table], ...row });
      const columns = values.map(([column]) => `"${column}"`).join(', ');
      await this.rows(
        new Sql(`INSERT INTO ${table} (${columns}) VALUES (${values.map(([, value]) => literal(value)).join(', ')})`),
      );
    }
  }
}

function literal(value: Values[string]): string {
  if (value === null || typeof value !== 'object')
    return typeof value === 'string' ? `'${value.replaceAll("'", "''")}'` : String(value);
  if (Array.isArray(value)) return `[${value.map((each) => literal(each)).join(', ')}]`;
  const entries = Object.entries(value).map(([key, each]) => `${literal(key)}: ${literal(each)}`);
  return `MAP {${entries.join(', ')}}`;
}
