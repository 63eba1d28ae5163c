// What `netlogs check` holds the traffic against, as data: ~/.config/netlogs.json over these defaults, which fit the four net
// qubes of Qubes. Which traffic is no finding is data, too, each with its reason.
import { type Network, parseNetwork } from '../../../filter/network.ts';
import { DOH_ADDRESSES, DOH_NAMES } from './doh.ts';

export const CHECKS = ['dns', 'encrypted-dns', 'tunnel', 'ipv6', 'capture', 'nft', 'ledger'] as const;
export type CheckName = (typeof CHECKS)[number];

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** Traffic that is no finding. What is not given may be anything. */
export interface Allowance {
  readonly checks: readonly CheckName[];
  /** Where it was seen. */
  readonly qube?: string | undefined;
  /** Sent by that qube itself, not forwarded. */
  readonly own?: boolean | undefined;
  readonly proto?: string | undefined;
  /** Of the far end. */
  readonly ports?: readonly number[] | undefined;
  /** Of the far end. */
  readonly to?: readonly Network[] | undefined;
  readonly reason: string;
}

export interface Policy {
  /** Networks of qubes: what goes there has not left. */
  readonly inside: readonly Network[];
  /** Plain and encrypted DNS may go there, whoever asks. */
  readonly resolvers: readonly string[];
  /** Where clients' names are resolved: what these qubes ask themselves, by DNS over TLS or HTTPS, is their job. */
  readonly resolverQubes: readonly string[];
  /** What leaves these must go to an endpoint of the tunnel. */
  readonly vpnQubes: readonly string[];
  /** Behind the tunnel: what these forward must go to its endpoint. */
  readonly edgeQubes: readonly string[];
  /** Empty: taken from the traffic of the VPN qubes, and said. */
  readonly tunnels: readonly Endpoint[];
  readonly dohNames: readonly string[];
  readonly dohAddresses: readonly string[];
  readonly allow: readonly Allowance[];
}

export function network(text: string): Network {
  const parsed = parseNetwork(text);
  if (parsed === undefined) throw new Error(`unreachable: ${text} is no network`);
  return parsed;
}

/** As core-admin numbers qubes, disposables and their resolvers: qubes/vm/mix/net.py, qubes/config.py. */
const INSIDE = ['10.137.0.0/16', '10.138.0.0/16', '10.139.0.0/16', 'fd09:24ef:4179::/48'].map(network);

const ALLOWED: readonly Allowance[] = [
  {
    checks: ['dns', 'encrypted-dns', 'tunnel', 'ipv6'],
    qube: 'sys-net',
    own: true,
    reason:
      'what sys-net sends itself (DHCP, NTP, NetworkManager asking the network for names and for a captive portal, updates for templates) is not forwarded, and a sys-net that lies would not log it',
  },
  {
    checks: ['dns', 'tunnel'],
    qube: 'sys-dns',
    own: true,
    ports: [53],
    to: ['9.9.9.11/32', '8.8.8.8/32'].map(network),
    reason: 'bootstrap_resolvers of dnscrypt-proxy by default: it asks them for the addresses of its servers',
  },
  {
    checks: ['tunnel'],
    qube: 'sys-vpn',
    own: true,
    proto: 'UDP',
    ports: [67],
    reason: 'DHCP does not leave the wire that it is asked on',
  },
];

export const DEFAULT_POLICY: Policy = {
  inside: INSIDE,
  resolvers: [],
  resolverQubes: ['sys-dns'],
  vpnQubes: ['sys-vpn'],
  edgeQubes: ['sys-net'],
  tunnels: [],
  dohNames: DOH_NAMES,
  dohAddresses: DOH_ADDRESSES,
  allow: ALLOWED,
};

/**
 * What leaves no link or no machine, whatever its address says: loopback, multicast with mDNS, LLMNR, SSDP, IGMP and neighbour
 * discovery, broadcast, link-local and unspecified addresses (IANA's special-purpose registries).
 */
export const NEVER_LEAVES: readonly Network[] = [
  '0.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/4',
  '255.255.255.255/32',
  '::/127',
  'fe80::/10',
  'ff00::/8',
].map(network);
