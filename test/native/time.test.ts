// libc's zones against Intl, and what only libc knows. TZ belongs to the process: Node passes an assignment to
// process.env.TZ on to the real environment, and localZone() reads it.

import koffi from 'koffi';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CaptureError } from '../../src/errors.ts';
import { localZone, tm, utcZone } from '../../src/native/time.ts';

const before = process.env['TZ'];

function useZone(name: string | undefined): void {
  if (name === undefined) delete process.env['TZ'];
  else process.env['TZ'] = name;
}
afterAll(() => useZone(before));

beforeAll(() => {
  useZone('Europe/Berlin');
  if (localZone().offsetAt(0) !== 3600) throw new Error('no zone database: install tzdata');
});

test('koffi lays struct tm out as the table says', () => {
  const ints = ['tm_sec', 'tm_min', 'tm_hour', 'tm_mday', 'tm_mon', 'tm_year', 'tm_wday', 'tm_yday', 'tm_isdst'];
  const type = koffi.struct({
    ...Object.fromEntries(ints.map((name) => [name, 'int'])),
    tm_gmtoff: 'long',
    tm_zone: 'const char *',
  });
  expect(koffi.offsetof(type, 'tm_gmtoff')).toBe(tm.tm_gmtoff);
  expect(koffi.offsetof(type, 'tm_zone')).toBe(tm.tm_zone);
  expect(koffi.sizeof(type)).toBe(tm.sizeof);
});

/** Offset as Intl has it. */
function intlOffset(timeZone: string, sec: number): number {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  }).formatToParts(sec * 1000);
  const value = (type: string): number => Number(parts.find((part) => part.type === type)?.value);
  const time = [value('hour'), value('minute'), value('second')] as const;
  return Date.UTC(value('year'), value('month') - 1, value('day'), ...time) / 1000 - sec;
}

test.each(['UTC', 'Europe/Berlin', 'Asia/Kolkata', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'America/St_Johns'])(
  '%s has the offsets that Intl knows',
  (name) => {
    useZone(name);
    const zone = localZone();
    const start = Date.UTC(2026, 0, 1) / 1000;
    for (let sec = start; sec < start + 365 * 86400; sec += 7 * 3600 + 13)
      expect([sec, zone.offsetAt(sec)]).toEqual([sec, intlOffset(name, sec)]);
  },
);

test('a POSIX TZ with seconds and a name of its own', () => {
  useZone('LAB-05:17:23');
  const zone = localZone();
  expect(zone.utc).toBe(false);
  expect(zone.offsetAt(1_700_000_000)).toBe(5 * 3600 + 17 * 60 + 23);
  expect(zone.format('%Y%m%d%H%M%S %Z %z', 1_700_000_000)).toBe('20231115033043 LAB +0517');
});

test('UTC stays UTC, whatever TZ says', () => {
  useZone('Europe/Berlin');
  const zone = utcZone();
  expect(zone.utc).toBe(true);
  expect(zone.offsetAt(1_785_000_000)).toBe(0);
  expect(zone.format('%F %T', 1_785_000_000)).toBe('2026-07-25 17:20:00');
  expect(localZone().format('%F %T', 1_785_000_000)).toBe('2026-07-25 19:20:00');
});

test('%s is the time asked for, also in UTC and in an hour that comes twice', () => {
  useZone('Europe/Berlin');
  const twice = Date.UTC(2026, 9, 25, 0, 30) / 1000;
  for (const sec of [0, twice, twice + 3600]) {
    expect(localZone().format('%s %%s %%%s', sec)).toBe(`${sec} %s %${sec}`);
    expect(utcZone().format('%s', sec)).toBe(String(sec));
  }
  expect(localZone().format('%H:%M %Z', twice)).toBe('02:30 CEST');
  expect(localZone().format('%H:%M %Z', twice + 3600)).toBe('02:30 CET');
});

test('text outside ASCII passes; no text and too much of it do not', () => {
  const zone = utcZone();
  expect(zone.format('büro-𝄞-%Y', 0)).toBe('büro-𝄞-1970');
  expect(zone.format('x'.repeat(4095), 0)).toHaveLength(4095);
  expect(() => zone.format('x'.repeat(4096), 0)).toThrow(CaptureError);
  expect(() => zone.format('', 0)).toThrow(CaptureError);
});

test('a year beyond an int is an error of the system', () => {
  expect(() => utcZone().offsetAt(Number.MAX_SAFE_INTEGER * 1024)).toThrow(
    expect.objectContaining({ code: 'EOVERFLOW', syscall: 'gmtime_r' }),
  );
});
