// Which of several readers has the oldest record next. A tree of losers (Knuth, The Art of Computer Programming, volume 3,
// 5.4.1): players are its leaves, each node above remembers who lost there, and the winner of all plays anew against those
// on its way up when its time has changed. That is one comparison a level, half of what a heap needs. Used by merged.ts,
// once a record: nothing here allocates.
//
//            winner 2                 nodes   1         players 0 to 3: leaves 4 to 7
//           loser 0                          / \
//      loser 1     loser 3                  2   3
//      0     1     2     3                 4 5 6 7

export class Tournament {
  /** The player whose time is the earliest; of those with equal times the one with the lowest number. */
  winner = 0;
  /** A power of two; those beyond the players given have no time. */
  readonly #players: number;
  /** Infinity for a player that has no more. */
  readonly #secs: Float64Array;
  readonly #fractions: Uint32Array;
  /** By node, from 1 on. */
  readonly #losers: Int32Array;

  /** `times`: of each player, undefined for one that has none. */
  constructor(times: readonly ({ readonly sec: number; readonly fraction: number } | undefined)[]) {
    const players = 2 ** Math.ceil(Math.log2(Math.max(2, times.length)));
    this.#players = players;
    this.#secs = new Float64Array(players).fill(Number.POSITIVE_INFINITY);
    this.#fractions = new Uint32Array(players);
    this.#losers = new Int32Array(players);
    for (const [player, time] of times.entries()) {
      if (time === undefined) continue;
      this.#secs[player] = time.sec;
      this.#fractions[player] = time.fraction;
    }
    this.winner = this.#play(1);
  }

  /** No player has a time any more. */
  get over(): boolean {
    return this.#secs[this.winner] === Number.POSITIVE_INFINITY;
  }

  /** The time of the winner's next record, Infinity for none; finds the next winner. */
  advance(sec: number, fraction: number): void {
    const secs = this.#secs;
    const fractions = this.#fractions;
    const losers = this.#losers;
    let winner = this.winner;
    let winnerSec = sec;
    let winnerFraction = fraction;
    secs[winner] = sec;
    fractions[winner] = fraction;
    for (let node = (winner + this.#players) >> 1; node > 0; node >>= 1) {
      const loser = losers[node] ?? 0;
      const loserSec = secs[loser] ?? 0;
      if (loserSec > winnerSec) continue;
      const loserFraction = fractions[loser] ?? 0;
      if (
        loserSec === winnerSec &&
        (loserFraction > winnerFraction || (loserFraction === winnerFraction && loser > winner))
      )
        continue;
      losers[node] = winner;
      winner = loser;
      winnerSec = loserSec;
      winnerFraction = loserFraction;
    }
    this.winner = winner;
  }

  /** Whose turn it were without the winner. */
  second(): number {
    let second = -1;
    for (let node = (this.winner + this.#players) >> 1; node > 0; node >>= 1) {
      const loser = this.#losers[node] ?? 0;
      if (second < 0 || this.#isBefore(loser, second)) second = loser;
    }
    return second;
  }

  secOf(player: number): number {
    return this.#secs[player] ?? Number.POSITIVE_INFINITY;
  }

  fractionOf(player: number): number {
    return this.#fractions[player] ?? 0;
  }

  /** Fills the tree below a node, and returns who wins there. */
  #play(node: number): number {
    if (node >= this.#players) return node - this.#players;
    const left = this.#play(2 * node);
    const right = this.#play(2 * node + 1);
    const leftWins = this.#isBefore(left, right);
    this.#losers[node] = leftWins ? right : left;
    return leftWins ? left : right;
  }

  #isBefore(one: number, other: number): boolean {
    const [sec, otherSec] = [this.secOf(one), this.secOf(other)];
    if (sec !== otherSec) return sec < otherSec;
    const [fraction, otherFraction] = [this.fractionOf(one), this.fractionOf(other)];
    return fraction === otherFraction ? one < other : fraction < otherFraction;
  }
}
