// Runs the cases of one campaign, one after the other, as the child of fuzz.ts: who sees by the number in a file which case
// is under way, and by how this process ends what was found.
//   worker.ts CAMPAIGN SEED FIRST COUNT SECONDS DIRECTORY
// Exit code 0 when the count or the time is over, FOUND with what was found on stdout.
import { openSync, writeSync } from 'node:fs';
import { randomOf } from './campaign.ts';
import { CAMPAIGNS } from './campaigns.ts';
import { FOUND, progressIn } from './fuzz.ts';

const [name = '', ...rest] = process.argv.slice(2);
const directory = rest.pop() ?? '';
const [seed = 0, first = 0, count = 0, seconds = 0] = rest.map(Number);
const progress = openSync(progressIn(directory), 'w');
const under = new Float64Array(1);
const campaign = CAMPAIGNS[name]?.start(seed, directory);
if (campaign === undefined) throw new Error(`unreachable: no campaign ${name}`);

const deadline = performance.now() + seconds * 1000;
for (let number = first; ; number++) {
  under[0] = number;
  writeSync(progress, under, 0, under.byteLength, 0);
  if (number >= first + count || performance.now() >= deadline) break;
  try {
    await campaign.make(randomOf(seed, number)).run();
  } catch (cause) {
    process.stdout.write(cause instanceof Error ? (cause.stack ?? cause.message) : String(cause));
    process.exitCode = FOUND;
    break;
  }
}
