// The fault suite of test/faults at every call, one seed after the other: the faults that no real disk shows on demand.
import { runFaults } from '../faults/run-faults.ts';
import type { Terms } from './campaign.ts';

export interface FaultsTerms extends Terms {
  /** At least one seed is done. */
  readonly seconds: number;
}

export async function faults({ seconds, seed, say }: FaultsTerms): Promise<void> {
  const { broken } = await runFaults({ every: 1, budgetMs: seconds * 1000, seed, say });
  if (broken.length > 0) throw new Error(`${broken.length} runs: ${broken.join('\n')}`);
}
