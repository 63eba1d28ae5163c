// Runs the fault suite: compiles fault.c and starts driver.ts with it preloaded. The short slice of the tests and the long
// campaign of test/soak are this one function.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface FaultsOptions {
  /** 1 for a fault at every call, k for every k-th, where to begin depends on the seed. */
  readonly every: number;
  /** One seed is always done, then one more as long as so much time has not passed. */
  readonly budgetMs: number;
  /** Of the first scripts; the next seed is one more. */
  readonly seed: number;
  /** Only scenarios whose names begin so. */
  readonly scenario?: string;
  readonly say: (line: string) => void;
}

/** What the suite went through. */
export interface Summary {
  readonly seeds: number;
  readonly runs: number;
  /** Calls that failed or were short. */
  readonly faults: number;
  /** How many calls went through the library, by name. */
  readonly calls: Readonly<Record<string, number>>;
  /** What was not as it should be, several lines each: scenario, seed, fault, n, and the last calls. */
  readonly broken: readonly string[];
}

const driver = fileURLToPath(new URL('driver.ts', import.meta.url));
const source = fileURLToPath(new URL('fault.c', import.meta.url));

/** @throws when there is no compiler or the driver itself fails; broken promises are in the summary. */
export async function runFaults({ every, budgetMs, seed, scenario = '', say }: FaultsOptions): Promise<Summary> {
  const directory = mkdtempSync(join(tmpdir(), 'tsnetpcap-fault-library-'));
  try {
    const library = join(directory, 'fault.so');
    execFileSync('cc', ['-shared', '-fPIC', '-O2', '-Wall', '-Wextra', '-o', library, source, '-ldl', '-lpthread']);
    const args = ['--import', 'tsx', driver, String(every), String(budgetMs), String(seed), scenario];
    const env = { ...process.env, LD_PRELOAD: library, UV_USE_IO_URING: '0' };
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    createInterface(child.stderr).on('line', say);
    let stdout = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    const [code] = await once(child, 'close');
    if (code !== 0) throw new Error(`the driver ended with ${code}`);
    const summary = JSON.parse(stdout) as Summary;
    const calls = Object.entries(summary.calls).filter(([, count]) => count > 0);
    const total = calls.reduce((sum, [, count]) => sum + count, 0);
    say(
      `faults: ${summary.faults} faults in ${total} calls (${calls.map(([call, count]) => `${count} ${call}`).join(', ')}), ` +
        `${summary.runs} runs, ${summary.seeds} seeds from ${seed}, every ${every}`,
    );
    return summary;
  } finally {
    rmSync(directory, { recursive: true });
  }
}
