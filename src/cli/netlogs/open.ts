// What every command begins with: where the logs are, the index brought up to date with a bar on a terminal, the days that are
// meant, and the index opened for these.
import { existsSync } from 'node:fs';
import { homedir, hostname } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { CaptureError } from '../../errors.ts';
import { openDay } from '../../netlog/bundle/day-source.ts';
import { type FoundDay, findDays } from '../../netlog/bundle/days.ts';
import { Index } from '../../netlog/index/open.ts';
import { listPartitions } from '../../netlog/index/partition.ts';
import type { LedgerDirectory } from '../../netlog/query/check/ledger.ts';
import type { Cut } from '../../netlog/query/cut.ts';
import type { Database } from '../../netlog/query/database.ts';
import { type Days, parseDays } from '../../netlog/query/days.ts';
import { ledgerSeries } from '../../rotation/ledger-file.ts';
import type { RecordReader } from '../../savefile/reading/record-run.ts';
import type { RootFlags } from './flags.ts';
import { bringUpToDate } from './up-to-date.ts';

export interface OpenIndex {
  readonly index: Index;
  readonly database: Database;
  /** Of the first word; all where there was none. */
  readonly days: Days;
  /** A further DAY. @throws OptionError */
  readonly parse: (word: string) => Days;
  /** Where ledgers are at hand. */
  readonly ledgers: readonly LedgerDirectory[];
  /** Opens the days that these are of, which unpacks bundles, for as long as `action` runs. */
  readonly withSavefiles: (
    cuts: readonly Cut[],
    action: (savefiles: readonly (() => Promise<RecordReader>)[]) => Promise<void>,
  ) => Promise<void>;
}

const ALL: Days = { from: '0001-01-01', to: '9999-12-31' };

/** `words`: the DAYs that are asked for; without any all there are. `compared`: and the newest day before the first of them. */
export async function withIndex(
  flags: RootFlags,
  words: readonly string[],
  action: (open: OpenIndex) => Promise<void>,
  compared = false,
): Promise<void> {
  // What is wrong with a word is said before anything is read.
  for (const word of words) if (!word.includes('latest')) parseDays('DAY', word, undefined, Date.now());
  const root = rootOf(flags);
  const found = await daysIn(root, flags);
  const parse = await dayParser(root, found);
  const days = words.map(parse);
  const asked = (day: string): boolean => days.length === 0 || days.some(({ from, to }) => day >= from && day <= to);
  const known = [...found.map(({ day }) => day), ...(await listPartitions(root)).map(({ date }) => date)].sort();
  const before = compared ? known.findLast((day) => day < (days[0]?.from ?? '')) : undefined;
  const wanted = (day: string): boolean => asked(day) || day === before;
  if (flags.index !== false)
    await bringUpToDate(
      root,
      found.filter(({ day }) => wanted(day)),
      flags.identity,
    );
  const dates = [...new Set((await listPartitions(root)).map(({ date }) => date))].filter(wanted);
  const index = await Index.open(root, { days: dates });
  try {
    await action({
      index,
      database: { rows: ({ text }) => index.rows(text) },
      days: days[0] ?? ALL,
      parse,
      ledgers: found
        .flatMap(({ host, day, ledgers }) => (ledgers !== undefined && asked(day) ? [{ host, path: ledgers }] : []))
        .filter(isFirst)
        .filter(({ path }) => ledgerSeries(path).length > 0),
      withSavefiles: (cuts, use) => withSavefiles(found, cuts, flags.identity, use),
    });
  } finally {
    await index.close();
  }
}

export function rootOf({ directory }: RootFlags): string {
  return directory === undefined ? join(homedir(), 'NetLogs') : resolve(directory);
}

/** Without the index being opened. Rejects with OptionError. */
export async function parseDaysOf(root: string, flags: RootFlags, word: string): Promise<Days> {
  return (await dayParser(root, await daysIn(root, flags)))(word);
}

function daysIn(root: string, { host }: RootFlags): Promise<FoundDay[]> {
  if (!existsSync(root))
    throw new CaptureError(
      'ERR_NO_LOGS',
      `${root}: no such directory; pull-netlogs-to-work brings logs, -d says where else they are`,
    );
  return findDays(root, host ?? hostname());
}

async function dayParser(root: string, found: readonly FoundDay[]): Promise<(word: string) => Days> {
  const there = [...found.map(({ day }) => day), ...(await listPartitions(root)).map(({ date }) => date)].sort();
  const now = Date.now();
  return (word) => parseDays('DAY', word, there.at(-1), now);
}

/** A live directory has several days and one ledger. */
function isFirst({ path }: LedgerDirectory, at: number, all: readonly LedgerDirectory[]): boolean {
  return all.findIndex((each) => each.path === path) === at;
}

async function withSavefiles(
  found: readonly FoundDay[],
  cuts: readonly Cut[],
  identity: string | undefined,
  use: (savefiles: readonly (() => Promise<RecordReader>)[]) => Promise<void>,
): Promise<void> {
  const close: (() => void)[] = [];
  try {
    const savefiles: (() => Promise<RecordReader>)[] = [];
    for (const { host, date, files } of cuts) {
      const day = found.find((each) => each.host === host && each.day === date);
      if (day === undefined)
        throw new CaptureError('ERR_NO_BUNDLE', `${host} ${date}: in the index, but the savefiles are gone`);
      const source = await openDay(day, identity === undefined ? {} : { identity });
      close.push(source.close);
      for (const { name, open } of source.savefiles) if (files.includes(basename(name))) savefiles.push(open);
    }
    await use(savefiles);
  } finally {
    for (const each of close) each();
  }
}
