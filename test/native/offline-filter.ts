// libpcap's own run of a filter program, the judge of ours. Used by the tests of filter/.
import koffi from 'koffi';
import { loadLibpcap } from '../../src/native/libpcap.ts';

const library = loadLibpcap();
const pcap_offline_filterFn = library.func('int pcap_offline_filter(const void *fp, const void *h, const void *pkt)');
const bpf_validateFn = library.func('int bpf_validate(const void *f, int len)');

/** `bytes`: `struct bpf_insn` after `struct bpf_insn`. The result is unsigned, as in the interpreter. */
export function pcap_offline_filter(bytes: Uint8Array, packet: Uint8Array, len: number): number {
  const program = new DataView(new ArrayBuffer(16)); // struct bpf_program: u32 bf_len, struct bpf_insn *bf_insns
  program.setUint32(0, bytes.length / 8, true);
  program.setBigUint64(8, koffi.address(bytes), true);
  const header = new DataView(new ArrayBuffer(24)); // struct pcap_pkthdr: struct timeval, u32 caplen, u32 len
  header.setUint32(16, packet.length, true);
  header.setUint32(20, len, true);
  const padded = packet.length === 0 ? new Uint8Array(1) : packet;
  return pcap_offline_filterFn(new Uint8Array(program.buffer), new Uint8Array(header.buffer), padded) >>> 0;
}

export function bpf_validate(bytes: Uint8Array): boolean {
  return bpf_validateFn(bytes, bytes.length / 8) !== 0;
}
