// Which policy a day is held against: a file, and options over it. For `netlogs check` and `netlogs report`.
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Endpoint, Policy } from '../../netlog/query/check/policy.ts';
import { parseEndpoint, parseResolver, readPolicy } from '../../netlog/query/check/policy-file.ts';
import type { Flag } from '../flag.ts';

export interface PolicyFlags {
  readonly policy?: string;
  readonly resolver?: readonly string[];
  readonly tunnel?: readonly Endpoint[];
}

const group = { policy: 'Policy:' } as const;

export const POLICY_FLAGS: readonly Flag<PolicyFlags>[] = [
  {
    name: 'policy',
    long: ['policy'],
    value: 'file',
    help: 'a policy, as --print-policy prints one',
    group: group.policy,
    default: [undefined, '~/.config/netlogs.json'],
  },
  {
    name: 'resolver',
    long: ['resolver'],
    value: 'address',
    help: 'DNS may go there',
    group: group.policy,
    repeat: 'list',
    parse: parseResolver,
  },
  {
    name: 'tunnel',
    long: ['tunnel'],
    value: 'address:port',
    help: 'the end of the tunnel, to which all must go',
    group: group.policy,
    repeat: 'list',
    parse: parseEndpoint,
  },
];

/** @throws CaptureError, SyscallError of the file */
export function policyOf({ policy, resolver, tunnel }: PolicyFlags): Policy {
  const file = readPolicy(policy ?? join(homedir(), '.config', 'netlogs.json'), policy === undefined);
  return { ...file, resolvers: resolver ?? file.resolvers, tunnels: tunnel ?? file.tunnels };
}
