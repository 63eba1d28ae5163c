// Holds what the ledgers of a directory say against what is there: `tsnetpcap verify`. A capture may be running. It writes
// to the ledger before it does a thing, so whatever does not agree is looked at again until neither the ledger's account
// of it nor the file has changed in the meantime; only then it is a finding.
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { CaptureError, OptionError, SyscallError } from '../errors.ts';
import { utcZone } from '../native/time.ts';
import type { SavefileAccount } from './ledger-account.ts';
import { LedgerChain } from './ledger-chain.ts';
import { isLedgerFile, ledgerSeries } from './ledger-file.ts';
import { PART, SavefileName } from './name.ts';
import { releasedFileName, takenFileName } from './released.ts';
import { checkSavefile, type FoundSavefile, findSavefile } from './savefile-check.ts';
import { readSavefileStart } from './savefile-start.ts';

/** How often a file is looked for in the ledger that is no older than this, and how long to wait between. */
const LOOKS = 4;
const YOUNG_MS = 1000;
const LOOKS_MS = 50;

/** All but `extra` and `notice` mean that something is not as the ledger proves it was. */
export type FindingKind = 'altered' | 'missing' | 'unreadable' | 'chain' | 'extra' | 'notice';

export interface Finding {
  readonly kind: FindingKind;
  /** Undefined where it is about no series, or any. */
  readonly series: string | undefined;
  /** Without directory; undefined where it is about no file. */
  readonly file: string | undefined;
  /** Of a ledger, from 1. */
  readonly line: number | undefined;
  readonly text: string;
}

export interface SeriesSummary {
  readonly kind: 'summary';
  readonly series: string;
  /** Complete savefiles that must be there, and how many of them are what the ledger says. */
  readonly files: number;
  readonly ok: number;
  /** Lines of the ledger, and the hash of the last: what to keep elsewhere. */
  readonly lines: number;
  readonly head: string;
}

/**
 * Findings as they are made, then a summary for each series. `head` is the hash of a line that must be in one of the
 * ledgers. Throws `CaptureError` ERR_NO_LEDGER when there is none, `SyscallError` when the directory can't be read.
 */
export async function* verify(
  directory: string,
  head?: string,
): AsyncGenerator<Finding | SeriesSummary, void, undefined> {
  const all = ledgerSeries(directory).map((name) => new VerifiedSeries(directory, name, head));
  if (all.length === 0) throw new CaptureError('ERR_NO_LEDGER', `${directory}: no ledger in it`);
  const summaries: SeriesSummary[] = [];
  for (const series of all) {
    const { breaks, notices, account, tornBytes, lines, head } = series.chain;
    for (const found of breaks) yield finding('chain', series, found);
    for (const found of notices) yield finding('notice', series, found);
    if (tornBytes > 0) {
      const text = `its last ${tornBytes} bytes are no line: being written, or torn by a crash`;
      yield finding('notice', series, { fileName: series.chain.fileName, text });
    }
    for (const text of account.notices()) yield finding('notice', series, { text });
    let files = 0;
    let ok = 0;
    for (const name of [...account.savefiles.keys()]) {
      const found = await series.check(name);
      if (found !== undefined) yield found;
      if (series.account(name)?.state !== 'complete') continue;
      files++;
      if (found === undefined || found.kind === 'notice') ok++;
    }
    summaries.push({ kind: 'summary', series: series.name, files, ok, lines, head });
  }
  yield* extraFiles(directory, all);
  if (head !== undefined && !all.some(({ chain }) => chain.holdsHash)) {
    const text = `no line has the hash ${head}: the ledger was rewritten or cut back, or that line rotated away`;
    yield finding('chain', undefined, { text });
  }
  yield* summaries;
}

interface Place {
  readonly fileName?: string;
  readonly line?: number | undefined;
  readonly text: string;
}

function finding(kind: FindingKind, series: VerifiedSeries | undefined, { fileName, line, text }: Place): Finding {
  return { kind, series: series?.name, file: fileName, line, text };
}

/** A series under verification. */
class VerifiedSeries {
  readonly name: string;
  readonly chain: LedgerChain;
  readonly #directory: string;

  constructor(directory: string, name: string, head: string | undefined) {
    this.name = name;
    this.#directory = directory;
    this.chain = new LedgerChain(directory, name, head);
  }

  account(name: string): SavefileAccount | undefined {
    return this.chain.account.savefiles.get(name);
  }

  /** What is to be said of a savefile that the ledger knows. */
  async check(name: string): Promise<Finding | undefined> {
    if (this.account(name)?.state === 'open') this.chain.refresh(); // it may be closed since
    for (;;) {
      const account = this.account(name);
      const file = findSavefile(this.#directory, name);
      const found = await this.#judge(name, account, file);
      if (found === undefined || found.kind === 'notice') return found;
      this.chain.refresh();
      const same = findSavefile(this.#directory, name)?.identity === file?.identity;
      if (same && JSON.stringify(this.account(name)) === JSON.stringify(account)) return found;
    }
  }

  async #judge(
    name: string,
    account: SavefileAccount | undefined,
    file: FoundSavefile | undefined,
  ): Promise<Finding | undefined> {
    if (account === undefined || account.state === 'evicted') return undefined;
    const say = (kind: FindingKind, text: string): Finding =>
      finding(kind, this, { fileName: file?.fileName ?? name, text });
    if (account.state === 'open')
      return say(
        'notice',
        `${file === undefined ? 'was begun and is gone' : 'is not closed'}: being written, or left by a crash`,
      );
    if (file === undefined) {
      if (this.#released().has(name)) return say('notice', 'was released, which no capture has entered yet');
      return say('missing', 'complete by the ledger, and not evicted');
    }
    if (!file.regular) return say('altered', 'is no regular file');
    try {
      const { differences, unproven } = await checkSavefile(join(this.#directory, file.fileName), account);
      if (differences.length > 0) return say('altered', differences.join('; '));
      if (file.fileName.endsWith(PART))
        return say('notice', 'is complete, but not renamed yet: going on, or left by a crash');
      return unproven === undefined ? undefined : say('notice', unproven);
    } catch (cause) {
      if (!(cause instanceof CaptureError)) throw cause;
      return say('unreadable', cause.message);
    }
  }

  /** Names that `tsnetpcap release` has deleted or is about to. */
  #released(): Set<string> {
    const lists = [releasedFileName(this.name), takenFileName(this.name)].map((fileName) =>
      readIfThere(join(this.#directory, fileName)),
    );
    return new Set(lists.join('\n').split('\n'));
  }

  /** Whether its pattern could have printed this name; undefined pattern, or one that nobody could have started with: no. */
  couldName(fileName: string): boolean {
    const { pattern } = this.chain.account;
    if (pattern === undefined) return false;
    try {
      return new SavefileName(basename(pattern), utcZone()).parse(fileName) !== undefined;
    } catch (cause) {
      if (cause instanceof OptionError) return false;
      throw cause;
    }
  }
}

/** Savefiles, and files with the name of one, that no ledger accounts for. */
async function* extraFiles(
  directory: string,
  all: readonly VerifiedSeries[],
): AsyncGenerator<Finding, void, undefined> {
  for (const fileName of list(directory)) {
    if (isLedgerFile(fileName)) continue;
    let found = extraFile(directory, all, fileName);
    for (let looks = 0; found !== undefined && looks < LOOKS; looks++) {
      if (looks > 0) await setTimeout(LOOKS_MS);
      for (const series of all) series.chain.refresh();
      found = extraFile(directory, all, fileName);
      const ageMs = changedAgo(join(directory, fileName)); // asked last, as extraFile looks for others of its name
      if (ageMs === undefined)
        found = undefined; // deleted or renamed in the meantime
      else if (ageMs >= YOUNG_MS) break;
    }
    if (found !== undefined) yield found;
  }
}

/** Milliseconds, undefined when it is gone. A savefile without `.part` is there a moment before its first line. */
function changedAgo(path: string): number | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat === undefined ? undefined : Date.now() - stat.ctimeMs;
}

function extraFile(directory: string, all: readonly VerifiedSeries[], fileName: string): Finding | undefined {
  const name = fileName.replace(/(\.gz|\.zst)?(\.part)?$/, '');
  const partial = fileName.endsWith(PART);
  for (const series of all) {
    const account = series.account(name);
    if (account === undefined) continue;
    if (account.state !== 'evicted' && findSavefile(directory, name)?.fileName === fileName) return undefined;
    if (partial) return finding('notice', series, { fileName, text: 'is being written, or left by a crash' });
    if (account.state !== 'evicted')
      return finding('extra', series, { fileName, text: 'stands beside the complete file' });
    const { evicting } = series.chain.account;
    if (evicting.has(name))
      return finding('notice', series, { fileName, text: 'is being evicted, or left by a crash' });
    return finding('extra', series, { fileName, text: `evicted by the ledger (${account.evicted})` });
  }
  const series = all.find((each) => each.couldName(fileName));
  if (series === undefined && readSavefileStart(join(directory, fileName), undefined) === undefined) return undefined;
  if (series !== undefined && partial)
    return finding('notice', series, { fileName, text: 'is in no line of the ledger: just begun, or left by a crash' });
  return finding('extra', series, { fileName, text: 'is in no line of a ledger' });
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch (cause) {
    throw SyscallError.from(cause);
  }
}

/** Empty when there is no such file. */
function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const error = SyscallError.from(cause);
    if (error instanceof SyscallError && error.code === 'ENOENT') return '';
    throw error;
  }
}
