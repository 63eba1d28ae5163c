// The options of `tsnetpcap read`, as data; read.ts acts on them.
import * as values from '../capture/values.ts';
import { parseDuration } from '../rotation/duration.ts';
import { parseSize } from '../rotation/retention.ts';
import type { Precision } from '../savefile/header.ts';
import type { RecordInstant } from '../savefile/reading/selection.ts';
import type { Flag } from './flag.ts';
import { parseInstant } from './instant.ts';

/** What was given. */
export interface ReadFlags {
  readonly w?: string;
  readonly count?: true;
  readonly c?: number;
  readonly snaplen?: number;
  readonly from?: RecordInstant;
  readonly to?: RecordInstant;
  readonly y?: string;
  readonly F?: string;
  readonly timeStampPrecision?: Precision;
  readonly rotate?: number;
  readonly rotateSize?: number;
  readonly rotatePackets?: number;
  readonly utc?: true;
  readonly clobber?: false;
  readonly fileMode?: number;
  readonly q?: true;
  readonly help?: true;
}

const group = { packets: 'Packets:', savefiles: 'Savefiles:', information: 'Information:' } as const;

export const READ_FLAGS: readonly Flag<ReadFlags>[] = [
  {
    name: 'c',
    letter: 'c',
    value: 'count',
    help: 'stop after so many packets',
    group: group.packets,
    parse: values.parseCount,
  },
  {
    name: 'from',
    long: ['from'],
    value: 'time',
    help: 'only packets from this time on: 2026-01-31T12:00:00.5, or seconds since 1970',
    group: group.packets,
    parse: parseInstant,
  },
  {
    name: 'to',
    long: ['to'],
    value: 'time',
    help: 'only packets before this time',
    group: group.packets,
    parse: parseInstant,
  },
  {
    name: 'F',
    letter: 'F',
    value: 'file',
    help: 'read the filter expression from a file',
    group: group.packets,
  },
  {
    name: 'snaplen',
    letter: 's',
    long: ['snaplen'],
    value: 'bytes',
    help: 'keep no more bytes of each packet',
    group: group.packets,
    parse: values.parseSnaplen,
  },
  {
    name: 'y',
    letter: 'y',
    long: ['linktype'],
    value: 'type',
    words: ['LINUX_SLL'],
    help: 'LINUX_SLL: turn packets of LINUX_SLL2 into this link type, which more programs read',
    group: group.packets,
  },
  {
    name: 'w',
    letter: 'w',
    value: 'file',
    help: 'file, - for stdout, or a strftime(3) pattern for a series',
    group: group.savefiles,
  },
  {
    name: 'timeStampPrecision',
    long: ['time-stamp-precision'],
    value: 'unit',
    words: ['micro', 'nano'],
    help: 'micro or nano (default: nano if a file has it)',
    group: group.savefiles,
    parse: values.parsePrecision,
  },
  {
    name: 'timeStampPrecision',
    long: ['nano'],
    gives: 'nano',
    help: 'the same as --time-stamp-precision nano',
    group: group.savefiles,
  },
  {
    name: 'timeStampPrecision',
    long: ['micro'],
    gives: 'micro',
    help: 'the same as --time-stamp-precision micro',
    group: group.savefiles,
  },
  {
    name: 'rotate',
    long: ['rotate'],
    value: 'time',
    help: "a new file at each multiple of this time on the packets' clock (default of a series: 1h)",
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
    parse: values.parseCount,
  },
  { name: 'utc', long: ['utc'], help: 'names and boundaries of a series in UTC', group: group.savefiles },
  { name: 'clobber', long: ['no-clobber'], help: 'do not overwrite an existing file', group: group.savefiles },
  {
    name: 'fileMode',
    long: ['file-mode'],
    value: 'mode',
    help: 'permissions of the files of a series (default: 640)',
    group: group.savefiles,
    parse: values.parseFileMode,
  },
  { name: 'count', long: ['count'], help: 'print how many packets there are', group: group.information },
  { name: 'q', letter: 'q', help: 'no status line on a terminal', group: group.information },
  { name: 'help', letter: 'h', long: ['help'], help: 'print this help', group: group.information },
];
