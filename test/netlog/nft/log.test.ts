// Logs that lie, that have no end or no year. Those that journalctl and dmesg write are in kernel-log.test.ts.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { NftLog, type NftLogBounds, type NftRecord } from '../../../src/netlog/nft/log.ts';
import { readStamp, type Surroundings } from '../../../src/netlog/nft/stamp.ts';

const MESSAGE = 'SYSFW:new IN=a OUT= SRC=192.0.2.1 DST=192.0.2.2 LEN=30 ';
const LINE = `2026-11-23T03:08:10.537191+0000 sys-net kernel: ${MESSAGE}`;
const TIME = Date.UTC(2026, 10, 23, 3, 8, 10) * 1000;

async function read(
  pieces: Iterable<string | Buffer>,
  bounds?: NftLogBounds,
  surroundings?: Surroundings,
): Promise<{ log: NftLog; records: NftRecord[]; error: unknown }> {
  const log = new NftLog('sys-net: nft-2026-11-24.log.gz', surroundings, bounds);
  const records: NftRecord[] = [];
  async function* bytes(): AsyncGenerator<Uint8Array> {
    for (const piece of pieces) yield Buffer.from(piece);
  }
  try {
    for await (const some of log.read(bytes())) records.push(...some);
    return { log, records, error: undefined };
  } catch (error) {
    return { log, records, error };
  }
}

test.each([
  [`2026-11-23T03:08:10+00:00 h kernel: ${MESSAGE}`, TIME],
  [`2026-11-23T04:38:10.5+0130 h kernel: ${MESSAGE}`, TIME + 500_000],
  [`2026-11-22T20:08:10.000001-07:00 h kernel: [ 1006.370318] ${MESSAGE}`, TIME + 1],
  [`Mon 2026-11-23 03:08:10 UTC h kernel: ${MESSAGE}`, TIME],
  [`Mon 2026-11-23 08:38:10 +0530 h kernel: ${MESSAGE}`, TIME],
  [`1795403290.000007 h unknown: ${MESSAGE}`, TIME + 7],
  ['1795403290 h kernel: IN=a OUT= SRC=192.0.2.1 ', TIME],
  [`7,421,951076465,-;${MESSAGE}`, 951_076_465],
  [`<7>[  951.076465] ${MESSAGE}`, 951_076_465],
  [`2026-02-31T03:08:10+0000 h kernel: ${MESSAGE}`, undefined],
  [`2026-11-23T25:08:10+0000 h kernel: ${MESSAGE}`, undefined],
])('%s', (text, timeUs) => {
  const stamped = readStamp(text, { bootUs: 0 });
  expect(stamped?.timeUs).toBe(timeUs);
  expect(stamped?.message).toMatch(/^(SYSFW:new )?IN=a OUT= SRC=192\.0\.2\.1 /);
});

test('a date without a year is of the one nearest to the day of the log', () => {
  const year = (text: string, day: string): number =>
    new Date((readStamp(`${text} 12:00:00 h kernel: x`, { day })?.timeUs ?? 0) / 1000).getUTCFullYear();
  expect(year('Dec 31', '2026-01-01')).toBe(2025);
  expect(year('Jan  1', '2025-12-31')).toBe(2026);
  expect(year('Nov 23', '2026-11-24')).toBe(2026);
  expect(year('Feb 29', '2026-03-01')).toBe(1970); // there is none, so there is no time
  expect(year('Feb 29', '2028-03-01')).toBe(2028);
});

test('what is between the lines, and what is none of ours, is counted', async () => {
  const text = `-- Boot 0123 --\n${LINE}\r\n\n${LINE.replace('kernel: ', 'kernel: usb ').replace('IN=', 'in=')}\nnonsense\n${MESSAGE}\n${LINE}`;
  const { log, records } = await read([text]);
  expect(records.map(({ timeUs }) => timeUs)).toEqual([TIME + 537_191, TIME + 537_191]);
  expect(log.counts).toEqual({ lines: 7, read: 2, beside: 2, unread: 2, untimed: 1, tooLong: 0 });
  expect(log.problems()).toEqual([
    'sys-net: nft-2026-11-24.log.gz: 2 of 7 lines are no packet log',
    'sys-net: nft-2026-11-24.log.gz: 1 of 7 lines do not say when',
  ]);
});

test('a line without end takes no memory and is counted once', async () => {
  function* pieces(): Generator<string> {
    yield `${LINE}\n`;
    for (let n = 0; n < 2000; n++) yield 'x'.repeat(64 * 1024);
    yield `\n${LINE}\n`;
  }
  const { log, records } = await read(pieces());
  expect(records).toHaveLength(2);
  expect(log.counts).toMatchObject({ lines: 3, read: 2, tooLong: 1 });
});

test('lines without end stop at their bound', async () => {
  let given = 0;
  function* pieces(): Generator<string> {
    for (;;) {
      given++;
      yield `${LINE}\n`.repeat(100);
    }
  }
  const { log, records, error } = await read(pieces(), { lineLength: 1000, lines: 1000 });
  expect(error).toMatchObject({ code: 'ERR_BOUND', message: 'sys-net: nft-2026-11-24.log.gz: more than 1000 lines' });
  expect(records).toHaveLength(1000);
  expect(log.counts.read).toBe(1000);
  expect(given).toBe(11);
});

test('any bytes are read to their end', async () => {
  const bits = fc.constantFrom(
    LINE,
    '\n',
    '\0',
    '{"MESSAGE":',
    '"',
    '[[[',
    `{"MESSAGE":[1,{"valueOf":1}]}`,
    '__CURSOR=',
    '\xff',
    'Feb 30 99:99:99 ',
  );
  await fc.assert(
    fc.asyncProperty(fc.array(bits), fc.integer({ min: 1, max: 90 }), async (parts, size) => {
      const bytes = Buffer.from(parts.join(''), 'latin1');
      const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) =>
        bytes.subarray(n * size, (n + 1) * size),
      );
      const { log, error } = await read(pieces);
      expect(error).toBeUndefined();
      const { lines, read: given, beside, unread, untimed, tooLong } = log.counts;
      expect(given + beside + unread + untimed + tooLong).toBe(lines);
    }),
  );
});
