// The pcap savefile format (pcap-savefile(5)): a 24-byte file header, then records of a 16-byte header and `caplen`
// bytes each. Files are written in the byte order of the machine, which on every machine we run on is little-endian.
//
//   file header    magic u32 | version 2.4 u16 u16 | thiszone i32 0 | sigfigs u32 0 | snaplen u32 | linktype u32
//   record header  sec u32 | micro- or nanoseconds u32 | caplen u32 | len u32

/** What the fraction of a record's time counts. */
export type Precision = 'micro' | 'nano';

export const FILE_HEADER_LENGTH = 24;
export const RECORD_HEADER_LENGTH = 16;
/** The largest snaplen of tcpdump and libpcap, and what `-s 0` means (MAXIMUM_SNAPLEN). */
export const MAXIMUM_SNAPLEN = 262144;

/** Offsets in the record header. */
export const record = { sec: 0, fraction: 4, caplen: 8, len: 12 } as const;

const MAGIC: Readonly<Record<Precision, number>> = { micro: 0xa1b2c3d4, nano: 0xa1b23c4d };

/** What a file header says. `linktype` is a LINKTYPE_ value (1 Ethernet, 101 raw IP, 113 SLL, 276 SLL2). */
export interface FileHeader {
  readonly precision: Precision;
  /** No record keeps more bytes than this. */
  readonly snaplen: number;
  readonly linktype: number;
}

export function encodeFileHeader(header: FileHeader): Uint8Array {
  const bytes = new Uint8Array(FILE_HEADER_LENGTH);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC[header.precision], true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, header.snaplen, true);
  view.setUint32(20, header.linktype, true);
  return bytes;
}

/** Puts a record's header at `at`; the `caplen` bytes of the packet belong behind it. */
export function encodeRecord(
  view: DataView,
  at: number,
  sec: number,
  fraction: number,
  caplen: number,
  len: number,
): void {
  view.setUint32(at + record.sec, sec, true);
  view.setUint32(at + record.fraction, fraction, true);
  view.setUint32(at + record.caplen, caplen, true);
  view.setUint32(at + record.len, len, true);
}

/** The offset behind each whole record at the start of `bytes`, which begin with a record. */
export function* recordEnds(bytes: Uint8Array): Generator<number, void> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  while (at + RECORD_HEADER_LENGTH <= bytes.length) {
    at += RECORD_HEADER_LENGTH + view.getUint32(at + record.caplen, true);
    if (at > bytes.length) return;
    yield at;
  }
}
