// `netlogs forget DAY`: what of a day is ours to delete. Only what has the names of bundles, of what open-netlogs.sh makes of
// them, and of the index; no link is followed, and a directory goes when nothing else is in it.
import { type Dirent, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { SyscallError, systemErrors } from '../../errors.ts';
import { bundleOf, isDay, isHost, isManifest, isNftLog, isSavefile } from '../bundle/names.ts';
import { listPartitions } from '../index/partition.ts';
import type { Days } from './days.ts';

export interface Forgettable {
  /** Of the index: goes with all that is in it. */
  readonly partitions: readonly string[];
  readonly files: readonly string[];
  /** Deepest first. */
  readonly directories: readonly string[];
}

/** Below ROOT/DAY/QUBE there is nothing deeper than netpcap/. */
const DEPTH = 2;

/** `root`: as ~/NetLogs. Nothing is deleted yet. Rejects with SyscallError. */
export async function findForgettable(root: string, { from, to }: Days): Promise<Forgettable> {
  const wanted = (day: string): boolean => day >= from && day <= to;
  const partitions = (await listPartitions(root)).filter(({ date }) => wanted(date)).map(({ path }) => path);
  const files: string[] = [];
  const directories: string[] = [];
  for (const day of entriesOf(root)) {
    if (!day.isDirectory() || !isDay(day.name) || !wanted(day.name)) continue;
    const path = join(root, day.name);
    for (const entry of entriesOf(path)) {
      const inner = join(path, entry.name);
      if (entry.isDirectory() && isHost(entry.name)) gather(inner, day.name, DEPTH, files, directories);
      else if (entry.isFile() && entry.name.endsWith('.tgz') && isHost(entry.name.slice(0, -4))) files.push(inner);
    }
    directories.push(path);
  }
  return { partitions, files, directories };
}

function gather(path: string, day: string, depth: number, files: string[], directories: string[]): void {
  for (const entry of entriesOf(path)) {
    const inner = join(path, entry.name);
    if (entry.isDirectory() && depth > 1) gather(inner, day, depth - 1, files, directories);
    else if (entry.isFile() && isOurs(entry.name, day)) files.push(inner);
  }
  directories.push(path);
}

function isOurs(name: string, day: string): boolean {
  const bundle = bundleOf(name);
  if (bundle !== undefined) return bundle.day === day;
  return isSavefile(name) || isManifest(name) || isNftLog(name) || name === '.whole';
}

/** The directories that stayed, as there is something else in them. @throws SyscallError */
export function forget({ partitions, files, directories }: Forgettable): readonly string[] {
  for (const path of files) systemErrors(() => rmSync(path, { force: true }));
  const stayed = directories.filter((path) => {
    try {
      rmdirSync(path);
      return false;
    } catch (cause) {
      const error = SyscallError.from(cause);
      if (error instanceof SyscallError && ['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(error.code))
        return error.code !== 'ENOENT';
      throw error;
    }
  });
  // Last: what is indexed and gone is still told of, what is there and not indexed would be indexed again.
  for (const path of partitions) systemErrors(() => rmSync(path, { recursive: true, force: true }));
  return stayed;
}

function entriesOf(path: string): Dirent[] {
  return systemErrors(() => readdirSync(path, { withFileTypes: true }));
}
