// A capture that takes the list of released names away while release is at it. The rest is in test/cli/release.test.ts.
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { release } from '../../src/rotation/release.ts';
import { SeriesBuilder } from './series-builder.ts';

const hook = vi.hoisted(() => ({ beforeDeletion: (): void => undefined }));
vi.mock('node:fs', async (load) => {
  const fs = await load<typeof import('node:fs')>();
  const rmSync: typeof fs.rmSync = (...args) => {
    hook.beforeDeletion();
    fs.rmSync(...args);
  };
  return { ...fs, rmSync };
});

const root = mkdtempSync(join(tmpdir(), 'release-'));
afterAll(() => rmSync(root, { recursive: true }));

test('names are listed once more when the list was taken before the files had gone', () => {
  const series = new SeriesBuilder(join(root, 'taken')).start().savefile(0).savefile(1);
  const list = series.path('pcap.released');
  hook.beforeDeletion = (): void => {
    hook.beforeDeletion = (): void => undefined;
    renameSync(list, `${list}.taken`);
  };
  release(series.directory, [series.name(0), series.name(1)]);
  const names = `${series.name(0)}\n${series.name(1)}\n`;
  expect(readFileSync(`${list}.taken`, 'utf8')).toBe(names);
  expect(readFileSync(list, 'utf8')).toBe(names);
});
