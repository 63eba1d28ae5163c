// `tsnetpcap release` over directories as a capture leaves them: all of the names or none, listed before they are deleted.
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { type Ended, PROGRAM, Program } from '../program.ts';
import { SeriesBuilder, STOP } from '../rotation/series-builder.ts';

const root = mkdtempSync(join(tmpdir(), 'release-'));
afterAll(() => rmSync(root, { recursive: true }));
let count = 0;
let series: SeriesBuilder;
beforeEach(() => {
  series = new SeriesBuilder(join(root, String(++count)));
  series.start();
  for (const hour of [0, 1, 2, 3]) series.savefile(hour);
  series.evict(0).entry(STOP);
});

const run = (command: string, ...args: readonly string[]): Promise<Ended> =>
  Program.run(undefined, [process.execPath, PROGRAM, command, series.directory, ...args]);

const DONE = { code: 0, stdout: '', stderr: '' };
const listed = (): string => readFileSync(series.path('pcap.released'), 'utf8');

test('deletes the files and lists them, more at each call; verify knows it', async () => {
  const [one, two, three] = [series.name(1), series.name(2), series.name(3)];
  expect(await run('release', two)).toEqual(DONE);
  expect(listed()).toBe(`${two}\n`);
  const path = series.path(three);
  series.compress(3, 'gz', gzipSync(readFileSync(path))).replace(3, 'gz');
  expect(await run('release', `${three}.gz`, one, one)).toEqual(DONE);
  expect(listed()).toBe(`${two}\n${three}\n${one}\n`);
  expect(readdirSync(series.directory).sort()).toEqual(['pcap.ledger.jsonl', 'pcap.released']);
  const { code, stdout } = await run('verify');
  expect(code).toBe(0);
  expect(stdout.match(/^notice .*: was released/gm)).toHaveLength(3);
});

test('a name of before it was compressed; two series in one directory', async () => {
  series.compress(3, 'gz', gzipSync(readFileSync(series.path(series.name(3))))).replace(3, 'gz');
  const other = new SeriesBuilder(series.directory, 'dns').start().savefile(1);
  expect(await run('release', series.name(3), other.name(1))).toEqual(DONE);
  expect(listed()).toBe(`${series.name(3)}\n`);
  expect(readFileSync(series.path('dns.released'), 'utf8')).toBe(`${other.name(1)}\n`);
  expect(readdirSync(series.directory).filter((name) => /gz|dns-/.test(name))).toEqual([]);
});

describe('refuses all when one is not a complete savefile of the ledger', () => {
  test.each<[string, () => string, RegExp]>([
    ['of another directory', () => `../${count}/${series.name(2)}`, /expected a file name without directory/],
    ['unknown', () => 'pcap.ledger.jsonl', /in no line of the ledger/],
    ['evicted', () => series.name(0), /evicted already \(ring\)/],
    ['open', () => series.begin(4, 1).name(4), /not complete/],
    ['open, by its name on disk', () => `${series.begin(4, 1).name(4)}.part`, /in no line/],
    ['not yet published', () => series.begin(4, 1).close(4).name(4), /not complete/],
    [
      'gone',
      () => {
        unlinkSync(series.path(series.name(2)));
        return series.name(2);
      },
      /no such file/,
    ],
    [
      'no savefile',
      () => {
        writeFileSync(series.path(series.name(2)), 'what');
        return series.name(2);
      },
      /no regular file that/,
    ],
    [
      'a link to one',
      () => {
        unlinkSync(series.path(series.name(2)));
        symlinkSync(series.name(3), series.path(series.name(2)));
        return series.name(2);
      },
      /no regular file that/,
    ],
  ])('%s', async (_, prepare, why) => {
    const name = prepare();
    const { code, stdout, stderr } = await run('release', series.name(1), name, series.name(3));
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^tsnetpcap: .*, nothing is deleted\n$/);
    expect(stderr).toMatch(why);
    expect(stderr).toContain(name);
    expect([1, 3].every((hour) => existsSync(series.path(series.name(hour))))).toBe(true);
    expect(existsSync(series.path('pcap.released'))).toBe(false);
  });

  test('without a ledger, or without names', async () => {
    unlinkSync(series.ledger);
    expect(await run('release', series.name(1))).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/: no ledger in it\n$/),
    });
    expect(await run('release')).toMatchObject({ code: 2, stderr: "tsnetpcap: missing required argument 'names'\n" });
  });
});
