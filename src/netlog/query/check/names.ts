// The checks of name resolution. `dns`: no question in plain leaves but to a resolver that is allowed. `encrypted-dns`: nobody
// but the resolving qube itself asks by TLS, QUIC or HTTPS.
//
// Where the resolving qube masquerades, the qubes behind it can't tell its own questions from its clients'. So its clients are
// judged where it forwards, and behind it what it was seen to ask itself is its own.
import { type Database, number } from '../database.ts';
import { any, type Sql, sql } from '../sql.ts';
import { allowed, type CheckResult, findSent, judged } from './finding.ts';
import type { Policy } from './policy.ts';

const DNS = 53;
/** DNS over TLS (RFC 7858) and over QUIC (RFC 9250). */
const DNS_OVER_TLS = 853;
const HTTPS = 443;

export async function checkDns(database: Database, policy: Policy): Promise<CheckResult> {
  const { resolvers, resolverQubes } = policy;
  const behind = sql`host NOT IN ${resolverQubes} AND (remote, rport) IN (SELECT (remote, rport) FROM sent
    WHERE host IN ${resolverQubes} AND NOT forwarded AND rport = ${DNS} AND ${bootstraps(policy)})`;
  const plain = sql`proto IN ('UDP', 'TCP') AND rport = ${DNS} AND (seen = 'flow' OR class = 'dns')`;
  const evidence = await findSent(
    database,
    'dns',
    policy,
    sql`${plain} AND remote NOT IN ${resolvers} AND NOT (${behind})`,
  );
  return judged('dns', 'questions in plain to others than the resolvers', evidence);
}

/** What the policy lets the resolving qube itself ask in plain; elsewhere the same looks forwarded. */
function bootstraps({ allow, resolverQubes }: Policy): Sql {
  const own = allow.filter(
    ({ checks, own, qube }) =>
      checks.includes('dns') && own === true && qube !== undefined && resolverQubes.includes(qube),
  );
  return any(own.map(allowed));
}

export async function checkEncryptedDns(database: Database, policy: Policy): Promise<CheckResult> {
  const { resolvers, resolverQubes, dohNames, dohAddresses } = policy;
  const byName = any(dohNames.map((name) => sql`lower(name) = ${name} OR ends_with(lower(name), ${`.${name}`})`));
  const encrypted = any([
    sql`rport = ${DNS_OVER_TLS} AND proto IN ('TCP', 'UDP')`,
    sql`rport = ${HTTPS} AND (remote IN ${dohAddresses} OR coalesce(${byName}, FALSE))`,
  ]);
  const own = sql`host IN ${resolverQubes} AND NOT forwarded`;
  const behind = sql`host NOT IN ${resolverQubes} AND (remote, rport) IN (SELECT (remote, rport) FROM sent WHERE ${own})`;
  const evidence = await findSent(
    database,
    'encrypted-dns',
    policy,
    sql`${encrypted} AND remote NOT IN ${resolvers} AND NOT (${own}) AND NOT (${behind})`,
  );
  const result = judged('encrypted-dns', 'DNS over TLS, QUIC or HTTPS past the resolver', evidence);
  if (evidence.length === 0 || resolverQubes.length === 0) return result;
  const [seen] = await database.rows(sql`SELECT count(*) AS rows FROM sent WHERE host IN ${resolverQubes}`);
  if (seen !== undefined && number(seen, 'rows') > 0) return result;
  const unseen = `nothing of ${resolverQubes.join(', ')} is there, so what it asked itself can't be told from its clients'`;
  return { ...result, status: 'unknown', about: `${result.about}: ${unseen}` };
}
