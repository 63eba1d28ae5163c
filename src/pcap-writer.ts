// The library `tsnetpcap/pcap-writer`: pcap savefiles written packet by packet, without the rest of this package, without
// libpcap, and without native code. What it hands on is documented where it is declared.
export { CaptureError, SyscallError } from './errors.ts';
export { type FileHeader, MAXIMUM_SNAPLEN, type Precision } from './savefile/header.ts';
export { PcapWriter, type Reserve } from './savefile/writer.ts';
