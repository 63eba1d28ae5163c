// File rings in real directories for tests: what a series does with one, without packets. UTC, a file an hour.
import { readdirSync, writeSync } from 'node:fs';
import { vi } from 'vitest';
import { utcZone, type Zone } from '../../src/native/time.ts';
import { type Closing, FileRing, type FileRingOptions } from '../../src/rotation/file-ring.ts';
import type { LedgerEvent } from '../../src/rotation/ledger-entry.ts';
import { SavefileName } from '../../src/rotation/name.ts';
import type { OpenSavefile } from '../../src/rotation/savefile-creator.ts';
import { packetTime } from '../../src/rotation/savefile-scan.ts';
import { savefileBytes } from './savefile-bytes.ts';

export const HOUR = 3600;
export const START: number = Date.parse('2026-01-01T00:00:00Z') / 1000;

/** Any event without a file does as the first and the last line. */
export const FIRST: LedgerEvent = { type: 'step', byMs: 1 };
export const LAST: LedgerEvent = {
  type: 'stop',
  received: 0,
  written: 0,
  dropped: 0,
  noSpace: 0,
  filtered: 0,
  unread: 0,
  ifDropped: 0,
  queueFreezes: 0,
  late: 0,
};

export const nameIn = (directory: string, zone: Zone = utcZone()): SavefileName =>
  new SavefileName(`${directory}/pcap-%Y%m%d%H%M%S.pcap`, zone);

/** The name of the file of the n-th hour. */
export const hour = (n: number): string => nameIn('.').at(START + n * HOUR);

export type Wishes = Partial<FileRingOptions> & { readonly keep?: number };

/** What the rings opened since `notices.length = 0` had to say. */
export const notices: string[] = [];

export function openRing(directory: string, { keep, ...wishes }: Wishes = {}): FileRing {
  const options: FileRingOptions = {
    name: nameIn(directory),
    retention: { keep },
    part: true,
    sync: true,
    ledger: true,
    fileMode: 0o640,
    compress: undefined,
    command: undefined,
    notice: (text) => notices.push(text),
    ...wishes,
  };
  return FileRing.open(options, FIRST);
}

/** What is told at the end of a file with these records. */
export function closing(startSec: number, secs: readonly number[]): Closing {
  const time = (sec: number | undefined): string | null => (sec === undefined ? null : packetTime({ sec, nsec: 0 }));
  return {
    interval: { startSec, endSec: startSec + HOUR },
    packets: secs.length,
    bytes: savefileBytes(secs).length,
    first: time(secs[0]),
    last: time(secs.at(-1)),
    late: 0,
    received: secs.length,
    dropped: 0,
    ifDropped: 0,
    queueFreezes: 0,
    filtered: 0,
    noSpace: 0,
  };
}

export function create(ring: FileRing, sec: number, secs: readonly number[] = [sec]): OpenSavefile {
  const file = ring.create(sec);
  writeSync(file.fd, savefileBytes(secs));
  ring.begun(file, { startSec: sec, endSec: sec + HOUR });
  return file;
}

/** Creates, writes and finishes a file; its name. It is published in the background. */
export function capture(ring: FileRing, sec: number, secs: readonly number[] = [sec]): string {
  const file = create(ring, sec, secs);
  ring.finish(file, closing(sec, secs));
  return file.name;
}

/** As `capture`, and resolves when it is published. */
export async function captured(ring: FileRing, sec: number, secs: readonly number[] = [sec]): Promise<string> {
  const name = capture(ring, sec, secs);
  await until(() => ring.complete.includes(name));
  return name;
}

export async function until(holds: () => boolean): Promise<void> {
  await vi.waitUntil(holds, { timeout: 20_000, interval: 5 });
}

const OURS = /^pcap-\d{14}(-\d+)?\.pcap(\.gz|\.zst)?(\.part)?$/;

/** What is in the directory under names of the series, sorted. */
export const savefiles = (directory: string): string[] =>
  readdirSync(directory)
    .filter((name) => OURS.test(name))
    .sort();

export const completeOnDisk = (directory: string): string[] =>
  savefiles(directory).filter((name) => !name.endsWith('.part'));

export { savefileBytes };
