// Packets with the newer header of a cooked capture, LINUX_SLL2, as the older LINUX_SLL, which more programs can read. All
// that is lost is the number of the interface. pcap-linktype(7) has both headers:
//
//   SLL2  protocol 2 | reserved 2 | ifindex 4 | hatype 2 | pkttype 1 | halen 1 | address 8
//   SLL   pkttype 2  | hatype 2   | halen 2   | address 8 | protocol 2
import { type Precision, RECORD_HEADER_LENGTH, record } from '../header.ts';
import { cookedLength, LINKTYPE_LINUX_SLL, LINKTYPE_LINUX_SLL2 } from '../linktype.ts';
import type { RecordReader, RecordRun } from './record-run.ts';

const SLL2_LENGTH: number = cookedLength(LINKTYPE_LINUX_SLL2);
const SAVED: number = SLL2_LENGTH - cookedLength(LINKTYPE_LINUX_SLL);

/** Reads another reader, of LINUX_SLL2, and closes it. Of a packet that is cut off within its header nothing is kept. */
export class SllReader implements RecordReader {
  readonly name: string;
  readonly linktype: number = LINKTYPE_LINUX_SLL;
  readonly bigEndian: boolean;
  readonly snaplen: number;
  readonly precision: Precision;
  readonly #reader: RecordReader;

  constructor(reader: RecordReader) {
    this.name = reader.name;
    this.bigEndian = reader.bigEndian;
    this.snaplen = reader.snaplen;
    this.precision = reader.precision;
    this.#reader = reader;
  }

  get readAs(): Precision {
    return this.#reader.readAs;
  }

  set readAs(precision: Precision) {
    this.#reader.readAs = precision;
  }

  async next(): Promise<RecordRun | undefined> {
    const run = await this.#reader.next();
    return run === undefined || run.linktype !== LINKTYPE_LINUX_SLL2 ? run : convert(run);
  }

  close(): Promise<void> {
    return this.#reader.close();
  }
}

/** In place; each record gets shorter. */
function convert(run: RecordRun): RecordRun {
  const { bytes, view, start, end, records } = run;
  let out = start;
  let last = start;
  for (let at = start; at < end; ) {
    const caplen = view.getUint32(at + record.caplen, true);
    const len = view.getUint32(at + record.len, true);
    const data = at + RECORD_HEADER_LENGTH;
    const kept = caplen < SLL2_LENGTH ? 0 : caplen - SAVED;
    last = out;
    bytes.copyWithin(out, at, data);
    view.setUint32(out + record.caplen, kept, true);
    view.setUint32(out + record.len, Math.max(0, len - SAVED), true);
    out += RECORD_HEADER_LENGTH;
    if (kept > 0) {
      const protocol = view.getUint16(data);
      const hatype = view.getUint16(data + 8);
      const pkttype = view.getUint8(data + 10);
      const halen = view.getUint8(data + 11);
      view.setUint16(out, pkttype);
      view.setUint16(out + 2, hatype);
      view.setUint16(out + 4, halen);
      bytes.copyWithin(out + 6, data + 12, data + 20);
      view.setUint16(out + 14, protocol);
      bytes.copyWithin(out + 16, data + 20, data + caplen);
      out += kept;
    }
    at = data + caplen;
  }
  return { bytes, view, start, end: out, last, records, linktype: LINKTYPE_LINUX_SLL };
}
