// The options of a capture, as data: what each is called, takes and says. capture.ts acts on them. A row that is added here
// needs its place in man/tsnetpcap.8 and its run in the comparison with tcpdump; tests say so when one is missing.
import { ENGINES, type Engine } from '../capture/engine.ts';
import type { SyncPolicy } from '../capture/options.ts';
import * as options from '../capture/options.ts';
import { type CompressionFormat, parseCompression } from '../rotation/compression-format.ts';
import { parseDuration } from '../rotation/duration.ts';
import { type FreeSpace, parseFreeSpace, parseSize } from '../rotation/retention.ts';
import type { Precision } from '../savefile/header.ts';
import { parseStatsFile } from '../service/stats-file.ts';
import type { Flag } from './flag.ts';
import { parseStatsInterval } from './reports.ts';

/** What was given. */
export interface CaptureFlags {
  readonly interface: string;
  readonly snaplen: number;
  readonly w?: string;
  readonly engine?: Engine;
  readonly y?: string;
  readonly p?: true;
  readonly waitForInterface?: true;
  readonly exitOnDown?: true;
  readonly B?: number;
  readonly ringMemory?: number;
  readonly F?: string;
  readonly exclude?: readonly string[];
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
  readonly ledger?: false;
  readonly c?: number;
  readonly duration?: number;
  readonly q?: true;
  readonly statsInterval?: number;
  readonly statsFile?: string;
  /** How often it was given. */
  readonly d?: number;
  readonly D?: true;
  readonly help?: true;
  readonly version?: true;
}

const MAX_DURATION_SEC = 10 * 366 * 86400;

function parseLongDuration(option: string, text: string): number {
  return parseDuration(option, text, MAX_DURATION_SEC);
}

const group = {
  packets: 'Packets:',
  savefiles: 'Savefiles:',
  ring: 'Kernel ring:',
  information: 'Information:',
} as const;

export const CAPTURE_FLAGS: readonly Flag<CaptureFlags>[] = [
  {
    name: 'interface',
    letter: 'i',
    long: ['interface'],
    value: 'name',
    help: 'interface, its number in -D, or any',
    group: group.packets,
    default: ['any'],
    tcpdump: true,
  },
  {
    name: 'snaplen',
    letter: 's',
    long: ['snaplen', 'snapshot-length'],
    value: 'bytes',
    help: 'bytes to keep of each packet, 0 for all',
    group: group.packets,
    parse: options.parseSnaplen,
    default: [options.parseSnaplen('-s', '0'), '262144'],
    tcpdump: true,
  },
  {
    name: 'p',
    letter: 'p',
    help: 'do not put the interface into promiscuous mode',
    group: group.packets,
    tcpdump: true,
  },
  {
    name: 'waitForInterface',
    long: ['wait-for-interface'],
    help: 'begin when the interface is there and up',
    group: group.packets,
  },
  {
    name: 'exitOnDown',
    long: ['exit-on-down'],
    help: 'end when the interface is removed, instead of waiting for it',
    group: group.packets,
  },
  {
    name: 'y',
    letter: 'y',
    long: ['linktype'],
    value: 'type',
    help: 'link type of the savefile: LINUX_SLL or LINUX_SLL2 on any',
    group: group.packets,
    tcpdump: true,
  },
  {
    name: 'exclude',
    long: ['exclude'],
    value: 'net|expr',
    help: 'leave these packets out, VLAN-tagged ones too; repeatable',
    group: group.packets,
    repeat: 'list',
  },
  {
    name: 'F',
    letter: 'F',
    value: 'file',
    help: 'read the filter expression from a file',
    group: group.packets,
    tcpdump: true,
  },
  {
    name: 'c',
    letter: 'c',
    value: 'count',
    help: 'stop after so many packets',
    group: group.packets,
    parse: options.parseCount,
    tcpdump: true,
  },
  {
    name: 'duration',
    long: ['duration'],
    value: 'time',
    help: 'stop after this time: seconds, or 30s, 15m, 1h, 1d',
    group: group.packets,
    parse: parseLongDuration,
  },
  {
    name: 'w',
    letter: 'w',
    value: 'file',
    help: `file, - for stdout, or a strftime(3) pattern for a series (default: "${options.DEFAULT_SERIES}")`,
    group: group.savefiles,
    tcpdump: true,
  },
  {
    name: 'rotate',
    long: ['rotate'],
    value: 'time',
    help: 'a new file at each multiple of this time on the clock (default: 1h)',
    group: group.savefiles,
    parse: parseDuration,
  },
  {
    name: 'rotateSize',
    long: ['rotate-size'],
    value: 'size',
    help: 'a new file before one has more bytes than this',
    group: group.savefiles,
    parse: parseSize,
  },
  {
    name: 'rotatePackets',
    long: ['rotate-packets'],
    value: 'count',
    help: 'a new file after so many packets',
    group: group.savefiles,
    parse: options.parseCount,
  },
  {
    name: 'ring',
    long: ['ring'],
    value: 'files',
    help: 'keep this many complete files, delete the oldest',
    group: group.savefiles,
    parse: options.parseRingFiles,
  },
  {
    name: 'maxAge',
    long: ['max-age'],
    value: 'time',
    help: 'delete files whose last packet is older',
    group: group.savefiles,
    parse: parseLongDuration,
  },
  {
    name: 'maxBytes',
    long: ['max-bytes'],
    value: 'size',
    help: 'delete the oldest files while all together are larger',
    group: group.savefiles,
    parse: parseSize,
  },
  {
    name: 'minFree',
    long: ['min-free'],
    value: 'size|%',
    help: 'delete the oldest files while less disk space is free',
    group: group.savefiles,
    parse: parseFreeSpace,
  },
  {
    name: 'utc',
    long: ['utc'],
    help: 'names and boundaries in UTC instead of local time',
    group: group.savefiles,
  },
  {
    name: 'clobber',
    long: ['no-clobber'],
    help: 'do not overwrite an existing file',
    group: group.savefiles,
  },
  {
    name: 'fileMode',
    long: ['file-mode'],
    value: 'mode',
    help: 'permissions of new files (default: 640)',
    group: group.savefiles,
    parse: options.parseFileMode,
  },
  {
    name: 'part',
    long: ['no-part'],
    help: 'write under the final name at once, not under NAME.part until complete',
    group: group.savefiles,
  },
  {
    name: 'sync',
    long: ['sync'],
    value: 'when',
    help: 'none, close, or a time such as 30s (default: close)',
    group: group.savefiles,
    parse: options.parseSync,
  },
  {
    name: 'compress',
    long: ['compress'],
    value: 'format',
    help: 'compress complete files: gzip or zstd',
    group: group.savefiles,
    parse: parseCompression,
  },
  {
    name: 'z',
    letter: 'z',
    value: 'program',
    help: 'run this program with each complete file',
    group: group.savefiles,
    parse: options.parseProgram,
    tcpdump: true,
  },
  {
    name: 'ledger',
    long: ['no-ledger'],
    help: 'keep no ledger of the files',
    group: group.savefiles,
  },
  {
    name: 'timeStampPrecision',
    long: ['time-stamp-precision'],
    value: 'unit',
    help: 'micro or nano',
    group: group.savefiles,
    parse: options.parsePrecision,
    default: ['micro'],
    tcpdump: true,
  },
  {
    name: 'engine',
    long: ['engine'],
    value: 'name',
    help: `${ENGINES.join(', ')} (default: the first that takes the other options)`,
    group: group.ring,
    parse: options.parseEngine,
  },
  {
    name: 'B',
    letter: 'B',
    long: ['buffer-size'],
    value: 'KiB',
    help: 'memory for the ring between kernel and program',
    group: group.ring,
    parse: options.parseBufferKib,
    conflicts: 'ringMemory',
    tcpdump: true,
  },
  {
    name: 'ringMemory',
    long: ['ring-memory'],
    value: 'size',
    help: 'the same with a unit, such as 64MiB (default: 16MiB)',
    group: group.ring,
    parse: options.parseRingMemory,
  },
  {
    name: 'd',
    letter: 'd',
    help: 'print the filter program that is attached, -dd as C, -ddd as numbers',
    group: group.information,
    repeat: 'count',
    tcpdump: true,
  },
  {
    name: 'D',
    letter: 'D',
    long: ['list-interfaces'],
    help: 'list the interfaces',
    group: group.information,
    tcpdump: true,
  },
  {
    name: 'q',
    letter: 'q',
    help: 'no status line on a terminal',
    group: group.information,
    tcpdump: true,
  },
  {
    name: 'statsInterval',
    long: ['stats-interval'],
    value: 'time',
    help: 'print all counters at each such time',
    group: group.information,
    parse: parseStatsInterval,
  },
  {
    name: 'statsFile',
    long: ['stats-file'],
    value: 'file',
    help: 'keep all counters there for Prometheus',
    group: group.information,
    parse: parseStatsFile,
  },
  {
    name: 'version',
    long: ['version'],
    help: 'print version',
    group: group.information,
    tcpdump: true,
  },
  {
    name: 'help',
    letter: 'h',
    long: ['help'],
    help: 'print this help',
    group: group.information,
    tcpdump: true,
  },
];
