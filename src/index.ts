// The library: what `import ... from 'tsnetpcap'` gives. Everything is documented where it is declared; what is not here may
// change at any time. test/exports.test.ts holds the list.
//
//   capture   openCapture -> session.run(), statistics()      into a file, a series, or a function
//   read      openSavefile -> readPackets
//   write     PcapWriter (alone in tsnetpcap/pcap-writer), planSeries -> SeriesWriter
//   filter    compileFilter for a device, compileSavefileFilter for a reader, compileOffline -> compilePacketFilter for bytes
//   errors    CaptureError and what it is the base of
//
// Nothing here writes to stdout or stderr, sets an exit code, or listens for signals; only libpcap has a line for stderr when
// the kernel does not run an expression. It is loaded when it is first needed, for a capture or an expression.
export type { Engine } from './capture/engine.ts';
export { type OpenCapture, openCapture } from './capture/open.ts';
export type { CaptureOptions, CaptureRequest, PacketConsumer } from './capture/options.ts';
export type { OutputOptions } from './capture/output-options.ts';
export { planSeries, type SeriesOptions, type SeriesOutput, type SyncPolicy } from './capture/series-options.ts';
export { SeriesWriter, type SeriesWriterOptions } from './capture/series-writer.ts';
export type { CaptureSession, SessionStatistics } from './capture/session.ts';
export { CaptureError, FormatError, OptionError, PcapError, SavefileError, SyscallError } from './errors.ts';
export { type CompiledFilter, compileFilter, type Direction, type FilterOptions } from './filter/compile.ts';
export type { Dialect, PacketMetadata } from './filter/dialect.ts';
export type { SnaplenClass } from './filter/keep-options.ts';
export { compileOffline, type SavefileKind } from './filter/offline.ts';
export { compilePacketFilter, type PacketFilter } from './filter/packet-filter.ts';
export { type Instruction, Program } from './filter/program.ts';
export { compileSavefileFilter } from './filter/savefile-filter.ts';
export type { CompressionFormat } from './rotation/compression-format.ts';
export type { FreeSpace, Retention } from './rotation/retention.ts';
export { type FileHeader, MAXIMUM_SNAPLEN, type Precision } from './savefile/header.ts';
export type { Packet } from './savefile/packets.ts';
export { openSavefile } from './savefile/reading/open.ts';
export { type ReadOptions, readPackets } from './savefile/reading/read-packets.ts';
export type { RecordReader, RecordRun } from './savefile/reading/record-run.ts';
export type { RecordInstant } from './savefile/reading/selection.ts';
export { PcapWriter } from './savefile/writer.ts';
