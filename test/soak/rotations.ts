// Thousands of rotations by packets and dozens of restarts on one series, under load: at any instant the last files of the
// ring are there and no more, and all packets of each start are in its files, once and in order. Every other start is
// stopped while packets go on coming, so that its last file is whatever it is.
import { join } from 'node:path';
import type { Lab } from '../../bench/lab.ts';
import { Random } from '../chaos/random.ts';
import { balanceOf, capture, startOffer, type Terms, withLab } from './campaign.ts';
import { type Ending, endings, ledger, numbersIn, Sequence, verify } from './evidence.ts';
import { removeLinks, Watcher } from './watcher.ts';

const RING = 8;
/** Of each start, at least. */
const ROTATIONS = 100;
/** A second: the watcher must see every file. */
const ROTATIONS_RATE = 40;

export interface RotationsTerms extends Terms {
  readonly starts: number;
}

export async function rotations({ starts, seed, say, over }: RotationsTerms): Promise<void> {
  const random = new Random(seed);
  await withLab(async (lab, home) => {
    const directory = join(home, 'series');
    const watcher = new Watcher({ directory, kept: join(home, 'kept'), keep: RING });
    let packets = 0;
    let done = 0;
    try {
      while (done < starts && !over()) {
        packets += await oneStart(lab, directory, watcher, random, done % 2 === 1);
        done++;
      }
      watcher.check();
    } finally {
      watcher.end();
    }
    const { findings, summary } = await verify(directory);
    if (findings.length > 0) throw new Error(`verify: ${findings.join('; ')}`);
    if (done > 1 && (watcher.mostComplete !== RING || watcher.leastComplete < RING - 1))
      throw new Error(`${watcher.leastComplete} to ${watcher.mostComplete} files were complete at a time`);
    say(
      `rotations: ${done} starts, ${watcher.seen} files with ${packets} packets, each once and in order; ring of ${RING}: ` +
        `${watcher.leastComplete} to ${watcher.mostComplete} complete in ${watcher.looks} looks; verify: ${summary}`,
    );
  });
}

/** Resolves to how many packets are in its files. */
async function oneStart(
  lab: Lab,
  directory: string,
  watcher: Watcher,
  random: Random,
  underLoad: boolean,
): Promise<number> {
  const rate = random.whole(20_000, 50_000);
  const perFile = Math.round(rate / ROTATIONS_RATE);
  const count = ROTATIONS * perFile;
  const sync = random.next() < 0.5 ? 'close' : 'none';
  const options = [
    '--rotate-packets',
    String(perFile),
    '--ring',
    String(RING),
    '--ring-memory',
    '64MiB',
    '--sync',
    sync,
  ];
  const before = watcher.seen;
  const program = await capture(lab, directory, options);
  const load = new AbortController();
  try {
    if (underLoad) {
      const endless = startOffer(lab, { count: 100 * count, rate }, load.signal).catch(() => 0); // aborted
      await program.until(() => watcher.seen - before >= ROTATIONS);
      await program.stop();
      load.abort();
      await endless;
    } else {
      await startOffer(lab, { count, rate });
      await program.stop();
    }
  } finally {
    load.abort();
    await program.kill();
  }
  const { written, received, dropped } = balanceOf(program);
  if (dropped > 0 || written !== received)
    throw new Error(`${received - written} packets were lost: ${program.stderr}`);
  if (!underLoad && written !== count) throw new Error(`${written} packets of ${count} were written`);
  const ended = endings(ledger(directory));
  const taken = watcher.take((name) => ended.has(name));
  const sequence = new Sequence();
  for (const [index, [name, path]] of taken.entries()) {
    const numbers = numbersIn(path);
    if (numbers.length !== ended.get(name)?.packets)
      throw new Error(`${name}: not as many packets as its close line says`);
    if (numbers.length !== perFile && !endsEarly(ended.get(name), ended.get(taken[index + 1]?.[0] ?? '')))
      throw new Error(`${name}: ${numbers.length} packets`);
    sequence.add(name, numbers, 'none');
  }
  removeLinks(taken);
  if (sequence.count !== written) throw new Error(`${sequence.count} packets in files, ${written} were written`);
  if (taken.length < ROTATIONS) throw new Error(`only ${taken.length} files`);
  return written;
}

/** It is the last of its start, or the hour was over before it was full. */
function endsEarly(ending: Ending | undefined, next: Ending | undefined): boolean {
  return next === undefined || (ending?.type === 'close' && next.type === 'close' && ending.endSec === next.startSec);
}
