// From filter options to the one program on the capture's socket. libpcap compiles each part and loads it into a handle
// of its own, so that link type, VLAN metadata and the rewrite for cooked sockets are libpcap's and the kernel has
// accepted the result; the loaded programs are read back and chained. The handle is closed before this returns. Called by
// capture/open.ts and by -d.
//
//   [loopback packet as it leaves?] -> 0   [excluded?] -> 0   [expression?] -> 0   [flow not sampled?] -> 0
//   -> bytes to keep
//
// A device that is no network interface (nflog, bluetooth, …) has no socket that could run a program: libpcap does, and the
// programs are taken as it has compiled them.
//
// When the kernel can't run all of that (too many instructions, too little memory for them, or libpcap has no way to put the
// expression), then, as with tcpdump, a part of it is left to user space: the expression, as libpcap compiled it before it
// was rewritten for the socket, or the exclusions, or both. The rest stays in the kernel.

import { CaptureError, OptionError, SyscallError } from '../errors.ts';
import { PACKET_OUTGOING } from '../native/if_packet.ts';
import * as libc from '../native/libc.ts';
import * as pcap from '../native/libpcap.ts';
import { MAXIMUM_SNAPLEN } from '../savefile/header.ts';
import { cookedLength, outputLinktype } from '../savefile/linktype.ts';
import { appendExclusions, type Exclusions, parseExclusion } from './exclude.ts';
import { checkWhole, type Given, withDefaults } from './given.ts';
import { chooseLinktype, openHandle } from './handle.ts';
import { type KeepOptions, keepOptionsGiven, MAX_SAMPLE_FLOWS, type SnaplenClass } from './keep-options.ts';
import { appendKeptBytes, largestKept } from './kept-bytes.ts';
import {
  attached,
  hasSocket,
  KEEP_ALL,
  loadedOrCompiled,
  loadedProgram,
  namedProgram,
  tooLong,
} from './loaded-program.ts';
import type { Network } from './network.ts';
import {
  BPF_ABS,
  BPF_JEQ,
  BPF_LD,
  BPF_MAXINSNS,
  BPF_W,
  Label,
  type Program,
  ProgramBuilder,
  SKF_AD_IFINDEX,
  SKF_AD_PKTTYPE,
} from './program.ts';
import { reachOf } from './reach.ts';
import { appendSampling } from './sample-flows.ts';
import { hasNetworkHeader } from './tags.ts';

/** What the kernel does not take, for the ring engine to run; the kernel has what is undefined here. */
export interface UserSpace {
  /** In libpcap's dialect. */
  readonly expression: Program | undefined;
  /** In the kernel's dialect, of any length: 0 for what is excluded. */
  readonly exclusions: Program | undefined;
}

/** A program for a device, and what a savefile of its packets has to say of them. */
export interface CompiledFilter {
  /** What the capture's socket is to run; checked by the kernel. Or libpcap, where there is no such socket. */
  readonly program: Program;
  /** What to run on each packet that the kernel lets through; undefined when it runs all of it. */
  readonly userSpace: UserSpace | undefined;
  /** The device is a network interface, or all of them: an AF_PACKET socket brings its packets. */
  readonly packetSocket: boolean;
  /** The interface's name, also when its number was given. */
  readonly device: string;
  /** DLT_ value of the handle, and LINKTYPE_ value for the savefile's header. */
  readonly dlt: number;
  readonly linktype: number;
  readonly linktypeName: string;
  readonly linktypeDescription: string;
  /** For the savefile's header: the most that is kept, raised so that a cooked header and one byte fit. */
  readonly snaplen: number;
  /** What a user should know, in libpcap's and tcpdump's words, in their order. */
  readonly warnings: readonly string[];
}

/** Of packets, as seen from this machine. */
export type Direction = 'in' | 'out' | 'inout';

/** Which packets of a device, and how much of each. */
export interface FilterOptions extends KeepOptions {
  /** Interface name, its number in `-D`, or `any`. Default any. */
  readonly device: string;
  /** Name of the link type, such as LINUX_SLL, where the device offers a choice. Default LINUX_SLL2 on `any`. */
  readonly linktype: string | undefined;
  /** Default inout. */
  readonly direction?: Direction | undefined;
  /** pcap-filter(7): only packets that match. Default '', all. */
  readonly expression: string;
  /** Networks, addresses or expressions: none of these packets, with VLAN tags or without. Default []. */
  readonly exclude: readonly string[];
  /** The capture will be in monitor mode, where a wireless interface has another link type. Default false. */
  readonly monitor?: boolean;
}

/** What holds for options that are left out. */
export const FILTER_DEFAULTS: FilterOptions = {
  device: 'any',
  snaplen: MAXIMUM_SNAPLEN,
  linktype: undefined,
  expression: '',
  exclude: [],
};

/**
 * The program for a socket that captures on a device, which must be there, as the device decides about link type and
 * metadata; needs CAP_NET_RAW. The kernel has accepted the program: it can be attached to a packet socket (SO_ATTACH_FILTER),
 * of type SOCK_DGRAM where the link type is a cooked one, else SOCK_RAW.
 * @throws CaptureError ERR_FILTER, OptionError, PcapError, SyscallError
 */
export function compileFilter(given: Given<FilterOptions>): CompiledFilter {
  const options = withDefaults(FILTER_DEFAULTS, given);
  checkBytes(options);
  const { p, device, warnings } = openHandle(options);
  try {
    const chosen = chooseLinktype(p, device, options.linktype);
    if (chosen !== undefined) warnings.push(`data link type ${chosen}`);
    const dlt = pcap.pcap_datalink(p);
    const linktype = outputLinktype(dlt);
    const snaplen = pcap.pcap_snapshot(p);
    if (snaplen > options.snaplen) warnings.push(`WARNING: snaplen raised from ${options.snaplen} to ${snaplen}`);
    const kept = { ...options, snaplen };
    return {
      ...compose(p, device, kept, linktype, warnings),
      packetSocket: hasSocket(p),
      device,
      dlt,
      linktype,
      linktypeName: pcap.pcap_datalink_val_to_name(dlt) ?? `${dlt}`,
      linktypeDescription: pcap.pcap_datalink_val_to_description(dlt) ?? 'unknown',
      snaplen: largestKept(kept),
      warnings,
    };
  } finally {
    pcap.pcap_close(p);
  }
}

function checkBytes({ snaplen, snaplenFor = [], sampleFlows }: FilterOptions): void {
  checkWhole('snaplen', snaplen, 1, MAXIMUM_SNAPLEN);
  for (const { bytes } of snaplenFor) checkWhole('snaplenFor', bytes, 1, MAXIMUM_SNAPLEN);
  if (sampleFlows !== undefined) checkWhole('sampleFlows', sampleFlows, 1, MAX_SAMPLE_FLOWS);
}

interface Composed {
  readonly program: Program;
  readonly userSpace: UserSpace | undefined;
}

const NO_EXCLUSIONS: Exclusions = { networks: [], programs: [] };

function compose(
  p: pcap.pcap_t,
  device: string,
  options: FilterOptions,
  linktype: number,
  warnings: string[],
): Composed {
  const { expression, exclude, snaplen } = options;
  const cooked = cookedLength(linktype);
  const bytes = snaplen - cooked;
  const all = compileExclusions(p, exclude, linktype);
  const around = (program: Program, exclusions: Exclusions, kept: number): Program =>
    attached(p, chain(p, { device, options, linktype, exclusions, expression: program, bytes: kept }));
  // Then how much is kept of a packet is the kernel's to say, who must have run the rest for it.
  if (keepOptionsGiven(options).all.length > 0)
    return { program: around(loadedProgram(p, expression), all, bytes), userSpace: undefined };
  const { loaded, compiled } = loadedOrCompiled(p, expression);
  let refusal: unknown;
  for (const outside of exclude.length === 0 ? [false] : [false, true]) {
    const exclusions = outside ? exclusionsAlone(all, linktype) : undefined;
    for (const left of loaded === undefined ? [compiled] : [undefined, compiled]) {
      const reach = Math.max(left ? reachOf(left) - cooked : 0, exclusions ? reachOf(exclusions) : 0);
      const kept = Math.max(bytes, Math.min(reach, MAXIMUM_SNAPLEN - cooked));
      try {
        const program = around(left ? KEEP_ALL : (loaded ?? KEEP_ALL), outside ? NO_EXCLUSIONS : all, kept);
        return { program, userSpace: left || exclusions ? { expression: left, exclusions } : undefined };
      } catch (cause) {
        if (!(cause instanceof CaptureError && cause.code === 'ERR_FILTER')) throw cause;
        // Where nothing was loaded libpcap has warned already.
        if (refusal === undefined && loaded !== undefined) warnings.push(userSpaceWarning(cause));
        refusal = cause;
      }
    }
  }
  throw refusal;
}

/** 0 for what is excluded, else 1. */
function exclusionsAlone(exclusions: Exclusions, linktype: number): Program {
  const builder = new ProgramBuilder();
  const drop = new Label();
  appendExclusions(builder, exclusions, linktype, drop);
  builder.ret(1);
  builder.place(drop);
  builder.ret(0);
  return builder.build();
}

/** In libpcap's words for the same. */
function userSpaceWarning(cause: CaptureError): string {
  return cause.cause instanceof SyscallError && cause.cause.code === 'ENOMEM'
    ? "Warning: Couldn't allocate kernel memory for filter: try increasing net.core.optmem_max with sysctl"
    : 'Warning: Kernel filter failed: Invalid argument';
}

interface Links {
  readonly device: string;
  readonly options: FilterOptions;
  readonly linktype: number;
  readonly exclusions: Exclusions;
  readonly expression: Program;
  /** To keep of what the expression accepts, where no option says otherwise. */
  readonly bytes: number;
}

function chain(p: pcap.pcap_t, { device, options, linktype, exclusions, expression, bytes }: Links): Program {
  const { sampleFlows, snaplenFor = [] } = options;
  const { headers, all } = keepOptionsGiven(options);
  if (all.length > 0 && !hasSocket(p))
    throw new CaptureError(
      'ERR_FILTER',
      `${all.join(', ')}: ${device} is no network interface, libpcap cuts its packets`,
    );
  const { direction = 'inout' } = options;
  if (direction !== 'inout' && !hasSocket(p))
    throw new OptionError('-Q', direction, `${device} is no network interface, its packets have no direction`);
  if (headers.length > 0 && !hasNetworkHeader(linktype)) {
    const name = pcap.pcap_datalink_val_to_name(pcap.pcap_datalink(p)) ?? `${linktype}`;
    const supported = 'EN10MB, LINUX_SLL, LINUX_SLL2 and RAW';
    throw new CaptureError('ERR_FILTER', `${headers.join(', ')}: link type ${name}, supported are ${supported}`);
  }
  const builder = new ProgramBuilder();
  const drop = new Label();
  const directed = appendDirection(builder, direction, drop);
  // Without outgoing packets there is nothing to guard against.
  const guarded = direction === 'in' || appendLoopbackGuard(builder, device, drop) || directed;
  appendExclusions(builder, exclusions, linktype, drop);
  const accepted = new Label();
  builder.append(expression.instructions(), (k) => {
    if (k === 0) builder.ret(0);
    else if (all.length === 0) builder.ret(bytes);
    else builder.goto(accepted);
  });
  if (all.length > 0) {
    builder.place(accepted);
    if (sampleFlows !== undefined) appendSampling(builder, sampleFlows, linktype, drop);
    const programs = snaplenFor.map((kept) => namedProgram(p, kept.expression, snaplenForText(kept)));
    appendKeptBytes(builder, { options, programs, linktype });
  }
  const excluding = exclusions.networks.length + exclusions.programs.length > 0;
  if (guarded || excluding || sampleFlows !== undefined) {
    builder.place(drop);
    builder.ret(0);
  }
  const program = builder.build();
  if (all.length > 0 && program.length > BPF_MAXINSNS)
    throw new CaptureError(
      'ERR_FILTER',
      `${all.join(', ')}: the kernel can't run this filter: ${tooLong(program.length)}`,
    );
  return program;
}

/** What libpcap asks of each packet in user space (pcap_setdirection(3PCAP)). */
function appendDirection(builder: ProgramBuilder, direction: Direction, drop: Label): boolean {
  if (direction === 'inout') return false;
  const next = new Label();
  builder.add(BPF_LD | BPF_W | BPF_ABS, SKF_AD_PKTTYPE);
  builder.jump(BPF_JEQ, PACKET_OUTGOING, direction === 'out' ? next : drop, direction === 'out' ? drop : next);
  builder.place(next);
  return true;
}

function snaplenForText({ expression, bytes }: SnaplenClass): string {
  return `--snaplen-for ${expression}=${bytes}`;
}

/**
 * The kernel shows a packet on `lo` twice, as it leaves and as it arrives. libpcap drops the first copy in user space; here
 * it costs neither room in the ring nor a count. On other interfaces outgoing packets are shown once and stay.
 */
function appendLoopbackGuard(builder: ProgramBuilder, device: string, drop: Label): boolean {
  const lo = device === 'any' || device === 'lo' ? libc.if_nametoindex('lo') : undefined;
  if (lo === undefined) return false;
  const outgoing = new Label();
  const next = new Label();
  builder.add(BPF_LD | BPF_W | BPF_ABS, SKF_AD_PKTTYPE);
  builder.jump(BPF_JEQ, PACKET_OUTGOING, outgoing, next);
  builder.place(outgoing);
  builder.add(BPF_LD | BPF_W | BPF_ABS, SKF_AD_IFINDEX);
  builder.jump(BPF_JEQ, lo, drop, next);
  builder.place(next);
  return true;
}

/**
 * Every expression alone, so that a message can name it. On link types of which we don't know where an address lies the
 * networks become one program of libpcap's, which shares its loads.
 */
function compileExclusions(p: pcap.pcap_t, values: readonly string[], linktype: number): Exclusions {
  const networks: Network[] = [];
  const expressions: string[] = [];
  const programs: Program[] = [];
  for (const value of values) {
    const { expression, network } = parseExclusion(value);
    if (network === undefined) programs.push(namedProgram(p, expression, `--exclude ${value}`));
    else if (hasNetworkHeader(linktype)) networks.push(network);
    else expressions.push(expression);
  }
  if (expressions.length > 0) programs.push(loadedProgram(p, expressions.join(' or ')));
  return { networks, programs };
}
