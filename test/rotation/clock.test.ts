// The clock against its definition, second by second, in libc's zones; and against the wall clock as people know it.
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { localZone, utcZone } from '../../src/native/time.ts';
import { type Interval, IntervalClock } from '../../src/rotation/clock.ts';

const before = process.env['TZ'];
afterAll(() => {
  if (before === undefined) delete process.env['TZ'];
  else process.env['TZ'] = before;
});

const DAY = 86400;
const utc = (text: string): number => Date.parse(text) / 1000;

/** Local starts of all intervals that begin in [from, to), and their lengths. */
function files(clock: IntervalClock, from: string, to: string): string[] {
  const found: string[] = [];
  let interval = clock.intervalAt(utc(from));
  if (interval.startSec < utc(from)) interval = clock.intervalAt(interval.endSec);
  for (; interval.startSec < utc(to); interval = clock.intervalAt(interval.endSec))
    found.push(`${localZone().format('%dT%H:%M:%S', interval.startSec)} ${interval.endSec - interval.startSec}`);
  return found;
}

function clockIn(zone: string, everySec: number): IntervalClock {
  process.env['TZ'] = zone;
  return new IntervalClock(everySec, localZone());
}

describe('wall clocks', () => {
  test('Berlin in spring has no file of 02:00', () => {
    const clock = clockIn('Europe/Berlin', 3600);
    const found = files(clock, '2026-03-29T00:00Z', '2026-03-29T03:00Z');
    expect(found).toEqual(['29T01:00:00 3600', '29T03:00:00 3600', '29T04:00:00 3600']);
  });

  test('Berlin in autumn has two files of 02:00', () => {
    const clock = clockIn('Europe/Berlin', 3600);
    const found = files(clock, '2026-10-24T23:00Z', '2026-10-25T03:00Z');
    expect(found).toEqual(['25T01:00:00 3600', '25T02:00:00 3600', '25T02:00:00 3600', '25T03:00:00 3600']);
  });

  test('a day is from midnight to midnight, of 23 and of 25 hours too', () => {
    const clock = clockIn('Europe/Berlin', DAY);
    expect(files(clock, '2026-03-27T23:00Z', '2026-03-31T00:00Z')).toEqual([
      '28T00:00:00 86400',
      '29T00:00:00 82800',
      '30T00:00:00 86400',
      '31T00:00:00 86400',
    ]);
    expect(files(clock, '2026-10-24T22:00Z', '2026-10-26T00:00Z')).toEqual(['25T00:00:00 90000', '26T00:00:00 86400']);
  });

  test('Lord Howe moves by half an hour', () => {
    const clock = clockIn('Australia/Lord_Howe', 3600);
    expect(files(clock, '2026-04-04T13:00Z', '2026-04-04T17:00Z')).toEqual([
      '05T00:00:00 3600',
      '05T01:00:00 5400', // 01:00 to 02:00, back to 01:30, to 02:00
      '05T02:00:00 3600',
      '05T03:00:00 3600',
    ]);
    expect(files(clock, '2026-10-03T14:30Z', '2026-10-03T17:00Z')).toEqual([
      '04T01:00:00 3600',
      '04T02:30:00 1800', // 02:00 is 02:30
      '04T03:00:00 3600',
    ]);
  });

  test.each([
    ['Asia/Kolkata', '2026-01-01T00:30:00Z'],
    ['Asia/Kathmandu', '2026-01-01T00:15:00Z'],
    ['America/St_Johns', '2026-01-01T00:30:00Z'],
    ['LAB-05:17:23', '2026-01-01T00:42:37Z'],
    ['UTC', '2026-01-01T00:00:00Z'],
  ])('in %s an hour begins at %s', (zone, start) => {
    const clock = clockIn(zone, 3600);
    expect(clock.intervalAt(utc(start))).toEqual({ startSec: utc(start), endSec: utc(start) + 3600 });
    expect(clock.intervalAt(utc(start) - 1)).toEqual({ startSec: utc(start) - 3600, endSec: utc(start) });
    expect(localZone().format('%M%S', utc(start))).toBe('0000');
  });

  test('an interval of months is from its multiple, whatever changes on the way', () => {
    const clock = clockIn('Europe/Berlin', 366 * DAY);
    const { startSec, endSec } = clock.intervalAt(utc('2026-07-01T00:00Z'));
    expect((startSec + localZone().offsetAt(startSec)) % (366 * DAY)).toBe(0);
    expect(endSec + localZone().offsetAt(endSec) - startSec - localZone().offsetAt(startSec)).toBe(366 * DAY);
  });
});

/** The definition, one second at a time. */
class SlowClock {
  readonly #from: number;
  readonly #locals: readonly number[];
  #boundaries: readonly number[] = [];

  constructor(from: number, to: number) {
    const zone = localZone();
    this.#from = from;
    this.#locals = Array.from({ length: to - from }, (_, i) => from + i + zone.offsetAt(from + i));
  }

  setInterval(every: number): void {
    this.#boundaries = this.#locals.flatMap((local, i) => {
      const previous = this.#locals[i - 1] ?? Number.NaN;
      const boundary = local % every === 0 || Math.floor(local / every) !== Math.floor(previous / every);
      return boundary ? this.#from + i : [];
    });
  }

  intervalAt(sec: number): Interval {
    const next = this.#boundaries.findIndex((boundary) => boundary > sec);
    const [startSec = Number.NaN, endSec = Number.NaN] = this.#boundaries.slice(next - 1, next + 1);
    return { startSec, endSec };
  }
}

const TRANSITIONS: readonly (readonly [zone: string, ...transitions: string[]])[] = [
  ['Europe/Berlin', '2026-03-29T01:00Z', '2026-10-25T01:00Z', '1893-03-31T23:06:32Z'],
  ['Australia/Lord_Howe', '2026-04-04T15:00Z', '2026-10-03T15:30Z'],
  ['America/St_Johns', '2026-03-08T05:30Z', '2026-11-01T04:30Z', '2011-03-13T03:31Z', '2010-11-07T02:31Z'],
  ['America/Havana', '2026-03-08T05:00Z', '2026-11-01T05:00Z'], // back from 01:00 to 00:00
  ['Asia/Beirut', '2026-03-28T22:00Z', '2026-10-24T21:00Z'], // back from 24:00 to 23:00
  ['Pacific/Apia', '2011-12-30T10:00Z'], // no 30th of December
  ['Africa/Casablanca', '2026-02-15T02:00Z', '2026-03-22T02:00Z'],
  ['Asia/Kolkata', '2026-03-29T01:00Z'],
  ['Asia/Kathmandu', '1985-12-31T18:30Z'], // from +05:30 to +05:45
  ['Africa/Monrovia', '1972-01-07T00:44:30Z'], // from -00:44:30 to 0
  ['LAB-05:17:23', '2026-01-01T00:00Z'],
  ['UTC', '2026-01-01T00:00Z'],
];
const CASES = TRANSITIONS.flatMap(([zone, ...transitions]) => transitions.map((at) => [zone, at] as const));

function compare(zone: string, transition: number, spanSec: number, intervals: readonly number[]): void {
  process.env['TZ'] = zone;
  const slow = new SlowClock(transition - spanSec, transition + spanSec);
  for (const every of intervals) {
    slow.setInterval(every);
    const clock = new IntervalClock(every, localZone());
    const same = (off: number): void => {
      expect([every, off, clock.intervalAt(transition + off)]).toEqual([every, off, slow.intervalAt(transition + off)]);
    };
    for (const off of [-7201, -3601, -3600, -1801, -1, 0, 1, 59, 1799, 1800, 3599, 3600, 7200, DAY]) same(off);
    fc.assert(fc.property(fc.integer({ min: -DAY, max: DAY }), same), { numRuns: 30 });
  }
}

describe('the definition, second by second', () => {
  test.each(CASES)(
    '%s around %s',
    (zone, at) => {
      compare(zone, utc(at), 2.5 * DAY, [1, 60, 900, 1800, 3600, 5400, 7200, 6 * 3600, DAY]);
    },
    30_000,
  );

  test('a week in Berlin', () => {
    compare('Europe/Berlin', utc('2026-10-25T01:00Z'), 9 * DAY, [7 * DAY]);
  }, 30_000);
});

test('intervals hold their time, touch, and are the same from everywhere inside', () => {
  const every = fc.oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 366 * DAY }));
  const sec = fc.integer({ min: 0, max: 2 ** 32 - 1 });
  const zone = fc.constantFrom(...TRANSITIONS.map(([name]) => name));
  fc.assert(
    fc.property(
      zone,
      every,
      sec,
      fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
      (name, length, at, part) => {
        const clock = clockIn(name, length);
        const interval = clock.intervalAt(at);
        expect(interval.startSec).toBeLessThanOrEqual(at);
        expect(interval.endSec).toBeGreaterThan(at);
        const inside = interval.startSec + Math.floor(part * (interval.endSec - interval.startSec));
        expect(clock.intervalAt(inside)).toEqual(interval);
        expect(clock.intervalAt(interval.endSec).startSec).toBe(interval.endSec);
        expect(clock.intervalAt(interval.startSec - 1).endSec).toBe(interval.startSec);
      },
    ),
    { numRuns: 2000 },
  );
});

test('a plain interval asks for a handful of offsets', () => {
  let calls = 0;
  const zone = {
    offsetAt(sec: number): number {
      calls++;
      return utcZone().offsetAt(sec);
    },
  };
  new IntervalClock(1, zone).intervalAt(1_800_000_000);
  expect(calls).toBe(4);
});
