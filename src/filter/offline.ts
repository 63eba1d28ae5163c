// Filter expressions for savefiles, as `tcpdump -r` compiles them: by libpcap, for the link type that the file has. A
// program compiled for an interface must not be used here, nor the other way round: it may ask for VLAN tags beside the
// packet. Called by the reader.
import { CaptureError, PcapError } from '../errors.ts';
import { fclose, fmemopen } from '../native/libc.ts';
import * as pcap from '../native/libpcap.ts';
import { MAXIMUM_SNAPLEN } from '../savefile/header.ts';
import { Program } from './program.ts';

/** What a filter depends on of the savefile's header, or of the pcapng section and interface. */
export interface SavefileKind {
  /** The whole 32-bit field of a pcap file, bits about frame check sequences included. */
  readonly linktype: number;
  /** Default 262144. */
  readonly snaplen?: number;
  /** Its byte order, which for some link types is that of headers in its packets. Default false. */
  readonly bigEndian?: boolean;
}

/** As tcpdump -r passes it, so that `ip broadcast` means 0.0.0.0 and 255.255.255.255. */
const NETMASK = 0;

/**
 * A program for `compilePacketFilter` in libpcap's dialect. The expression is compiled on a handle that libpcap opens on a
 * file header of this kind, without a file: unlike pcap_open_dead(3PCAP) that knows LINKTYPE_ values, and that there is no
 * interface (`inbound` is an error but on some link types). @throws CaptureError ERR_FILTER, in libpcap's words
 */
export function compileOffline(expression: string, kind: SavefileKind): Program {
  const p = open(kind);
  try {
    const program = pcap.pcap_compile(p, expression, NETMASK);
    try {
      return new Program(pcap.bpf_insns(program));
    } finally {
      pcap.pcap_freecode(program);
    }
  } catch (cause) {
    throw cause instanceof PcapError ? new CaptureError('ERR_FILTER', cause.message, { cause }) : cause;
  } finally {
    pcap.pcap_close(p);
  }
}

/** libpcap reads it by its address, of which the garbage collector does not know: it lives as long as this module. */
const header = new DataView(new ArrayBuffer(24));

function open({ linktype, snaplen = MAXIMUM_SNAPLEN, bigEndian = false }: SavefileKind): pcap.pcap_t {
  header.setUint32(0, 0xa1b2c3d4, !bigEndian);
  header.setUint16(4, 2, !bigEndian);
  header.setUint16(6, 4, !bigEndian);
  header.setUint32(16, snaplen, !bigEndian);
  header.setUint32(20, linktype, !bigEndian);
  const stream = fmemopen(new Uint8Array(header.buffer));
  try {
    return pcap.pcap_fopen_offline(stream);
  } catch (cause) {
    fclose(stream);
    throw cause;
  }
}
