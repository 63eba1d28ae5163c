// What the user hears of storage that fails for a while: its beginning, another reason, its end, and nothing else.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { CaptureError } from '../../src/errors.ts';
import { Trouble } from '../../src/rotation/trouble.ts';

const full = new CaptureError('ENOSPC', 'write: no room');
const broken = new CaptureError('EIO', 'write: broken');

let notices: string[] = [];
let trouble: Trouble;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date', 'performance'], now: 1_800_000_000_000 });
  notices = [];
  trouble = new Trouble((text) => notices.push(text), 'packets wait');
});
afterEach(() => {
  vi.useRealTimers();
});

test('nothing is said while all works', () => {
  expect(trouble.works()).toBe(false);
  expect([trouble.failing, trouble.told, notices]).toEqual([false, false, []]);
});

test('the beginning is said once, and the end once, when it has lasted', () => {
  for (let n = 0; n < 100; n++) {
    trouble.failed(full);
    vi.advanceTimersByTime(100);
  }
  expect(notices).toEqual(['write: no room: packets wait']);
  expect([trouble.failing, trouble.told, trouble.sinceMs]).toEqual([true, true, 1_800_000_000_000]);
  expect(trouble.works()).toBe(false);
  expect([trouble.failing, trouble.told]).toEqual([false, true]);
  vi.advanceTimersByTime(9899);
  expect(trouble.works()).toBe(false);
  vi.advanceTimersByTime(1);
  expect(trouble.works(', nothing was lost')).toBe(true);
  expect(trouble.works()).toBe(false);
  expect([trouble.failing, trouble.told]).toEqual([false, false]);
  expect(notices.slice(1)).toEqual(['storage works again, 20 s after it began to fail, nothing was lost']);
});

test('a disk that fails every other second is one trouble', () => {
  for (let n = 0; n < 100; n++) {
    trouble.failed(full);
    vi.advanceTimersByTime(1000);
    trouble.works();
    vi.advanceTimersByTime(1000);
  }
  expect(notices).toEqual(['write: no room: packets wait']);
});

test('another reason is said, and so is a new trouble', () => {
  trouble.failed(full);
  trouble.failed(broken);
  trouble.failed(broken);
  expect(notices).toEqual(['write: no room: packets wait', 'write: broken: packets wait']);
  vi.advanceTimersByTime(10_000);
  expect(trouble.works()).toBe(true);
  trouble.failed(broken);
  expect(notices).toHaveLength(4);
  expect(trouble.sinceMs).toBe(1_800_000_010_000);
});

test('a clock set back does not make it end before it began', () => {
  trouble.failed(full);
  vi.setSystemTime(1_700_000_000_000);
  vi.advanceTimersByTime(10_000);
  trouble.works();
  expect(notices.at(-1)).toBe('storage works again, 0 s after it began to fail');
});
