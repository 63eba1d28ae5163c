// `--exclude`: which packets are left out, with VLAN tags or without (match.ts, tags.ts). Networks and addresses are
// searched for by a program of our own, everything else is libpcap's. Called by compile.ts.
import { isIP } from 'node:net';
import { OptionError } from '../errors.ts';
import { appendMatches } from './match.ts';
import { type Network, parseNetwork } from './network.ts';
import { appendNetworkSearch } from './network-search.ts';
import type { Label, Program, ProgramBuilder } from './program.ts';

export interface Exclusion {
  readonly expression: string;
  /** What the expression stands for, if it is a network or an address. */
  readonly network: Network | undefined;
}

/** @throws OptionError */
export function parseExclusion(value: string): Exclusion {
  if (value.trim() === '')
    throw new OptionError('--exclude', value.trim(), 'expected a network or a filter expression');
  const [, address = ''] = /^([^/]*)(\/\d+)?$/.exec(value) ?? [];
  return { expression: isIP(address) === 0 ? value : `net ${value}`, network: parseNetwork(value) };
}

export interface Exclusions {
  readonly networks: readonly Network[];
  readonly programs: readonly Program[];
}

/** What is excluded goes to `drop`, the rest on to what is appended next. @throws CaptureError ERR_FILTER */
export function appendExclusions(
  builder: ProgramBuilder,
  { networks, programs }: Exclusions,
  linktype: number,
  drop: Label,
): void {
  if (networks.length > 0) appendNetworkSearch(builder, networks, linktype, drop);
  appendMatches(
    builder,
    programs.map((program) => ({ program, to: drop })),
    linktype,
  );
}
