// A series as a program asks for it: its defaults, and values that the types allow and no series can have.
import { expect, test } from 'vitest';
import { planSeries, type SeriesOptions } from '../../src/capture/series-options.ts';
import { OptionError } from '../../src/errors.ts';

const pattern = 'p-%s.pcap';

test('a pattern is enough: an hour, every file kept, synced, with a ledger', () => {
  const endless = Number.POSITIVE_INFINITY;
  const { name, clock, zone, ...output } = planSeries({ pattern });
  expect(output).toEqual({
    kind: 'series',
    rotatePackets: endless,
    rotateSize: endless,
    retention: { keep: undefined, maxAgeSec: undefined, maxBytes: undefined, minFree: undefined },
    fileMode: 0o640,
    part: true,
    sync: 'close',
    compress: undefined,
    command: undefined,
    ledger: true,
  });
  expect(name.at(1_767_225_601)).toBe('p-1767225601.pcap');
  expect(clock.intervalAt(1_767_225_601)).toEqual({ startSec: 1_767_225_600, endSec: 1_767_229_200 });
  expect(zone.utc).toBe(false);
});

test('what is undefined is not said', () => {
  const unsaid = { rotateSec: undefined, keep: undefined, sync: undefined, part: undefined, fileMode: undefined };
  const { name: _, clock: __, zone: ___, ...output } = planSeries({ pattern, ...unsaid });
  expect(output).toMatchObject({ part: true, sync: 'close', fileMode: 0o640 });
});

test.each<[Partial<SeriesOptions>, string]>([
  [{ rotateSec: 0 }, 'rotateSec 0: expected a whole number from 1 to 31622400'],
  [{ rotateSec: 0.5 }, 'rotateSec 0.5: expected'],
  [{ rotateSec: Number.NaN }, 'rotateSec NaN: expected'],
  [{ rotateSec: Number.POSITIVE_INFINITY }, 'rotateSec Infinity: expected'],
  [{ keep: 0 }, 'keep 0: expected'],
  [{ rotateSize: 0 }, 'rotateSize 0: expected'],
  [{ rotatePackets: -1 }, 'rotatePackets -1: expected'],
  [{ maxAgeSec: 0 }, 'maxAgeSec 0: expected'],
  [{ maxBytes: 0 }, 'maxBytes 0: expected'],
  [{ sync: 0 }, 'sync 0: expected'],
  [{ fileMode: 0o440 }, 'fileMode 0o440: expected 0o600 to 0o777'],
  [{ fileMode: 0o4755 }, 'fileMode 0o4755: expected 0o600 to 0o777'],
  [{ pattern: 'a/' }, '-w a/: expected a file name at the end'],
  [{ pattern: '%q' }, '-w %q: %q has no fixed shape'],
])('%j is refused', (options, said) => {
  const planned = (): unknown => planSeries({ pattern, ...options });
  expect(planned).toThrow(OptionError);
  expect(planned).toThrow(said);
});
