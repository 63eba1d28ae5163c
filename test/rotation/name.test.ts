import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { OptionError } from '../../src/errors.ts';
import { localZone, utcZone } from '../../src/native/time.ts';
import { SavefileName } from '../../src/rotation/name.ts';

const before = process.env['TZ'];
afterAll(() => {
  if (before === undefined) delete process.env['TZ'];
  else process.env['TZ'] = before;
});

const utc = (text: string): number => Date.parse(text) / 1000;
const NEW_YEAR = utc('2026-01-01T00:00:00Z');
/** %y is read as a year of this century. */
const CENTURY_END = Date.parse('2099-12-30T00:00Z') / 1000;
const hourly = new SavefileName('/var/log/netpcap/pcap-%Y%m%d%H%M%S.pcap', utcZone());

describe('names', () => {
  test('the default pattern', () => {
    expect(hourly.directory).toBe('/var/log/netpcap');
    expect(hourly.at(NEW_YEAR)).toBe('pcap-20260101000000.pcap');
    expect(hourly.at(NEW_YEAR, 1)).toBe('pcap-20260101000000-1.pcap');
    expect(hourly.at(NEW_YEAR, 48)).toBe('pcap-20260101000000-48.pcap');
  });

  test.each([
    ['cap', 'cap-2'],
    ['.cap', '.cap-2'],
    ['cap.pcap', 'cap-2.pcap'],
    ['cap.tar.gz', 'cap.tar-2.gz'],
    ['cap.%Y', 'cap-2.2026'],
    ['%H%%.%Y%m%d.pcap', '00%.20260101-2.pcap'],
    ['a+b(c)[d]{e}|f^g$h\\i*j?.pcap', 'a+b(c)[d]{e}|f^g$h\\i*j?-2.pcap'],
    ['büro 𝄞 %F %T %e.pcap', 'büro 𝄞 2026-01-01 00:00:00  1-2.pcap'],
    ['%a %A %b %B %p %I %Z %z %j %y %s', 'Thu Thursday Jan January AM 12 GMT +0000 001 26 1767225600-2'],
  ])('%s with a suffix is %s', (pattern, expected) => {
    const name = new SavefileName(pattern, utcZone());
    expect(name.at(NEW_YEAR, 2)).toBe(expected);
    expect(name.parse(expected)).toMatchObject({ suffix: 2, compression: undefined, partial: false });
  });

  test.each([
    ['cap%H.pcap', '.'],
    ['./cap%H.pcap', '.'],
    ['/cap%H.pcap', '/'],
    ['a/100%%/%H', 'a/100%'],
  ])('the directory of %s is %s', (pattern, directory) => {
    expect(new SavefileName(pattern, utcZone()).directory).toBe(directory);
  });

  test.each([
    ['/var/log/netpcap/pcap-%Y%m%d%H%M%S.pcap', 'pcap'],
    ['cap.pcap', 'cap'],
    ['cap', 'cap'],
    ['%s.pcap', 'series'],
    ['%Y-%m-%d_%H.pcap', 'series'],
    ['pcap-%F-eth0.pcap', 'pcap-eth0'],
    ['a.b_%H-c d.%Y.pcap', 'a-b-c-d'],
    ['100%%-%H.pcap', '100%'],
    ['.hidden-%s', 'hidden'],
    ['büro %F.pcap', 'büro'],
  ])('the files beside those of %s are called %s', (pattern, series) => {
    expect(new SavefileName(pattern, utcZone()).series).toBe(series);
    expect(new SavefileName(pattern, utcZone()).pattern).toBe(pattern);
  });

  test.each(['pcap-%Y%m%d%H%M%S.pcap', 'cap-%s', '%H%%.%Y%m%d.pcap', 'cap.%Y', 'cap-%z-1.pcap'])(
    'the name behind one of %s has the next suffix',
    (pattern) => {
      const name = new SavefileName(pattern, utcZone());
      for (const suffix of [0, 1, 8, 9, 99]) {
        expect(name.next(name.at(NEW_YEAR, suffix))).toBe(name.at(NEW_YEAR, suffix + 1));
      }
    },
  );

  test.each([
    ['%Y/pcap-%H.pcap', 'only the file name takes conversions'],
    ['%%%d/pcap-%H.pcap', 'only the file name takes conversions'],
    ['dir/', 'expected a file name at the end'],
    ['..', 'expected a file name at the end'],
    ['cap-%c', '%c has no fixed shape'],
    ['cap-%x', '%x has no fixed shape'],
    ['cap-%D', '%D has no fixed shape'],
    ['cap-%n', '%n has no fixed shape'],
    ['cap-%-d', '%- has no fixed shape'],
    ['cap-%Ey', '%E has no fixed shape'],
    ['cap-%toString', '%t has no fixed shape'],
    ['cap-%', '% has no fixed shape'],
  ])('%s is refused', (pattern, message) => {
    expect(() => new SavefileName(pattern, utcZone())).toThrow(OptionError);
    expect(() => new SavefileName(pattern, utcZone())).toThrow(`-w ${pattern}: ${message}`);
  });

  test('a zone of a strange name is an error, not a file that would never go', () => {
    const zone = { ...utcZone(), utc: false, offsetAt: () => 0, format: () => 'cap-A/B' };
    expect(() => new SavefileName('cap-%Z', zone).at(0)).toThrow('-w cap-%Z: prints cap-A/B in this time zone');
  });
});

describe('parsing', () => {
  test.each([
    ['pcap-20260101000000.pcap', { suffix: 0, compression: undefined, partial: false }],
    ['pcap-20260101000000.pcap.part', { suffix: 0, compression: undefined, partial: true }],
    ['pcap-20260101000000-12.pcap', { suffix: 12, compression: undefined, partial: false }],
    ['pcap-20260101000000-12.pcap.gz', { suffix: 12, compression: 'gz', partial: false }],
    ['pcap-20260101000000.pcap.zst', { suffix: 0, compression: 'zst', partial: false }],
    ['pcap-20260101000000-1.pcap.zst.part', { suffix: 1, compression: 'zst', partial: true }],
  ])('%s', (fileName, expected) => {
    expect(hourly.parse(fileName)).toEqual({ sec: NEW_YEAR, ...expected });
  });

  test.each([
    'pcap-2026010100000.pcap',
    'pcap-202601010000000.pcap',
    'pcap-20261301000000.pcap',
    'pcap-20260100000000.pcap',
    'pcap-20260101240000.pcap',
    'pcap-20260101000000.PCAP',
    'pcap-20260101000000xpcap',
    'pcap-20260101000000-0.pcap',
    'pcap-20260101000000-01.pcap',
    'pcap-20260101000000-.pcap',
    'pcap-20260101000000--1.pcap',
    'pcap-20260101000000-1-1.pcap',
    'pcap-20260101000000.pcap-1',
    'pcap-20260101000000.pcap.xz',
    'pcap-20260101000000.pcap.part.gz',
    'pcap-20260101000000.pcap\n',
    '\npcap-20260101000000.pcap',
    'x/pcap-20260101000000.pcap',
    'xpcap-20260101000000.pcap',
    'pcap-20260101000000.ledger.jsonl',
    '',
  ])('%j is not ours', (fileName) => {
    expect(hourly.parse(fileName)).toBeUndefined();
  });

  test('any text is ours only if it is a name that the pattern prints', () => {
    const text = fc.stringMatching(/^pcap-20[0-9]{10,14}[-.0-9a-z]{0,8}\.pcap(\.gz|\.part)?$/);
    fc.assert(
      fc.property(text, (fileName) => {
        const parsed = hourly.parse(fileName);
        if (parsed?.sec === undefined) return;
        const ending =
          (parsed.compression === undefined ? '' : `.${parsed.compression}`) + (parsed.partial ? '.part' : '');
        // The 31st of a short month and second 60 are read as the day and the second after.
        if (hourly.at(parsed.sec).slice(11, 13) === fileName.slice(11, 13) && fileName.slice(17, 19) !== '60')
          expect(hourly.at(parsed.sec, parsed.suffix) + ending).toBe(fileName);
      }),
    );
  });

  test.each([
    ['%Y%m%d%H%M%S', 1],
    ['%F_%T', 1],
    ['%F %R', 60],
    ['%y%j-%H%M%S', 1],
    ['%e %B %Y, %I:%M:%S %p', 1],
    ['%b%d.%Y.%H', 3600],
    ['%s', 1],
    ['%Y%m%d', 86400],
  ])('%s gives its time back, to %i s', (pattern, unit) => {
    for (const zone of ['UTC', 'Asia/Kolkata', 'LAB-05:17:23', 'America/St_Johns']) {
      process.env['TZ'] = zone;
      const local = localZone();
      const name = new SavefileName(`pcap-${pattern}.pcap`, local);
      fc.assert(
        fc.property(fc.integer({ min: utc('2000-01-02T00:00Z'), max: CENTURY_END }), fc.nat(50), (sec, suffix) => {
          const parsed = name.parse(name.at(sec, suffix));
          expect(parsed?.suffix).toBe(suffix);
          const read = parsed?.sec ?? Number.NaN;
          const lost = sec + local.offsetAt(sec) - read - local.offsetAt(read); // in local time: an hour may come twice
          expect(lost).toBeGreaterThanOrEqual(0);
          expect(lost).toBeLessThan(unit);
        }),
      );
    }
  });

  test('a name without a year has no time', () => {
    const name = new SavefileName('cap-%H.pcap', utcZone());
    expect(name.parse('cap-17-3.pcap')).toEqual({ sec: undefined, suffix: 3, compression: undefined, partial: false });
  });

  test('zones with digits in their names leave the suffix alone', () => {
    for (const zone of ['<CET-1>-1', '<-03>3', 'CET-1', '<+0330>-3:30']) {
      process.env['TZ'] = zone;
      const name = new SavefileName('cap-%s-%Z.pcap', localZone());
      expect(name.parse(name.at(NEW_YEAR))?.sec).toBe(NEW_YEAR);
      expect(name.parse(name.at(NEW_YEAR, 7))).toMatchObject({ sec: NEW_YEAR, suffix: 7 });
    }
  });

  test.each([
    ['Europe/Berlin', '2026-10-25T00:00Z', 3600],
    ['America/New_York', '2026-11-01T05:00Z', 3600],
    ['Asia/Tokyo', '1948-09-11T14:00Z', 3600],
    ['Australia/Lord_Howe', '2026-04-04T14:30Z', 1800],
    ['Pacific/Apia', '2012-03-31T13:00Z', 3600],
  ])('of an hour that comes twice in %s, both passes are read as the second', (zone, first, back) => {
    process.env['TZ'] = zone;
    const name = new SavefileName('pcap-%Y%m%d%H%M%S.pcap', localZone());
    for (const behind of [0, 1, back - 1]) {
      const sec = utc(first) + behind;
      expect(name.at(sec)).toBe(name.at(sec + back));
      expect(name.parse(name.at(sec))?.sec).toBe(sec + back);
    }
  });
});
