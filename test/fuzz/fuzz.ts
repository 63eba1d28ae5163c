// Runs a campaign in a process of its own, so that what ends a process, or never comes to an end, is found too: by
// `npm run fuzz` and, a short slice of it, by fuzz.test.ts.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { randomOf } from './campaign.ts';
import { CAMPAIGNS } from './campaigns.ts';

/** The worker's exit code when a case broke a promise. */
export const FOUND = 3;
/** A case takes milliseconds; the machine may have other things to do. */
const HANG_MS = 60_000;
const WATCH_MS = 200;
const WORKER: string = new URL('./worker.ts', import.meta.url).pathname;
const ROOT: string = new URL('../..', import.meta.url).pathname;

export interface Slice {
  readonly seed: number;
  /** The first case, how many of them at most, and for how long. */
  readonly first: number;
  readonly count: number;
  readonly seconds: number;
}

/** Resolves to what it went through, in a line. Rejects with what was found, and how to see it again. */
export async function fuzz(name: string, slice: Slice): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'tsnetpcap-fuzz-'));
  try {
    const { found, number, peak } = await watch(name, slice, directory);
    if (found !== undefined) throw new Error(`${found}\n${evidence(name, slice.seed, number, directory)}`);
    return `${name}: ${number - slice.first} cases, at most ${Math.ceil(peak / 2 ** 20)} MiB`;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Where the worker writes the number of the case that is under way, a double. */
export function progressIn(directory: string): string {
  return join(directory, 'progress');
}

interface Outcome {
  readonly found: string | undefined;
  readonly number: number;
  /** The most memory that it ever had. */
  readonly peak: number;
}

async function watch(name: string, { seed, first, count, seconds }: Slice, directory: string): Promise<Outcome> {
  const args = [name, ...[seed, first, count, seconds].map(String), directory];
  const child = spawn(process.execPath, ['--import', 'tsx', WORKER, ...args], { cwd: ROOT, stdio: 'pipe' });
  const memory = CAMPAIGNS[name]?.memory ?? 0;
  let killed: string | undefined;
  let number = Number.NaN;
  let since = performance.now();
  let peak = 0;
  const timer = setInterval(() => {
    const now = caseUnderWay(directory);
    if (now !== number) since = performance.now();
    number = now;
    peak = Math.max(peak, peakOf(child.pid));
    if (performance.now() - since > HANG_MS) killed = `no end within ${HANG_MS / 1000} s`;
    if (peak > memory) killed = `${peak} bytes of memory, ${memory} are allowed`;
    if (killed !== undefined) child.kill('SIGKILL');
  }, WATCH_MS);
  const ended = new Promise<string | undefined>((resolve) => {
    child.once('close', (code, signal) => resolve(code === 0 ? undefined : (killed ?? `ended with ${signal ?? code}`)));
  });
  try {
    const [said, complaint, end] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
    const found = child.exitCode === FOUND ? said : end;
    return { found: found && `${found}${complaint}`, number: caseUnderWay(directory), peak };
  } finally {
    clearInterval(timer);
  }
}

/** NaN before the first. */
function caseUnderWay(directory: string): number {
  try {
    return readFileSync(progressIn(directory)).readDoubleLE(0);
  } catch {
    return Number.NaN;
  }
}

/** 0 when the process has ended. */
function peakOf(pid: number | undefined): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** The case made again, its input in a file that stays. */
function evidence(name: string, seed: number, number: number, directory: string): string {
  if (Number.isNaN(number)) return 'before the first case';
  const found = CAMPAIGNS[name]?.start(seed, directory).make(randomOf(seed, number));
  const path = join(tmpdir(), `tsnetpcap-fuzz-${name}-${seed}-${number}`);
  writeFileSync(path, found?.input ?? '');
  return `${found?.about}; input in ${path}; again: npm run fuzz -- --campaign ${name} --seed ${seed} --case ${number}`;
}
