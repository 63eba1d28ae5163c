// Savefiles to be read by offline.ts: packets of all kinds of frames, evenly over a time.
import { closeSync, openSync, writeSync } from 'node:fs';
import { encodeFileHeader, encodeRecord, RECORD_HEADER_LENGTH } from '../src/savefile/header.ts';
import { buildFrame, FRAME_KINDS } from './frames.ts';

/** Bytes of a frame. */
export const WHOLE_LENGTH = 400;
const BATCH = 1000;
const SNAPLEN = 262144;
const LINKTYPE_ETHERNET = 1;

export interface Made {
  readonly packets: number;
  /** Bytes kept of each. */
  readonly length: number;
  readonly startSec: number;
  /** From the first to behind the last. */
  readonly seconds: number;
}

export function makeSavefile(path: string, { packets, length, startSec, seconds }: Made): void {
  const size = RECORD_HEADER_LENGTH + length;
  const bytes = new Uint8Array(BATCH * size);
  const view = new DataView(bytes.buffer);
  for (let n = 0; n < BATCH; n++) {
    const kind = FRAME_KINDS[n % FRAME_KINDS.length] ?? 'udp4';
    bytes.set(buildFrame(kind, WHOLE_LENGTH, n).subarray(0, length), n * size + RECORD_HEADER_LENGTH);
  }
  const fd = openSync(path, 'w');
  try {
    writeSync(fd, encodeFileHeader({ precision: 'micro', snaplen: SNAPLEN, linktype: LINKTYPE_ETHERNET }));
    for (let done = 0; done < packets; done += BATCH) {
      const count = Math.min(BATCH, packets - done);
      for (let n = 0; n < count; n++) {
        const usec = Math.floor(((done + n) * seconds * 1e6) / packets);
        encodeRecord(view, n * size, startSec + Math.floor(usec / 1e6), usec % 1e6, length, WHOLE_LENGTH);
      }
      writeSync(fd, bytes, 0, count * size);
    }
  } finally {
    closeSync(fd);
  }
}
