// Puts the parts of a series together: the file ring with its ledger and what is done with complete files, and the series
// that writes into it.
import { FileRing } from '../rotation/file-ring.ts';
import type { KernelCounts, LedgerEvent } from '../rotation/ledger-entry.ts';
import type { FileHeader } from '../savefile/header.ts';
import { Series } from '../savefile/series.ts';
import { CompletionCommand } from '../service/completion-command.ts';
import type { SeriesOutput } from './series-options.ts';

export interface SeriesContext {
  /** When the capture began, in milliseconds since 1970. */
  readonly startMs: number;
  /** What the kernel has counted since the capture began. */
  readonly counts: () => KernelCounts;
  readonly settleMs: number;
  /** What a user should know, one line. */
  readonly notice: (text: string) => void;
}

/**
 * `count`: after how many packets to stop. `start`: the first line of the ledger, without which there is none.
 * @throws SyscallError, CaptureError when another process writes this series
 */
export function openSeries(
  output: SeriesOutput,
  header: FileHeader,
  count: number,
  start: LedgerEvent | undefined,
  context: SeriesContext,
): Series {
  const { command: program, sync } = output;
  const { notice } = context;
  const command = program === undefined ? undefined : new CompletionCommand(program, notice);
  const ledger = output.ledger && start !== undefined;
  const fileRing = FileRing.open({ ...output, ledger, sync: sync !== 'none', command, notice }, start);
  const syncSec = typeof sync === 'number' ? sync : Number.POSITIVE_INFINITY;
  try {
    return new Series({ ...output, ...context, fileRing, syncSec }, header, count, context.startMs);
  } catch (cause) {
    // Or what can't be stored either would be tried again for ever, and the program not end.
    fileRing.close(undefined).catch(() => {});
    throw cause;
  }
}
