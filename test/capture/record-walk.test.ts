// Spans over finished records: whatever the limits, every record is in one span, in order, and none beyond its limit.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { RecordWalk } from '../../src/capture/record-walk.ts';
import { LATE_NSEC } from '../../src/savefile/sink.ts';

interface Packet {
  readonly sec: number;
  readonly nsec: number;
  readonly caplen: number;
}

const packet: fc.Arbitrary<Packet> = fc.record({
  sec: fc.integer({ min: 100, max: 104 }),
  nsec: fc.integer({ min: 0, max: 999_999_999 }),
  caplen: fc.integer({ min: 0, max: 40 }),
});

function encode(packets: readonly Packet[], unit: number): Uint8Array {
  const bytes = Buffer.alloc(packets.reduce((sum, { caplen }) => sum + 16 + caplen, 0));
  let at = 0;
  for (const { sec, nsec, caplen } of packets) {
    for (const value of [sec, Math.floor(nsec / unit), caplen, 1000]) at = bytes.writeUInt32LE(value, at);
    at += caplen;
  }
  return new Uint8Array(bytes);
}

const limits = fc.record({
  startSec: fc.integer({ min: 99, max: 103 }),
  endSec: fc.constantFrom(102, 104, Number.POSITIVE_INFINITY),
  records: fc.constantFrom(1, 2, 7, Number.POSITIVE_INFINITY),
  bytes: fc.constantFrom(56, 100, Number.POSITIVE_INFINITY),
});

test('spans are what the limits allow, and all of them together are all the records', () => {
  fc.assert(
    fc.property(
      fc.array(packet, { maxLength: 30 }),
      fc.array(limits, { minLength: 1 }),
      fc.boolean(),
      (packets, all, nano) => {
        const unit = nano ? 1 : 1000;
        const bytes = encode(packets, unit);
        const walk = new RecordWalk(bytes, nano ? 'nano' : 'micro');
        walk.begin(bytes.length);
        const spans: Uint8Array[] = [];
        let next = 0;
        for (let turn = 0; walk.left > 0; turn++) {
          // After all limits were had, none: a sink opens a file that the record fits.
          const limit = all[turn] ?? { startSec: 0, endSec: 1e9, records: 1e9, bytes: 1e9 };
          walk.compact(limit);
          const span = packets.slice(next, next + walk.records);
          const late = ({ sec, nsec }: Packet): boolean =>
            sec < limit.startSec && sec === limit.startSec - 1 && Math.floor(nsec / unit) * unit >= 1e9 - LATE_NSEC;
          expect(span.every((each) => each.sec < limit.endSec && (each.sec >= limit.startSec || late(each)))).toBe(
            true,
          );
          expect(walk.records).toBeLessThanOrEqual(limit.records);
          expect(walk.bytes.length).toBeLessThanOrEqual(limit.bytes);
          expect(walk.late).toBe(span.filter(late).length);
          const [first, last] = [span[0], span.at(-1)];
          if (first !== undefined && last !== undefined) {
            const stamp = ({ sec, nsec }: Packet): number[] => [sec, Math.floor(nsec / unit) * unit];
            expect([walk.firstSec, walk.firstNsec]).toEqual(stamp(first));
            expect([walk.lastSec, walk.lastNsec]).toEqual(stamp(last));
          }
          spans.push(walk.bytes);
          next += span.length;
          expect(walk.countLeft()).toBe(packets.length - next);
          if (walk.left > 0) expect(walk.nextSec).toBe(packets[next]?.sec);
        }
        expect(next).toBe(packets.length);
        expect(Buffer.concat(spans).equals(bytes)).toBe(true);
      },
    ),
  );
});
