// Savefiles merged, chosen by filter and time, cut, and spread over files, against the same done record by record: what
// libpcap reads of each, of which the oldest that is next in any comes first, and libpcap's interpreter to filter.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SpanOffer } from '../../src/capture/span-offer.ts';
import { CaptureError } from '../../src/errors.ts';
import { compileOffline } from '../../src/filter/offline.ts';
import { compilePacketFilter } from '../../src/filter/packet-filter.ts';
import type { Program } from '../../src/filter/program.ts';
import type { Precision } from '../../src/savefile/header.ts';
import { MergedReader } from '../../src/savefile/reading/merged.ts';
import { openSavefile } from '../../src/savefile/reading/open.ts';
import { type RecordInstant, Selection } from '../../src/savefile/reading/selection.ts';
import { LATE_NSEC, type Limits, type RecordSink, type RecordSpan } from '../../src/savefile/sink.ts';
import type { Random } from '../chaos/random.ts';
import { pcap_offline_filter } from '../native/offline-filter.ts';
import { readByLibpcap } from '../native/offline-reader.ts';
import { MICRO, MODIFIED, makeSavefile, NANO } from '../savefile/reading/make-savefile.ts';
import { type Campaign, expectEqual, expectSameBytes } from './campaign.ts';
import { randomExpression } from './expression.ts';
import { damaged } from './mutation.ts';

const CHUNK_SIZES = [24, 60, 200, 1000, 65536];
const LINKTYPE = 1;
const SNAPLEN = 262144;
const FIRST_SEC = 1767225600;
const ENDLESS = Number.POSITIVE_INFINITY;

/** A file of the output ends after so many records, so many bytes, or with a multiple of so many seconds. */
interface Shape {
  readonly records: number;
  readonly bytes: number;
  readonly seconds: number;
}

interface Choice extends Shape {
  readonly program: Program | undefined;
  readonly from: RecordInstant | undefined;
  readonly to: RecordInstant | undefined;
  readonly snaplen: number;
}

export function merge(_seed: number, directory: string): Campaign {
  const paths = Array.from({ length: 5 }, (_, n) => join(directory, `input${n}`));
  return {
    make(random) {
      const inputs = paths.slice(random.whole(0, 4)).map(() => savefile(random));
      const choice = randomChoice(random);
      const chunkSize = random.pick(CHUNK_SIZES);
      return {
        input: Buffer.concat(inputs),
        about: `files of ${inputs.map(({ length }) => length)} bytes, in pieces of ${chunkSize} bytes, ${JSON.stringify({ ...choice, program: choice.program?.dump(3) })}`,
        run: () => expectLikeModel(paths, inputs, choice, chunkSize),
      };
    },
  };
}

async function expectLikeModel(
  paths: readonly string[],
  inputs: readonly Uint8Array[],
  choice: Choice,
  chunkSize: number,
): Promise<void> {
  for (const [n, bytes] of inputs.entries()) writeFileSync(paths[n] ?? '', bytes);
  const readers = await Promise.all(inputs.map((_, n) => openSavefile(paths[n] ?? '', chunkSize)));
  const failures: string[] = [];
  const merged = new MergedReader(readers, (cause) => {
    if (!(cause instanceof CaptureError)) throw cause;
    failures.push(cause.message);
  });
  const { precision } = merged;
  const { program } = choice;
  const filter = program === undefined ? undefined : compilePacketFilter(program, 'libpcap');
  const selection = new Selection({ ...choice, filter, precision });
  const files = new Files(choice);
  const offer = new SpanOffer();
  try {
    for (let run = await merged.next(); run !== undefined; run = await merged.next()) {
      selection.begin(run);
      while (!offer.all(selection, files));
    }
  } finally {
    await merged.close();
  }
  const readings = inputs.map((bytes) => readByLibpcap(bytes, precision));
  const damages = readings.flatMap(({ failure }) => failure ?? []);
  expectEqual('damages', failures.length, damages.length);
  const inOrder = merging(readings.map(({ records }) => recordsIn(records)));
  const expected = spread(inOrder, choice, precision);
  expectEqual('files', files.files.length, expected.length);
  for (const [n, file] of files.files.entries())
    expectSameBytes(`file ${n}`, Buffer.concat(file), expected[n] ?? Buffer.alloc(0));
}

function savefile(random: Random): Uint8Array {
  let sec = FIRST_SEC;
  const magic = random.pick([MICRO, MICRO, NANO, MODIFIED]);
  const sorted = random.whole(0, 2) > 0;
  const most = magic === NANO ? 999_999_999 : 999_999;
  const records = Array.from({ length: random.pick([0, 1, 3, 10, 40]) }, () => {
    sec = sorted ? sec + random.whole(0, 1) : FIRST_SEC + random.whole(0, 20);
    const fraction = random.pick([0, 0, Math.floor(most * 0.99), most, random.whole(0, most)]);
    const caplen = random.pick([0, 1, 13, 14, 34, 42, 60, 100, 1400]);
    return { sec, fraction, caplen, len: caplen + random.pick([0, 1, 500]) };
  });
  const littleEndian = random.whole(0, 2) > 0;
  const made = makeSavefile({ littleEndian, magic, version: [2, 4], snaplen: SNAPLEN, linktype: LINKTYPE, records });
  if (random.whole(0, 3) > 0) return made;
  // Behind the file header, so that it can be opened.
  const records_ = damaged(made.subarray(24), made.subarray(24), random.whole(1, 2), random);
  return Buffer.concat([made.subarray(0, 24), records_]);
}

function randomChoice(random: Random): Choice {
  const instant = (): RecordInstant | undefined =>
    random.whole(0, 3) === 0
      ? { sec: FIRST_SEC + random.whole(-1, 25), nsec: random.pick([0, 990_000_000, random.whole(0, 999_999_999)]) }
      : undefined;
  return {
    program: random.whole(0, 1) === 0 ? undefined : programOf(random),
    from: instant(),
    to: instant(),
    snaplen: random.pick([0, 1, 14, 60, ENDLESS, ENDLESS]),
    records: random.pick([1, 2, 7, ENDLESS, ENDLESS]),
    bytes: random.pick([2000, 5000, ENDLESS, ENDLESS]),
    seconds: random.pick([1, 10, 2 ** 40, 2 ** 40]),
  };
}

/** Undefined for an expression that libpcap does not take, or of whose program C does not define the result (geneve). */
function programOf(random: Random): Program | undefined {
  const expression = randomExpression(random, 2);
  try {
    const program = compileOffline(expression, { linktype: LINKTYPE, snaplen: SNAPLEN });
    compilePacketFilter(program, 'kernel');
    return program;
  } catch (cause) {
    if (cause instanceof CaptureError && cause.code === 'ERR_FILTER') return undefined;
    throw cause;
  }
}

/** Takes what it is given, file by file. */
class Files implements RecordSink {
  readonly files: Buffer[][] = [];
  readonly limits: Limits = { startSec: 0, endSec: 0, records: 0, bytes: 0 };
  readonly #shape: Shape;
  #records = 0;
  #bytes = 0;

  constructor(shape: Shape) {
    this.#shape = shape;
  }

  take(span: Readonly<RecordSpan>): boolean {
    this.files.at(-1)?.push(Buffer.from(span.bytes));
    this.#records += span.records;
    this.#bytes += span.bytes.length;
    this.limits.records = this.#shape.records - this.#records;
    this.limits.bytes = this.#shape.bytes - this.#bytes;
    return true;
  }

  resume(): boolean {
    throw new Error('unreachable: nothing was held');
  }

  cut(sec: number): boolean {
    const { records, bytes, seconds } = this.#shape;
    const startSec = sec - (sec % seconds);
    // One record of any size fits into a file, as in a Series.
    const most = bytes === ENDLESS ? records : 1;
    Object.assign(this.limits, { startSec, endSec: startSec + seconds, records: most, bytes: ENDLESS });
    this.#records = 0;
    this.#bytes = 0;
    this.files.push([]);
    return true;
  }
}

/** Records with their headers. */
function recordsIn(bytes: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += records.at(-1)?.length ?? 0)
    records.push(bytes.subarray(at, at + 16 + bytes.readUInt32LE(at + 8)));
  return records;
}

function merging(files: readonly (readonly Buffer[])[]): Buffer[] {
  const rest = files.map((records) => [...records]);
  const merged: Buffer[] = [];
  for (;;) {
    let oldest: Buffer[] | undefined;
    for (const records of rest) {
      const [head] = records;
      const [other] = oldest ?? [];
      if (head !== undefined && (other === undefined || isBefore(head, other))) oldest = records;
    }
    const next = oldest?.shift();
    if (next === undefined) return merged;
    merged.push(next);
  }
}

function isBefore(one: Buffer, other: Buffer): boolean {
  const sec = one.readUInt32LE(0) - other.readUInt32LE(0);
  return sec < 0 || (sec === 0 && one.readUInt32LE(4) < other.readUInt32LE(4));
}

function spread(records: readonly Buffer[], choice: Choice, precision: Precision): Buffer[] {
  const { program, from, to, snaplen, seconds } = choice;
  const files: Buffer[][] = [];
  let startSec = Number.NaN;
  for (const each of records) {
    const [sec, fraction, len] = [each.readUInt32LE(0), each.readUInt32LE(4), each.readUInt32LE(12)];
    const nsec = precision === 'nano' ? fraction : fraction * 1000;
    const packet = each.subarray(16);
    if (program !== undefined && pcap_offline_filter(program.bytes, packet, len) === 0) continue;
    if (from !== undefined && (sec < from.sec || (sec === from.sec && nsec < from.nsec))) continue;
    if (to !== undefined && (sec > to.sec || (sec === to.sec && nsec >= to.nsec))) continue;
    const kept = Buffer.from(each.subarray(0, 16 + Math.min(packet.length, snaplen)));
    kept.writeUInt32LE(kept.length - 16, 8);
    const file = files.at(-1) ?? [];
    const size = file.reduce((sum, { length }) => sum + length, kept.length);
    const late = sec < startSec && (sec < startSec - 1 || nsec < 1e9 - LATE_NSEC);
    if (file.length < choice.records && size <= choice.bytes && sec < startSec + seconds && !late) file.push(kept);
    else {
      files.push([kept]);
      startSec = sec - (sec % seconds);
    }
  }
  return files.map((file) => Buffer.concat(file));
}
