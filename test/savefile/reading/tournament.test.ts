// Who is first, against sorting.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Tournament } from '../../../src/savefile/reading/tournament.ts';

interface Time {
  readonly sec: number;
  readonly fraction: number;
}

const byTime = (a: Time, b: Time): number => a.sec - b.sec || a.fraction - b.fraction;
// Few times, so that many are equal; and those at both ends of 32 bits.
const time = fc.record({
  sec: fc.constantFrom(0, 1, 2, 2 ** 32 - 1),
  fraction: fc.constantFrom(0, 1, 2, 2 ** 32 - 1),
});
const playersTimes = fc.array(fc.array(time, { maxLength: 12 }), { minLength: 1, maxLength: 9 });

test('winner and second, whoever plays, until all are at their end', () => {
  fc.assert(
    fc.property(playersTimes, (players) => {
      const left = players.map((times, player) => times.toSorted(byTime).map((each) => ({ ...each, player })));
      const tournament = new Tournament(left.map(([first]) => first));
      for (;;) {
        const [first, second] = left.flatMap((times) => times.slice(0, 1)).toSorted(byTime); // stable
        expect(tournament.over).toBe(first === undefined);
        if (first === undefined) return;
        expect(tournament.winner).toBe(first.player);
        const other = tournament.second();
        if (second === undefined) expect(tournament.secOf(other)).toBe(Number.POSITIVE_INFINITY);
        else {
          expect(other).toBe(second.player);
          expect([tournament.secOf(other), tournament.fractionOf(other)]).toEqual([second.sec, second.fraction]);
        }
        left[first.player]?.shift();
        const next = left[first.player]?.[0];
        tournament.advance(next?.sec ?? Number.POSITIVE_INFINITY, next?.fraction ?? 0);
      }
    }),
  );
});
