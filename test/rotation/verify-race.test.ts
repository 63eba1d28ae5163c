// verify beside a capture that does its steps at the worst moments: behind any of the calls by which verify looks at the
// directory and at the ledger.
import { mkdtempSync, readFileSync, renameSync, rmSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, expect, test, vi } from 'vitest';
import { type Finding, type SeriesSummary, verify } from '../../src/rotation/verify.ts';
import { SeriesBuilder } from './series-builder.ts';

const { watch, watched } = await vi.hoisted(() => import('./watched-fs.ts'));
vi.mock('node:fs', async (load) => watched(await load(), ['lstatSync', 'readdirSync', 'readFileSync', 'openSync']));
// Nobody waits for real between two looks.
vi.mock('node:timers/promises', async (load) => {
  const timers = await load<typeof import('node:timers/promises')>();
  return { ...timers, setTimeout: () => timers.setImmediate() };
});

const root = mkdtempSync(join(tmpdir(), 'verify-race-'));
afterAll(() => rmSync(root, { recursive: true }));

type Step = (series: SeriesBuilder) => void;

const path = (series: SeriesBuilder): string => series.path(series.name(1));
const compress: Step = (series) => series.compress(1, 'gz', gzipSync(readFileSync(path(series))));
const replace: readonly Step[] = [
  (series) => unlinkSync(path(series)),
  (series) => renameSync(`${path(series)}.gz.part`, `${path(series)}.gz`),
];

/** What a capture does before verify begins, then in one go, then step by step. */
const TURNS: Readonly<Record<string, readonly [before: Step, once: Step, ...steps: Step[]]>> = {
  'is published': [(series) => series.begin(1, 3), (series) => series.close(1), (series) => series.publish(1)],
  'is compressed': [(series) => series.savefile(1), compress, ...replace],
  'begins, and is published': [() => {}, (series) => series.begin(1, 3).close(1), (series) => series.publish(1)],
  'begins, and is compressed': [() => {}, (series) => compress(series.savefile(1)), ...replace],
  'is evicted': [
    (series) => series.savefile(1),
    (series) => series.entry({ type: 'evict', name: series.name(1), reason: 'ring' }),
    (series) => unlinkSync(path(series)),
  ],
};
/** How many looks may lie between two steps. */
const FARTHEST = 12;
let runs = 0;

/** How often verify looks in all, where the steps come behind look `at` and each `distance` looks later. */
async function looksWhile(turn: string, at: number, distance: number): Promise<number> {
  const [before = () => {}, ...steps] = TURNS[turn] ?? [];
  const series = new SeriesBuilder(join(root, String(++runs))).start().savefile(0);
  before(series);
  let looks = 0;
  let taken = 0;
  watch.afterCall = () => {
    looks++;
    for (; taken < steps.length && looks >= at + taken * distance; taken++) steps[taken]?.(series);
  };
  const found: (Finding | SeriesSummary)[] = [];
  try {
    for await (const item of verify(series.directory)) found.push(item);
  } finally {
    watch.afterCall = () => {};
  }
  const findings = found.filter(({ kind }) => kind !== 'notice');
  expect(findings, `from look ${at}, each ${distance} later`).toEqual([expect.objectContaining({ kind: 'summary' })]);
  return looks;
}

test.each(Object.keys(TURNS))('a savefile that %s makes no finding', async (turn) => {
  for (let distance = 0; distance <= FARTHEST; distance++)
    for (let at = 1, looks = 1; at <= looks; at++) looks = await looksWhile(turn, at, distance);
  expect(runs).toBeGreaterThan(100);
});
