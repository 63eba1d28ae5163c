// Puts a capture together from its options, in the order in which each part can fail: filter and device, kernel ring,
// first savefile. What was opened before a failure is closed again.
import { compileFilter } from '../filter/compile.ts';
import { FileRing } from '../rotation/file-ring.ts';
import type { FileHeader } from '../savefile/header.ts';
import type { Output } from '../savefile/output.ts';
import { Series } from '../savefile/series.ts';
import { SingleFile } from '../savefile/single-file.ts';
import type { CaptureOptions } from './options.ts';
import { RingSource } from './ring/ring-source.ts';
import { CaptureSession } from './session.ts';
import type { PacketSource } from './source.ts';

/** The kernel hands over a block that is not full after this time, so that is how old a packet gets in the ring. */
const BLOCK_RETIRE_MS = 100;
/** Retiring is as late as the kernel's timers are coarse, and we wake up behind it. */
const SETTLE_MS: number = 2 * BLOCK_RETIRE_MS;

export interface OpenCapture {
  readonly session: CaptureSession;
  readonly source: PacketSource;
  readonly output: Output;
  /** As tcpdump says it: `any, link-type LINUX_SLL2 (Linux cooked v2), snapshot length 96 bytes`. */
  readonly description: string;
}

/** @throws OptionError, PcapError, SyscallError */
export function openCapture(options: CaptureOptions, notice: (text: string) => void): OpenCapture {
  const filter = compileFilter(options);
  for (const warning of filter.warnings) notice(warning);
  const header: FileHeader = { precision: options.precision, snaplen: filter.snaplen, linktype: filter.linktype };
  const source = RingSource.open({
    ...header,
    device: filter.device,
    promiscuous: options.promiscuous,
    filter: filter.program.bytes,
    ringMemory: options.ringMemory,
    blockRetireMs: BLOCK_RETIRE_MS,
    notice,
  });
  try {
    const output = openOutput(options, header);
    const session = new CaptureSession(source, output, { durationMs: options.durationMs, settleMs: SETTLE_MS });
    const { linktypeName, linktypeDescription, device, snaplen } = filter;
    const description = `${device}, link-type ${linktypeName} (${linktypeDescription}), snapshot length ${snaplen} bytes`;
    return { session, source, output, description };
  } catch (cause) {
    source.close();
    throw cause;
  }
}

function openOutput({ output, count }: CaptureOptions, header: FileHeader): Output {
  if (output.kind === 'file') return new SingleFile(output, header, count);
  const { name, clock, keep } = output;
  const fileRing = FileRing.open({ name, keep });
  return new Series({ clock, fileRing, settleMs: SETTLE_MS }, header, count, Date.now());
}
