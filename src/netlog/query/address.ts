// Addresses in SQL: whether a column's address lies in a network. DuckDB's own type for them is an extension that it would
// have to download, so they become numbers here.
import { isIP, SocketAddress } from 'node:net';
import { type Network, parseNetwork } from '../../filter/network.ts';
import { any, Sql, sql } from './sql.ts';

/** Of the text of an IPv4 address. */
function ipv4Number(column: string): string {
  return `list_reduce(list_transform(string_split(${column}, '.'), lambda part: CAST(part AS UBIGINT)), lambda high, low: high * 256 + low, CAST(0 AS UBIGINT))`;
}

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
  const within = (bits: 32 | 128): Sql =>
    any(
      networks
        .filter((network) => network.bits === bits)
        .map(({ first, prefix }) => {
          const last = first + (1n << BigInt(bits - prefix)) - 1n;
          const value = bits === 32 ? ipv4Number(column.text) : ipv6Number(column.text);
          const type = bits === 32 ? 'UBIGINT' : 'UHUGEINT';
          return new Sql(`TRY(${value} BETWEEN CAST('${first}' AS ${type}) AND CAST('${last}' AS ${type}))`);
        }),
    );
  return sql`coalesce(CASE WHEN contains(${column}, ':') THEN ${within(128)} ELSE ${within(32)} END, FALSE)`;
}

/** What --addr takes: a network, or an address in any spelling, as the index has it (RFC 5952). Undefined for neither. */
export function parseAddress(word: string): Network | string | undefined {
  const version = isIP(word);
  if (version === 0 || word.includes('%')) return word.includes('/') ? parseNetwork(word) : undefined;
  return new SocketAddress({ address: word, family: version === 4 ? 'ipv4' : 'ipv6' }).address;
}
