// What there is to read below a directory, without unpacking any of it:
//
//   ROOT/2026-11-24/sys-dns.tgz, ROOT/2026-11-24/sys-dns/    as pull-netlogs-to-work brings and open-netlogs.sh unpacks it
//   ROOT/sys-dns/2026-11-24/                                 as it lies in the vault
//   ROOT/*.pcap, ROOT/*.log.gz                               anything else, such as a live /var/log/netpcap
import { createReadStream, type Dirent, lstatSync, readdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, join, relative, resolve } from 'node:path';
import { CaptureError, SyscallError, systemErrors } from '../../errors.ts';
import { record } from '../../savefile/header.ts';
import { openSavefile } from '../../savefile/reading/open.ts';
import { BoundError } from '../bound-error.ts';
import { NftLog } from '../nft/log.ts';
import { DEFAULT_BOUNDS } from './bounds.ts';
import { gunzip } from './gunzip.ts';
import { bundleOf, isArchive, isDay, isHost, isManifest, isNftLog, isSavefile } from './names.ts';

/** A regular file; a link is none. */
export interface FoundFile {
  readonly path: string;
  readonly bytes: number;
  readonly mtimeMs: number;
}

/** One day of one host. */
export interface FoundDay {
  readonly host: string;
  readonly day: string;
  /** What it is read from: one archive, or files that lie about. */
  readonly files: readonly FoundFile[];
  /** Changes when any of the files does: names, sizes and times. */
  readonly fingerprint: string;
  /** Whose ledgers are about this day; undefined where only manifests are. */
  readonly ledgers: string | undefined;
}

const DEPTH = 4;

/**
 * Days and hosts below `root`, oldest first. `host`: of files that do not say whose they are; default this machine's name.
 * Throws SyscallError when `root` can't be read, BoundError when there is more in it than anyone would have put there.
 */
export async function findDays(root: string, host: string = hostname()): Promise<FoundDay[]> {
  const found: FoundDay[] = [];
  const top = resolve(root);
  for (const entry of entriesOf(top)) {
    if (!entry.isDirectory()) continue;
    if (isDay(entry.name)) found.push(...hostsOf(join(top, entry.name), entry.name));
    else if (isHost(entry.name)) found.push(...daysOf(join(top, entry.name), entry.name));
  }
  if (found.length === 0 && isDay(basename(top))) found.push(...hostsOf(top, basename(top)));
  if (found.length === 0) found.push(...(await looseDays(top, host)));
  return found.sort((a, b) => compare(a.day, b.day) || compare(a.host, b.host));
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Of a directory with the name of a day. The archive is what the backup made, so it is preferred to what it unpacks to. */
function hostsOf(directory: string, day: string): FoundDay[] {
  const hosts = new Map<string, readonly FoundFile[]>();
  for (const entry of entriesOf(directory)) {
    const name = basename(entry.name, '.tgz');
    const path = join(directory, entry.name);
    if (entry.isFile() && isArchive(entry.name)) hosts.set(name, [fileAt(path)]);
    else if (entry.isDirectory() && isHost(entry.name) && !hosts.has(entry.name)) {
      const files = filesBelow(path);
      if (files.length > 0) hosts.set(entry.name, files);
    }
  }
  return [...hosts].map(([host, files]) => dayFrom(host, day, directory, files));
}

function daysOf(directory: string, host: string): FoundDay[] {
  return entriesOf(directory).flatMap((entry) => {
    if (!entry.isDirectory() || !isDay(entry.name)) return [];
    const files = filesBelow(join(directory, entry.name));
    return files.length === 0 ? [] : [dayFrom(host, entry.name, directory, files)];
  });
}

/**
 * A file is of the day of its first packet or line, in the zone of who reads it; one without is left out. Manifests go with
 * each day: whose they are is seen when they are read.
 */
async function looseDays(directory: string, host: string): Promise<FoundDay[]> {
  const days = new Map<string, FoundFile[]>();
  const files = filesBelow(directory);
  const manifests = files.filter(({ path }) => isManifest(basename(path)));
  for (const file of files) {
    const day = manifests.includes(file) ? undefined : await dayOf(file.path);
    if (day !== undefined) days.set(day, [...(days.get(day) ?? []), file]);
  }
  return [...days].map(([day, own]) => dayFrom(host, day, directory, [...own, ...manifests], directory));
}

function dayFrom(
  host: string,
  day: string,
  directory: string,
  files: readonly FoundFile[],
  ledgers?: string,
): FoundDay {
  const fingerprint = files
    .map(({ path, bytes, mtimeMs }) => `${relative(directory, path)} ${bytes} ${mtimeMs}`)
    .join('\n');
  return { host, day, files, fingerprint, ledgers };
}

/** Those whose names belong there. A savefile that is being written, NAME.part, is not complete and none of them. */
function filesBelow(directory: string): FoundFile[] {
  const found: FoundFile[] = [];
  const walk = (path: string, depth: number): void => {
    for (const entry of entriesOf(path)) {
      const inner = join(path, entry.name);
      if (entry.isDirectory() && depth < DEPTH && !entry.name.startsWith('.')) walk(inner, depth + 1);
      const wanted =
        isSavefile(entry.name) || isNftLog(entry.name) || isManifest(entry.name) || bundleOf(entry.name) !== undefined;
      if (entry.isFile() && wanted) found.push(fileAt(inner));
      if (found.length > DEFAULT_BOUNDS.entries) throw new BoundError(directory, 'files', DEFAULT_BOUNDS.entries);
    }
  };
  walk(directory, 0);
  return found;
}

function fileAt(path: string): FoundFile {
  const { size, mtimeMs } = systemErrors(() => lstatSync(path));
  return { path, bytes: size, mtimeMs };
}

function entriesOf(directory: string): Dirent[] {
  const entries = systemErrors(() => readdirSync(directory, { withFileTypes: true }));
  return entries.sort((a, b) => compare(a.name, b.name));
}

async function dayOf(path: string): Promise<string | undefined> {
  const name = basename(path);
  const bundle = bundleOf(name);
  if (bundle !== undefined) return bundle.day;
  try {
    const timeMs = await (isSavefile(name) ? firstPacket(path) : firstLine(path));
    return timeMs === undefined ? undefined : localDay(timeMs);
  } catch (cause) {
    if (cause instanceof CaptureError) return undefined; // a file that is broken from its start belongs to no day
    throw cause;
  }
}

async function firstPacket(path: string): Promise<number | undefined> {
  const reader = await openSavefile(path, 4096);
  try {
    const run = await reader.next();
    return run === undefined ? undefined : run.view.getUint32(run.start + record.sec, true) * 1000;
  } finally {
    await reader.close();
  }
}

async function firstLine(path: string): Promise<number | undefined> {
  for await (const [first] of new NftLog(path).read(readFile(path, DEFAULT_BOUNDS.bundleBytes, path)))
    if (first !== undefined) return first.timeUs / 1000;
  return undefined;
}

/** The bytes of a file, decompressed where its name says so. `name`: for errors. Throws what `gunzip` does, and SyscallError. */
export async function* readFile(path: string, most: number, name: string): AsyncGenerator<Uint8Array> {
  const bytes: AsyncIterable<Buffer> = createReadStream(path);
  try {
    yield* path.endsWith('.gz') ? gunzip(bytes, name, most) : bytes;
  } catch (cause) {
    throw SyscallError.from(cause, path);
  }
}

export function localDay(timeMs: number): string {
  const date = new Date(timeMs);
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}
