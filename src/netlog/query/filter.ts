// Which rows are wanted, as options say it, and as conditions on the views. All that is given must hold; of several of one
// kind one must.
import type { Network } from '../../filter/network.ts';
import { inNetworks } from './address.ts';
import type { Micros } from './database.ts';
import { type Days, during } from './days.ts';
import { all, any, Sql, sql } from './sql.ts';

export interface Filter {
  readonly days: Days;
  /** Of the qubes that captured or logged. */
  readonly hosts?: readonly string[];
  /** Of either end. */
  readonly addresses?: readonly (Network | string)[];
  /** Of either end. */
  readonly ports?: readonly number[];
  /** Upper case: `TCP`, `ICMPv6` is `ICMPV6`. */
  readonly protos?: readonly string[];
  /** `example.org` is that name and all below it; with `*` it is a pattern of the whole name. */
  readonly names?: readonly string[];
  readonly from?: Micros;
  /** Before this instant. */
  readonly to?: Micros;
}

/** For every view: days and hosts, which say what partitions are read. */
export function ofDays({ days, hosts = [] }: Filter): Sql[] {
  return hosts.length === 0 ? [during(days)] : [during(days), sql`host IN ${hosts}`];
}

/** For views with `src`, `sport`, `dst`, `dport`, `proto`. */
export function ofEnds({ addresses = [], ports = [], protos = [] }: Filter): Sql[] {
  const conditions: Sql[] = [];
  if (addresses.length > 0) {
    const texts = addresses.filter((address) => typeof address === 'string');
    const networks = addresses.filter((address) => typeof address !== 'string');
    conditions.push(
      any(
        ['src', 'dst'].map((end) => {
          const column = new Sql(end);
          const either = texts.length > 0 ? [sql`${column} IN ${texts}`] : [];
          return any(networks.length > 0 ? [...either, inNetworks(column, networks)] : either);
        }),
      ),
    );
  }
  if (ports.length > 0) conditions.push(any(ports.map((port) => sql`sport = ${port} OR dport = ${port}`)));
  if (protos.length > 0) conditions.push(sql`upper(proto) IN ${protos}`);
  return conditions;
}

/** For a column with a name in it. */
export function ofNames({ names = [] }: Filter, column: string): Sql[] {
  if (names.length === 0) return [];
  const lower = new Sql(`lower(${column})`);
  return [
    any(
      names.map((given) => {
        const name = given.toLowerCase().replace(/\.$/, '');
        // Of GLOB only the star is ours; its other characters stand for themselves.
        if (name.includes('*')) return sql`${lower} GLOB ${name.replace(/[?[\]\\]/g, '[$&]')}`;
        return sql`${lower} = ${name} OR ends_with(${lower}, ${`.${name}`})`;
      }),
    ),
  ];
}

/** For a view with one `time`. */
export function ofTime({ from, to }: Filter): Sql[] {
  const conditions: Sql[] = [];
  if (from !== undefined) conditions.push(sql`time >= make_timestamptz(${from})`);
  if (to !== undefined) conditions.push(sql`time < make_timestamptz(${to})`);
  return conditions;
}

/** For `flows`: those that were seen within the times, and all else. */
export function ofFlows(filter: Filter): Sql {
  const { from, to } = filter;
  const times: Sql[] = [];
  if (from !== undefined) times.push(sql`last >= make_timestamptz(${from})`);
  if (to !== undefined) times.push(sql`first < make_timestamptz(${to})`);
  return all([...ofDays(filter), ...ofEnds(filter), ...ofNames(filter, 'name'), ...times]);
}

/** Whether the filter asks for anything that only a flow knows. */
export function asksForFlows({ addresses = [], ports = [], protos = [], names = [] }: Filter): boolean {
  return addresses.length + ports.length + protos.length + names.length > 0;
}
