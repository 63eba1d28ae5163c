// What a capture will ask of its directory, tried beforehand by the user who will ask it, and without leaving a trace there:
// --check. A file without a name shows that files can be made (open(2), O_TMPFILE).
import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  type Stats,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { SyscallError, systemErrors } from '../errors.ts';
import { exists } from './exists.ts';
import { ledgerFileName, ledgerFiles } from './ledger-file.ts';
import type { SavefileName } from './name.ts';

const { O_DIRECTORY, O_NOFOLLOW, O_RDWR, O_WRONLY, R_OK, W_OK, X_OK } = constants;
/** <asm-generic/fcntl.h>; Node does not name it. */
const O_TMPFILE: number = 0o20000000 | O_DIRECTORY;
/** Of file systems that have no such files, and of kernels that have none for them. */
const NO_TMPFILE: readonly string[] = ['EOPNOTSUPP', 'EISDIR', 'EINVAL'];
const EEXIST = 17;

/** A file can be made in the directory. @throws SyscallError */
export function checkDirectory(directory: string): void {
  systemErrors(() => {
    try {
      closeSync(openSync(directory, O_TMPFILE | O_WRONLY, 0o600));
    } catch (cause) {
      const error = SyscallError.from(cause);
      if (!(error instanceof SyscallError && NO_TMPFILE.includes(error.code))) throw cause;
      accessSync(directory, W_OK | X_OK);
    }
  });
}

/** Undefined for what is not there, or can't be looked at: its directory says why. */
function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

/** `path` can be written to, or made. @throws SyscallError */
export function checkFile(path: string, noClobber = false): void {
  const stat = statOf(path);
  if (stat === undefined) {
    checkDirectory(dirname(path));
    return;
  }
  if (noClobber) throw new SyscallError('EEXIST', EEXIST, 'open', path);
  // To open a FIFO or a device would do something.
  systemErrors(() =>
    stat.isFile() || stat.isDirectory() ? closeSync(openSync(path, O_WRONLY)) : accessSync(path, W_OK),
  );
}

/**
 * The directory of a series can be made, or files can be found and made there, and what is beside the savefiles is ours to
 * write. Returns what a user should know, in lines. @throws SyscallError
 */
export function checkSeries(name: SavefileName): string[] {
  const { directory, series } = name;
  if (!systemErrors(() => exists(directory))) {
    checkDirectory(systemErrors(() => nearest(directory)));
    return [];
  }
  checkDirectory(directory);
  return systemErrors(() => {
    const savefiles = readdirSync(directory).filter((fileName) => name.parse(fileName) !== undefined);
    for (const file of ledgerFiles(directory, series))
      accessSync(join(directory, file), file === ledgerFileName(series) ? R_OK | W_OK : R_OK);
    const holder = lockHolder(join(directory, `${series}.lock`));
    const closed = savefiles.filter((file) => !readable(join(directory, file))).length;
    return [
      ...(holder === undefined
        ? []
        : [`${holder} is writing this series now: a capture can begin when that has ended`]),
      ...(closed === 0
        ? []
        : [`${directory}: files of the series that can't be read, and so are not counted: ${closed}`]),
    ];
  });
}

/** The directory that is there, in which the first missing one would be made. */
function nearest(directory: string): string {
  let there = directory;
  while (!exists(there)) there = dirname(there);
  return there;
}

/**
 * `/srv/cap/x.lock: process 123`, undefined when nobody has the lock. To try it would take it, and a capture that starts in
 * that moment would not; so the kernel's list of locks is asked (proc_locks(5)), where it is to be seen.
 */
function lockHolder(path: string): string | undefined {
  if (!exists(path)) return undefined;
  const fd = openSync(path, O_RDWR | O_NOFOLLOW);
  try {
    const pid = Number.parseInt(readFileSync(fd, 'latin1'), 10);
    const held = new RegExp(`FLOCK +ADVISORY +WRITE +${pid} [0-9a-f]+:[0-9a-f]+:${fstatSync(fd).ino} `);
    return held.test(kernelLocks()) ? `${path}: process ${pid}` : undefined;
  } finally {
    closeSync(fd);
  }
}

function kernelLocks(): string {
  try {
    return readFileSync('/proc/locks', 'latin1');
  } catch {
    return ''; // a service may be shown nothing of /proc but processes
  }
}

function readable(path: string): boolean {
  try {
    accessSync(path, R_OK);
    return true;
  } catch {
    return false; // or gone since
  }
}
