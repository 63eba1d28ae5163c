// What `tsnetpcap read` and `-r` have in common: the filter, the output, and a session with its signals and status line.
import { type OfflineOutput, OfflineSession } from '../capture/offline.ts';
import type { OutputOptions } from '../capture/output-options.ts';
import { CaptureError } from '../errors.ts';
import type { FileHeader } from '../savefile/header.ts';
import { isKnownLinktype } from '../savefile/linktype.ts';
import type { RecordReader } from '../savefile/reading/record-run.ts';
import type { PacketFilter, Selection } from '../savefile/reading/selection.ts';
import { SingleFile } from '../savefile/single-file.ts';

const EVERY_MS = 1000;

/** Undefined for an empty expression. Rejects with CaptureError ERR_FILTER, in libpcap's words. */
export async function compileFor(reader: RecordReader, expression: string): Promise<PacketFilter | undefined> {
  const { linktype, snaplen, bigEndian } = reader;
  if (!isKnownLinktype(linktype))
    throw new CaptureError(
      'ERR_LINKTYPE',
      `${reader.name}: unknown data link type ${linktype & 0x03ffffff} (min 104, max 289)`,
    );
  if (expression.trim() === '') return undefined;
  // Without an expression, a third of the start is saved.
  const { compileOffline } = await import('../filter/offline.ts');
  const { compilePacketFilter } = await import('../filter/packet-filter.ts');
  return compilePacketFilter(compileOffline(expression, { linktype, snaplen, bigEndian }), 'libpcap');
}

/** Rejects with SyscallError. Files that are named by time begin with the first packet. */
export async function openOutput(
  output: OutputOptions,
  header: FileHeader,
  count: number,
): Promise<OfflineOutput | ((firstSec: number) => OfflineOutput)> {
  if (output.kind === 'file') return new SingleFile(output, header, count);
  const notice = (text: string): void => void process.stderr.write(`tsnetpcap: ${text}\n`);
  if (output.kind === 'tcpdump') {
    const { openTcpdumpFiles } = await import('../capture/open-tcpdump-files.ts');
    const open = (sec: number): OfflineOutput =>
      openTcpdumpFiles(output, header, count, { startMs: sec * 1000, settleMs: 0, notice });
    return output.durationSec === Number.POSITIVE_INFINITY ? open(0) : open;
  }
  const { openOfflineSeries } = await import('../capture/open-offline-series.ts');
  return (firstSec) => openOfflineSeries(output, header, count, firstSec, notice);
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
