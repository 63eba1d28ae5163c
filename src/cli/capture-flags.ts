// The options of a capture, as data: what each is called, takes and says. capture.ts acts on them. A row that is added needs
// its place in man/tsnetpcap.8 and its run in the comparison with tcpdump; tests say so when one is missing.
import { ENGINES, type Engine } from '../capture/engine.ts';
import type { SyncPolicy } from '../capture/series-options.ts';
import * as values from '../capture/values.ts';
import type { Direction } from '../filter/compile.ts';
import type { SnaplenClass } from '../filter/keep-options.ts';
import type { CompressionFormat } from '../rotation/compression-format.ts';
import type { FreeSpace } from '../rotation/retention.ts';
import type { Precision } from '../savefile/header.ts';
import { parseStatsFile } from '../service/stats-file.ts';
import type { Flag } from './flag.ts';
import { PACKET_FLAGS } from './packet-flags.ts';
import { PRINTING_FLAGS } from './printing-flags.ts';
import { parseStatsInterval } from './reports.ts';
import { SAVEFILE_FLAGS } from './savefile-flags.ts';

/** What was given. */
export interface CaptureFlags {
  readonly interface?: string;
  readonly snaplen: number;
  readonly r?: string;
  readonly V?: string;
  readonly count?: true;
  readonly w?: string;
  readonly C?: number;
  readonly G?: number;
  readonly W?: number;
  readonly engine?: Engine;
  readonly y?: string;
  readonly p?: false;
  readonly Q?: Direction;
  readonly I?: true;
  readonly j?: string;
  readonly immediateMode?: true;
  readonly waitForInterface?: true;
  readonly exitOnDown?: true;
  readonly B?: number;
  readonly ringMemory?: number;
  readonly F?: string;
  readonly exclude?: readonly string[];
  readonly snaplenFor?: readonly SnaplenClass[];
  readonly keepNames?: true;
  readonly headersOnly?: true;
  readonly sampleFlows?: number;
  readonly timeStampPrecision: Precision;
  readonly rotate?: number;
  readonly rotateSize?: number;
  readonly rotatePackets?: number;
  readonly ring?: number;
  readonly maxAge?: number;
  readonly maxBytes?: number;
  readonly minFree?: FreeSpace;
  readonly utc?: true;
  readonly clobber?: false;
  readonly fileMode?: number;
  readonly part?: false;
  readonly sync?: SyncPolicy;
  readonly compress?: CompressionFormat;
  readonly z?: string;
  readonly Z?: string;
  readonly ledger?: false;
  readonly c?: number;
  readonly duration?: number;
  readonly q?: true;
  readonly statsInterval?: number;
  readonly statsFile?: string;
  /** How often it was given. */
  readonly d?: number;
  readonly D?: true;
  readonly L?: true;
  readonly J?: true;
  readonly check?: true;
  readonly printConfig?: true;
  readonly U?: true;
  /** How often it was given. */
  readonly v?: number;
  /** Any of those that say how to print packets. */
  readonly printing?: true;
  readonly help?: true;
  readonly version?: true;
}

export const CAPTURE_FLAGS: readonly Flag<CaptureFlags>[] = [
  ...PACKET_FLAGS,
  ...SAVEFILE_FLAGS,
  {
    name: 'engine',
    long: ['engine'],
    value: 'name',
    words: ENGINES,
    help: `${ENGINES.join(', ')} (default: the first that takes the other options)`,
    group: 'Kernel ring:',
    parse: values.parseEngine,
  },
  {
    name: 'immediateMode',
    long: ['immediate-mode'],
    help: 'hand over each packet as soon as it is there',
    group: 'Kernel ring:',
    tcpdump: true,
  },
  {
    name: 'B',
    letter: 'B',
    long: ['buffer-size'],
    value: 'KiB',
    help: 'memory for the ring between kernel and program',
    group: 'Kernel ring:',
    parse: values.parseBufferKib,
    conflicts: 'ringMemory',
    tcpdump: true,
  },
  {
    name: 'ringMemory',
    long: ['ring-memory'],
    value: 'size',
    help: 'the same with a unit, such as 64MiB (default: 16MiB)',
    group: 'Kernel ring:',
    parse: values.parseRingMemory,
  },
  {
    name: 'count',
    long: ['count'],
    help: 'with -r or -V: print how many packets there are; of no effect in a capture',
    group: 'Information:',
    tcpdump: true,
  },
  {
    name: 'd',
    letter: 'd',
    help: 'print the filter program that is attached, -dd as C, -ddd as numbers',
    group: 'Information:',
    repeat: 'count',
    tcpdump: true,
  },
  {
    name: 'D',
    letter: 'D',
    long: ['list-interfaces'],
    help: 'list the interfaces',
    group: 'Information:',
    tcpdump: true,
  },
  {
    name: 'L',
    letter: 'L',
    long: ['list-data-link-types'],
    help: 'list the link types that -y takes for the interface',
    group: 'Information:',
    tcpdump: true,
  },
  {
    name: 'J',
    letter: 'J',
    long: ['list-time-stamp-types'],
    help: 'list the time stamp types of the interface',
    group: 'Information:',
    tcpdump: true,
  },
  {
    name: 'check',
    long: ['check'],
    help: 'say whether this capture could begin, and what is in its way',
    group: 'Information:',
  },
  {
    name: 'printConfig',
    long: ['print-config'],
    help: 'print the options that hold, defaults included',
    group: 'Information:',
  },
  {
    name: 'q',
    letter: 'q',
    help: 'no status line on a terminal',
    group: 'Information:',
    tcpdump: true,
  },
  {
    name: 'v',
    letter: 'v',
    help: 'say every second how many packets were captured',
    group: 'Information:',
    repeat: 'count',
    tcpdump: true,
  },
  {
    name: 'statsInterval',
    long: ['stats-interval'],
    value: 'time',
    help: 'print all counters at each such time',
    group: 'Information:',
    parse: parseStatsInterval,
  },
  {
    name: 'statsFile',
    long: ['stats-file'],
    value: 'file',
    help: 'keep all counters there for Prometheus',
    group: 'Information:',
    parse: parseStatsFile,
  },
  {
    name: 'version',
    long: ['version'],
    help: 'print version',
    group: 'Information:',
    tcpdump: true,
  },
  {
    name: 'help',
    letter: 'h',
    long: ['help'],
    help: 'print this help',
    group: 'Information:',
    tcpdump: true,
  },
  ...PRINTING_FLAGS,
];
