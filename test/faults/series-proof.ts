// What must hold of a series once a capture has ended as it should, whatever happened before: every record that was said
// to be written is in exactly one savefile, deleted ones included, and the ledger proves it.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { ledgerFiles, readLedgerFile } from '../../src/rotation/ledger-file.ts';
import { verify } from '../../src/rotation/verify.ts';

const FILE_HEADER = 24;

export interface Proof {
  readonly directory: string;
  /** Where deleted savefiles are, with a number before their names. */
  readonly graveyard: string;
  readonly series: string;
  readonly keep: number;
  /** Of all savefiles there have ever been, in the order in which they were written. */
  readonly records: readonly Buffer[];
  /** Deleted, without a line of the ledger that says so. */
  readonly unsaid: ReadonlySet<string>;
  /** Throws when the savefile is not whole by other programs. */
  readonly judge: (path: string) => Buffer;
}

/** A savefile, decompressed, and its records as they stand there. Throws when it does not end with a whole record. */
export function recordsOf(path: string): { readonly file: Buffer; readonly records: Buffer[] } {
  const bytes = readFileSync(path);
  const file = /\.gz(\.part)?$/.test(path) ? gunzipSync(bytes) : bytes;
  const records: Buffer[] = [];
  let at = FILE_HEADER;
  while (at < file.length) {
    const end = at + 16 + (at + 16 <= file.length ? file.readUInt32LE(at + 8) : 0);
    if (end > file.length) throw new Error(`${path}: the record at ${at} is torn`);
    records.push(file.subarray(at, end));
    at = end;
  }
  if (at !== file.length) throw new Error(`${path}: ${file.length} bytes`);
  return { file, records };
}

/** Of a compressed copy that may never have been finished. */
function isWhole(path: string): boolean {
  try {
    gunzipSync(readFileSync(path));
    return true;
  } catch {
    return false;
  }
}

export async function proveSeries(proof: Proof): Promise<void> {
  const { directory, graveyard, series, keep, records, unsaid, judge } = proof;
  const there = readdirSync(directory);
  const strange = there.filter((name) => !/\.pcap(\.gz)?$|\.lock$|\.ledger\.jsonl$/.test(name));
  if (strange.length > 0) throw new Error(`left behind: ${strange.join(' ')}`);
  const complete = there.filter((name) => /\.pcap(\.gz)?$/.test(name));
  if (complete.length > keep) throw new Error(`${complete.length} complete savefiles: ${complete.join(' ')}`);
  // A savefile and its compressed copy are one; two of the same name and other contents are two.
  const files = new Map<string, { readonly name: string; readonly records: readonly Buffer[] }>();
  for (const name of complete) add(directory, name, name);
  for (const name of readdirSync(graveyard))
    if (!name.endsWith('.part') || isWhole(join(graveyard, name)))
      add(graveyard, name, name.slice(name.indexOf('-') + 1));

  function add(where: string, fileName: string, name: string): void {
    const path = join(where, fileName);
    const { file, records } = recordsOf(path);
    const key = `${name.replace(/\.gz(\.part)?$/, '')} ${file.toString('latin1')}`;
    if (files.has(key)) return;
    const unpacked = `${graveyard}-judged.pcap`;
    writeFileSync(unpacked, file);
    judge(unpacked);
    files.set(key, { name: fileName, records });
  }

  expectAll(records, [...files.values()]);
  const told = packetsTold(directory, series);
  if (told !== records.length) throw new Error(`${records.length} records, ${told} by the ledger`);
  for await (const finding of verify(directory)) {
    if (finding.kind === 'summary' || finding.kind === 'notice') continue;
    if (finding.kind === 'missing' && unsaid.has(finding.file ?? '')) continue;
    throw new Error(`verify: ${finding.kind} ${finding.file}: ${finding.text}; there are ${there.join(' ')}`);
  }
}

/** Each file holds a run of the records, no record is in two, and none is missing. */
function expectAll(
  records: readonly Buffer[],
  files: readonly { readonly name: string; readonly records: readonly Buffer[] }[],
): void {
  const places = new Map(records.map((bytes, place) => [bytes.toString('latin1'), place]));
  if (places.size !== records.length) throw new Error('the script has the same record twice');
  const where = new Map<number, string>();
  for (const file of files) {
    let last: number | undefined;
    for (const bytes of file.records) {
      const place = places.get(bytes.toString('latin1'));
      if (place === undefined) throw new Error(`${file.name}: a record that was not said to be written`);
      if (last !== undefined && place !== last + 1) throw new Error(`${file.name}: record ${place} behind ${last}`);
      const other = where.get(place);
      if (other !== undefined) throw new Error(`record ${place} is in ${other} and in ${file.name}`);
      where.set(place, file.name);
      last = place;
    }
  }
  if (where.size === records.length) return;
  const missing = [...places.values()].filter((place) => !where.has(place));
  throw new Error(`of ${records.length} records ${missing.length} are in no file: ${missing.join(' ')}`);
}

/** How many packets all savefiles have had, by the last line about each. */
function packetsTold(directory: string, series: string): number {
  const current = new Map<string, number>();
  let ended = 0;
  for (const file of ledgerFiles(directory, series)) {
    for (const { entry } of readLedgerFile(join(directory, file)).lines) {
      if (entry === undefined) throw new Error(`${file}: a line that is none`);
      if (entry.type === 'close' || entry.type === 'adopt') current.set(entry.name, entry.packets);
      if (entry.type !== 'open' && entry.type !== 'evict') continue;
      ended += current.get(entry.name) ?? 0;
      current.delete(entry.name);
    }
  }
  return [...current.values()].reduce((sum, packets) => sum + packets, ended);
}
