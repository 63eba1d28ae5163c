// verify beside a capture in the same process, which does its next step whenever verify waits for the disk. What it finds
// in directories at rest is in test/cli/verify.test.ts.
import { mkdtempSync, readFileSync, renameSync, rmSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as immediate } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { afterAll, expect, test } from 'vitest';
import { type Finding, type SeriesSummary, verify } from '../../src/rotation/verify.ts';
import { SeriesBuilder, STOP } from './series-builder.ts';

const root = mkdtempSync(join(tmpdir(), 'verify-'));
afterAll(() => rmSync(root, { recursive: true }));

test('a capture that runs beside it makes no finding', async () => {
  const series = new SeriesBuilder(join(root, 'running'));
  const capture = new AbortController();
  const capturing = series.start().captureUntil(capture.signal);
  try {
    for (let run = 0; run < 60; run++) {
      const found: (Finding | SeriesSummary)[] = [];
      for await (const item of verify(series.directory)) found.push(item);
      await immediate();
      expect(found.filter(({ kind }) => kind !== 'notice')).toEqual([expect.objectContaining({ kind: 'summary' })]);
    }
  } finally {
    capture.abort();
    await capturing;
  }
});

test('a file that is renamed while it is read is looked for again', async () => {
  const series = new SeriesBuilder(join(root, 'renamed')).start().savefile(0).entry(STOP);
  const path = series.path(series.name(0));
  series.compress(0, 'gz', gzipSync(readFileSync(path)));
  unlinkSync(path);
  const found = verify(series.directory);
  const first = found.next();
  await immediate(); // it has found NAME.gz.part, and has to open it twice
  renameSync(`${path}.gz.part`, `${path}.gz`);
  expect((await first).value).toEqual({
    kind: 'summary',
    series: 'pcap',
    files: 1,
    ok: 1,
    lines: 6,
    head: series.head,
  });
});
