// What all campaigns of `npm run soak` have in common: how one is called, and the one way in which they start a capture.
// A campaign is an async function that throws when the program broke a promise; each cleans up behind itself, also then.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CAPTURE, Lab } from '../../bench/lab.ts';
import { type Offer, offer } from '../../bench/offer.ts';
import { Program } from '../program.ts';

export interface Terms {
  /** Decides everything but the machine's timing. */
  readonly seed: number;
  /** One line, for whoever waits. */
  readonly say: (line: string) => void;
  /** No further round is to begin. */
  readonly over: () => boolean;
}

/** `home`: a directory on disk that is removed afterwards, unless `run` throws: then it is evidence. */
export async function withLab<T>(run: (lab: Lab, home: string) => Promise<T>): Promise<T> {
  const lab = Lab.create();
  const home = mkdtempSync(join(tmpdir(), 'tsnetpcap-soak-'));
  try {
    const result = await run(lab, home);
    rmSync(home, { recursive: true });
    return result;
  } catch (cause) {
    throw new Error(`${cause instanceof Error ? cause.message : String(cause)} (evidence in ${home})`, { cause });
  } finally {
    lab.remove();
  }
}

/** Names of all campaigns' savefiles: in UTC, and no two series in a directory. */
export const PATTERN = 'p-%Y%m%d%H%M%S.pcap';
export const SERIES = 'p';
/** The numbers of bench/frames.ts fit in. */
export const SNAPLEN = 96;

/** The command line of a capture in a lab, with its savefiles in `directory`. */
export function captureArgs(directory: string, options: readonly string[]): string[] {
  return ['-i', CAPTURE.name, '-s', String(SNAPLEN), '-w', join(directory, PATTERN), ...options];
}

/** A capture that is running. End it by `stop` or `kill`. */
export function capture(lab: Lab, directory: string, options: readonly string[]): Promise<Program> {
  return Program.capture(lab, captureArgs(directory, options), { env: { TZ: 'UTC0' } });
}

/** Numbered packets for as long as `run` takes. Rejects when the generator ends before that. */
export async function underLoad<T>(lab: Lab, rate: number, run: () => Promise<T>): Promise<T> {
  const load = new AbortController();
  let ended = false;
  const offered = startOffer(lab, { count: 2 ** 31, rate }, load.signal).catch((cause: unknown) => {
    if (!load.signal.aborted) throw cause;
  });
  const early = offered.then(() => {
    if (!ended) throw new Error('the generator has ended');
  });
  try {
    return await Promise.race([run(), early.then(() => new Promise<never>(() => {}))]);
  } finally {
    ended = true;
    load.abort();
    await offered.catch(() => {});
  }
}

/** Packets with numbers from 0; resolves to how many there were. */
export function startOffer(lab: Lab, offered: Pick<Offer, 'count' | 'rate'>, signal?: AbortSignal): Promise<number> {
  return offer(lab, { ...offered, numbered: true }, signal);
}

/** Every term of a capture's balance that its last lines on stderr say. */
export interface Balance {
  readonly written: number;
  readonly received: number;
  readonly dropped: number;
  readonly noSpace: number;
  readonly unread: number;
}

export function balanceOf(program: Program): Balance {
  const count = (what: string): number =>
    Number(new RegExp(`^(\\d+) packets? ${what}$`, 'm').exec(program.stderr)?.[1] ?? 0);
  const balance = {
    written: count('captured'),
    received: count('received by filter'),
    dropped: count('dropped by kernel'),
    noSpace: count('lost for lack of room'),
    unread: count('not read'),
  };
  const { written, dropped, noSpace, unread } = balance;
  if (balance.received !== written + dropped + noSpace + unread || program.stderr.includes('unaccounted'))
    throw new Error(`the balance does not add up: ${JSON.stringify(balance)}`);
  return balance;
}

/** What the capture said but for its first line and its statistics. */
export function noticesOf(program: Program): string[] {
  return program.stderr
    .split('\n')
    .filter((line) => line.startsWith('tsnetpcap: ') && !line.startsWith('tsnetpcap: listening on'));
}
