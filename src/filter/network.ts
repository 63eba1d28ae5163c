// IPv4 and IPv6 networks as numbers: read from text, and a list of them reduced to as few as cover the same addresses.
// Used by exclude.ts and network-search.ts.
import { isIP } from 'node:net';

export interface Network {
  /** Of an address. */
  readonly bits: 32 | 128;
  /** Its first address. */
  readonly first: bigint;
  /** So many leading bits are common to all its addresses. */
  readonly prefix: number;
}

/**
 * `192.0.2.0/24`, `2001:db8::/32`, or an address for itself. Undefined for all else, bits set behind the prefix, zones and
 * IPv4 in IPv6 notation included.
 */
export function parseNetwork(text: string): Network | undefined {
  const [, address = '', digits] = /^([\d.]+|[\da-fA-F:]+)(?:\/(0|[1-9]\d{0,2}))?$/.exec(text) ?? [];
  const version = isIP(address);
  if (version === 0) return undefined;
  const bits = version === 4 ? 32 : 128;
  const prefix = digits === undefined ? bits : Number(digits);
  if (prefix > bits) return undefined;
  const first = version === 4 ? joined(address.split('.').map(Number), 8n) : joined(ipv6Words(address), 16n);
  return first & ((1n << BigInt(bits - prefix)) - 1n) ? undefined : { bits, first, prefix };
}

function ipv6Words(address: string): number[] {
  const [head = [], tail] = address
    .split('::')
    .map((part) => (part === '' ? [] : part.split(':').map((word) => Number.parseInt(word, 16))));
  return tail === undefined ? head : [...head, ...new Array<number>(8 - head.length - tail.length).fill(0), ...tail];
}

function joined(parts: readonly number[], width: bigint): bigint {
  return parts.reduce((value, part) => (value << width) | BigInt(part), 0n);
}

/** Sorted, none covers another, and no two are the halves of one. All must have the same `bits`. */
export function reduceNetworks(networks: readonly Network[]): Network[] {
  const sorted = networks.toSorted((a, b) => compare(a.first, b.first) || a.prefix - b.prefix);
  const reduced: Network[] = [];
  for (const network of sorted) {
    let last = reduced.at(-1);
    if (last !== undefined && covers(last, network)) continue;
    let next = network;
    while (last !== undefined && last.prefix === next.prefix && covers(parent(last), next)) {
      next = parent(last);
      reduced.pop();
      last = reduced.at(-1);
    }
    reduced.push(next);
  }
  return reduced;
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : Number(a > b);
}

function covers(network: Network, other: Network): boolean {
  return network.prefix <= other.prefix && startOf(other.first, network) === network.first;
}

function startOf(address: bigint, { bits, prefix }: Network): bigint {
  const host = BigInt(bits - prefix);
  return (address >> host) << host;
}

function parent(network: Network): Network {
  const wider = { ...network, prefix: network.prefix - 1 };
  return { ...wider, first: startOf(network.first, wider) };
}
