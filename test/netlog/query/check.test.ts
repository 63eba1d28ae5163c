// A small chain as the checks see it: client, sys-dns that resolves by TLS, sys-vpn with a tunnel, sys-net. A clean day has no
// finding; then one leak each, where it would be seen.
import { beforeEach, expect, test } from 'vitest';
import { DEFAULT_POLICY, type Policy } from '../../../src/netlog/query/check/policy.ts';
import { runChecks } from '../../../src/netlog/query/check/run.ts';
import { at, DAY, Tables } from './tables.ts';

const DAYS = { days: { from: DAY, to: DAY } };
const CLIENT = '10.137.0.10';
const DNS_UPLINK = '10.137.0.11';
const VPN_UPLINK = '10.137.0.12';
const RESOLVER = '198.51.100.53';
const WEB = '198.51.100.80';
const ENDPOINT = { dst: '198.51.100.51', dport: 51_820 };
let tables: Tables;
let nat = 100;
let flow = 0;

/** Crosses sys-dns, with its masquerade. */
function throughDns(
  ends: { dst: string; dport: number; proto?: string; name?: string },
  client = CLIENT,
): Promise<void> {
  nat++;
  return tables.add(
    'flows',
    { flow: ++flow, ifindex: 3, nat, src: client, proto: 'TCP', ...ends },
    {
      flow: ++flow,
      ifindex: 2,
      nat,
      src: client.includes(':') ? 'fd09:24ef:4179::a89:b' : DNS_UPLINK,
      proto: 'TCP',
      first: at(0.0001),
      ...ends,
    },
  );
}

/** Crosses sys-vpn: into the tunnel, or past it. */
function throughVpn(ends: { dst: string; dport: number; proto?: string; name?: string }, past = false): Promise<void> {
  nat++;
  const six = ends.dst.includes(':');
  const out = past ? (six ? 'fd09:24ef:4179::a89:c' : VPN_UPLINK) : six ? 'fd00:8::1' : '10.8.0.1';
  return tables.add(
    'flows',
    {
      flow: ++flow,
      host: 'sys-vpn',
      ifindex: 3,
      nat,
      src: six ? 'fd09:24ef:4179::a89:b' : DNS_UPLINK,
      proto: 'TCP',
      ...ends,
    },
    { flow: ++flow, host: 'sys-vpn', ifindex: past ? 2 : 9, nat, src: out, proto: 'TCP', first: at(0.0001), ...ends },
  );
}

async function findings(policy: Policy = DEFAULT_POLICY): Promise<string[]> {
  const results = await runChecks(tables, DAYS, policy, ['dns', 'encrypted-dns', 'tunnel', 'ipv6', 'capture', 'nft']);
  expect(results.filter(({ status }) => status === 'unknown')).toEqual([]);
  return results.flatMap(({ check, evidence }) =>
    evidence.map(({ host, client, remote, port, about }) =>
      [check, host, client ?? '', remote === undefined ? about : `${remote}:${port ?? ''}`].join(' '),
    ),
  );
}

beforeEach(async () => {
  tables = await Tables.create();
  // The client's names, and what sys-dns asks for them.
  await tables.add('flows', { flow: ++flow, ifindex: 3 });
  await tables.add('flows', { flow: ++flow, ifindex: 2, src: DNS_UPLINK, dst: RESOLVER, dport: 853, proto: 'TCP' });
  await throughVpn({ dst: RESOLVER, dport: 853 });
  // Background on the wire of a client: DHCP, mDNS, NTP and a captive portal's page; neighbour discovery.
  for (const [dst, dport, proto] of [
    ['255.255.255.255', 67, 'UDP'],
    ['224.0.0.251', 5353, 'UDP'],
    ['ff02::16', null, 'ICMPv6'],
    ['10.137.0.11', 67, 'UDP'],
    ['239.255.255.250', 1900, 'UDP'],
    ['fe80::1', null, 'ICMPv6'],
  ] as const)
    for (const host of ['sys-dns', 'sys-vpn'])
      await tables.add('flows', { flow: ++flow, host, ifindex: 2, src: '0.0.0.0', dst, dport, proto });
  for (const ends of [
    { dst: '198.51.100.123', dport: 123, proto: 'UDP' },
    { dst: WEB, dport: 80, name: 'detectportal.firefox.com' },
    { dst: WEB, dport: 443, name: 'www.example.test' },
    { dst: '2001:db8:1::1', dport: 443 },
  ]) {
    await throughDns(ends, ends.dst.includes(':') ? 'fd09:24ef:4179::a89:a' : CLIENT);
    await throughVpn(ends);
  }
  await tables.add('flows', {
    flow: ++flow,
    host: 'sys-vpn',
    ifindex: 2,
    src: VPN_UPLINK,
    proto: 'UDP',
    ...ENDPOINT,
    bytes_forward: 100_000,
  });
  // The tunnel is forwarded by sys-net; its own questions, time and portal page are its own.
  await tables.add('nft', { src: VPN_UPLINK, proto: 'UDP', ...ENDPOINT });
  for (const own of [
    { dst: RESOLVER, dport: 53, class: 'dns', proto: 'UDP' },
    { dst: WEB, dport: 80 },
    { dst: '198.51.100.123', dport: 123, proto: 'UDP' },
  ])
    await tables.add('nft', { in: '', src: '192.0.2.2', sport: 50000, ...own });
  await tables.add('nft', {
    host: 'sys-firewall',
    prefix: 'SYSFW',
    in: 'vif5.0',
    out: 'eth0',
    src: CLIENT,
    dst: '10.139.1.1',
    dport: 53,
    sport: 40000,
    class: 'dns',
    proto: 'UDP',
  });
  await tables.add('files', {});
});

test('a clean day has no finding', async () => {
  expect(await findings()).toEqual([]);
});

test('the tunnel may be given, and is another then', async () => {
  const tunnels = [{ address: ENDPOINT.dst, port: ENDPOINT.dport }];
  expect(await findings({ ...DEFAULT_POLICY, tunnels })).toEqual([]);
});

test('a tunnel that nothing goes to does not pass: a wrong --tunnel, or one that never came up', async () => {
  const tunnels = [{ address: '192.0.2.9', port: 51_820 }];
  const results = await runChecks(tables, DAYS, { ...DEFAULT_POLICY, tunnels, edgeQubes: [] }, ['tunnel', 'ipv6']);
  expect(results.map(({ check, status, evidence }) => [check, status, evidence.length])).toEqual([
    ['tunnel', 'unknown', 0],
    ['ipv6', 'unknown', 0],
  ]);
  expect(results[0]?.about).toContain('sys-vpn sent nothing to the tunnel');
});

test('a question in plain past the resolver is seen where it passes', async () => {
  await throughDns({ dst: RESOLVER, dport: 53, proto: 'UDP' });
  await throughVpn({ dst: RESOLVER, dport: 53, proto: 'UDP' });
  expect(await findings()).toEqual([
    `dns sys-dns ${CLIENT} ${RESOLVER}:53`,
    `dns sys-vpn ${DNS_UPLINK} ${RESOLVER}:53`,
  ]);
  expect(await findings({ ...DEFAULT_POLICY, resolvers: [RESOLVER] })).toEqual([]);
});

test('sys-dns may ask for its own servers in plain, and a client may not', async () => {
  await tables.add('flows', { flow: ++flow, ifindex: 2, src: DNS_UPLINK, dst: '9.9.9.11' });
  await throughVpn({ dst: '9.9.9.11', dport: 53, proto: 'UDP' });
  expect(await findings()).toEqual([]);
  await throughDns({ dst: '9.9.9.11', dport: 53, proto: 'UDP' });
  expect(await findings()).toEqual([`dns sys-dns ${CLIENT} 9.9.9.11:53`]);
});

test.each([
  ['TLS', { dst: RESOLVER, dport: 853 }],
  ['QUIC', { dst: RESOLVER, dport: 853, proto: 'UDP' }],
  ['HTTPS, by name', { dst: WEB, dport: 443, name: 'DNS.quad9.net' }],
  ['HTTPS, by address', { dst: '1.1.1.1', dport: 443 }],
])('DNS over %s by a client is found where sys-dns forwards it', async (_, ends) => {
  await throughDns(ends);
  expect(await findings()).toEqual([`encrypted-dns sys-dns ${CLIENT} ${ends.dst}:${ends.dport}`]);
});

test('what leaves sys-vpn past the tunnel, and what sys-net forwards of it', async () => {
  await throughVpn({ dst: '203.0.113.66', dport: 443 }, true);
  await tables.add('nft', { src: VPN_UPLINK, dst: '203.0.113.66', dport: 443, time: at(5) });
  expect(await findings()).toEqual([
    `tunnel sys-vpn ${DNS_UPLINK} 203.0.113.66:443`,
    `tunnel sys-net ${VPN_UPLINK} 203.0.113.66:443`,
  ]);
});

test('the same by IPv6, and nothing of what goes through the tunnel', async () => {
  await throughVpn({ dst: '2001:db8:66::66', dport: 443 }, true);
  expect(await findings()).toEqual(['ipv6 sys-vpn fd09:24ef:4179::a89:b 2001:db8:66::66:443']);
});

test('what has no ports leaks, too', async () => {
  const ping = { host: 'sys-vpn', ifindex: 2, src: VPN_UPLINK, sport: null, dport: null, proto: 'ICMP' };
  await tables.add(
    'flows',
    { ...ping, flow: ++flow, dst: '203.0.113.66' },
    { ...ping, flow: ++flow, dst: ENDPOINT.dst },
  );
  const found = [`tunnel sys-vpn ${VPN_UPLINK} 203.0.113.66:`];
  expect(await findings()).toEqual(found);
  const time = { checks: ['tunnel'], qube: 'sys-vpn', ports: [123], reason: 'the time' } as const;
  expect(await findings({ ...DEFAULT_POLICY, allow: [...DEFAULT_POLICY.allow, time] })).toEqual(found);
});

test("another port of the tunnel's end is not the tunnel", async () => {
  await throughVpn({ dst: ENDPOINT.dst, dport: 443 }, true);
  expect(await findings()).toEqual([`tunnel sys-vpn ${DNS_UPLINK} ${ENDPOINT.dst}:443`]);
});

test('what sys-dns itself asks in plain of others than its own servers is found at each qube that sees it', async () => {
  await tables.add('flows', { flow: ++flow, ifindex: 2, src: DNS_UPLINK, dst: '8.8.4.4' });
  await throughVpn({ dst: '8.8.4.4', dport: 53, proto: 'UDP' });
  expect(await findings()).toEqual([`dns sys-dns ${DNS_UPLINK} 8.8.4.4:53`, `dns sys-vpn ${DNS_UPLINK} 8.8.4.4:53`]);
});

test('a question in plain that sys-net forwards, and not the answer to it, but what only looks like one', async () => {
  const dns = { src: VPN_UPLINK, sport: 40_000, dst: '192.0.2.53', dport: 53, class: 'dns', proto: 'UDP', time: at(5) };
  await tables.add('nft', dns, {
    ...dns,
    in: 'ens6',
    out: 'vif2.0',
    src: dns.dst,
    sport: 53,
    dst: VPN_UPLINK,
    dport: 40_000,
  });
  await tables.add('nft', { ...dns, sport: 53, dst: '203.0.113.66', dport: 4444, time: at(6) });
  expect(await findings()).toEqual([
    `dns sys-net ${VPN_UPLINK} 192.0.2.53:53`,
    `tunnel sys-net ${VPN_UPLINK} 192.0.2.53:53`,
    `tunnel sys-net ${VPN_UPLINK} 203.0.113.66:4444`,
  ]);
});

test('a flow that the far end was seen to begin is judged all the same', async () => {
  await tables.add('flows', {
    flow: ++flow,
    host: 'sys-vpn',
    ifindex: 2,
    src: '203.0.113.66',
    sport: 443,
    dst: VPN_UPLINK,
    dport: 50000,
    proto: 'TCP',
    syn: false,
  });
  expect(await findings()).toEqual([`tunnel sys-vpn ${VPN_UPLINK} 203.0.113.66:443`]);
});

test('a question that came in and did not leave is no leak', async () => {
  await tables.add('flows', { flow: ++flow, ifindex: 3, src: CLIENT, dst: RESOLVER });
  expect(await findings()).toEqual([]);
});

test('gaps, drops and lines left out', async () => {
  await tables.add(
    'gaps',
    {},
    { kind: 'dropped', count: 7, from: at(9), about: 'a.pcap' },
    { kind: 'unlogged', count: 220, host: 'sys-net', about: 'new' },
  );
  await tables.add('manifests', { host: 'sys-firewall', kind: 'nft', facts: { table: 'missing' } });
  expect(await findings()).toEqual([
    'capture sys-dns  no capture ran for 60 s',
    'capture sys-dns  packets that the kernel had no room for: a.pcap',
    'nft sys-firewall  the rules were gone when the lines were fetched',
    'nft sys-net  packets without a line: new',
  ]);
});

test('without anything to look at, a check says that it does not know', async () => {
  const empty = await runChecks(await Tables.create(), DAYS, DEFAULT_POLICY, ['tunnel', 'capture', 'nft', 'dns']);
  expect(empty.map(({ check, status }) => [check, status])).toEqual([
    ['dns', 'unknown'],
    ['tunnel', 'unknown'],
    ['capture', 'unknown'],
    ['nft', 'unknown'],
  ]);
});

test('without anything of the resolving qube, its questions behind it are no finding, and it is said', async () => {
  tables = await Tables.create();
  await throughVpn({ dst: RESOLVER, dport: 853 });
  const [result] = await runChecks(tables, DAYS, DEFAULT_POLICY, ['encrypted-dns']);
  expect(result).toMatchObject({ status: 'unknown', about: expect.stringContaining('nothing of sys-dns is there') });
  const [known] = await runChecks(tables, DAYS, { ...DEFAULT_POLICY, resolverQubes: [] }, ['encrypted-dns']);
  expect(known).toMatchObject({ status: 'failed' });
});

test('two ends of tunnels are told and do not pass until they are given', async () => {
  const other = { dst: '198.51.100.52', dport: 51_820, proto: 'UDP' };
  await tables.add('flows', { flow: ++flow, host: 'sys-vpn', ifindex: 2, src: VPN_UPLINK, ...other });
  const [result] = await runChecks(tables, DAYS, DEFAULT_POLICY, ['tunnel']);
  expect(result).toMatchObject({ status: 'unknown', about: expect.stringContaining(`${other.dst}:${other.dport}`) });
  const one = [{ address: ENDPOINT.dst, port: ENDPOINT.dport }];
  expect(await findings({ ...DEFAULT_POLICY, tunnels: one })).toEqual([
    `tunnel sys-vpn ${VPN_UPLINK} ${other.dst}:${other.dport}`,
  ]);
  const both = [...one, { address: other.dst, port: other.dport }];
  expect(await findings({ ...DEFAULT_POLICY, tunnels: both })).toEqual([]);
});
