// The arithmetic of the benchmark on made-up runs; needs nothing.
import { expect, test } from 'vitest';
import { type Pair, runsTable, summarize, summaryTable } from '../../bench/report.ts';
import type { Run } from '../../bench/run.ts';

function run(program: string, systemSec: number, changes: Partial<Run> = {}): Run {
  const counts = { offered: 2_000_000, received: 2_000_000, written: 2_000_000, dropped: 0 };
  return {
    program,
    ...counts,
    userSec: 0.1,
    systemSec,
    captureSec: 0.05,
    maxRssKib: 20_480,
    flaw: undefined,
    ...changes,
  };
}

const pair = (ours: number, theirs: number): Pair => [run('ours', ours), run('theirs', theirs)];

test('medians and ratios', () => {
  const summary = summarize([pair(0.1, 0.3), pair(0.2, 0.3), pair(0.3, 0.7)]);
  const [ours, theirs] = summary.programs;
  expect(ours?.cpuSec.map((sec) => sec.toFixed(3))).toEqual(['0.200', '0.300', '0.400']);
  expect(theirs?.cpuSecPerMillion.map((sec) => sec.toFixed(3))).toEqual(['0.200', '0.200', '0.400']);
  expect(ours?.captureSec).toEqual([0.05, 0.05, 0.05]);
  expect(ours?.maxRssMib).toEqual([20, 20, 20]);
  expect(summary.ratioOfMedians).toBeCloseTo(0.75);
  expect(summary.medianOfRatios).toBeCloseTo(0.5);
});

test('of an even number of pairs the middle two are averaged', () => {
  expect(summarize([pair(0.1, 0.3), pair(0.2, 0.3)]).programs[0]?.cpuSec[1]).toBeCloseTo(0.25);
});

test('a pair with a void run is shown and left out of the medians', () => {
  const pairs: Pair[] = [pair(0.1, 0.3), [run('ours', 9, { flaw: 'received 7 of 8' }), run('theirs', 0.3)]];
  expect(runsTable(pairs)).toContain('VOID: received 7 of 8');
  expect(summarize(pairs)).toEqual({ ...summarize(pairs.slice(0, 1)), validPairs: 1 });
  expect(summaryTable(summarize(pairs.slice(1)))).toBe('no pair without a void run, so no medians\n');
});

test('without packets there is no cost per packet', () => {
  const none = { offered: 0, received: 0, written: 0 };
  const pairs: Pair[] = [[run('ours', 0, none), run('theirs', 0, none)]];
  expect(runsTable(pairs)).not.toContain('NaN');
  expect(summaryTable(summarize(pairs))).toMatch(/^ours +0\.10 \(0\.10-0\.10\) +0\.05 \(0\.05-0\.05\) +- /m);
});
