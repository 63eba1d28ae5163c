// What a scripted run under faults is given, and what it may ask. driver.ts runs each scenario for every n and every fault.
import type { Call, Faults } from './faults.ts';

/** One run: an empty directory, and a seed from which everything in it follows. */
export interface Stage {
  readonly directory: string;
  /** Where complete savefiles are that were deleted, with a number before their names. */
  readonly graveyard: string;
  readonly faults: Faults;
  readonly random: () => number;
  /** The savefile is whole, by `tcpdump -r` and by our reader; returns its bytes. */
  judge(path: string): Buffer;
}

export interface Scenario {
  readonly name: string;
  /** Those that a run without faults goes through; that it does is checked, or libuv calls something else by now. */
  readonly calls: readonly Call[];
  /** Where faults may be, default everywhere. */
  readonly only?: readonly Call[];
  /** Errors that its files never give. */
  readonly never?: readonly string[];
  /** It heals what does not end of itself, and starts again; others meet no fault that lasts. */
  readonly restarts?: true;
  /** Of a slice, only every so many runs; its runs are so much longer than those of others. */
  readonly stride?: number;
  /** Faults are at work when it begins; it ends them by `stage.faults.disarm()`. Throws when a promise is broken. */
  run(stage: Stage): Promise<void>;
}

/** A generator of numbers in [0, 1) that is the same for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
