// What `tsnetpcap read` and `-r` have in common: the filter, the output, and a session with its signals and status line.
import { type OfflineOutput, OfflineSession } from '../capture/offline.ts';
import type { OutputOptions } from '../capture/output-options.ts';
import type { FileHeader } from '../savefile/header.ts';
import type { RecordReader } from '../savefile/reading/record-run.ts';
import type { Selection } from '../savefile/reading/selection.ts';
import { SingleFile } from '../savefile/single-file.ts';
import type { Account } from '../service/account.ts';
import type { InputGuard } from './input-guard.ts';

const EVERY_MS = 1000;
/** What a kernel would have. */
const NOT_COUNTED = { received: 0, dropped: 0, ifDropped: 0, queueFreezes: 0, filtered: 0 } as const;

/**
 * Rejects with SyscallError, OptionError of `guard`. Files that are named by time begin with the first packet. From here on
 * the process is `account`'s, and so are the files.
 */
export async function openOutput(
  output: OutputOptions,
  header: FileHeader,
  count: number,
  guard: InputGuard,
  account?: Account,
): Promise<OfflineOutput | ((firstSec: number) => OfflineOutput)> {
  if (output.kind === 'file') {
    guard(output.path);
    const file = new SingleFile({ ...output, owner: account }, header, count);
    account?.become();
    return file;
  }
  const notice = (text: string): void => void process.stderr.write(`tsnetpcap: ${text}\n`);
  if (output.kind === 'tcpdump') {
    const { openTcpdumpFiles } = await import('../capture/open-tcpdump-files.ts');
    account?.become();
    const open = (sec: number): OfflineOutput =>
      openTcpdumpFiles(output, header, count, { startMs: sec * 1000, settleMs: 0, guard, notice });
    return output.durationSec === Number.POSITIVE_INFINITY ? open(0) : open;
  }
  const { openSeries } = await import('../capture/open-series.ts');
  account?.become();
  // Without a ledger, as the packets may be anybody's.
  return (firstSec) =>
    openSeries(output, header, count, undefined, {
      startMs: firstSec * 1000,
      counts: () => NOT_COUNTED,
      settleMs: 0,
      notice,
    });
}

/** SIGINT and SIGTERM end it with what was read before. `live`: a status line, where stderr is a terminal. */
export async function runOffline(
  reader: RecordReader,
  selection: Selection,
  output: OfflineOutput | ((firstSec: number) => OfflineOutput),
  live: boolean,
): Promise<number> {
  const session = new OfflineSession(reader, selection, output);
  const stop = (): void => session.stop();
  process.on('SIGINT', stop).on('SIGTERM', stop);
  let previous = 0;
  const timer =
    live && process.stderr.isTTY === true
      ? setInterval(() => {
          const { written, name = reader.name } = session;
          process.stderr.write(`\r\x1b[K${written} packets, ${written - previous}/s, ${name}`);
          previous = written;
        }, EVERY_MS)
      : undefined;
  try {
    await session.run();
    return session.written;
  } finally {
    if (timer !== undefined) process.stderr.write('\r\x1b[K');
    clearInterval(timer);
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}
