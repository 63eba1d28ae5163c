// The tables of the index: what is in each Parquet file, and the types of its rows in TypeScript. The builder writes them,
// open.ts makes a view of each that has `host` and `date` besides, from the names of the folders. A change here needs a new
// VERSION: partitions of another version are built anew.

export const VERSION = 1;

/** Columns and their types in SQL, in order. Any value may be NULL: it is not known, or the snaplen cut it off. */
export const TABLES = {
  /** A row a packet, in the order of the savefile. */
  packets: {
    /** The savefile's number in `files`. */
    file: 'INTEGER',
    /** Joins `flows`. NULL: no IP, or cut off before the addresses. */
    flow: 'BIGINT',
    time: 'TIMESTAMPTZ',
    /** From `src` to `dst` of its flow. */
    forward: 'BOOLEAN',
    /** Bytes on the wire and bytes kept, with the link layer, as the savefile has them. */
    len: 'INTEGER',
    caplen: 'INTEGER',
    tcp_flags: 'UTINYINT',
    /** Identification of IPv4. */
    ip_id: 'INTEGER',
    /** Or IPv6's hop limit. */
    ttl: 'UTINYINT',
  },
  /** A row for each interface and 5-tuple of a day. */
  flows: {
    /** A number below 2^53 made of interface, protocol, addresses and ports: the same whenever it is built. */
    flow: 'BIGINT',
    /** The kernel's number of the interface, where the link type has it (SLL2), else 0. */
    ifindex: 'INTEGER',
    /** `TCP`, `UDP`, `ICMP`, `ICMPv6`, else the protocol's number. */
    proto: 'VARCHAR',
    /** Who opened it: sent the SYN, asked the server; else who was seen first. */
    src: 'VARCHAR',
    /** NULL where the protocol has no ports, in fragments other than the first, and where they were cut off. */
    sport: 'INTEGER',
    dst: 'VARCHAR',
    dport: 'INTEGER',
    first: 'TIMESTAMPTZ',
    last: 'TIMESTAMPTZ',
    packets_forward: 'BIGINT',
    packets_back: 'BIGINT',
    /** Bytes on the wire from the network layer on. */
    bytes_forward: 'BIGINT',
    bytes_back: 'BIGINT',
    /** All that were seen, or-ed together. */
    tcp_flags_forward: 'UTINYINT',
    tcp_flags_back: 'UTINYINT',
    /** Its first packet, a SYN, was seen. */
    syn: 'BOOLEAN',
    /** Of the first packet from `src`: what masquerading leaves, and lowers by one. */
    ip_id: 'INTEGER',
    ttl: 'UTINYINT',
    /** What a client called `dst`, and how that is known: `sni`, or `dns` by an answer before. */
    name: 'VARCHAR',
    name_from: 'VARCHAR',
    /** Flows of one host that are the same packets on two interfaces share it, whether or not NAT changed them. */
    nat: 'BIGINT',
  },
  /** A row for each question of each DNS message. */
  dns: {
    time: 'TIMESTAMPTZ',
    flow: 'BIGINT',
    file: 'INTEGER',
    proto: 'VARCHAR',
    src: 'VARCHAR',
    sport: 'INTEGER',
    dst: 'VARCHAR',
    dport: 'INTEGER',
    id: 'INTEGER',
    response: 'BOOLEAN',
    opcode: 'VARCHAR',
    rcode: 'VARCHAR',
    /** Of the question; ends in `…` where it was cut. */
    name: 'VARCHAR',
    type: 'VARCHAR',
    /** `A 192.0.2.1`, `CNAME x.example`. */
    answers: 'VARCHAR[]',
    cut: 'BOOLEAN',
  },
  /** A row for each ClientHello. */
  tls: {
    time: 'TIMESTAMPTZ',
    flow: 'BIGINT',
    file: 'INTEGER',
    /** `tcp` or `quic`. */
    transport: 'VARCHAR',
    src: 'VARCHAR',
    sport: 'INTEGER',
    dst: 'VARCHAR',
    dport: 'INTEGER',
    /** SNI. */
    name: 'VARCHAR',
    alpn: 'VARCHAR[]',
    version: 'VARCHAR',
    cut: 'BOOLEAN',
  },
  /** A row for each line of the kernel's packet log. */
  nft: {
    time: 'TIMESTAMPTZ',
    prefix: 'VARCHAR',
    class: 'VARCHAR',
    in: 'VARCHAR',
    out: 'VARCHAR',
    src: 'VARCHAR',
    dst: 'VARCHAR',
    proto: 'VARCHAR',
    sport: 'INTEGER',
    dport: 'INTEGER',
    len: 'BIGINT',
    ttl: 'UTINYINT',
    ip_id: 'INTEGER',
    flow_label: 'INTEGER',
    tcp_flags: 'VARCHAR',
    icmp_type: 'UTINYINT',
    icmp_code: 'UTINYINT',
    uid: 'BIGINT',
    gid: 'BIGINT',
    /** The packet that an ICMP error is about. */
    inner_src: 'VARCHAR',
    inner_dst: 'VARCHAR',
    inner_proto: 'VARCHAR',
    inner_sport: 'INTEGER',
    inner_dport: 'INTEGER',
    line: 'VARCHAR',
  },
  /** A row a savefile. */
  files: {
    file: 'INTEGER',
    name: 'VARCHAR',
    /** Of the savefile as it lies there, compressed or not. */
    bytes: 'BIGINT',
    packets: 'BIGINT',
    first: 'TIMESTAMPTZ',
    last: 'TIMESTAMPTZ',
    linktype: 'INTEGER',
    snaplen: 'INTEGER',
    dropped: 'BIGINT',
    /** Why it could not be read to its end. */
    damage: 'VARCHAR',
  },
  /** Times for which something is missing. */
  gaps: {
    from: 'TIMESTAMPTZ',
    to: 'TIMESTAMPTZ',
    /** `gap`, `lost`, `dropped`, `unlogged`, `missing`, `damaged`. */
    kind: 'VARCHAR',
    count: 'BIGINT',
    about: 'VARCHAR',
  },
  /** What the nightly pull says of its bundles. */
  manifests: {
    kind: 'VARCHAR',
    id: 'VARCHAR',
    since: 'TIMESTAMPTZ',
    until: 'TIMESTAMPTZ',
    last_good: 'TIMESTAMPTZ',
    file: 'VARCHAR',
    bytes: 'BIGINT',
    sha256: 'VARCHAR',
    encrypted: 'BOOLEAN',
    facts: 'MAP(VARCHAR, VARCHAR)',
  },
} as const;

export type TableName = keyof typeof TABLES;
export const TABLE_NAMES: readonly TableName[] = Object.keys(TABLES).filter(isTableName);

type CellOf<Type> = Type extends 'BOOLEAN'
  ? boolean
  : Type extends 'VARCHAR'
    ? string
    : Type extends 'VARCHAR[]'
      ? readonly string[]
      : Type extends `MAP${string}`
        ? ReadonlyMap<string, string>
        : number;

/** A row without `host` and `date`. Times are in microseconds since 1970; what is left out is NULL. */
export type Row<Name extends TableName> = {
  readonly [Column in keyof (typeof TABLES)[Name]]?: CellOf<(typeof TABLES)[Name][Column]> | null | undefined;
};

export function isTableName(name: string): name is TableName {
  return Object.hasOwn(TABLES, name);
}

/** `time TIMESTAMP ..., flow BIGINT`: as CREATE TABLE has it. */
export function columnsOf(name: TableName): string {
  return Object.entries(TABLES[name])
    .map(([column, type]) => `"${column}" ${type}`)
    .join(', ');
}
