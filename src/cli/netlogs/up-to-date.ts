// Brings the index up to date, and says on a terminal how far it is. What could not be read is said each time.

import { openDay } from '../../netlog/bundle/day-source.ts';
import type { FoundDay } from '../../netlog/bundle/days.ts';
import { harmless } from '../../netlog/harmless.ts';
import { buildIndex, type IndexableDay, type Progress } from '../../netlog/index/build.ts';
import { partitionPath, readDescription } from '../../netlog/index/partition.ts';

const EVERY_MS = 100;
const BAR = 20;
const MOST_PROBLEMS = 20;
/** Behind the fingerprint of a day whose encrypted bundles were opened. */
const OPENED = '\nopened';

/** `identity`: for encrypted bundles. Rejects with CaptureError, and what the machine refuses. */
export async function bringUpToDate(
  root: string,
  found: readonly FoundDay[],
  identity: string | undefined,
): Promise<void> {
  const days = await Promise.all(found.map((day) => indexable(root, day, identity)));
  const bar = process.stderr.isTTY === true ? new Bar() : undefined;
  let problems: readonly string[] = [];
  try {
    ({ problems } = await buildIndex(root, days, (progress) => bar?.show(progress)));
  } finally {
    bar?.clear();
  }
  for (const problem of problems.slice(0, MOST_PROBLEMS)) process.stderr.write(`netlogs: ${harmless(problem)}\n`);
  if (problems.length > MOST_PROBLEMS)
    process.stderr.write(`netlogs: and ${problems.length - MOST_PROBLEMS} more that could not be read\n`);
}

/** A day that was indexed with an identity is as it was without one, too. */
async function indexable(root: string, day: FoundDay, identity: string | undefined): Promise<IndexableDay> {
  const before = await readDescription(partitionPath(root, day.host, day.day));
  const opened = day.fingerprint + OPENED;
  return {
    host: day.host,
    day: day.day,
    fingerprint: identity !== undefined || before?.fingerprint === opened ? opened : day.fingerprint,
    open: () => openDay(day, identity === undefined ? {} : { identity }),
  };
}

/** A line in place: whose day, how much of it, how many packets, what is being read. */
class Bar {
  #next = 0;

  show({ host, day, bytes, bytesDone, packets, about }: Progress): void {
    const now = performance.now();
    if (now < this.#next) return;
    this.#next = now + EVERY_MS;
    const share = bytes === 0 ? 1 : bytesDone / bytes;
    const filled = '#'.repeat(Math.round(share * BAR)).padEnd(BAR);
    const line = `${host} ${day} [${filled}] ${Math.floor(share * 100)}% ${packets} packets, ${harmless(about)}`;
    process.stderr.write(`\r\x1b[K${line.slice(0, (process.stderr.columns ?? 80) - 1)}`);
  }

  clear(): void {
    if (this.#next > 0) process.stderr.write('\r\x1b[K');
  }
}
