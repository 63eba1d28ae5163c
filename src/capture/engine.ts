// The engines that packets can come from, and what each of them can do, as data: options are checked against it, the
// manual's table is held against it, and the tests try that what is claimed holds, and what is denied does not.
import { OptionError } from '../errors.ts';
import { type KeepOptions, keepOptionsGiven } from '../filter/keep-options.ts';
import type { Precision } from '../savefile/header.ts';

export const ENGINES = ['ring', 'libpcap', 'cap'] as const;
/** Where packets come from: the kernel's ring mapped into memory, the system's libpcap, or the npm package cap. */
export type Engine = (typeof ENGINES)[number];

export interface Capability {
  /** For the manual. */
  readonly text: string;
  readonly engines: readonly Engine[];
}

export type CapabilityName =
  | 'kernelTimestamps'
  | 'nanoseconds'
  | 'timestampTypes'
  | 'filterFromStart'
  | 'snaplenInKernel'
  | 'promiscuousOff'
  | 'dropCounts'
  | 'queueFreezes'
  | 'survivesRemoval'
  | 'linktypes'
  | 'monitorMode'
  | 'otherDevices'
  | 'largeBuffer'
  | 'userSpaceFilter';

export const CAPABILITIES: Readonly<Record<CapabilityName, Capability>> = {
  kernelTimestamps: { text: "the kernel's timestamps", engines: ['ring', 'libpcap'] },
  nanoseconds: { text: 'nanoseconds', engines: ['ring', 'libpcap'] },
  timestampTypes: { text: 'timestamps of the network card', engines: ['libpcap'] },
  filterFromStart: { text: 'the filter holds for the first packet', engines: ['ring', 'libpcap', 'cap'] },
  snaplenInKernel: { text: 'packets are cut in the kernel', engines: ['ring', 'libpcap'] },
  promiscuousOff: { text: 'promiscuous mode can be left off', engines: ['ring', 'libpcap'] },
  dropCounts: { text: 'counts what the kernel dropped', engines: ['ring', 'libpcap'] },
  queueFreezes: { text: 'counts how often the ring was full', engines: ['ring'] },
  survivesRemoval: { text: 'goes on with the next interface of a name', engines: ['ring', 'libpcap', 'cap'] },
  linktypes: { text: 'a choice of link types', engines: ['ring', 'libpcap'] },
  monitorMode: { text: 'monitor mode', engines: ['libpcap'] },
  otherDevices: { text: 'devices that are no network interfaces', engines: ['libpcap'] },
  largeBuffer: { text: 'a buffer of 2 GiB and more', engines: ['ring'] },
  userSpaceFilter: { text: 'runs a filter that the kernel refuses', engines: ['ring'] },
};

export interface EngineOptions extends KeepOptions {
  /** Default the first that takes all the other options. */
  readonly engine: Engine | undefined;
  /** Also packets that are for other machines, as far as the network card gets to see them; not on `any`. Default true. */
  readonly promiscuous: boolean;
  /** Of timestamps. Default micro. */
  readonly precision: Precision;
  /** Name of the link type that was asked for. */
  readonly linktype: string | undefined;
  /** Monitor mode, of wireless interfaces. Default false. */
  readonly monitor: boolean;
  /** Who stamps packets, as pcap-tstamp(7) calls it. Default the device's own, which for network interfaces is the kernel. */
  readonly timestampType: string | undefined;
  /** Bytes between kernel and program, 1 KiB to 4 GiB. Default 16 MiB. */
  readonly ringMemory: number;
}

/** pcap_set_buffer_size(3PCAP) takes an int. */
const LARGE_BUFFER: number = 2 ** 31;
/** The kernel does it, with every packet. */
const HOST_TIMESTAMPS: readonly (string | undefined)[] = [undefined, 'host'];

/** libpcap's first choice for cooked captures, and so the one that `cap` gets. */
export const CAP_COOKED = 'LINUX_SLL';

/** What the options need, by the words that a user asked for it with. */
function needs(
  options: EngineOptions,
  device: string,
  packetSocket: boolean,
  userSpace: boolean,
): [string, CapabilityName][] {
  const { promiscuous, precision, linktype, monitor, timestampType, ringMemory } = options;
  const needed: [string, CapabilityName][] = [];
  if (!packetSocket) needed.push([`-i ${device}`, 'otherDevices']);
  if (!promiscuous) needed.push(['-p', 'promiscuousOff']);
  if (precision === 'nano') needed.push(['--time-stamp-precision nano', 'nanoseconds']);
  if (linktype !== undefined && linktype !== CAP_COOKED) needed.push([`-y ${linktype}`, 'linktypes']);
  if (monitor) needed.push(['-I', 'monitorMode']);
  if (!HOST_TIMESTAMPS.includes(timestampType)) needed.push([`-j ${timestampType}`, 'timestampTypes']);
  for (const option of keepOptionsGiven(options).all)
    if (option !== '--sample-flows') needed.push([option, 'snaplenInKernel']);
  if (ringMemory >= LARGE_BUFFER) needed.push([`${ringMemory / 2 ** 20} MiB of ring memory`, 'largeBuffer']);
  if (userSpace) needed.push(['a filter that the kernel refuses', 'userSpaceFilter']);
  return needed;
}

/**
 * The engine for a capture of `device`. `packetSocket`: it is a network interface. `userSpace`: the kernel has not taken all
 * of the filter. @throws OptionError when the engine that was asked for does not take another option, or none takes all of
 * them
 */
export function chooseEngine(
  options: EngineOptions,
  device: string,
  packetSocket: boolean,
  userSpace: boolean,
): Engine {
  const needed = needs(options, device, packetSocket, userSpace);
  const missing = (engine: Engine): [string, CapabilityName] | undefined =>
    needed.find(([, name]) => !enginesWith(name).includes(engine));
  const engine = options.engine ?? ENGINES.find((each) => missing(each) === undefined) ?? 'ring';
  const [what, name] = missing(engine) ?? [];
  if (name === undefined) return engine;
  throw new OptionError('--engine', engine, `it does not take ${what}, as ${enginesWith(name).join(' and ')} would`);
}

function enginesWith(name: CapabilityName): readonly Engine[] {
  return CAPABILITIES[name].engines;
}
