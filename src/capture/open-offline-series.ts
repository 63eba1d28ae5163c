// A series of savefiles out of savefiles: as of a capture, but without a ledger, as the packets may be anybody's.
import { FileRing } from '../rotation/file-ring.ts';
import type { FileHeader } from '../savefile/header.ts';
import { Series } from '../savefile/series.ts';
import type { SeriesOutput } from './output-options.ts';

const NOT_COUNTED = { received: 0, dropped: 0, ifDropped: 0, queueFreezes: 0, filtered: 0 } as const;

/** `firstSec`: of the first packet. @throws SyscallError, CaptureError when another process writes this series */
export function openOfflineSeries(
  output: SeriesOutput,
  header: FileHeader,
  count: number,
  firstSec: number,
  notice: (text: string) => void,
): Series {
  const { sync } = output;
  const options = { ...output, ledger: false, sync: sync !== 'none', command: undefined, notice };
  const fileRing = FileRing.open(options, undefined);
  const syncSec = typeof sync === 'number' ? sync : Number.POSITIVE_INFINITY;
  try {
    const counts = (): typeof NOT_COUNTED => NOT_COUNTED;
    return new Series({ ...output, fileRing, syncSec, settleMs: 0, counts, notice }, header, count, firstSec * 1000);
  } catch (cause) {
    // Or what can't be stored would be tried again for ever, and the program not end.
    fileRing.close(undefined).catch(() => {});
    throw cause;
  }
}
