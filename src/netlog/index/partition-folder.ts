// How a partition gets to its place: it is made in a folder of its own, and appears there by a rename when it is whole and
// on the disk. What a crash left is put right by the next build: a partition that was just being replaced comes back, the
// rest goes.
import { copyFile, link, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { SyscallError } from '../../errors.ts';
import { INDEX, namesIn } from './partition.ts';

const WORK = /^\.work-(\d+)-\d+$/;
const REPLACED = 'replaced';
let made = 0;

/** A path for a folder that nobody else uses, which is not made. */
export function workFolder(root: string): string {
  return join(root, INDEX, `.work-${process.pid}-${made++}`);
}

/** Removes what builds left that are no more. Rejects with SyscallError. */
export async function cleanUp(root: string): Promise<void> {
  const index = join(root, INDEX);
  for (const name of await namesIn(index)) {
    const pid = Number(WORK.exec(name)?.[1] ?? process.pid);
    if (!WORK.test(name) || pid === process.pid || isAlive(pid)) continue;
    const folder = join(index, name);
    for (const host of await namesIn(join(folder, REPLACED)))
      for (const date of await namesIn(join(folder, REPLACED, host))) {
        if ((await namesIn(join(index, host, date))).length > 0) continue;
        await mkdir(join(index, host), { recursive: true });
        await rename(join(folder, REPLACED, host, date), join(index, host, date));
      }
    await rm(folder, { recursive: true, force: true });
  }
}

/** Puts the partition in `from` to `place`, with `work` for what was there. Rejects with SyscallError. */
export async function putInPlace(root: string, work: string, from: string, place: string): Promise<void> {
  try {
    for (const name of await namesIn(from)) await sync(join(from, name));
    await sync(from);
    const replaced = join(work, REPLACED, relative(join(root, INDEX), place));
    await mkdir(dirname(replaced), { recursive: true });
    await mkdir(dirname(place), { recursive: true });
    if ((await namesIn(place)).length > 0) await rename(place, replaced);
    await rename(from, place);
    await sync(dirname(place));
  } catch (cause) {
    throw SyscallError.from(cause);
  }
}

/** A second name for a file that is never changed, or a copy where the file system has no such. */
export async function takeOver(from: string, to: string): Promise<void> {
  await link(from, to).catch(() => copyFile(from, to));
}

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (cause) {
    return cause instanceof Error && 'code' in cause && cause.code === 'EPERM';
  }
}
