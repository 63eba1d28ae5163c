// Savefiles packet by packet, for programs that use this package as a library: `for await (const packet of ...)`. The
// records are chosen a run at a time, as they are for an output.
import { type Packet, packetsIn } from '../packets.ts';
import type { Limits } from '../sink.ts';
import { checkLinktype, type RecordReader } from './record-run.ts';
import { type PacketFilter, type RecordInstant, Selection } from './selection.ts';

/** Which packets, and how much of them. */
export interface ReadOptions {
  /** Only packets for which it does not return 0, as `compileSavefileFilter` makes it. Default all. */
  readonly filter?: PacketFilter | undefined;
  /** Only packets from this instant on. */
  readonly from?: RecordInstant | undefined;
  /** Only packets before this instant. */
  readonly to?: RecordInstant | undefined;
  /** Give no more bytes of a packet. Default all that the file has. */
  readonly snaplen?: number | undefined;
}

const UNLIMITED: Readonly<Limits> = {
  startSec: 0,
  endSec: Number.POSITIVE_INFINITY,
  records: Number.POSITIVE_INFINITY,
  bytes: Number.POSITIVE_INFINITY,
};

/**
 * The packets of a reader that nothing was read from yet, in its order; it is closed at the end, also of a loop that is left
 * before. A packet's `data` lies in the reader's memory, which the next packets are read into. A loop over them has some
 * three million packets a second; whoever needs more takes the runs of `reader.next()` apart.
 *
 * Throws SavefileError where the file is damaged, when all packets before that were given, and where a pcapng file goes
 * on with another link type than its first while there is a filter; SyscallError.
 */
export async function* readPackets(reader: RecordReader, options: ReadOptions = {}): AsyncGenerator<Packet, void> {
  const { filter, from, to, snaplen = Number.POSITIVE_INFINITY } = options;
  try {
    reader.readAs = 'nano';
    const selection = new Selection({ filter, from, to, snaplen, precision: 'nano' });
    for (let run = await reader.next(); run !== undefined; run = await reader.next()) {
      if (filter !== undefined) checkLinktype(reader, run);
      selection.begin(run);
      selection.compact(UNLIMITED);
      for (const packet of packetsIn(selection.bytes, 'nano', run.linktype)) yield packet;
    }
  } finally {
    await reader.close();
  }
}
