// Copies chosen packets of savefiles into one, by time. Unlike `tsnetpcap read` without the machinery of a capture's output, and
// so without native code.
import { setTimeout } from 'node:timers/promises';
import { CaptureError } from '../../errors.ts';
import { MergedReader } from '../../savefile/reading/merged.ts';
import { checkLinktype, type RecordReader } from '../../savefile/reading/record-run.ts';
import { type PacketFilter, type RecordInstant, Selection } from '../../savefile/reading/selection.ts';
import { PcapWriter } from '../../savefile/writer.ts';

/** Of a pipe that is full. */
const RETRY_MS = 5;
const UNLIMITED = {
  startSec: 0,
  endSec: Number.POSITIVE_INFINITY,
  records: Number.POSITIVE_INFINITY,
  bytes: Number.POSITIVE_INFINITY,
} as const;
const STDOUT = 1;
/**
 * Savefiles as one, merged by time, to be closed. `damaged` is told of those that can't be read, or not to their end. Rejects
 * with CaptureError ERR_LINKTYPE where they have several link types, ERR_NO_INPUT where none can be read.
 */
export async function openMerged(
  open: readonly (() => Promise<RecordReader>)[],
  damaged: (cause: CaptureError) => void,
): Promise<RecordReader> {
  const failed = (cause: unknown): void => {
    if (!(cause instanceof CaptureError)) throw cause;
    damaged(cause);
  };
  const readers: RecordReader[] = [];
  try {
    for (const each of open) await each().then((reader) => readers.push(reader), failed);
    const [first, ...others] = readers;
    if (first === undefined) throw new CaptureError('ERR_NO_INPUT', 'no savefile with these packets can be read');
    for (const { name, linktype } of others) {
      if (linktype !== first.linktype)
        throw new CaptureError(
          'ERR_LINKTYPE',
          `${name}: link type ${linktype}, but ${first.name} has ${first.linktype}, and one pcap file has one; --qube takes one qube`,
        );
    }
    return new MergedReader(readers, failed);
  } catch (cause) {
    for (const reader of readers) await reader.close();
    throw cause;
  }
}

export interface Choice {
  /** Undefined: all. */
  readonly filter: PacketFilter | undefined;
  readonly from: RecordInstant | undefined;
  readonly to: RecordInstant | undefined;
}

/**
 * Resolves to how many packets were copied. `path`: a file, emptied if there is one; `-` is stdout. Closes the reader. Rejects
 * with SyscallError, SavefileError.
 */
export async function copyPackets(reader: RecordReader, choice: Choice, path: string): Promise<number> {
  try {
    reader.readAs = reader.precision;
    const selection = new Selection({ ...choice, snaplen: Number.POSITIVE_INFINITY, precision: reader.readAs });
    const header = { precision: reader.readAs, snaplen: reader.snaplen, linktype: reader.linktype };
    const writer = path === '-' ? new PcapWriter(STDOUT, header) : PcapWriter.create(path, header);
    let packets = 0;
    try {
      for (let run = await reader.next(); run !== undefined; run = await reader.next()) {
        checkLinktype(reader, run);
        selection.begin(run);
        selection.compact(UNLIMITED);
        if (selection.records === 0) continue;
        packets += selection.records;
        if (!writer.writeRecords(selection.bytes)) await drain(writer);
      }
    } finally {
      if (path === '-') await drain(writer);
      else writer.close();
    }
    return packets;
  } finally {
    await reader.close();
  }
}

async function drain(writer: PcapWriter): Promise<void> {
  while (!writer.flush()) await setTimeout(RETRY_MS);
}
