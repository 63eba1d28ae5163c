// `npm run soak`: long campaigns against the built program under load, one after the other or one of them:
//   npm run soak -- [--campaign NAME] [--minutes N] [--seed N]
// No new round begins when the minutes are over. A line a round or a summary, on stdout; the first broken promise ends a
// campaign, and its files are kept. Exit code 1 then. Needs root; fast ones want two processors to themselves.
import { parseArgs } from 'node:util';
import { parseWhole } from '../../src/capture/values.ts';
import { OptionError } from '../../src/errors.ts';
import { background } from './background.ts';
import type { Terms } from './campaign.ts';
import { faults } from './faults.ts';
import { full } from './full.ts';
import { idle } from './idle.ts';
import { kill } from './kill.ts';
import { rotations } from './rotations.ts';
import { speed } from './speed.ts';
import { storage } from './storage.ts';

const CAMPAIGNS: Readonly<Record<string, (terms: Terms) => Promise<void>>> = {
  idle: (terms) => idle({ ...terms, files: 20 }),
  speed: (terms) => speed({ ...terms, seconds: 30 }),
  background: (terms) => background({ ...terms, seconds: 30 }),
  full: (terms) => full({ ...terms, seconds: 60, disks: ['tmpfs', 'ext4'] }),
  storage: (terms) => storage({ ...terms, faultMs: 10_000, calmMs: 12_000 }),
  rotations: (terms) => rotations({ ...terms, starts: 50 }),
  kill: (terms) => kill({ ...terms, rounds: 200 }),
  faults: (terms) => faults({ ...terms, seconds: 300 }),
};

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      campaign: { type: 'string' },
      minutes: { type: 'string', default: '60' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    },
  });
  const seed = parseWhole('--seed', values.seed, 0, 2 ** 31 - 1);
  const minutes = parseWhole('--minutes', values.minutes, 1, 100_000);
  const chosen = Object.entries(CAMPAIGNS).filter(([name]) => (values.campaign ?? name) === name);
  if (chosen.length === 0)
    throw new OptionError('--campaign', values.campaign ?? '', `expected one of ${Object.keys(CAMPAIGNS).join(', ')}`);
  const deadline = performance.now() + minutes * 60_000;
  const over = (): boolean => performance.now() >= deadline;
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  say(`seed ${seed}, ${chosen.map(([name]) => name).join(', ')}, at most ${minutes} minutes`);
  let broken = 0;
  for (const [name, run] of chosen) {
    if (over()) {
      say(`the minutes are over before ${name}`);
      continue;
    }
    try {
      await run({ seed, say, over });
    } catch (cause) {
      broken++;
      say(`BROKEN ${name}: ${cause instanceof Error ? cause.message : String(cause)}`);
    }
  }
  say(`seed ${seed}: ${chosen.length} campaigns, ${broken} with a broken promise`);
  if (broken > 0) process.exitCode = 1;
}

try {
  await main();
} catch (cause) {
  process.stderr.write(`soak: ${cause instanceof Error ? cause.message : String(cause)}\n`);
  process.exitCode = cause instanceof OptionError ? 2 : 1;
}
