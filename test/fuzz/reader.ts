// The reader of savefiles against libpcap: damaged files give the records that libpcap gives, byte for byte, and then end or
// fail as it does; where libpcap knows less (gzip and zstd, several link types), at least whole records and a typed error.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CaptureError, SavefileError } from '../../src/errors.ts';
import { type Precision, RECORD_HEADER_LENGTH, record } from '../../src/savefile/header.ts';
import { dltOf } from '../../src/savefile/linktype.ts';
import { openSavefile } from '../../src/savefile/reading/open.ts';
import type { RecordReader, RecordRun } from '../../src/savefile/reading/record-run.ts';
import { readByLibpcap } from '../native/offline-reader.ts';
import { eraseFractions, MOST_MICROSECONDS } from '../savefile/reading/make-savefile.ts';
import { type Campaign, expectEqual, expectSameBytes } from './campaign.ts';
import { compressed } from './compressed.ts';
import { anyFile } from './corpus.ts';
import { damaged } from './mutation.ts';

const CHUNK_SIZES = [24, 100, 100, 1000, 1000, 1000, 4096, 65536];
/** Each read takes its time. */
const SMALLEST_CHUNKS = [1, 7];
/** libpcap stops there, we go on. */
const ONLY_LIBPCAP = [
  'different from the type of the first interface',
  'different from the snapshot length of the first interface',
  'the file has sections with different byte orders',
];
/** Of sections before the first interface libpcap looks at no more than the first. */
const ONLY_OURS =
  /the file has a section with a bad byte order magic field|unknown pcapng savefile major version number/;

export function reader(seed: number, directory: string): Campaign {
  const any = anyFile(seed, directory);
  const path = join(directory, 'input');
  return {
    make(random) {
      const plain = damaged(any(random), any(random), random.pick([0, 1, 1, 1, 2, 2, 3, 5]), random);
      const packed = random.whole(0, 9) === 0 ? compressed(plain, random) : undefined;
      const smallest = packed === undefined && random.whole(0, 39) === 0;
      const chunkSize = random.pick(smallest ? SMALLEST_CHUNKS : CHUNK_SIZES);
      const readAs = random.pick<Precision>(['micro', 'nano']);
      const input = packed?.bytes ?? plain;
      return {
        input,
        about: `${packed?.about ?? 'plain'}, in pieces of ${chunkSize} bytes, read as ${readAs}`,
        async run() {
          writeFileSync(path, input);
          const intact = packed?.intact !== false;
          const ours = await readByUs(path, chunkSize, readAs, intact);
          if (intact) expectLikeLibpcap(ours, plain, readAs);
        },
      };
    },
  };
}

interface Reading {
  readonly kind: { readonly linktype: number; readonly snaplen: number } | undefined;
  readonly records: Buffer;
  readonly failure: CaptureError | undefined;
}

/** `keep`: for comparison. A bomb's records are as many as they are. */
async function readByUs(path: string, chunkSize: number, readAs: Precision, keep: boolean): Promise<Reading> {
  let opened: RecordReader;
  try {
    opened = await openSavefile(path, chunkSize);
  } catch (cause) {
    return { kind: undefined, records: Buffer.alloc(0), failure: typed(cause) };
  }
  const parts: Buffer[] = [];
  const { linktype, snaplen } = opened;
  const read = { kind: { linktype, snaplen } };
  try {
    opened.readAs = readAs;
    for (let run = await opened.next(); run !== undefined; run = await opened.next()) {
      expectWhole(run);
      if (keep) parts.push(Buffer.from(run.bytes.subarray(run.start, run.end)));
    }
    expectEqual('at the end again', (await opened.next()) === undefined, true);
    return { ...read, records: Buffer.concat(parts), failure: undefined };
  } catch (cause) {
    return { ...read, records: Buffer.concat(parts), failure: typed(cause) };
  } finally {
    await opened.close();
  }
}

function typed(cause: unknown): CaptureError {
  if (!(cause instanceof CaptureError)) throw cause;
  if (/[\n\r]/.test(cause.message)) throw new Error(`more than a line: ${cause.message}`);
  return cause;
}

/** A run is what it says it is: so many records, one behind the other. */
function expectWhole({ view, start, end, last, records }: RecordRun): void {
  let count = 0;
  let at = start;
  let before = start;
  for (; at < end; count++) {
    before = at;
    at += RECORD_HEADER_LENGTH + view.getUint32(at + record.caplen, true);
  }
  expectEqual('the end of a run', at, end);
  expectEqual('records of a run', records, count);
  expectEqual('the last one of a run', last, before);
  if (count === 0) throw new Error('a run without records');
}

function expectLikeLibpcap(ours: Reading, bytes: Uint8Array, readAs: Precision): void {
  if (bytes.length === 0) return; // fmemopen(3) has no empty files; test/savefile/reading has
  const { failure } = ours;
  if (failure instanceof SavefileError && (failure.offset < 0 || failure.offset > bytes.length))
    throw new Error(`an offset beyond the file of ${bytes.length} bytes: ${failure.message}`);
  const theirs = readByLibpcap(bytes, readAs);
  if (theirs.kind !== undefined && ours.kind !== undefined) {
    expectEqual('DLT', dltOf(ours.kind.linktype), theirs.kind.dlt);
    // Where interfaces follow the first at once, ours is the largest of them; libpcap refuses those that differ.
    if (!/ different from the (type|snapshot length) of the first interface/.test(theirs.failure ?? ''))
      expectEqual('snaplen', ours.kind.snaplen, theirs.kind.snaplen);
    else if (ours.kind.snaplen < theirs.kind.snaplen)
      throw new Error(`snaplen ${ours.kind.snaplen}, less than ${theirs.kind.snaplen} of the first interface`);
  }
  if (ours.kind === undefined && ONLY_OURS.test(failure?.message ?? '')) return;
  const fine = FINE_RESOLUTION.test(Buffer.from(bytes).toString('hex'));
  for (const { records } of [ours, theirs])
    if (fine || readAs === 'micro') eraseFractions(records, fine ? 0 : MOST_MICROSECONDS);
  if (theirs.failure !== undefined && isOnlyLibpcaps(theirs.failure, failure?.message ?? '')) {
    const begun = ours.records.subarray(0, theirs.records.length);
    expectSameBytes(`records up to '${theirs.failure}'`, begun, theirs.records);
    return;
  }
  if ((failure === undefined) !== (theirs.failure === undefined) || !failure?.message.includes(theirs.failure ?? ''))
    if (failure !== undefined || theirs.failure !== undefined)
      throw new Error(`ours: ${failure?.message ?? 'no failure'}; libpcap: ${theirs.failure ?? 'no failure'}`);
  expectEqual('opened', ours.kind !== undefined, theirs.kind !== undefined);
  expectSameBytes('records', ours.records, theirs.records);
}

/** A section of the other byte order it mostly refuses for its length, of which it turns the bytes; so does `ours` then, perhaps. */
function isOnlyLibpcaps(failure: string, ours: string): boolean {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(Number(/(?:pcapng block size|has a length of) (\d+)/.exec(failure)?.[1] ?? 0));
  const [low, turned] = [size.readUInt16LE(0), size.readUInt32BE(0)];
  if (turned > 0 && (low === 0 || ours.includes(String(turned)))) return true;
  return ONLY_LIBPCAP.some((text) => failure.includes(text));
}

/** if_tsresol of so fine a power of 2 that libpcap's multiplication overflows its 64 bits. We count right. */
const FINE_RESOLUTION = /(09000100|00090001)[ab]/;
