// Deletes complete savefiles that a backup has taken: `tsnetpcap release`. Only the capture writes to the ledger, so what is
// deleted is first listed in NAME.released, a name a line; the capture, or the next that starts, takes that list away (it
// renames it) and enters the names. Verify holds what is listed for released, so that no moment needs an excuse.
import { closeSync, constants, fstatSync, fsyncSync, openSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CaptureError, SyscallError } from '../errors.ts';
import { LedgerChain } from './ledger-chain.ts';
import { ledgerSeries } from './ledger-file.ts';
import { type Compression, PART } from './name.ts';
import { releasedFileName } from './released.ts';
import { findSavefile } from './savefile-check.ts';
import { readSavefileStart } from './savefile-start.ts';

const LIST_MODE = 0o640;

interface Release {
  readonly series: string;
  /** As the ledger has it, and of the file. */
  readonly name: string;
  readonly fileName: string;
}

/**
 * `names`: savefiles in `directory`, with or without the ending of a compressed one. All are checked before the first is
 * deleted. Throws `CaptureError` ERR_RELEASE naming the first that must not be, ERR_NO_LEDGER, and `SyscallError`.
 */
export function release(directory: string, names: readonly string[]): void {
  const accounts = ledgerSeries(directory).map(
    (series) => [series, new LedgerChain(directory, series).account.savefiles] as const,
  );
  if (accounts.length === 0) throw new CaptureError('ERR_NO_LEDGER', `${directory}: no ledger in it`);
  const releases = [...new Set(names)].map((fileName): Release => {
    const refuse = (why: string): CaptureError =>
      new CaptureError('ERR_RELEASE', `${fileName}: ${why}, nothing is deleted`);
    if (/[/\n]/.test(fileName)) throw refuse('expected a file name without directory');
    const name = fileName.replace(/\.(gz|zst)$/, '');
    const [series, savefiles] = accounts.find(([, savefiles]) => savefiles.has(name)) ?? [];
    const account = savefiles?.get(name);
    if (series === undefined || account === undefined) throw refuse('in no line of the ledger');
    if (account.state === 'evicted') throw refuse(`evicted already (${account.evicted})`);
    const found = findSavefile(directory, name);
    if (found === undefined) throw refuse('no such file');
    if (account.state !== 'complete' || found.fileName.endsWith(PART)) throw refuse('not complete');
    const [, compression] = /\.(gz|zst)$/.exec(found.fileName) ?? [];
    const start = readSavefileStart(join(directory, found.fileName), compression as Compression | undefined);
    if (start === undefined) throw refuse('no regular file that starts like a savefile');
    return { series, name, fileName: found.fileName };
  });
  for (const series of new Set(releases.map((each) => each.series)))
    releaseOf(
      directory,
      series,
      releases.filter((each) => each.series === series),
    );
}

/** Lists, then deletes. @throws SyscallError */
function releaseOf(directory: string, series: string, releases: readonly Release[]): void {
  const path = join(directory, releasedFileName(series));
  const text = releases.map(({ name }) => `${name}\n`).join('');
  try {
    // A capture that took the list before we were done may have found the files still there, or not our names. So they are
    // listed once more until the list is still in its place after the last file has gone; twice does no harm.
    for (;;) {
      const fd = openSync(path, LIST_FLAGS, LIST_MODE);
      try {
        writeFileSync(fd, text);
        fsyncSync(fd);
        syncDirectory(directory);
        for (const { fileName } of releases) rmSync(join(directory, fileName), { force: true });
        if (statSync(path, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino) return;
      } finally {
        closeSync(fd);
      }
    }
  } catch (cause) {
    throw SyscallError.from(cause);
  }
}

const LIST_FLAGS: number = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW;

function syncDirectory(directory: string): void {
  const fd = openSync(directory, constants.O_RDONLY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
