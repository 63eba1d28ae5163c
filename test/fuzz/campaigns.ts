// The campaigns by their names.
import type { Start } from './campaign.ts';
import { filter } from './filter.ts';
import { merge } from './merge.ts';
import { reader } from './reader.ts';

export const CAMPAIGNS: Readonly<Record<string, Start>> = { reader, filter, merge };
