// How long a capture's poll(2) lasts while the event loop gets something to do, and nothing else happens. For
// event-loop.test.ts, which calls it in its own process and in others of every Node there is.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { open, readFile, rename, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { eventLoopFd } from '../../src/native/event-loop.ts';
import { POLLIN, Poll } from '../../src/native/libc.ts';

/** So far away that no machine is busy enough to get there. */
export const LONG_MS = 20_000;

/** Waits as a capture does until `begun` has ended; the longest of the waits in milliseconds. */
async function longestWait(poll: Poll, begun: Promise<unknown>): Promise<number> {
  let ended = false;
  let longest = 0;
  const ending = begun.then(() => {
    ended = true;
  });
  for (;;) {
    await setImmediate();
    if (ended) break;
    const before = performance.now();
    poll.wait(LONG_MS);
    longest = Math.max(longest, performance.now() - before);
  }
  await ending;
  return longest;
}

export interface LoopWaits {
  /** By what ends them. */
  readonly waits: Readonly<Record<string, number>>;
  /** How long a wait of 100 ms lasts while there is nothing to do. */
  readonly idleMs: number;
}

/** All in milliseconds. */
export async function loopWaits(): Promise<LoopWaits> {
  const directory = mkdtempSync(join(tmpdir(), 'loop-waits-'));
  const path = join(directory, 'file');
  writeFileSync(path, Buffer.alloc(2 ** 20));
  const fifo = join(directory, 'fifo');
  execFileSync('mkfifo', [fifo]);
  const quiet = openSync(fifo, constants.O_RDWR); // nobody writes, and nobody hangs up
  const poll = new Poll(quiet, POLLIN, eventLoopFd());
  const file = await open(path, 'r+');
  const waits: Record<string, number> = {};
  const measure = async (what: string, begun: Promise<unknown>): Promise<void> => {
    waits[what] = await longestWait(poll, begun);
  };
  try {
    await measure('a read', readFile(path));
    await measure('a rename', rename(path, `${path}-2`));
    await measure('a rename back', rename(`${path}-2`, path));
    await file.write('x');
    await measure('an fdatasync', file.datasync());
    await measure('fifty reads at a time', Promise.all(Array.from({ length: 50 }, () => readFile(path))));
    await measure(
      'fifty one after the other',
      inARow(50, () => stat(path)),
    );
    const killer = spawn('sh', ['-c', `sleep 0.2; kill -USR2 ${process.pid}`]);
    const killed = once(killer, 'exit');
    await measure('a signal', once(process, 'SIGUSR2'));
    await killed;
    await measure('a child that ends', once(spawn('sleep', ['0.2']), 'exit'));
    return { waits, idleMs: await idleWait() };
  } finally {
    await file.close();
    closeSync(quiet);
    rmSync(directory, { recursive: true });
  }
}

async function inARow(times: number, action: () => Promise<unknown>): Promise<void> {
  for (let n = 0; n < times; n++) await action();
}

async function idleWait(): Promise<number> {
  const poll = new Poll(-1, POLLIN, eventLoopFd()); // poll(2) ignores -1
  for (let n = 0; n < 10; n++) await setImmediate();
  const before = performance.now();
  poll.wait(100);
  return performance.now() - before;
}
