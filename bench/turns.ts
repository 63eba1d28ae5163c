// Rounds of contestants in turns: A B C, then C B A, and so on, so that what a machine does slowly over time, or to
// whoever comes second, meets all alike. Called by every cell that compares programs.
import type { Bench } from './cell.ts';

/** Calls `run` for each contestant in each round; resolves to what it returned, in the order it ran. */
export async function inTurns<Contestant extends { readonly name: string }, Run>(
  bench: Pick<Bench, 'rounds' | 'signal' | 'say'>,
  contestants: readonly Contestant[],
  run: (contestant: Contestant, round: number) => Promise<Run>,
): Promise<Run[]> {
  const runs: Run[] = [];
  for (let round = 0; round < bench.rounds; round++) {
    for (const contestant of round % 2 === 0 ? contestants : contestants.toReversed()) {
      bench.signal.throwIfAborted();
      bench.say(`round ${round + 1} of ${bench.rounds}: ${contestant.name}`);
      runs.push(await run(contestant, round));
    }
  }
  return runs;
}
