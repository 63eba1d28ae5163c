// Addresses in SQL: whether a column's address lies in a network. DuckDB's own type for them is an extension that it would
// have to download. Most networks are seen by how the text begins: the index has addresses in one spelling (RFC 5952), where
// leading octets and leading words that are not 0 stand as they are. For the others an address becomes a number, which takes
// a hundred times as long.
import { isIP, SocketAddress } from 'node:net';
import { type Network, parseNetwork } from '../../filter/network.ts';
import { any, Sql, sql } from './sql.ts';

/** Of the eight words of an IPv6 address; those that `::` stands for are 0. An IPv4 tail (RFC 5952, 5) is not read. */
function ipv6Number(column: string): string {
  const words = (part: number): string =>
    `list_filter(string_split(coalesce(string_split(${column}, '::')[${part}], ''), ':'), lambda word: word <> '')`;
  const zeros = `list_resize(CAST([] AS VARCHAR[]), 8 - len(${words(1)}) - len(${words(2)}), '0')`;
  const number = `lambda word: CAST(CAST(('0x' || word) AS UINTEGER) AS UHUGEINT)`;
  const list = `list_concat(list_concat(${words(1)}, ${zeros}), ${words(2)})`;
  return `list_reduce(list_transform(${list}, ${number}), lambda high, low: high * 65536 + low, CAST(0 AS UHUGEINT))`;
}

/** Whether the address in `column`, a piece of SQL, is in one of the networks. False for what is no address. */
export function inNetworks(column: Sql, networks: readonly Network[]): Sql {
  const of = (bits: 32 | 128): Sql =>
    any(networks.filter((network) => network.bits === bits).map((network) => inNetwork(column, network)));
  return sql`coalesce(CASE WHEN contains(${column}, ':') THEN ${of(128)} WHEN contains(${column}, '.') THEN ${of(32)} END, FALSE)`;
}

function inNetwork(column: Sql, network: Network): Sql {
  const { bits, first, prefix } = network;
  const [width, radix, separator] = bits === 32 ? [8, 10, '.'] : [16, 16, ':'];
  const parts = Array.from({ length: bits / width }, (_, n) =>
    Number((first >> BigInt(bits - width * (n + 1))) & ((1n << BigInt(width)) - 1n)),
  );
  const fixed = Math.floor(prefix / width);
  const whole = parts.slice(0, fixed);
  const text = whole.map((part) => `${part.toString(radix)}${separator}`).join('');
  const low = parts[fixed] ?? 0;
  const high = low + 2 ** (width - (prefix % width)) - 1;
  // A 0 of IPv6 may be a part of `::`, and the last word has nothing behind it.
  if (bits === 128 && (whole.includes(0) || fixed === parts.length || (prefix % width > 0 && low === 0)))
    return within(column, network);
  if (fixed === parts.length) return sql`${column} = ${text.slice(0, -1)}`;
  const begins = sql`starts_with(${column}, ${text})`;
  if (prefix % width === 0) return begins;
  const part = sql`split_part(${column}, ${separator}, ${fixed + 1})`;
  const value = bits === 32 ? sql`TRY_CAST(${part} AS UINTEGER)` : sql`TRY_CAST('0x' || ${part} AS UINTEGER)`;
  return sql`${begins} AND ${value} BETWEEN ${low} AND ${high}`;
}

/** The same of an IPv6 network by numbers. */
function within(column: Sql, { first, prefix }: Network): Sql {
  const last = first + (1n << BigInt(128 - prefix)) - 1n;
  const bound = (value: bigint): string => `CAST('${value}' AS UHUGEINT)`;
  return new Sql(`TRY(${ipv6Number(column.text)} BETWEEN ${bound(first)} AND ${bound(last)})`);
}

/** What --addr takes: a network, or an address in any spelling, as the index has it (RFC 5952). Undefined for neither. */
export function parseAddress(word: string): Network | string | undefined {
  const version = isIP(word);
  if (version === 0 || word.includes('%')) return word.includes('/') ? parseNetwork(word) : undefined;
  return new SocketAddress({ address: word, family: version === 4 ? 'ipv4' : 'ipv6' }).address;
}
