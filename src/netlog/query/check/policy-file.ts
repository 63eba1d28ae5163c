// ~/.config/netlogs.json: a JSON object whose keys are those of a policy; what it names replaces the default. `check
// --print-policy` prints one that says it all. Networks are text, endpoints `192.0.2.1:51820` or `[2001:db8::1]:51820`.
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { CaptureError, OptionError, SyscallError } from '../../../errors.ts';
import { type Network, parseNetwork } from '../../../filter/network.ts';
import { parseAddress } from '../address.ts';
import { type Allowance, CHECKS, type CheckName, DEFAULT_POLICY, type Endpoint, type Policy } from './policy.ts';

/** Far more than a policy has. */
const LARGEST_FILE = 1024 * 1024;

/** The default policy where `path` does not exist and `optional`. @throws CaptureError ERR_POLICY, SyscallError */
export function readPolicy(path: string, optional: boolean): Policy {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const error = SyscallError.from(cause);
    if (optional && error instanceof SyscallError && error.code === 'ENOENT') return DEFAULT_POLICY;
    throw error;
  }
  if (text.length > LARGEST_FILE) throw refused(path, 'file', `longer than ${LARGEST_FILE} characters`);
  return { ...DEFAULT_POLICY, ...new PolicyReader(path).read(text) };
}

/** @throws OptionError */
export function parseEndpoint(option: string, text: string): Endpoint {
  const endpoint = endpointOf(text);
  if (endpoint === undefined) throw new OptionError(option, text, 'expected ADDRESS:PORT, IPv6 as [ADDRESS]:PORT');
  return endpoint;
}

/** @throws OptionError */
export function parseResolver(option: string, text: string): string {
  const address = parseAddress(text);
  if (typeof address !== 'string') throw new OptionError(option, text, 'expected an IPv4 or IPv6 address');
  return address;
}

/** As a file has it. */
export function policyJson(policy: Policy): string {
  const inside = policy.inside.map(networkText);
  const tunnels = policy.tunnels.map(endpointText);
  const allow = policy.allow.map(({ to, ...rest }) => ({
    ...rest,
    ...(to !== undefined && { to: to.map(networkText) }),
  }));
  return JSON.stringify({ ...policy, inside, tunnels, allow }, undefined, 2);
}

export function endpointText({ address, port }: Endpoint): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

function endpointOf(text: string): Endpoint | undefined {
  const [, six, four, digits] = /^(?:\[([^\]]+)\]|([\d.]+)):(\d{1,5})$/.exec(text) ?? [];
  const address = six === undefined ? four : parseAddress(six);
  const port = Number(digits);
  if (typeof address !== 'string' || isIP(address) === 0 || port < 1 || port > 65535) return undefined;
  return { address, port };
}

function networkText({ bits, first, prefix }: Network): string {
  const width = bits === 32 ? 8 : 16;
  const parts = Array.from({ length: bits / width }, (_, index) =>
    Number((first >> BigInt(bits - width * (index + 1))) & ((1n << BigInt(width)) - 1n)),
  );
  if (bits === 32) return `${parts.join('.')}/${prefix}`;
  const address = parseAddress(parts.map((part) => part.toString(16)).join(':'));
  return `${typeof address === 'string' ? address : ''}/${prefix}`;
}

function refused(path: string, key: string, expected: string): CaptureError {
  return new CaptureError('ERR_POLICY', `${path}: ${key}: ${expected}`);
}

type Fields = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

class PolicyReader {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  read(text: string): Partial<Policy> {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (cause) {
      throw refused(this.#path, 'file', cause instanceof Error ? cause.message : String(cause));
    }
    if (!isFields(value)) throw refused(this.#path, 'file', 'expected a JSON object');
    const read: { [Key in keyof Policy]: (value: unknown, key: string) => Policy[Key] } = {
      inside: (list, key) => this.#list(list, key, (each, at) => this.#network(each, at)),
      resolvers: (list, key) => this.#list(list, key, (each, at) => this.#address(each, at)),
      resolverQubes: (list, key) => this.#list(list, key, (each, at) => this.#text(each, at)),
      vpnQubes: (list, key) => this.#list(list, key, (each, at) => this.#text(each, at)),
      edgeQubes: (list, key) => this.#list(list, key, (each, at) => this.#text(each, at)),
      tunnels: (list, key) => this.#list(list, key, (each, at) => this.#endpoint(each, at)),
      dohNames: (list, key) => this.#list(list, key, (each, at) => this.#text(each, at).toLowerCase()),
      dohAddresses: (list, key) => this.#list(list, key, (each, at) => this.#address(each, at)),
      allow: (list, key) => this.#list(list, key, (each, at) => this.#allowance(each, at)),
    };
    return this.#fields(value, '', read);
  }

  /** Only what is there; what has no reader is an error. */
  #fields<T extends object>(
    value: Fields,
    within: string,
    readers: { [Key in keyof T]: (value: unknown, key: string) => T[Key] },
  ): Partial<T> {
    const found: Partial<T> = {};
    const known = Object.keys(readers);
    for (const key of Object.keys(value))
      if (!known.includes(key))
        throw refused(this.#path, within + key, `unknown key, expected one of ${known.join(', ')}`);
    for (const key in readers) if (key in value) found[key] = readers[key](value[key], within + key);
    return found;
  }

  #list<T>(value: unknown, key: string, read: (value: unknown, key: string) => T): readonly T[] {
    if (!Array.isArray(value)) throw refused(this.#path, key, 'expected a list');
    return value.map((each, index) => read(each, `${key}[${index}]`));
  }

  #text(value: unknown, key: string): string {
    if (typeof value !== 'string' || value === '') throw refused(this.#path, key, 'expected a text');
    return value;
  }

  #network(value: unknown, key: string): Network {
    const parsed = parseNetwork(this.#text(value, key));
    if (parsed === undefined) throw refused(this.#path, key, `${value} is no network such as 10.137.0.0/16`);
    return parsed;
  }

  #address(value: unknown, key: string): string {
    const address = parseAddress(this.#text(value, key));
    if (typeof address !== 'string') throw refused(this.#path, key, `${value} is no address`);
    return address;
  }

  #endpoint(value: unknown, key: string): Endpoint {
    const endpoint = endpointOf(this.#text(value, key));
    if (endpoint === undefined) throw refused(this.#path, key, `${value} is not ADDRESS:PORT`);
    return endpoint;
  }

  #port(value: unknown, key: string): number {
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > 65535)
      throw refused(this.#path, key, 'expected a port, 0 to 65535');
    return value;
  }

  #check(value: unknown, key: string): CheckName {
    const check = CHECKS.find((name) => name === value);
    if (check === undefined) throw refused(this.#path, key, `expected one of ${CHECKS.join(', ')}`);
    return check;
  }

  #allowance(value: unknown, key: string): Allowance {
    if (!isFields(value)) throw refused(this.#path, key, 'expected an object');
    const { checks, reason, ...rest } = this.#fields<Allowance>(value, `${key}.`, {
      checks: (list, at) => this.#list(list, at, (each, place) => this.#check(each, place)),
      qube: (text, at) => this.#text(text, at),
      own: (own, at) => {
        if (typeof own !== 'boolean') throw refused(this.#path, at, 'expected true or false');
        return own;
      },
      proto: (text, at) => this.#text(text, at),
      ports: (list, at) => this.#list(list, at, (each, place) => this.#port(each, place)),
      to: (list, at) => this.#list(list, at, (each, place) => this.#network(each, place)),
      reason: (text, at) => this.#text(text, at),
    } as const satisfies { [Key in keyof Required<Allowance>]: (value: unknown, key: string) => unknown });
    if (checks === undefined) throw refused(this.#path, `${key}.checks`, 'is missing');
    if (reason === undefined) throw refused(this.#path, `${key}.reason`, 'is missing: what is allowed has one');
    return { ...rest, checks, reason };
  }
}
