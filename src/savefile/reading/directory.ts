// The savefiles of a directory in the order of their first packets, as those of a series are to be read. What is no
// savefile, a ledger say, is passed over; a file that is still being written is read as far as it is whole.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { SavefileError, SyscallError } from '../../errors.ts';
import { record } from '../header.ts';
import { ConcatenatedReader } from './concatenated.ts';
import { openSavefile } from './open.ts';
import type { RecordReader } from './record-run.ts';

/** Enough to see the first packet. */
const PEEK_SIZE = 4096;
const PART = '.part';
/** A compressed copy that is not complete; what it is made of is there as well. */
const COPY_UNDER_WAY = /\.(gz|zst)\.part$/;
const BESIDE = /\.(jsonl|lock|released|prom|tmp)$/;

interface Found {
  readonly name: string;
  readonly snaplen: number;
  readonly sec: number;
  readonly nsec: number;
}

/**
 * All of them as one reader; undefined when there is none with a packet. `failed` is given what is wrong with any of them.
 * Rejects with SyscallError when the directory can't be read.
 */
export async function openDirectory(
  directory: string,
  chunkSize: number | undefined,
  failed: (cause: unknown) => void,
): Promise<RecordReader | undefined> {
  const found = await savefilesIn(directory, failed);
  const [first, ...rest] = found.map(({ name }) => name);
  if (first === undefined) return undefined;
  const snaplen = Math.max(...found.map((each) => each.snaplen));
  const open = (name: string): Promise<RecordReader> => openSavefile(name, chunkSize);
  const reallyFailed = (cause: unknown): void => (isUnderWay(cause) ? undefined : failed(cause));
  return new ConcatenatedReader(directory, await open(first), rest, open, reallyFailed, snaplen);
}

async function savefilesIn(directory: string, failed: (cause: unknown) => void): Promise<Found[]> {
  const found: Found[] = [];
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    for (const entry of entries) {
      if (!entry.isFile() || COPY_UNDER_WAY.test(entry.name) || BESIDE.test(entry.name)) continue;
      const first = await firstPacket(join(directory, entry.name), failed);
      if (first !== undefined) found.push(first);
    }
  } catch (cause) {
    throw SyscallError.from(cause);
  }
  const byName = new Intl.Collator('en', { numeric: true });
  found.sort((a, b) => a.sec - b.sec || a.nsec - b.nsec || byName.compare(a.name, b.name));
  return found;
}

async function firstPacket(name: string, failed: (cause: unknown) => void): Promise<Found | undefined> {
  try {
    const reader = await openSavefile(name, PEEK_SIZE);
    try {
      reader.readAs = 'nano';
      const run = await reader.next();
      if (run === undefined) return undefined;
      const { view, start } = run;
      return {
        name,
        snaplen: reader.snaplen,
        sec: view.getUint32(start + record.sec, true),
        nsec: view.getUint32(start + record.fraction, true),
      };
    } finally {
      await reader.close();
    }
  } catch (cause) {
    if (!isUnderWay(cause) && !isForeign(cause, name)) failed(cause);
    return undefined;
  }
}

/** NAME.part ends in the middle of a record while someone writes it, or has no file header yet. */
function isUnderWay(cause: unknown): boolean {
  return cause instanceof SavefileError && cause.truncated && cause.file.endsWith(PART);
}

/** Anything may lie in a directory. */
function isForeign(cause: unknown, name: string): boolean {
  return cause instanceof SavefileError && cause.offset === 0 && !/\.(pcap|pcapng|cap)/.test(name);
}
