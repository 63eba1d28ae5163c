// Copies savefiles as `tsnetpcap -r X -w Y` does, and as tcpdump does, for tests to compare.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { SpanOffer } from '../../../src/capture/span-offer.ts';
import { CaptureError } from '../../../src/errors.ts';
import type { Precision } from '../../../src/savefile/header.ts';
import { isKnownLinktype } from '../../../src/savefile/linktype.ts';
import { openSavefile } from '../../../src/savefile/reading/open.ts';
import type { RecordReader } from '../../../src/savefile/reading/record-run.ts';
import { type PacketFilter, Selection } from '../../../src/savefile/reading/selection.ts';
import { SingleFile } from '../../../src/savefile/single-file.ts';

export interface Copy {
  /** Undefined when no file was made. */
  readonly bytes: Buffer | undefined;
  /** What went wrong, in one line. */
  readonly failure: string | undefined;
}

/** A directory that is gone when the tests of the file are done, whatever becomes of them. */
export function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), 'tsnetpcap-reading-'));
  afterAll(() => rmSync(directory, { recursive: true }));
  return directory;
}

export async function copyByUs(
  input: string,
  output: string,
  options: { readonly readAs?: Precision; readonly filter?: PacketFilter; readonly chunkSize?: number } = {},
): Promise<Copy> {
  rmSync(output, { force: true });
  let reader: RecordReader;
  try {
    reader = await openSavefile(input, options.chunkSize);
  } catch (cause) {
    return { bytes: undefined, failure: textOf(cause) };
  }
  if (!isKnownLinktype(reader.linktype)) {
    await reader.close();
    return { bytes: undefined, failure: `unknown data link type ${reader.linktype & 0x03ffffff} (min 104, max 289)` };
  }
  const failure = await copyRecords(reader, output, options.readAs ?? 'micro', options.filter);
  return { bytes: readFileSync(output), failure };
}

/** Closes the reader. Resolves to what went wrong. */
export async function copyRecords(
  reader: RecordReader,
  output: string,
  readAs: Precision,
  filter?: PacketFilter,
): Promise<string | undefined> {
  reader.readAs = readAs;
  const header = { precision: readAs, snaplen: reader.snaplen, linktype: reader.linktype };
  const file = new SingleFile({ path: output, noClobber: false }, header, Number.POSITIVE_INFINITY);
  const selection = new Selection({
    filter,
    from: undefined,
    to: undefined,
    snaplen: Number.POSITIVE_INFINITY,
    precision: readAs,
  });
  const offer = new SpanOffer();
  try {
    for (let run = await reader.next(); run !== undefined; run = await reader.next()) {
      selection.begin(run);
      if (!offer.all(selection, file)) throw new Error('a file that takes no more');
    }
    return undefined;
  } catch (cause) {
    return textOf(cause);
  } finally {
    file.close();
    await reader.close();
  }
}

export function copyByTcpdump(input: string, output: string, ...args: readonly string[]): Copy {
  rmSync(output, { force: true });
  const { status, stderr } = spawnSync('tcpdump', ['-r', input, '-w', output, ...args], { encoding: 'utf8' });
  const text = stderr.trim().split('\n').at(-1) ?? '';
  return {
    bytes: existsSync(output) ? readFileSync(output) : undefined,
    failure: status === 0 ? undefined : text.replace(/^tcpdump: /, '').replace(/^pcap_loop: /, ''),
  };
}

function textOf(cause: unknown): string {
  if (cause instanceof CaptureError) return cause.message;
  throw cause;
}
