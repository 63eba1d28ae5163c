// The options that commands of netlogs have in common, as data.
import { OptionError } from '../../errors.ts';
import type { Network } from '../../filter/network.ts';
import { parseAddress } from '../../netlog/query/address.ts';
import type { Days } from '../../netlog/query/days.ts';
import type { Filter } from '../../netlog/query/filter.ts';
import type { RecordInstant } from '../../savefile/reading/selection.ts';
import type { Flag } from '../flag.ts';
import { parseInstant } from '../instant.ts';

/** Where the logs are, and whether the index is brought up to date first. */
export interface RootFlags {
  readonly directory?: string;
  readonly host?: string;
  readonly identity?: string;
  readonly index?: false;
  readonly help?: true;
}

export interface FormatFlags {
  readonly json?: true;
  readonly csv?: true;
}

export interface LimitFlags {
  /** Infinity: all. */
  readonly limit?: number;
}

export interface FilterFlags {
  readonly qube?: readonly string[];
  readonly addr?: readonly (Network | string)[];
  readonly port?: readonly number[];
  readonly proto?: readonly string[];
  readonly name?: readonly string[];
  readonly from?: RecordInstant;
  readonly to?: RecordInstant;
}

export const DEFAULT_LIMIT = 1000;
const LARGEST_PORT = 65_535;
const LARGEST_PROTOCOL = 255;
const PROTOCOLS: ReadonlyMap<string, number> = new Map([
  ['TCP', 6],
  ['UDP', 17],
  ['ICMP', 1],
  ['ICMPV6', 58],
]);

const group = { rows: 'Rows:', output: 'Output:', logs: 'Logs:' } as const;

export const FILTER_FLAGS: readonly Flag<FilterFlags>[] = [
  {
    name: 'qube',
    long: ['qube'],
    value: 'name',
    help: 'of this qube, which captured or logged',
    group: group.rows,
    repeat: 'list',
  },
  {
    name: 'addr',
    long: ['addr'],
    value: 'net',
    help: 'from or to this address or network',
    group: group.rows,
    repeat: 'list',
    parse: parseAddr,
  },
  {
    name: 'port',
    long: ['port'],
    value: 'port',
    help: 'from or to this port',
    group: group.rows,
    repeat: 'list',
    parse: parsePort,
  },
  {
    name: 'proto',
    long: ['proto'],
    value: 'protocol',
    words: ['tcp', 'udp', 'icmp', 'icmpv6'],
    help: 'of this protocol, a name or number',
    group: group.rows,
    repeat: 'list',
    parse: parseProto,
  },
  {
    name: 'name',
    long: ['name'],
    value: 'name',
    help: 'with this name or one below it; with * a pattern of the whole name',
    group: group.rows,
    repeat: 'list',
  },
  {
    name: 'from',
    long: ['from'],
    value: 'time',
    help: 'from this time on: 2026-01-31T12:00:00.5, or seconds since 1970',
    group: group.rows,
    parse: parseInstant,
  },
  { name: 'to', long: ['to'], value: 'time', help: 'before this time', group: group.rows, parse: parseInstant },
];

export const LIMIT_FLAGS: readonly Flag<LimitFlags>[] = [
  {
    name: 'limit',
    long: ['limit'],
    value: 'rows',
    help: 'print so many rows at most, or all',
    group: group.output,
    parse: parseLimit,
    default: [DEFAULT_LIMIT],
  },
];

export const FORMAT_FLAGS: readonly Flag<FormatFlags>[] = [
  { name: 'json', long: ['json'], help: 'print each row as a JSON object', group: group.output, conflicts: 'csv' },
  { name: 'csv', long: ['csv'], help: 'print rows as CSV', group: group.output },
];

export const ROOT_FLAGS: readonly Flag<RootFlags>[] = [
  {
    name: 'directory',
    letter: 'd',
    long: ['directory'],
    value: 'dir',
    help: 'where the logs are: bundles, savefiles, nft logs, or a live /var/log/netpcap',
    group: group.logs,
    default: [undefined, '~/NetLogs'],
  },
  {
    name: 'host',
    long: ['host'],
    value: 'name',
    help: 'the qube that a directory of savefiles is of',
    group: group.logs,
    default: [undefined, "this machine's name"],
  },
  {
    name: 'identity',
    long: ['identity'],
    value: 'file',
    help: 'the age identity that opens encrypted bundles',
    group: group.logs,
  },
  {
    name: 'index',
    long: ['no-index'],
    gives: false,
    help: 'take the index as it is, without a look for what is new',
    group: group.logs,
  },
  { name: 'help', letter: 'h', long: ['help'], help: 'print this help', group: group.logs },
];

function parseAddr(option: string, text: string): Network | string {
  const address = parseAddress(text);
  if (address === undefined)
    throw new OptionError(option, text, 'expected an address or a network such as 10.137.0.0/16');
  return address;
}

function parsePort(option: string, text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > LARGEST_PORT)
    throw new OptionError(option, text, `expected a port, 0 to ${LARGEST_PORT}`);
  return port;
}

/** As the index has it, in upper case: the four by name, others by number. */
function parseProto(option: string, text: string): string {
  const name = text.toUpperCase();
  if (PROTOCOLS.has(name)) return name;
  const number = Number(text);
  if (!/^\d{1,3}$/.test(text) || number > LARGEST_PROTOCOL)
    throw new OptionError(option, text, `expected tcp, udp, icmp, icmpv6, or a number, 0 to ${LARGEST_PROTOCOL}`);
  return [...PROTOCOLS].find(([, known]) => known === number)?.[0] ?? String(number);
}

function parseLimit(option: string, text: string): number {
  if (text === 'all') return Number.POSITIVE_INFINITY;
  const limit = Number(text);
  if (!/^\d{1,9}$/.test(text) || limit < 1) throw new OptionError(option, text, 'expected 1 to 999999999, or all');
  return limit;
}

export function filterOf({ qube, addr, port, proto, name, from, to }: FilterFlags, days: Days): Filter {
  return {
    days,
    ...(qube !== undefined && { hosts: qube }),
    ...(addr !== undefined && { addresses: addr }),
    ...(port !== undefined && { ports: port }),
    ...(proto !== undefined && { protos: proto }),
    ...(name !== undefined && { names: name }),
    ...(from !== undefined && { from: micros(from) }),
    ...(to !== undefined && { to: micros(to) }),
  };
}

function micros({ sec, nsec }: RecordInstant): number {
  return sec * 1e6 + Math.floor(nsec / 1000);
}
