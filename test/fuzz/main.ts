// `npm run fuzz`: random inputs for what reads foreign bytes, against libpcap and the kernel, one campaign after the other:
//   npm run fuzz -- [--campaign NAME] [--minutes N | --seconds N] [--seed N] [--case N]
// The time is shared by the campaigns. A line a campaign on stdout; what is found ends a campaign, with its input in a file
// and how to see it again. Exit code 1 then. Needs tcpdump's and Wireshark's tools.
import { parseArgs } from 'node:util';
import { parseWhole } from '../../src/capture/values.ts';
import { OptionError } from '../../src/errors.ts';
import { CAMPAIGNS } from './campaigns.ts';
import { fuzz } from './fuzz.ts';

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      campaign: { type: 'string' },
      minutes: { type: 'string' },
      seconds: { type: 'string' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      case: { type: 'string' },
    },
  });
  const seed = parseWhole('--seed', values.seed, 0, 2 ** 31 - 1);
  const minutes = parseWhole('--minutes', values.minutes ?? '15', 1, 100_000);
  const all = values.seconds === undefined ? minutes * 60 : parseWhole('--seconds', values.seconds, 1, 1_000_000);
  const one = values.case === undefined ? undefined : parseWhole('--case', values.case, 0, 2 ** 31);
  const names = Object.keys(CAMPAIGNS).filter((name) => (values.campaign ?? name) === name);
  if (names.length === 0)
    throw new OptionError('--campaign', values.campaign ?? '', `expected one of ${Object.keys(CAMPAIGNS).join(', ')}`);
  const seconds = all / names.length;
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  say(`seed ${seed}, ${names.join(', ')}, ${all} seconds in all`);
  let broken = 0;
  for (const name of names) {
    try {
      say(await fuzz(name, { seed, first: one ?? 0, count: one === undefined ? 2 ** 31 : 1, seconds }));
    } catch (cause) {
      broken++;
      say(`BROKEN ${name}: ${cause instanceof Error ? cause.message : String(cause)}`);
    }
  }
  say(`seed ${seed}: ${names.length} campaigns, ${broken} with a broken promise`);
  if (broken > 0) process.exitCode = 1;
}

try {
  await main();
} catch (cause) {
  process.stderr.write(`fuzz: ${cause instanceof Error ? cause.message : String(cause)}\n`);
  process.exitCode = cause instanceof OptionError ? 2 : 1;
}
