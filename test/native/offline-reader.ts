// libpcap's own reading of a savefile in memory, the judge of ours. Used by test/fuzz: thousands of files a second, where
// tcpdump would have to be started for each.
import koffi from 'koffi';
import { fclose, fmemopen } from '../../src/native/libc.ts';
import { loadLibpcap, type pcap_t } from '../../src/native/libpcap.ts';
import type { Precision } from '../../src/savefile/header.ts';

const library = loadLibpcap();
const fopenOfflineFn = library.func(
  'void *pcap_fopen_offline_with_tstamp_precision(void *fp, unsigned int precision, char *errbuf)',
);
const nextExFn = library.func('int pcap_next_ex(void *p, _Out_ void **header, _Out_ void **data)');
const geterrFn = library.func('const char *pcap_geterr(void *p)');
const snapshotFn = library.func('int pcap_snapshot(void *p)');
const datalinkFn = library.func('int pcap_datalink(void *p)');
const closeFn = library.func('void pcap_close(void *p)');
const PRECISIONS: Readonly<Record<Precision, number>> = { micro: 0, nano: 1 };
const PCAP_ERRBUF_SIZE = 256;

export interface OfflineReading {
  /** Undefined where it can't be opened. */
  readonly kind: { readonly dlt: number; readonly snaplen: number } | undefined;
  /** Records one behind the other, as in a savefile of this machine. */
  readonly records: Buffer;
  /** What went wrong, undefined for nothing. */
  readonly failure: string | undefined;
}

/** All records of the savefile in `bytes`, which are not empty, and not compressed. */
export function readByLibpcap(bytes: Uint8Array, precision: Precision): OfflineReading {
  const stream = fmemopen(bytes);
  const error = new Uint8Array(PCAP_ERRBUF_SIZE);
  const p: pcap_t | null = fopenOfflineFn(stream, PRECISIONS[precision], error);
  if (p === null) {
    fclose(stream);
    return { kind: undefined, records: Buffer.alloc(0), failure: koffi.decode.string(error) };
  }
  try {
    const parts: Uint8Array[] = [];
    const header: [bigint | null] = [null];
    const data: [bigint | null] = [null];
    let status: number = nextExFn(p, header, data);
    for (; status === 1; status = nextExFn(p, header, data)) parts.push(...recordOf(header[0] ?? 0n, data[0] ?? 0n));
    return {
      kind: { dlt: datalinkFn(p), snaplen: snapshotFn(p) },
      records: Buffer.concat(parts),
      failure: status === -2 ? undefined : geterrFn(p), // PCAP_ERROR_BREAK: the end
    };
  } finally {
    closeFn(p);
  }
}

/** struct pcap_pkthdr: struct timeval, u32 caplen, u32 len. */
function recordOf(header: bigint, data: bigint): Uint8Array[] {
  const from = new DataView(koffi.view(header, 24));
  const caplen = from.getUint32(16, true);
  const record = Buffer.alloc(16);
  for (const [n, at] of [0, 8, 16, 20].entries()) record.writeUInt32LE(from.getUint32(at, true), 4 * n);
  return caplen === 0 ? [record] : [record, new Uint8Array(koffi.view(data, caplen)).slice()];
}
