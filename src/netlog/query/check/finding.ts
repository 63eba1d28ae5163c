// What a check comes to, and the rows that show it. Rows of one far end, client and qube are one finding, the first seen first.

import { inNetworks } from '../address.ts';
import { type Database, flag, type Micros, number, optionalNumber, optionalText, text } from '../database.ts';
import { rowName } from '../row-name.ts';
import { all, any, type Sql, sql } from '../sql.ts';
import type { Allowance, CheckName, Policy } from './policy.ts';

export interface Evidence {
  readonly host: string;
  /** Of what is wrong with files: when it was looked at. */
  readonly first: Micros;
  /** How often, or how much was lost. */
  readonly count: number;
  /** For `packets`, where packets show it. */
  readonly row: string | undefined;
  readonly client: string | undefined;
  readonly proto: string | undefined;
  readonly remote: string | undefined;
  readonly port: number | undefined;
  readonly name: string | undefined;
  /** On the wire. */
  readonly bytes: number | undefined;
  readonly about: string;
}

export interface CheckResult {
  readonly check: CheckName;
  /** `unknown`: there was nothing to look at. */
  readonly status: 'passed' | 'failed' | 'unknown';
  /** One sentence: what was looked at, or why it could not be. */
  readonly about: string;
  readonly evidence: readonly Evidence[];
}

/** Of `failed` with evidence, otherwise `passed`. */
export function judged(check: CheckName, about: string, evidence: readonly Evidence[]): CheckResult {
  return { check, status: evidence.length > 0 ? 'failed' : 'passed', about, evidence };
}

/** Rows of `sent` for which `wanted` holds and which the policy does not allow, as evidence. */
export async function findSent(
  database: Database,
  check: CheckName,
  policy: Policy,
  wanted: Sql,
): Promise<readonly Evidence[]> {
  const allowances = policy.allow.filter(({ checks }) => checks.includes(check));
  // A protocol without ports has none that is allowed.
  const lenient = sql`coalesce(${any(allowances.map(allowed))}, FALSE)`;
  const rows = await database.rows(sql`
    SELECT host, seen, client, proto, remote, rport, epoch_us(min(first)) AS us, count(DISTINCT coalesce(near, epoch_us(first))) AS times,
      sum(bytes) FILTER (leaves) AS bytes, min_by(name, first) FILTER (name IS NOT NULL) AS name, min_by(CAST(date AS VARCHAR), first) AS day,
      min_by(near, first) AS near, bool_or(forwarded IS NOT DISTINCT FROM FALSE) AS own, min_by(about, first) AS about
    FROM sent WHERE forwarded IS NOT NULL AND ${wanted} AND NOT ${lenient}
    GROUP BY host, seen, client, proto, remote, rport ORDER BY us, host, remote`);
  return rows.map((row) => {
    const host = text(row, 'host');
    const near = optionalNumber(row, 'near');
    return {
      host,
      first: number(row, 'us'),
      count: number(row, 'times'),
      row: near === undefined ? undefined : rowName({ host, date: text(row, 'day'), flow: near }),
      client: optionalText(row, 'client'),
      proto: optionalText(row, 'proto'),
      remote: text(row, 'remote'),
      port: optionalNumber(row, 'rport'),
      name: optionalText(row, 'name'),
      bytes: optionalNumber(row, 'bytes'),
      about: optionalText(row, 'about') ?? (flag(row, 'own') ? 'sent by the qube itself' : 'forwarded'),
    };
  });
}

/** The rows of `sent` that an allowance is about. */
export function allowed({ qube, own, proto, ports, to }: Allowance): Sql {
  return all([
    ...(qube === undefined ? [] : [sql`host = ${qube}`]),
    ...(own === undefined ? [] : [sql`forwarded = ${own ? sql`FALSE` : sql`TRUE`}`]),
    ...(proto === undefined ? [] : [sql`upper(proto) = ${proto.toUpperCase()}`]),
    ...(ports === undefined ? [] : [any(ports.map((port) => sql`rport = ${port}`))]),
    ...(to === undefined ? [] : [inNetworks(sql`remote`, to)]),
  ]);
}

/** Rows of the other kind: what is missing. */
export function lossOf(host: string, first: Micros, count: number, about: string): Evidence {
  const nothing = {
    row: undefined,
    client: undefined,
    proto: undefined,
    remote: undefined,
    port: undefined,
    name: undefined,
  };
  return { host, first, count, ...nothing, bytes: undefined, about };
}
