// Puts a capture together from its options, in the order in which each part can fail: filter and device, kernel ring,
// first savefile. What was opened before a failure is closed again.
import { type CompiledFilter, compileFilter } from '../filter/compile.ts';
import { compileOwnFilter, compilePacketFilter } from '../filter/packet-filter.ts';
import type { FileHeader } from '../savefile/header.ts';
import { SingleFile } from '../savefile/single-file.ts';
import type { Account } from '../service/account.ts';
import { chooseEngine, type Engine } from './engine.ts';
import { type CaptureOptions, type CaptureRequest, completeOptions } from './options.ts';
import { RingSource } from './ring/ring-source.ts';
import { CaptureSession, type SessionOutput } from './session.ts';
import type { PacketSource } from './source.ts';

/**
 * The kernel hands over a block that is not full after this time, so that is how old a packet gets in the ring, and how long a
 * stop takes. Where few packets come each such block is a wake-up, and those are the whole cost (native-notes/event-loop.md).
 */
const BLOCK_RETIRE_MS = 500;
/** The shortest that the kernel has. */
const IMMEDIATE_RETIRE_MS = 1;
/** Retiring is as late as the kernel's timers are coarse, and we wake up behind it. */
const SETTLE_MS: number = BLOCK_RETIRE_MS + 200;

/** Packets already come, into the kernel's ring: now `session.run()`, and when that has settled `source.close()`. */
export interface OpenCapture {
  readonly session: CaptureSession;
  readonly source: PacketSource;
  readonly output: SessionOutput;
  /** As tcpdump says it: `any, link-type LINUX_SLL2 (Linux cooked v2), snapshot length 96 bytes`. */
  readonly description: string;
}

/**
 * Begins a capture; it needs CAP_NET_RAW. `notice` is called with what a user should know, one line: a filter that the
 * kernel does not run (of which libpcap has its own line on stderr), storage that fails, an interface that goes. Default
 * nothing is told.
 *
 * Rejects with OptionError, PcapError, SyscallError, CaptureError ERR_FILTER, ERR_LIBPCAP, or when another process writes the
 * series.
 */
export async function openCapture(
  request: CaptureRequest,
  notice: (text: string) => void = () => {},
): Promise<OpenCapture> {
  const options = completeOptions(request);
  const filter = compileFilter(options);
  const engine = chooseEngine(options, filter.device, filter.packetSocket, filter.userSpace !== undefined);
  for (const warning of filter.warnings) notice(warning);
  const header: FileHeader = { precision: options.precision, snaplen: filter.snaplen, linktype: filter.linktype };
  const startMs = Date.now(); // no packet is older, so that none lies before the first file
  const source = await openSource(engine, options, filter, header, notice);
  try {
    const account = await findAccount(options.user);
    const output = await openOutput(options, header, filter, source, startMs, account, notice);
    const { durationMs } = options;
    const session = new CaptureSession(source, output, { durationMs, settleMs: SETTLE_MS, notice });
    return { session, source, output, description: describe(filter) };
  } catch (cause) {
    source.close();
    throw cause;
  }
}

/** As tcpdump says what it listens on. */
export function describe({ device, linktypeName, linktypeDescription, snaplen }: CompiledFilter): string {
  return `${device}, link-type ${linktypeName} (${linktypeDescription}), snapshot length ${snaplen} bytes`;
}

/** Rejects with SyscallError, PcapError, CaptureError. */
export async function openSource(
  engine: Engine,
  options: Omit<CaptureOptions, 'output'>,
  filter: CompiledFilter,
  header: FileHeader,
  notice: (text: string) => void,
): Promise<PacketSource> {
  const { promiscuous, exitOnDown, ringMemory, immediate, timestampType, monitor } = options;
  const { device, dlt, userSpace } = filter;
  const blockRetireMs = immediate ? IMMEDIATE_RETIRE_MS : BLOCK_RETIRE_MS;
  const program = filter.program.bytes;
  const common = { ...header, device, promiscuous, exitOnDown, filter: program, ringMemory, blockRetireMs, notice };
  switch (engine) {
    case 'ring': {
      const expression = userSpace?.expression && compilePacketFilter(userSpace.expression, 'libpcap');
      const exclusions = userSpace?.exclusions && compileOwnFilter(userSpace.exclusions);
      return RingSource.open({ ...common, userSpace: userSpace && { expression, exclusions } });
    }
    case 'libpcap': {
      const { LibpcapSource } = await import('./libpcap/libpcap-source.ts');
      return LibpcapSource.open({ ...common, dlt, immediate, timestampType, monitor });
    }
    case 'cap': {
      const { CapSource } = await import('./cap/cap-source.ts');
      return CapSource.open(common);
    }
  }
}

/** Rejects with CaptureError. */
export async function findAccount(user: string | undefined): Promise<Account | undefined> {
  if (user === undefined) return undefined;
  const { Account } = await import('../service/account.ts');
  return Account.find(user);
}

async function openOutput(
  options: CaptureOptions,
  header: FileHeader,
  filter: CompiledFilter,
  source: PacketSource,
  startMs: number,
  account: Account | undefined,
  notice: (text: string) => void,
): Promise<SessionOutput> {
  const { output, count } = options;
  if (output.kind === 'file') {
    // It will be the only one, so it may lie where the user could not make another.
    const file = new SingleFile({ ...output, owner: account }, header, count);
    account?.become();
    return file;
  }
  // Before the user is another one, who may not be allowed to where this program lies, all of it is loaded.
  if (output.kind === 'packets') {
    const { PacketOutput } = await import('./packet-output.ts');
    account?.become();
    return new PacketOutput(output.each, header, count);
  }
  if (output.kind === 'tcpdump') {
    const { openTcpdumpFiles } = await import('./open-tcpdump-files.ts');
    account?.become();
    return openTcpdumpFiles(output, header, count, { startMs, settleMs: SETTLE_MS, notice });
  }
  // One file needs nothing of a series, and loading that takes a sixth of the start.
  const { openSeries } = await import('./open-series.ts');
  const { startEvent } = await import('./start-event.ts');
  account?.become();
  const context = { startMs, counts: () => source.statistics(), settleMs: SETTLE_MS, notice };
  return openSeries(output, header, count, startEvent(options, output, header, filter), context);
}
