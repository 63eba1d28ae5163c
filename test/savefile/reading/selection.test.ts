// Choosing records and keeping to the limits of an output, against the same done record by record.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SpanOffer } from '../../../src/capture/span-offer.ts';
import type { RecordRun } from '../../../src/savefile/reading/record-run.ts';
import { Selection } from '../../../src/savefile/reading/selection.ts';
import { LATE_NSEC, type Limits, type RecordSink, type RecordSpan } from '../../../src/savefile/sink.ts';

interface Packet {
  readonly sec: number;
  readonly usec: number;
  readonly packet: readonly number[];
}

function runOf(packets: readonly Packet[]): RecordRun {
  const parts = packets.map(({ sec, usec, packet }) => {
    const header = Buffer.alloc(16);
    for (const [n, value] of [sec, usec, packet.length, packet.length + 9].entries())
      header.writeUInt32LE(value, 4 * n);
    return Buffer.concat([header, Buffer.from(packet)]);
  });
  const bytes = Uint8Array.from(Buffer.concat([Buffer.alloc(16), ...parts]));
  const last = bytes.length - (parts.at(-1)?.length ?? 0);
  const view = new DataView(bytes.buffer);
  return { bytes, view, start: 16, end: bytes.length, last, records: packets.length, linktype: 1 };
}

/** A file of it ends after so many records, so many bytes, or with a multiple of so many seconds. */
interface Shape {
  readonly records: number;
  readonly bytes: number;
  readonly seconds: number;
}

/** Keeps what it is given, file by file, and at times holds it back. */
class Files implements RecordSink {
  readonly files: Buffer[] = [];
  readonly limits: Limits = { startSec: 0, endSec: 0, records: 0, bytes: 0 };
  readonly #shape: Shape;
  readonly #patience: number;
  #takes = 0;
  #held: Readonly<RecordSpan> | undefined;

  constructor(shape: Shape, patience: number) {
    this.#shape = shape;
    this.#patience = patience;
  }

  take(span: Readonly<RecordSpan>): boolean {
    if (++this.#takes % this.#patience === 0) {
      this.#held = span;
      return false;
    }
    const bytes = Buffer.from(span.bytes);
    expect(span.firstSec).toBe(bytes.readUInt32LE(0));
    expect(span.firstNsec).toBe(bytes.readUInt32LE(4) * 1000);
    const secs: number[] = [];
    for (let at = 0; at < bytes.length; at += 16 + bytes.readUInt32LE(at + 8)) secs.push(bytes.readUInt32LE(at));
    expect(secs).toHaveLength(span.records);
    expect(secs.at(-1)).toBe(span.lastSec);
    expect(span.late).toBe(secs.filter((sec) => sec < this.limits.startSec).length);
    this.files.push(Buffer.concat([this.files.pop() ?? Buffer.alloc(0), bytes]));
    this.limits.records -= span.records;
    this.limits.bytes -= bytes.length;
    return true;
  }

  resume(): boolean {
    if (this.#held === undefined) throw new Error('nothing was held');
    const span = this.#held;
    this.#held = undefined;
    return this.take(span);
  }

  cut(sec: number): boolean {
    const { records, bytes, seconds } = this.#shape;
    const startSec = sec - (sec % seconds);
    Object.assign(this.limits, { startSec, endSec: startSec + seconds, records, bytes });
    this.files.push(Buffer.alloc(0));
    return true;
  }
}

const packet: fc.Arbitrary<Packet> = fc.record({
  sec: fc.integer({ min: 100, max: 130 }),
  usec: fc.oneof(fc.nat(999_999), fc.constantFrom(0, 989_999, 990_000, 999_999)),
  packet: fc.array(fc.nat(255), { maxLength: 40 }),
});
const shape: fc.Arbitrary<Shape> = fc.record({
  records: fc.constantFrom(1, 2, 7, Number.POSITIVE_INFINITY),
  bytes: fc.constantFrom(60, 100, 500, Number.POSITIVE_INFINITY),
  seconds: fc.constantFrom(1, 10, 2 ** 40),
});
const instant = fc.option(fc.record({ sec: fc.integer({ min: 95, max: 135 }), nsec: fc.nat(999_999_999) }), {
  nil: undefined,
});

test('every record that is wanted, in the file that it belongs into', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(packet, { minLength: 1, maxLength: 30 }), { maxLength: 4 }),
      shape,
      fc.record({
        filter: fc.option(fc.nat(255), { nil: undefined }),
        from: instant,
        to: instant,
        snaplen: fc.constantFrom(0, 1, 10, Number.POSITIVE_INFINITY),
      }),
      fc.integer({ min: 2, max: 5 }),
      (runs, wanted, { filter, from, to, snaplen }, patience) => {
        const files = new Files(wanted, patience);
        const selection = new Selection({
          filter:
            filter === undefined
              ? undefined
              : (view, at, caplen) => (caplen > 0 && view.getUint8(at) <= filter ? 1 : 0),
          from,
          to,
          snaplen,
          precision: 'micro',
        });
        const offer = new SpanOffer();
        for (const run of runs) {
          selection.begin(runOf(run));
          while (!offer.all(selection, files)) expect(patience).toBeGreaterThan(1);
        }
        expect(files.files.map((file) => file.toString('hex'))).toEqual(
          expected(runs.flat(), wanted, filter, from, to, snaplen),
        );
      },
    ),
    { numRuns: 2000 },
  );
});

/** The same, one record at a time. */
function expected(
  packets: readonly Packet[],
  { records, bytes, seconds }: Shape,
  filter: number | undefined,
  from: { sec: number; nsec: number } | undefined,
  to: { sec: number; nsec: number } | undefined,
  snaplen: number,
): string[] {
  const files: Buffer[][] = [];
  let startSec = Number.NaN;
  for (const { sec, usec, packet } of packets) {
    if (filter !== undefined && !(packet.length > 0 && (packet[0] ?? 0) <= filter)) continue;
    const time = sec * 1e9 + usec * 1000;
    if (from !== undefined && time < from.sec * 1e9 + from.nsec) continue;
    if (to !== undefined && time >= to.sec * 1e9 + to.nsec) continue;
    const kept = packet.slice(0, Math.min(snaplen, packet.length));
    const header = Buffer.alloc(16);
    for (const [n, value] of [sec, usec, kept.length, packet.length + 9].entries()) header.writeUInt32LE(value, 4 * n);
    const record = Buffer.concat([header, Buffer.from(kept)]);
    const file = files.at(-1) ?? [];
    const fits =
      file.length < records &&
      Buffer.concat(file).length + record.length <= bytes &&
      sec < startSec + seconds &&
      time >= startSec * 1e9 - LATE_NSEC;
    if (fits) file.push(record);
    else {
      files.push([record]);
      startSec = sec - (sec % seconds);
    }
  }
  return files.map((file) => Buffer.concat(file).toString('hex'));
}

test('a run of which all is wanted is handed on as it is', () => {
  const run = runOf([
    { sec: 1, usec: 2, packet: [1] },
    { sec: 3, usec: 4, packet: [2, 3] },
  ]);
  const selection = new Selection({
    filter: undefined,
    from: undefined,
    to: undefined,
    snaplen: Number.POSITIVE_INFINITY,
    precision: 'nano',
  });
  selection.begin(run);
  const endless = Number.POSITIVE_INFINITY;
  const spans: RecordSpan[] = [];
  const sink: RecordSink = {
    limits: { startSec: 0, endSec: endless, records: endless, bytes: endless },
    take: (span) => spans.push({ ...span, bytes: span.bytes }) > 0,
    resume: () => true,
    cut: () => false,
  };
  expect(new SpanOffer().all(selection, sink)).toBe(true);
  expect(spans).toHaveLength(1);
  expect(spans[0]).toMatchObject({ records: 2, firstSec: 1, firstNsec: 2, lastSec: 3, lastNsec: 4, late: 0 });
  expect(spans[0]?.bytes.buffer).toBe(run.bytes.buffer);
});
