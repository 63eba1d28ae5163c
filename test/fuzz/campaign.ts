// What all campaigns of `npm run fuzz` have in common: an endless row of cases, each of which a seed and a number decide
// alone, so that any can be had again without those before it. Run by worker.ts, made anew for its evidence by fuzz.ts.
import { Random } from '../chaos/random.ts';

export interface Case {
  /** What a person needs to see it again: a savefile, or a filter program as -ddd prints it. */
  readonly input: Uint8Array;
  /** The rest of what was decided, in a line. */
  readonly about: string;
  /** Throws, or rejects, when a promise is broken. */
  readonly run: () => void | Promise<void>;
}

export interface Campaign {
  readonly make: (random: Random) => Case;
}

/** `directory`: for files, empty at the start, the campaign's own. */
export type Start = (seed: number, directory: string) => Campaign;

/** The random numbers of one case. */
export function randomOf(seed: number, number: number): Random {
  return new Random(seed ^ Math.imul(number + 1, 0x9e3779b1));
}

/** Equal, or an error that says what is not. */
export function expectEqual(what: string, ours: string | number | boolean, theirs: string | number | boolean): void {
  if (ours !== theirs) throw new Error(`${what}: ours ${ours}, expected ${theirs}`);
}

/** Equal, or an error that says where they part. */
export function expectSameBytes(what: string, ours: Uint8Array, theirs: Uint8Array): void {
  if (Buffer.compare(ours, theirs) === 0) return;
  let at = 0;
  while (at < ours.length && ours[at] === theirs[at]) at++;
  const around = (bytes: Uint8Array): string => Buffer.from(bytes.subarray(at, at + 16)).toString('hex');
  throw new Error(
    `${what}: ours ${ours.length} bytes, expected ${theirs.length}; at ${at} ours ${around(ours)}, expected ${around(theirs)}`,
  );
}
