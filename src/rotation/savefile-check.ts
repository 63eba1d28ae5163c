// Whether a complete savefile is what the ledger says of it: where it is, and in what it differs. verify.ts asks, which
// knows what to make of a file that changes meanwhile; release.ts asks where one is.
import { createHash, type Hash } from 'node:crypto';
import { lstatSync } from 'node:fs';
import { basename, join } from 'node:path';
import { CaptureError, FormatError, SyscallError } from '../errors.ts';
import { type Digest, hashFile } from './digest.ts';
import type { SavefileAccount } from './ledger-account.ts';
import { PART } from './name.ts';
import { type SavefileScan, savefileChunks, scanSavefile } from './savefile-scan.ts';

/** Where a savefile may be, the first that exists; with `.part` when it is closed and not yet published. */
const ENDINGS = ['', '.gz', '.zst', PART, `.gz${PART}`, `.zst${PART}`];

export interface FoundSavefile {
  /** Without directory. */
  readonly fileName: string;
  readonly regular: boolean;
  /** Changes when another file takes the name, or bytes of it change. */
  readonly identity: string;
}

/** @throws SyscallError */
export function findSavefile(directory: string, name: string): FoundSavefile | undefined {
  for (const ending of ENDINGS) {
    try {
      const stat = lstatSync(join(directory, name + ending), { throwIfNoEntry: false });
      if (stat === undefined) continue;
      const identity = `${name + ending} ${stat.dev} ${stat.ino} ${stat.size} ${stat.mtimeMs}`;
      return { fileName: name + ending, regular: stat.isFile(), identity };
    } catch (cause) {
      throw SyscallError.from(cause);
    }
  }
  return undefined;
}

export interface SavefileDifferences {
  /** In what it differs from the ledger, for a person; none when it is what the ledger says. */
  readonly differences: readonly string[];
  /** What could not be compared, and why. */
  readonly unproven: string | undefined;
}

/** Reads the whole file. Throws `SyscallError` when it can't, `CaptureError` ERR_NODE when this Node can't decompress it. */
export async function checkSavefile(path: string, account: SavefileAccount): Promise<SavefileDifferences> {
  const fileName = basename(path).replace(/\.part$/, '');
  const asSaid = account.compressed?.as === fileName ? account.compressed : undefined;
  const differences: string[] = [];
  if (asSaid !== undefined) differences.push(...digestDifferences('compressed file: ', await hashFile(path), asSaid));
  const hash = createHash('sha256');
  let scan: SavefileScan;
  try {
    scan = await scanSavefile(hashed(savefileChunks(path), hash), account.interval);
  } catch (cause) {
    if (cause instanceof FormatError) return { differences: [...differences, cause.message], unproven: undefined };
    const noZstd = cause instanceof CaptureError && cause.code === 'ERR_NODE';
    if (noZstd && asSaid !== undefined) return { differences, unproven: cause.message };
    throw cause;
  }
  differences.push(...contentDifferences(scan, account));
  if (account.digest !== undefined) {
    const found = { bytes: scan.totalBytes, sha256: hash.digest('hex') };
    differences.push(...digestDifferences('', found, account.digest, account.contents?.bytes));
  }
  const unproven =
    account.digest === undefined ? 'the ledger has no hash of it, packets, size and times agree' : undefined;
  return { differences, unproven };
}

function contentDifferences(scan: SavefileScan, { contents, late, interval }: SavefileAccount): string[] {
  if (typeof scan.header === 'string') return ['no file header of a savefile'];
  const differences: string[] = [];
  const differ = (what: string, is: number | string | null, said: number | string | null): void => {
    if (is !== said) differences.push(`${what} ${is ?? 'none'} instead of ${said ?? 'none'}`);
  };
  if (scan.rest !== 'none') differences.push(`not whole, at offset ${scan.wholeBytes} is ${RESTS[scan.rest]}`);
  if (contents !== undefined) {
    differ('packet count', scan.packets, contents.packets);
    differ('size', scan.totalBytes, contents.bytes);
    differ('first packet', scan.first, contents.first);
    differ('last packet', scan.last, contents.last);
  }
  if (interval !== undefined && scan.after > 0)
    differences.push(`${scan.after} packets not older than its end, ${interval.endSec}`);
  if (interval !== undefined && late !== undefined && scan.before > late)
    differences.push(`${scan.before} packets older than its start, ${interval.startSec}, and ${late} were late`);
  return differences;
}

const RESTS = { cut: 'a record cut short', zeros: 'a run of zeros', garbage: 'no record' } as const;

/** `compared`: a size that was said elsewhere, and compared with already. */
function digestDifferences(what: string, found: Digest, said: Digest, compared?: number): string[] {
  const differences: string[] = [];
  if (found.bytes !== said.bytes && said.bytes !== compared)
    differences.push(`${what}size ${found.bytes} instead of ${said.bytes}`);
  if (found.sha256 !== said.sha256) differences.push(`${what}SHA-256 differs`);
  return differences;
}

async function* hashed(chunks: AsyncIterable<Uint8Array>, hash: Hash): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    hash.update(chunk);
    yield chunk;
  }
}
