// What a campaign finds in the directory of a series: its savefiles by age, what the ledger says of them, and the numbers
// of the packets in them.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { SEQUENCE_AT } from '../../bench/frames.ts';
import type { LedgerEntry } from '../../src/rotation/ledger-entry.ts';
import { ledgerFiles, readLedgerFile } from '../../src/rotation/ledger-file.ts';
import { PROGRAM, Program } from '../program.ts';
import { SERIES } from './campaign.ts';

const FILE_HEADER = 24;
const RECORD_HEADER = 16;
/** Little endian, with microseconds. */
const MAGIC = 0xa1b2c3d4;

/** The name of a savefile when it is complete, from any name that it has: without `.part` and `.gz`. */
export function savefileName(fileName: string): string | undefined {
  return /^(p-\d{14}(?:-\d+)?\.pcap)(?:\.gz)?(?:\.part)?$/.exec(fileName)?.[1];
}

/** By the second in the name, then by the suffix: the order in which they were begun while no clock was set back. */
export function byAge(a: string, b: string): number {
  const [left, right] = [a, b].map((name) => /^p-(\d{14})(?:-(\d+))?/.exec(name));
  return Number(left?.[1]) - Number(right?.[1]) || Number(left?.[2] ?? 0) - Number(right?.[2] ?? 0);
}

/** What is in a directory. */
export interface Listing {
  /** Without `.part`; by the savefile's name, oldest first. */
  readonly complete: readonly { readonly name: string; readonly fileName: string }[];
  /** Savefiles with `.part`, oldest first. */
  readonly partial: readonly string[];
  /** Names of the savefiles whose original is gone, and whose compressed copy is not renamed yet. */
  readonly between: readonly string[];
}

/** A savefile and its compressed copy count once. */
export function list(directory: string): Listing {
  const complete = new Map<string, string>();
  const partial: string[] = [];
  const copies: string[] = [];
  for (const fileName of readdirSync(directory)) {
    const name = savefileName(fileName);
    if (name === undefined) continue;
    if (fileName.endsWith('.gz.part')) copies.push(name);
    else if (fileName.endsWith('.part')) partial.push(fileName);
    else if (fileName === name || !complete.has(name)) complete.set(name, fileName);
  }
  return {
    complete: [...complete].map(([name, fileName]) => ({ name, fileName })).sort((a, b) => byAge(a.name, b.name)),
    partial: partial.sort(byAge),
    between: copies.filter((name) => !complete.has(name)),
  };
}

export function ledger(directory: string): LedgerEntry[] {
  return ledgerFiles(directory, SERIES)
    .flatMap((fileName) => readLedgerFile(join(directory, fileName)).lines)
    .flatMap(({ entry }) => (entry === undefined ? [] : [entry]));
}

export function entries<Type extends LedgerEntry['type']>(
  all: readonly LedgerEntry[],
  type: Type,
): Extract<LedgerEntry, { readonly type: Type }>[] {
  return all.flatMap((entry) => (entry.type === type ? [entry as Extract<LedgerEntry, { readonly type: Type }>] : []));
}

/** How a savefile ended by its `close` or `adopt` line, by name. */
export function endings(all: readonly LedgerEntry[]): Map<string, Ending> {
  const found = new Map<string, Ending>();
  for (const entry of all) if (entry.type === 'close' || entry.type === 'adopt') found.set(entry.name, entry);
  return found;
}

export type Ending = Extract<LedgerEntry, { readonly type: 'close' | 'adopt' }>;

/** The numbers of its packets; throws on anything but whole records up to the end of the file, from a header on. */
export function numbersIn(path: string): Uint32Array {
  const bytes = path.endsWith('.gz') ? gunzipSync(readFileSync(path)) : readFileSync(path);
  if (bytes.length < FILE_HEADER || bytes.readUInt32LE(0) !== MAGIC) throw new Error(`${path}: no file header`);
  const numbers = new Uint32Array(Math.floor(bytes.length / RECORD_HEADER));
  let records = 0;
  let at = FILE_HEADER;
  while (at < bytes.length) {
    if (at + RECORD_HEADER > bytes.length) throw new Error(`${path}: the record at ${at} is torn`);
    const end = at + RECORD_HEADER + bytes.readUInt32LE(at + 8);
    if (end > bytes.length) throw new Error(`${path}: the record at ${at} is torn`);
    numbers[records++] = bytes.readUInt32BE(at + RECORD_HEADER + SEQUENCE_AT.udp4);
    at = end;
  }
  return numbers.subarray(0, records);
}

/** The numbers of one savefile after the other. */
export class Sequence {
  #next = 0;
  count = 0;
  /** How many numbers were left out at gaps, but for the first. */
  missing = 0;

  /** Throws when a number came before, and when one is missing where none may be. */
  add(name: string, numbers: Uint32Array, gaps: 'none' | 'before it' | 'anywhere'): void {
    let mayMiss = gaps !== 'none';
    for (const number of numbers) {
      if (number < this.#next) throw new Error(`${name}: packet ${number} behind ${this.#next - 1}`);
      if (number > this.#next) {
        if (!mayMiss) throw new Error(`${name}: packets ${this.#next} to ${number - 1} are missing`);
        if (this.count > 0) this.missing += number - this.#next;
      }
      mayMiss = gaps === 'anywhere';
      this.#next = number + 1;
      this.count++;
    }
  }
}

export interface Verified {
  readonly findings: readonly string[];
  /** Its last line. */
  readonly summary: string;
  /** How many captures it found to have ended without a stop line, the running one not counted. */
  readonly crashes: number;
}

/** The lines of `tsnetpcap verify` but for the last, whatever its exit code. */
export async function verifyFindings(directory: string): Promise<string[]> {
  const { stdout } = await Program.run(undefined, [process.execPath, PROGRAM, 'verify', directory]);
  return stdout.trimEnd().split('\n').slice(0, -1);
}

/** What `tsnetpcap verify` says of a directory; throws unless it exits with 0. */
export async function verify(directory: string): Promise<Verified> {
  const { code, stdout, stderr } = await Program.run(undefined, [process.execPath, PROGRAM, 'verify', directory]);
  if (code !== 0) throw new Error(`verify: exit code ${code}: ${stdout}${stderr}`);
  const findings = stdout.trimEnd().split('\n');
  const summary = findings.pop() ?? '';
  const crashes = Number(/(\d+) of \d+ captures ended without a stop line/.exec(stdout)?.[1] ?? 0);
  return { findings, summary, crashes };
}

/** The file is one for tcpdump; throws with what it says otherwise. Its default user would get /dev/null for its own. */
export function tcpdumpReads(path: string): void {
  execFileSync('tcpdump', ['-Z', 'root', '-r', path, '-w', '/dev/null'], { stdio: 'pipe' });
}
