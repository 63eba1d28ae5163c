// Runs every scenario with every fault at every n-th call, in one process, into which run-faults.ts has preloaded fault.c:
//   LD_PRELOAD=fault.so UV_USE_IO_URING=0 node --import tsx test/faults/driver.ts EVERY BUDGET_MS SEED [SCENARIO]
// Says on stderr what it does, and prints a Summary as JSON on stdout. Neither scenario nor n depend on anything but the seed.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import type { TimerOptions } from 'node:timers';
import timers from 'node:timers/promises';
import { readSavefile } from '../savefile.ts';
import { CALLS, FAULTS, type Fault, Faults, type Met, possible } from './faults.ts';
import { LEDGER_SCENARIO } from './ledger-scenario.ts';
import { randomOf, type Scenario } from './scenario.ts';
import { SERIES_SCENARIO } from './series-scenario.ts';
import { WRITER_SCENARIOS } from './writer-scenario.ts';

const SCENARIOS: readonly Scenario[] = [...WRITER_SCENARIOS, LEDGER_SCENARIO, SERIES_SCENARIO];
/** A run that takes longer hangs. */
const PATIENCE_MS = 10_000;
/** Of a run that broke a promise, so many calls are told before and behind those that failed. */
const LOGGED = 12;

const library = process.env['LD_PRELOAD'] ?? '';
const faults = new Faults(library);
delete process.env['LD_PRELOAD']; // not into the judges
const home = mkdtempSync('/dev/shm/tsnetpcap-faults-');
process.on('exit', () => rmSync(home, { recursive: true, force: true }));
const judged = new Set<string>();
const broken: string[] = [];
const summary = { seeds: 0, runs: 0, faults: 0, calls: {} as Record<string, number>, broken };

/** Runs under faults make up to so many times the calls of one without. */
const SLACK = 1.25;

class Hang extends Error {}

// Nobody waits for real between two attempts.
const sleep = timers.setTimeout;
timers.setTimeout = <T>(ms?: number, value?: T, options?: TimerOptions) => sleep(Math.min(ms ?? 1, 1), value, options);
syncBuiltinESMExports();

/** Of this process, what each is about. */
function descriptors(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return []; // that of the directory itself
    }
  });
}

/** The same bytes are judged by tcpdump once. */
function judge(path: string): Buffer {
  const { records } = readSavefile(path);
  const bytes = readFileSync(path);
  const digest = createHash('sha256').update(bytes).digest('hex');
  if (!judged.has(digest)) {
    const said = execFileSync('tcpdump', ['--count', '-r', path], { encoding: 'utf8', stdio: 'pipe' });
    if (Number.parseInt(said, 10) !== records.length) throw new Error(`tcpdump: ${said}, ${records.length} records`);
    judged.add(digest);
  }
  return bytes;
}

/** What the run met. */
async function run(scenario: Scenario, seed: number, nth: number, fault?: Fault): Promise<Met> {
  const directory = join(home, 'run');
  const graveyard = join(home, 'deleted');
  mkdirSync(directory);
  mkdirSync(graveyard);
  const before = descriptors().length;
  const patience = new AbortController();
  const hang = sleep(PATIENCE_MS, undefined, { signal: patience.signal }).then(() => {
    throw new Hang(`not done after ${PATIENCE_MS} ms`);
  });
  hang.catch(() => {}); // when nobody waits for it any more
  faults.arm(directory, graveyard, nth, fault, scenario.only);
  try {
    const stage = { directory, graveyard, faults, random: randomOf(seed), judge };
    await Promise.race([scenario.run(stage), hang]);
    // A stream closes its descriptor a little later than it ends.
    for (let tries = 0; tries < 50 && descriptors().length !== before; tries++) await sleep(1);
    if (descriptors().length !== before) throw new Error(`before ${before} descriptors, now ${descriptors()}`);
  } catch (cause) {
    faults.disarm();
    const how = fault === undefined ? 'no fault' : `${fault.name}, call ${nth}`;
    broken.push([`${scenario.name}, seed ${seed}, ${how}: ${reason(cause)}`, ...faults.log(LOGGED)].join('\n    '));
    if (cause instanceof Hang) stop(); // what it does later would be counted for the next run
  } finally {
    patience.abort();
  }
  const met = faults.disarm();
  rmSync(directory, { recursive: true });
  rmSync(graveyard, { recursive: true });
  summary.runs++;
  for (const call of CALLS) {
    summary.calls[call] = (summary.calls[call] ?? 0) + met.calls[call];
    summary.faults += met.hits[call];
  }
  return met;
}

function stop(): never {
  writeFileSync(1, `${JSON.stringify(summary)}\n`);
  process.exit(0);
}

function reason(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  return cause.cause === undefined ? cause.message : `${cause.message}: ${reason(cause.cause)}`;
}

/** One scenario, with each fault at every `every`-th call that can fail so. */
async function sweep(scenario: Scenario, seed: number, slice: number): Promise<void> {
  const every = slice === 1 ? 1 : slice * (scenario.stride ?? 1);
  const { calls } = await run(scenario, seed, 0);
  const missed = scenario.calls.filter((call) => calls[call] === 0);
  if (missed.length > 0) broken.push(`${scenario.name}: goes through no ${missed.join(', ')}`);
  for (const fault of FAULTS) {
    if (possible(fault, scenario.only).length === 0) continue;
    if (fault.code !== undefined && scenario.never?.includes(fault.code) === true) continue;
    if (fault.times === Number.POSITIVE_INFINITY && scenario.restarts !== true) continue;
    const before = broken.length;
    // Whoever tries again makes more calls than the run without a fault, but not many more.
    const most = SLACK * possible(fault, scenario.only).reduce((sum, call) => sum + calls[call], 0);
    for (let nth = 1 + (seed % every); nth < most + every; nth += every) {
      const { hits } = await run(scenario, seed, nth, fault);
      if (CALLS.every((call) => hits[call] === 0)) break; // there is no n-th
      if (broken.length > before) break; // the next would say the same
    }
  }
}

const [every = 1, budgetMs = 0, firstSeed = 0] = process.argv.slice(2, 5).map(Number);
const [wanted = ''] = process.argv.slice(5);
const startMs = performance.now();
for (let seed = firstSeed; summary.seeds === 0 || performance.now() - startMs < budgetMs; seed++) {
  summary.seeds++;
  for (const scenario of SCENARIOS.filter(({ name }) => name.startsWith(wanted))) {
    const before = { runs: summary.runs, startMs: performance.now() };
    await sweep(scenario, seed, every);
    const ms = Math.round(performance.now() - before.startMs);
    process.stderr.write(`seed ${seed}: ${scenario.name}: ${summary.runs - before.runs} runs in ${ms} ms\n`);
  }
  if (broken.length > 0) break;
}
stop();
