// Finished savefile records as packets, one by one, for programs that use this package as a library. What captures and
// rewrites savefiles never takes records apart.
import { type Precision, RECORD_HEADER_LENGTH, record } from './header.ts';

/** A packet of a savefile or of a capture. */
export interface Packet {
  /** Seconds since 1970, UTC. */
  readonly sec: number;
  /** Nanoseconds since then, as the file or the kernel says it; multiples of 1000 where that has microseconds. */
  readonly nsec: number;
  /** Bytes that were kept of it: the length of `data`. */
  readonly caplen: number;
  /** Bytes that it had on the wire. */
  readonly len: number;
  /** Its bytes where they were read, not a copy: valid until the next packet is asked for. `data.slice()` is a copy to keep. */
  readonly data: Uint8Array;
  /** What the bytes begin with, a LINKTYPE_ value: 1 Ethernet, 101 raw IP, 113 SLL, 276 SLL2 (pcap-linktype(7)). */
  readonly linktype: number;
}

/** The packets of whole records that lie one behind the other, in this machine's byte order. */
export function* packetsIn(records: Uint8Array, precision: Precision, linktype: number): Generator<Packet, void> {
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  const unit = precision === 'nano' ? 1 : 1000;
  for (let at = 0; at < records.length; ) {
    const caplen = view.getUint32(at + record.caplen, true);
    const data = at + RECORD_HEADER_LENGTH;
    yield {
      sec: view.getUint32(at + record.sec, true),
      nsec: view.getUint32(at + record.fraction, true) * unit,
      caplen,
      len: view.getUint32(at + record.len, true),
      data: records.subarray(data, data + caplen),
      linktype,
    };
    at = data + caplen;
  }
}
