// The checks of the tunnel. `tunnel`: what leaves a VPN qube by the interface that the tunnel runs over, and what the qubes
// behind it forward, goes to the tunnel's endpoint. `ipv6`: the same for IPv6, which a tunnel is often forgotten for.
import { type Database, number, text } from '../database.ts';
import { any, type Sql, sql } from '../sql.ts';
import { type CheckResult, type Evidence, findSent, judged } from './finding.ts';
import type { CheckName, Endpoint, Policy } from './policy.ts';

/** WireGuard, OpenVPN, and IKE with its NAT traversal, by their registered ports or their programs' defaults. */
const VPN_PORTS: readonly number[] = [51_820, 1194, 500, 4500];

export async function checkTunnel(database: Database, policy: Policy): Promise<readonly CheckResult[]> {
  const given = policy.tunnels.length > 0;
  const tunnels = given ? policy.tunnels : await guessTunnels(database, policy);
  if (tunnels.length === 0) {
    const about = `no tunnel is known: ${policy.vpnQubes.join(', ')} sent nothing to a usual VPN port; give --tunnel ADDRESS:PORT`;
    return (['tunnel', 'ipv6'] as const).map((check) => ({ check, status: 'unknown', about, evidence: [] }));
  }
  const ends = tunnels
    .map(({ address, port }) => `${address.includes(':') ? `[${address}]` : address}:${port}`)
    .join(', ');
  const past = `past the tunnel to ${ends}${given ? '' : ' (taken from the traffic, --tunnel says it)'}`;
  const results = [
    await offTunnel(database, 'tunnel', policy, tunnels, sql`NOT contains(remote, ':')`, `IPv4 ${past}`),
    await offTunnel(database, 'ipv6', policy, tunnels, sql`contains(remote, ':')`, `IPv6 ${past}`),
  ];
  if (given || tunnels.length === 1) return results;
  // One of them may be a client's own VPN that has left past the tunnel.
  const which = 'several ends were found: give each that is right by --tunnel';
  return results.map((result) =>
    result.status === 'passed' ? { ...result, status: 'unknown', about: `${result.about}: ${which}` } : result,
  );
}

async function offTunnel(
  database: Database,
  check: CheckName,
  policy: Policy,
  tunnels: readonly Endpoint[],
  family: Sql,
  about: string,
): Promise<CheckResult> {
  const { vpnQubes, edgeQubes } = policy;
  // ICMP about the tunnel's own packets goes to its endpoint, too.
  const toEnd = any(
    tunnels.map(({ address, port }) => sql`remote = ${address} AND (rport = ${port} OR rport IS NULL)`),
  );
  // An interface that the tunnel's packets leave by has everything else in plain; nft lines of a qube behind it likewise.
  const uplinks = sql`SELECT DISTINCT (host, ifindex) FROM sent WHERE seen = 'flow' AND ${toEnd}`;
  const outer = sql`SELECT DISTINCT host FROM sent WHERE seen = 'nft' AND ${toEnd}`;
  const leaving = any([
    sql`seen = 'flow' AND host IN ${[...vpnQubes, ...edgeQubes]} AND (host, ifindex) IN (${uplinks})`,
    sql`seen = 'nft' AND (host IN ${edgeQubes} OR host IN (${outer}))`,
  ]);
  const evidence: readonly Evidence[] = await findSent(
    database,
    check,
    policy,
    sql`${leaving} AND ${family} AND NOT ${toEnd}`,
  );
  const blind = evidence.length > 0 ? [] : await outsideTunnel(database, vpnQubes, toEnd);
  if (blind.length === 0) return judged(check, about, evidence);
  const nothing = `${blind.join(', ')} sent nothing to the tunnel, so what it sent past it is not known; is it the right --tunnel?`;
  return { check, status: 'unknown', about: `${about}: ${nothing}`, evidence };
}

/**
 * VPN qubes that sent something, and none of it to the tunnel's end: which interface it runs over is not known of them. That
 * is so with the address of another tunnel, and where the tunnel never came up, so it must not pass.
 */
async function outsideTunnel(database: Database, vpnQubes: readonly string[], toEnd: Sql): Promise<readonly string[]> {
  const rows = await database.rows(sql`
    SELECT host FROM sent WHERE seen = 'flow' AND host IN ${vpnQubes} GROUP BY host HAVING NOT bool_or(${toEnd}) ORDER BY host`);
  return rows.map((row) => text(row, 'host'));
}

/** Where the VPN qubes themselves send to, by a port of VPNs: several, where the endpoint has changed. */
async function guessTunnels(database: Database, { vpnQubes }: Policy): Promise<readonly Endpoint[]> {
  const rows = await database.rows(sql`
    SELECT remote, rport, sum(bytes) AS bytes FROM sent
    WHERE seen = 'flow' AND host IN ${vpnQubes} AND NOT forwarded AND ${any(VPN_PORTS.map((port) => sql`rport = ${port}`))}
    GROUP BY ALL ORDER BY bytes DESC, remote`);
  return rows.map((row) => ({ address: text(row, 'remote'), port: number(row, 'rport') }));
}
