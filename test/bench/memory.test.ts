// Needs root, and fails without it: the setting is the machine's.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { keepFreeMemory } from '../../bench/memory.ts';

const SETTING = '/sys/module/page_reporting/parameters/page_reporting_order';
const setting = (): string | undefined => (existsSync(SETTING) ? readFileSync(SETTING, 'utf8') : undefined);

test('the setting is put back, and no file stays', () => {
  const directory = mkdtempSync(join(tmpdir(), 'tsnetpcap-memory-'));
  const before = setting();
  try {
    const restore = keepFreeMemory(directory, 3_000_000);
    expect(setting()).toBe(before === undefined ? undefined : '11\n');
    restore();
    expect(setting()).toBe(before);
    expect(() => keepFreeMemory(join(directory, 'absent'), 1)).toThrow('ENOENT');
    expect(setting()).toBe(before);
    expect(readdirSync(directory)).toEqual([]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
