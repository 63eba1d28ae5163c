// The campaigns by their names.
import type { Start } from './campaign.ts';
import { filter } from './filter.ts';
import { merge } from './merge.ts';
import { read } from './read.ts';
import { reader } from './reader.ts';

export interface Plan {
  readonly start: Start;
  /** The most memory that the process may ever have, in bytes: over twice what it has been seen to need. */
  readonly memory: number;
}

const MIB = 2 ** 20;

export const CAMPAIGNS: Readonly<Record<string, Plan>> = {
  reader: { start: reader, memory: 400 * MIB },
  filter: { start: filter, memory: 700 * MIB },
  merge: { start: merge, memory: 400 * MIB },
  read: { start: read, memory: 400 * MIB },
};
