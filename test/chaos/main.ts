// `npm run chaos`: the built program on a kernel of its own (machine.ts), its clock set back and forth, its power cut 20
// times, judged from outside. One line a scenario; exit code 1 when anything is wrong, and then the disks are kept. The
// seed decides everything but the timing of the machine. No new round begins when the minutes are over. Needs root.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parseWhole } from '../../src/capture/values.ts';
import { OptionError } from '../../src/errors.ts';
import { stepClock } from './clock-steps.ts';
import { buildGuestRoot } from './guest-root.ts';
import { PowerCuts } from './power-cuts.ts';
import { Random } from './random.ts';

async function main(signal: AbortSignal): Promise<void> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      rounds: { type: 'string', default: '20' },
      minutes: { type: 'string', default: '60' },
    },
  });
  const seed = parseWhole('--seed', values.seed, 0, 2 ** 31 - 1);
  const rounds = parseWhole('--rounds', values.rounds, 0, 1000);
  const minutes = parseWhole('--minutes', values.minutes, 1, 100_000);
  const deadline = performance.now() + minutes * 60_000;
  process.stdout.write(`seed ${seed}, ${rounds} power cuts, at most ${minutes} minutes\n`);

  const home = mkdtempSync(join(tmpdir(), 'tsnetpcap-chaos-'));
  let wrong = 0;
  const report = (problems: readonly string[]): void => {
    wrong += problems.length;
    for (const problem of problems) process.stdout.write(`  WRONG: ${problem}\n`);
  };
  try {
    const root = buildGuestRoot(home);
    const random = new Random(seed);
    report(await stepClock(root, join(home, 'clock.img'), random, signal));
    const cuts = new PowerCuts(root, join(home, 'power.img'), random);
    let round = 0;
    while (round < rounds && performance.now() < deadline) report(await cuts.round(++round, signal));
    if (round < rounds) process.stdout.write('the minutes are over\n');
    process.stdout.write(`seed ${seed}: clock steps and ${round} power cuts, ${wrong} things wrong\n`);
  } catch (cause) {
    wrong++;
    throw cause;
  } finally {
    if (wrong === 0 || signal.aborted) rmSync(home, { recursive: true });
    else process.stdout.write(`disks and consoles are in ${home}\n`);
  }
  if (wrong > 0) process.exitCode = 1;
}

const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => interrupt.abort(new Error(`stopped by ${signal}`)));
}
try {
  await main(interrupt.signal);
} catch (cause) {
  const error = interrupt.signal.aborted ? interrupt.signal.reason : cause;
  process.stderr.write(`chaos: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = cause instanceof OptionError ? 2 : 1;
}
