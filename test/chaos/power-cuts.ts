// The guest's power is cut at random moments, on the same disk again and again. Each time the disk is mounted here, as the
// next boot would do, and judged: what was complete before is untouched, what is complete is whole; then the program is
// started on it and repairs it. After that what the guest saw published is there in full, no packet is missing before the
// last one, and `verify` is content.
import { createHash } from 'node:crypto';
import { copyFileSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CAPTURE, Lab } from '../../bench/lab.ts';
import { Program } from '../program.ts';
import { makeDisk, withDisk } from './disk.ts';
import type { GuestRoot } from './guest-root.ts';
import { Machine } from './machine.ts';
import type { Random } from './random.ts';
import { ENVIRONMENT, PATTERN, Series } from './series.ts';

const DISK_BYTES = 128 * 2 ** 20;
const RING = 48;
const RATE = 500;
/** More than a round can send, so that a number tells its round. */
const NUMBERS_A_ROUND = 1_000_000;

export class PowerCuts {
  readonly #root: GuestRoot;
  readonly #disk: string;
  readonly #random: Random;
  /** SHA-256 of what was complete after the last round, by name, oldest first. */
  #known = new Map<string, string>();

  /** Makes the disk, a file of that path. */
  constructor(root: GuestRoot, disk: string, random: Random) {
    this.#root = root;
    this.#disk = disk;
    this.#random = random;
    makeDisk(disk, DISK_BYTES);
  }

  /** Says on stdout what came of it; resolves to what is wrong. Then the disk as it was after the cut is kept beside it. */
  async round(round: number, signal: AbortSignal): Promise<readonly string[]> {
    const rotateSec = this.#random.whole(1, 5);
    const runMs = 2000 + this.#random.next() * 13_000;
    const first = round * NUMBERS_A_ROUND;
    const machine = await this.#cut(runMs, rotateSec, first, signal);
    const kept = `${this.#disk}.${round}`;
    copyFileSync(this.#disk, kept);
    const { said, problems } = await withDisk(this.#disk, (directory) =>
      this.#judge(new Series(directory), machine, rotateSec, first),
    );
    process.stdout.write(`power cut ${round}: ${(runMs / 1000).toFixed(1)} s, --rotate ${rotateSec}s: ${said}\n`);
    if (problems.length === 0) rmSync(kept);
    return problems;
  }

  async #cut(runMs: number, rotateSec: number, first: number, signal: AbortSignal): Promise<Machine> {
    const order = { options: options('/data', rotateSec), first, rate: RATE, stepEverySec: 0, steps: [] };
    const machine = Machine.boot(this.#root, this.#disk, order, `${this.#disk}.console`);
    try {
      await machine.event('capturing', signal);
      await sleep(runMs, undefined, { signal });
    } finally {
      await machine.kill();
    }
    return machine;
  }

  async #judge(series: Series, machine: Machine, rotateSec: number, first: number) {
    const [ended] = machine.all('ended');
    series.expect(ended === undefined, `the program ended before the cut: ${ended?.stderr}`);
    this.#expectUntouched(series);
    const { complete, parts } = series;
    const fresh = complete.filter((name) => !this.#known.has(name));
    for (const name of fresh) series.numbers(name, rotateSec, false);
    const partBytes = parts.map((name) => statSync(join(series.directory, name)).size);

    await repair(series, rotateSec);
    series.expect(series.parts.length === 0, `not adopted: ${series.parts.join(' ')}`);
    series.expect(series.complete.length <= RING, `${series.complete.length} files are complete`);
    for (const { name, bytes } of machine.all('published')) expectInFull(series, name, bytes);
    const packets = this.#expectNoGap(series, rotateSec, first);
    const verified = series.verify();
    this.#known = new Map(series.complete.map((name) => [name, hash(series, name)]));

    const adopted = series.ledger('adopt').filter(({ name }) => parts.includes(`${name}.part`));
    const sent = machine.all('sent').at(-1)?.next ?? first;
    const said = [
      `${fresh.length} complete, ${parts.length} .part of ${partBytes.join(' + ')} bytes`,
      `${sum(adopted.map(({ packets }) => packets))} packets adopted, ${sum(adopted.map(({ cutBytes }) => cutBytes))} bytes cut`,
      `${packets} packets in files, ${Math.max(0, sent - first - packets)} or a few more lost`,
      `verify: ${verified}`,
    ].join('; ');
    return { said, problems: series.problems };
  }

  /** Evicted, oldest first, may be what the ring had no room for. */
  #expectUntouched(series: Series): void {
    const { complete } = series;
    const known = [...this.#known.keys()];
    const evicted = known.findIndex((name) => complete.includes(name));
    const left = known.slice(evicted < 0 ? known.length : evicted);
    series.expect(left.length === known.length || complete.length >= RING - 1, 'evicted while there was room');
    for (const name of left) {
      const same = complete.includes(name) && hash(series, name) === this.#known.get(name);
      series.expect(same, `${name}: ${complete.includes(name) ? 'altered' : 'gone'}, complete since an earlier round`);
    }
  }

  /** How many packets of the round are in files: all, up to one. */
  #expectNoGap(series: Series, rotateSec: number, first: number): number {
    let next = first;
    for (const name of series.complete.filter((name) => !this.#known.has(name))) {
      for (const number of series.numbers(name, rotateSec, true)) {
        if (number !== next) series.problems.push(`${name}: number ${number} comes where ${next} should`);
        next = number + 1;
      }
    }
    return next - first;
  }
}

function options(directory: string, rotateSec: number): string[] {
  const series = ['--ring', String(RING), '--rotate', `${rotateSec}s`, '-w', join(directory, PATTERN)];
  return ['-i', CAPTURE.name, '--snaplen', '96', ...series];
}

/** What the next start does. */
async function repair(series: Series, rotateSec: number): Promise<void> {
  const lab = Lab.create();
  try {
    const program = await Program.capture(lab, options(series.directory, rotateSec), { env: ENVIRONMENT });
    try {
      await program.stop();
    } finally {
      await program.kill();
    }
  } catch (cause) {
    series.problems.push(`the next start: ${cause instanceof Error ? cause.message : String(cause)}`);
  } finally {
    lab.remove();
  }
}

function expectInFull(series: Series, name: string, bytes: number): void {
  const { complete, directory } = series;
  if (complete.length >= RING && name < (complete[0] ?? '')) return; // evicted since
  const found = statSync(join(directory, name), { throwIfNoEntry: false })?.size;
  series.expect(found === bytes, `${name}: published with ${bytes} bytes, ${found ?? 'no file'} after the cut`);
}

function hash(series: Series, name: string): string {
  return createHash('sha256')
    .update(readFileSync(join(series.directory, name)))
    .digest('hex');
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
