// Run by libpcap-live.test.ts in a process of its own: has libpcap write records into memory, and ends without closing the
// dumper, as a caller of the library may.
import * as libc from '../../src/native/libc.ts';
import * as pcap from '../../src/native/libpcap.ts';
import * as live from '../../src/native/libpcap-live.ts';

/** A savefile with one record of 1000 bytes. */
const file = new Uint8Array(24 + 16 + 1000);
const view = new DataView(file.buffer);
for (const [at, value] of [
  [0, 0xa1b2c3d4],
  [4, 0x00040002],
  [16, 65535],
  [20, 1],
  [32, 1000],
  [36, 1000],
] as const)
  view.setUint32(at, value, true);

const p = pcap.pcap_fopen_offline(libc.fmemopen(file));
const written = new live.Dumper(p, new Uint8Array(64 * 2 ** 20)).dispatch(10);
process.stdout.write(`${written}`);
