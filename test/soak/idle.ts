// Without a packet, each file is published within a second of its boundary. This is a promise, not a benchmark.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { capture, type Terms, withLab } from './campaign.ts';
import { list } from './evidence.ts';

const WITHIN_MS = 1000;

export interface IdleTerms extends Terms {
  readonly files: number;
}

export async function idle({ files, say, over }: IdleTerms): Promise<void> {
  await withLab(async (lab, directory) => {
    const lateMs = new Map<string, number>();
    const program = await capture(lab, directory, ['--rotate', '1s', '--ring', '5']);
    try {
      await program.until(() => {
        for (const { name } of list(directory).complete) {
          // Renaming is the last thing that is done to it, and changes its ctime.
          const ctimeMs = statSync(join(directory, name), { throwIfNoEntry: false })?.ctimeMs;
          if (ctimeMs !== undefined && !lateMs.has(name)) lateMs.set(name, ctimeMs - boundaryMs(name));
        }
        return lateMs.size >= files || over();
      });
      await program.stop();
    } finally {
      await program.kill();
    }
    const all = [...lateMs.values()].sort((a, b) => a - b);
    const [least = Number.NaN, most = Number.NaN] = [all[0], all.at(-1)];
    say(`idle: ${all.length} files, published ${Math.round(least)} to ${Math.round(most)} ms behind their boundary`);
    if (!(least >= 0 && most < WITHIN_MS)) throw new Error(`published ${most} ms behind its boundary`);
  });
}

/** The end of its second, from its name in UTC. */
function boundaryMs(name: string): number {
  const [, year, month, day, hour, minute, second] = /^p-(....)(..)(..)(..)(..)(..)/.exec(name) ?? [];
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`) + 1000;
}
