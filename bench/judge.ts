// What is said of a run by others than the program that ran: how many packets its savefiles have, and whether its own counts
// agree with that and with what was offered.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Counts } from './contestants.ts';

const execute = promisify(execFile);

/** In all these savefiles, as capinfos counts them. Rejects when one can't be read. */
export async function countPackets(files: readonly string[], signal: AbortSignal): Promise<number> {
  const { stdout } = await execute('capinfos', ['-T', '-r', '-M', '-c', ...files], { signal });
  const counts = stdout
    .trim()
    .split('\n')
    .map((line) => Number(line.split('\t')[1]));
  return counts.reduce((sum, count) => sum + count, 0);
}

/** So that nobody pays for the dirty pages of the run before. */
export async function sync(signal: AbortSignal): Promise<void> {
  await execute('sync', [], { signal });
}

/** Why a run says nothing, undefined when its packets add up. */
export function flawOf(run: Counts & { readonly offered: number; readonly written: number }): string | undefined {
  const { offered, received, written, dropped, captured } = run;
  if (received !== offered) return `received ${received} of ${offered}`;
  if (written + dropped !== offered) return `${written} written and ${dropped} dropped of ${offered}`;
  if (captured !== written) return `says ${captured}, the file has ${written}`;
  return undefined;
}
