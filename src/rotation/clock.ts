// Which interval of the wall clock a second lies in. savefile/series.ts asks once a file. Pure: the zone is a parameter,
// and nothing is remembered, so that a boundary never depends on when the last rotation was.
//
// With local(T) = T + offset(T), a second T is a boundary when local(T) is a multiple of the interval's length, counted
// from 1970-01-01 00:00 local time, or when local(T) and local(T - 1) lie in different multiples. For an hour:
//
//   local, spring forward   01:00 ------ 01:59:59 | 03:00 ------         no file begins at 02:00
//   local, fall back        02:00 ------ 02:59:59 | 02:00 ------ 03:00   two files do, an hour each
//   Lord Howe, 30 min back  01:00 ------ 01:59:59   01:30 ------ 02:00   one file of 90 minutes
import type { Zone } from '../native/time.ts';

/** [startSec, endSec) in seconds since 1970, UTC. */
export interface Interval {
  readonly startSec: number;
  readonly endSec: number;
}

/** Offsets are compared over spans up to this. No zone in the tz database changes twice within four days. */
const MAX_STEP = 86400;

export class IntervalClock {
  readonly #every: number;
  readonly #zone: Pick<Zone, 'offsetAt'>;

  /** `everySec`: length of an interval in whole seconds. */
  constructor(everySec: number, zone: Pick<Zone, 'offsetAt'>) {
    this.#every = everySec;
    this.#zone = zone;
  }

  /** From the last boundary at or before `sec` to the first one after it. */
  intervalAt(sec: number): Interval {
    return { startSec: this.#lastBoundary(sec), endSec: this.#nextBoundary(sec) };
  }

  #lastBoundary(sec: number): number {
    let at = sec;
    for (;;) {
      const offset = this.#zone.offsetAt(at);
      const multiple = at - modulo(at + offset, this.#every);
      const probe = Math.max(multiple, at - MAX_STEP);
      if (this.#zone.offsetAt(probe) !== offset) {
        const transition = this.#transition(probe, at);
        if (this.#isBoundary(transition)) return transition;
        at = transition - 1;
      } else if (probe === multiple) {
        return multiple;
      } else {
        at = probe;
      }
    }
  }

  #nextBoundary(sec: number): number {
    let at = sec;
    for (;;) {
      const offset = this.#zone.offsetAt(at);
      const multiple = at + this.#every - modulo(at + offset, this.#every);
      const probe = Math.min(multiple, at + MAX_STEP);
      if (this.#zone.offsetAt(probe) !== offset) {
        const transition = this.#transition(at, probe);
        if (this.#isBoundary(transition)) return transition;
        at = transition;
      } else if (probe === multiple) {
        return multiple;
      } else {
        at = probe;
      }
    }
  }

  /** The first second of the new offset, where `before` and `after` have different ones. */
  #transition(before: number, after: number): number {
    const offset = this.#zone.offsetAt(before);
    let low = before;
    let high = after;
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (this.#zone.offsetAt(middle) === offset) low = middle;
      else high = middle;
    }
    return high;
  }

  #isBoundary(sec: number): boolean {
    const local = sec + this.#zone.offsetAt(sec);
    const before = sec - 1 + this.#zone.offsetAt(sec - 1);
    return modulo(local, this.#every) === 0 || Math.floor(local / this.#every) !== Math.floor(before / this.#every);
  }
}

/** The remainder that is never negative. */
function modulo(value: number, divisor: number): number {
  return value - Math.floor(value / divisor) * divisor;
}
