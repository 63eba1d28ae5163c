// SIGKILL under load, again and again on the same series: at any moment, just behind a boundary, and while the next start
// is still adopting what the last one left. After each restart the files are whole, the ring is kept, no packet is in it
// twice or out of order, none is missing but at a kill, and the ledger's chain shows the crash and nothing worse.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lab } from '../../bench/lab.ts';
import { Random } from '../chaos/random.ts';
import { PROGRAM, Program } from '../program.ts';
import { capture, captureArgs, type Terms, underLoad, withLab } from './campaign.ts';
import { endings, entries, ledger, list, numbersIn, Sequence, tcpdumpReads, verify } from './evidence.ts';
import { removeLinks, Watcher } from './watcher.ts';

const RING = 5;
const RATE = 50_000;
const FILE_HEADER = 24;
const NEAR_MS = 50;
const PATIENCE_MS = 20_000;
/** Of rounds, how many are killed just behind a boundary, and before how many one more start is killed at once. */
const BOUNDARY_EVERY = 4;
const HASTY_EVERY = 5;
const TCPDUMP_EVERY = 10;

const VARIANTS: readonly (readonly string[])[] = [[], ['--no-part'], ['--compress', 'gzip'], ['--sync', 'none']];

export interface KillTerms extends Terms {
  /** Kills after which everything is looked at, over all variants. */
  readonly rounds: number;
}

export async function kill({ rounds, seed, say, over }: KillTerms): Promise<void> {
  const random = new Random(seed);
  const all = {
    kills: 0,
    hasty: 0,
    withData: 0,
    nearBoundary: 0,
    packets: 0,
    adopted: 0,
    adoptedPackets: 0,
    cutBytes: 0,
  };
  for (const [index, variant] of VARIANTS.entries()) {
    const share = Math.floor(rounds / VARIANTS.length) + (index < rounds % VARIANTS.length ? 1 : 0);
    if (share === 0) break;
    const counts = await withLab(async (lab, home) => {
      const series = new KilledSeries(lab, home, variant, random);
      return underLoad(lab, RATE, () => series.run(share, over));
    });
    say(`kill ${variant.join(' ') || 'with .part'}: ${sentence(counts)}`);
    for (const [key, count] of Object.entries(counts)) all[key as keyof typeof all] += count;
  }
  say(`kill: in all ${sentence(all)}`);
}

type Counts = KilledSeries['counts'];

function sentence(counts: Counts): string {
  const { kills, hasty, withData, nearBoundary, packets, adopted, adoptedPackets, cutBytes } = counts;
  return (
    `${kills + hasty} kills (${withData} while a .part held data, ${nearBoundary} within ${NEAR_MS} ms of a boundary, ` +
    `${hasty} while starting or adopting), ${packets} packets in files, ${adopted} files with ${adoptedPackets} packets ` +
    `adopted, ${cutBytes} bytes cut`
  );
}

class KilledSeries {
  readonly counts = {
    kills: 0,
    hasty: 0,
    withData: 0,
    nearBoundary: 0,
    packets: 0,
    adopted: 0,
    adoptedPackets: 0,
    cutBytes: 0,
  };
  readonly #lab: Lab;
  readonly #directory: string;
  readonly #options: readonly string[];
  readonly #random: Random;
  readonly #watcher: Watcher;
  readonly #sequence = new Sequence();
  /** No packet of the run that is being looked at has been seen. */
  #fresh = true;

  constructor(lab: Lab, home: string, variant: readonly string[], random: Random) {
    this.#lab = lab;
    this.#directory = join(home, 'series');
    this.#options = ['--rotate', '1s', '--ring', String(RING), '--ring-memory', '64MiB', ...variant];
    this.#random = random;
    this.#watcher = new Watcher({ directory: this.#directory, kept: join(home, 'kept'), keep: RING });
    // Without .part, names do not tell what is complete; the ledger does.
    if (variant.includes('--no-part')) this.#watcher.spare = Number.POSITIVE_INFINITY;
  }

  async run(rounds: number, over: () => boolean): Promise<Counts> {
    try {
      // Without .part, only the ledger tells which file a crash has left, so it begins with a line.
      await (await this.#start()).stop();
      let program = await this.#start();
      for (let round = 1; round <= rounds && !over(); round++) {
        try {
          await this.#killAtSomeMoment(program, round);
        } finally {
          await program.kill();
        }
        if (round % HASTY_EVERY === 0) await this.#killWhileStarting();
        program = await this.#start();
        try {
          await this.#judge(round % TCPDUMP_EVERY === 0);
        } catch (cause) {
          await program.kill();
          throw new Error(`round ${round}: ${cause instanceof Error ? cause.message : cause}\n${program.stderr}`, {
            cause,
          });
        }
      }
      await program.stop();
      await this.#judge(true);
      const { length } = list(this.#directory).complete;
      if (length > RING) throw new Error(`${length} files are complete in the end`);
    } finally {
      this.#watcher.end();
    }
    return this.counts;
  }

  /** Resolves when what the last process left is complete. */
  async #start(): Promise<Program> {
    const before = ledger(this.#directory);
    const parts = list(this.#directory).partial;
    const ended = new Set([...entries(before, 'evict'), ...endings(before).values()].map(({ name }) => name));
    const left = entries(before, 'open').filter(({ name }) => !ended.has(name));
    const program = await capture(this.#lab, this.#directory, this.#options);
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const now = ledger(this.#directory).slice(before.length);
      const told = new Set([...entries(now, 'adopt'), ...entries(now, 'evict')].map(({ name }) => name));
      const waiting = [
        ...left.flatMap(({ name }) => (told.has(name) ? [] : [name])),
        ...parts.filter((name) => list(this.#directory).partial.includes(name)),
      ];
      if (waiting.length === 0) return program;
      if (performance.now() > deadline || program.ended) {
        await program.kill();
        throw new Error(`not adopted: ${waiting.join(' ')}: ${program.stderr}`);
      }
      await sleep(20);
    }
  }

  async #killAtSomeMoment(program: Program, round: number): Promise<void> {
    if (round % BOUNDARY_EVERY === 0) {
      await sleep(300 + this.#random.next() * 1000);
      await sleep(1000 - (Date.now() % 1000) + this.#random.next() * (NEAR_MS - 5));
    } else await sleep(this.#random.next() * 2200);
    const held = list(this.#directory).partial.some((name) => {
      const size = statSync(join(this.#directory, name), { throwIfNoEntry: false })?.size ?? 0;
      return size > FILE_HEADER;
    });
    if (program.ended) throw new Error(`ended before it was killed: ${program.stderr}`);
    program.signal('SIGKILL');
    if (Date.now() % 1000 <= NEAR_MS) this.counts.nearBoundary++;
    await program.kill();
    this.counts.kills++;
    if (held) this.counts.withData++;
  }

  /** Between the start of Node and a while after the first packet. */
  async #killWhileStarting(): Promise<void> {
    const argv: [string, ...string[]] = [process.execPath, PROGRAM, ...captureArgs(this.#directory, this.#options)];
    const program = new Program(this.#lab, argv, { env: { TZ: 'UTC0' } });
    await sleep(100 + this.#random.next() * 500);
    await program.kill();
    this.counts.hasty++;
  }

  /** Resolves when all of them have been in sight: a file is published a moment after its line. */
  async #seen(names: readonly string[]): Promise<void> {
    for (const deadline = performance.now() + PATIENCE_MS; ; await sleep(20)) {
      this.#watcher.check();
      const missing = names.filter((name) => !this.#watcher.has(name));
      if (missing.length === 0) return;
      if (performance.now() > deadline) throw new Error(`never complete: ${missing.join(' ')}`);
    }
  }

  async #judge(tcpdump: boolean): Promise<void> {
    const all = ledger(this.#directory);
    const ended = endings(all);
    expectRing(all);
    const firsts = firstOfRuns(all);
    await this.#seen([...ended.keys()]);
    const taken = this.#watcher.take((name) => ended.has(name));
    for (const [name, path] of taken) {
      if (firsts.has(name)) this.#fresh = true;
      const numbers = numbersIn(path);
      const packets = ended.get(name)?.packets;
      if (numbers.length !== packets) throw new Error(`${name}: ${numbers.length} packets, the ledger says ${packets}`);
      this.#sequence.add(name, numbers, this.#fresh ? 'before it' : 'none');
      if (numbers.length > 0) this.#fresh = false;
      if (tcpdump && !path.endsWith('.gz')) tcpdumpReads(path);
    }
    removeLinks(taken);
    const { crashes, findings } = await verify(this.#directory);
    const strange = findings.filter((line) => !line.startsWith('notice '));
    if (strange.length > 0) throw new Error(`verify: ${strange.join('; ')}`);
    const { kills, hasty } = this.counts;
    if (crashes > kills + hasty || crashes < kills)
      throw new Error(`verify: ${crashes} crashes, ${kills} + ${hasty} kills`);
    const adopted = entries(all, 'adopt');
    this.counts.packets = this.#sequence.count;
    this.counts.adopted = adopted.length;
    this.counts.adoptedPackets = adopted.reduce((sum, { packets }) => sum + packets, 0);
    this.counts.cutBytes = adopted.reduce((sum, { cutBytes }) => sum + cutBytes, 0);
  }
}

/** By the ledger: the oldest is evicted, once the newest has its line. */
function expectRing(all: ReturnType<typeof ledger>): void {
  const complete = new Set<string>();
  for (const entry of all) {
    if (entry.type === 'close' || entry.type === 'adopt') complete.add(entry.name);
    if (entry.type === 'evict') complete.delete(entry.name);
    if (complete.size > RING + 1) throw new Error(`complete by the ledger: ${[...complete].join(' ')}`);
  }
}

/** Names of the savefiles before which packets may be missing: nobody captured then. */
function firstOfRuns(all: ReturnType<typeof ledger>): Set<string> {
  const firsts = new Set<string>();
  const opened = new Set<string>();
  let first = false;
  for (const entry of all) {
    if (entry.type === 'start') first = true;
    if (entry.type === 'adopt' && !opened.has(entry.name)) firsts.add(entry.name); // killed before its line was written
    if (entry.type !== 'open') continue;
    opened.add(entry.name);
    if (first) firsts.add(entry.name);
    first = false;
  }
  return firsts;
}
