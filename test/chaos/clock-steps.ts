// The guest's clock is set by hours, both ways, under traffic: no packet may be lost or doubled, no file overwritten, every
// record must be in the file of its interval, and the ledger must know of each step.
import { join } from 'node:path';
import { makeDisk, withDisk } from './disk.ts';
import type { GuestRoot } from './guest-root.ts';
import { Machine } from './machine.ts';
import type { Random } from './random.ts';
import { PATTERN, Series } from './series.ts';

const HOUR = 3600;
const DISK_BYTES = 256 * 2 ** 20;
const ROTATE_SEC = 2;
const STEP_EVERY_SEC = 7;
const RATE = 500;
/** The guest's own way of telling a step from the time it took, and that of the program. */
const STEP_TOLERANCE_MS = 1000;

/**
 * Makes the disk, a file of that path. Says on stdout what came of it; resolves to what is wrong. Some steps lead back into
 * seconds whose files exist already, some stay within an interval.
 */
export async function stepClock(
  root: GuestRoot,
  disk: string,
  random: Random,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const hours = (): number => random.whole(1, 12) * HOUR + random.whole(0, HOUR - 1);
  const there = hours();
  const steps = [there, -there - STEP_EVERY_SEC - 1, -hours(), hours(), 1, -1, -3, hours(), -hours(), -STEP_EVERY_SEC];
  makeDisk(disk, DISK_BYTES);
  const options = ['-i', 'cap0', '--snaplen', '96', '--rotate', `${ROTATE_SEC}s`, '-w', join('/data', PATTERN)];
  const order = { options, first: 0, rate: RATE, stepEverySec: STEP_EVERY_SEC, steps };
  const machine = Machine.boot(root, disk, order, `${disk}.console`);
  try {
    const ended = await machine.event('ended', signal);
    await machine.off(signal);
    const sent = machine.all('sent').at(-1)?.next ?? 0;
    const stepped = machine.all('step').map(({ byMs }) => byMs);
    return await withDisk(disk, (directory) => {
      const series = new Series(directory);
      series.expect(ended.code === 0, `the program ended with exit code ${ended.code}: ${ended.stderr}`);
      series.expect(
        ended.stderr.includes(`\n${sent} packets captured\n`),
        `${sent} packets were sent: ${ended.stderr}`,
      );
      const verified = judge(series, sent, stepped);
      const files = `${sent} packets in ${series.complete.length} files`;
      process.stdout.write(`clock steps of ${steps.join(', ')} s: ${files}; verify: ${verified}\n`);
      return series.problems;
    });
  } finally {
    await machine.kill();
  }
}

function judge(series: Series, sent: number, stepped: readonly number[]): string {
  series.expect(series.parts.length === 0, `left behind: ${series.parts.join(' ')}`);
  const numbers = series.complete.flatMap((name) => series.numbers(name, ROTATE_SEC, true));
  series.expect(numbers.length === sent, `${sent} packets were sent, ${numbers.length} are in files`);
  series.expect(new Set(numbers).size === numbers.length, 'packets are in two files');
  const noticed = series.ledger('step').map(({ byMs }) => byMs);
  const same = (byMs: number, index: number): boolean => Math.abs(byMs - (noticed[index] ?? 0)) < STEP_TOLERANCE_MS;
  const expected = stepped.map(Math.round).join(', ');
  series.expect(
    stepped.length === noticed.length && stepped.every(same),
    `the clock was set by ${expected} ms, the ledger has: ${noticed.join(', ')}`,
  );
  return series.verify();
}
