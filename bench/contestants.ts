// The programs that benchmarks compare: how each is told to capture the same packets the same way, and where it says what it
// has seen. Called by the cells with live captures.
import { CAPTURE } from './lab.ts';

export interface CaptureSettings {
  readonly snaplen: number;
  /** Bytes of ring between kernel and program. */
  readonly ringMemory: number;
}

/** As a program says them. */
export interface Counts {
  /** By the filter in the kernel, those included that were dropped. */
  readonly received: number;
  /** What it says that it has written. */
  readonly captured: number;
  readonly dropped: number;
}

export interface Contestant {
  readonly name: string;
  /** `program`: of `Bench`. */
  argv(program: string, file: string, settings: CaptureSettings): string[];
  /** What it reads on stdin. */
  stdin?(settings: CaptureSettings): string;
  /** It says so when no packet is missed any more. */
  readonly listening: RegExp;
  /** From all that it said, NaN for what it did not; `offered` is for who can't know what the kernel dropped. */
  counts(said: string, offered: number): Counts;
}

const MIB = 1024 * 1024;

/** The built program with more options; without any it is the engine `ring` with a single file. */
export function tsnetpcap(name: string, ...options: string[]): Contestant {
  return {
    name,
    argv: (program, file, { snaplen, ringMemory }) => {
      const common = ['-i', CAPTURE.name, '-s', String(snaplen), '--ring-memory', String(ringMemory), '-q', '-w', file];
      return [process.execPath, program, ...common, ...options];
    },
    listening: /listening on/,
    counts: countsOfTcpdump,
  };
}

export const ours: Contestant = tsnetpcap('tsnetpcap');
export const libpcapEngine: Contestant = tsnetpcap('tsnetpcap, libpcap', '--engine', 'libpcap');

/** It sees no count of drops, so all that it has not written is one. */
export const capEngine: Contestant = {
  ...tsnetpcap('tsnetpcap, cap', '--engine', 'cap'),
  counts: (said, offered) => {
    const { captured } = countsOfTcpdump(said);
    return { received: offered, captured, dropped: offered - captured };
  },
};

export const tcpdump: Contestant = {
  name: 'tcpdump',
  argv: (_, file, { snaplen, ringMemory }) => {
    const ring = String(Math.ceil(ringMemory / 1024)); // KiB
    return ['tcpdump', '-i', CAPTURE.name, '-s', String(snaplen), '-B', ring, '-Z', 'root', '-n', '-w', file];
  },
  listening: /listening on/,
  counts: countsOfTcpdump,
};

/** As most run it: a ring of 2 MiB. */
export const tcpdumpByDefault: Contestant = {
  ...tcpdump,
  name: 'tcpdump, ring 2 MiB',
  argv: (_, file, { snaplen }) => ['tcpdump', '-i', CAPTURE.name, '-s', String(snaplen), '-Z', 'root', '-w', file],
};

/** `-q`: without the running count on stderr, which costs. */
export const dumpcap: Contestant = {
  name: 'dumpcap',
  argv: (_, file, { snaplen, ringMemory }) => {
    const ring = String(Math.ceil(ringMemory / MIB));
    return ['dumpcap', '-q', '-i', CAPTURE.name, '-s', String(snaplen), '-B', ring, '-P', '-w', file];
  },
  listening: /^File: /m,
  counts: (said) => {
    const [, taken, dropped] = /received\/dropped on interface .*: (\d+)\/(\d+) /.exec(said) ?? [];
    return {
      received: Number(taken) + Number(dropped),
      captured: number(said, /^Packets captured: (\d+)$/m),
      dropped: Number(dropped),
    };
  },
};

/** Has no option for the snaplen: a filter of one instruction, `ret #96`, is as good. `-A`: it leaves the machine as it is. */
export const netsniffNg: Contestant = {
  name: 'netsniff-ng',
  argv: (_, file, { ringMemory }) => {
    const options = ['--silent', '-A', '-T', '0xa1b2c3d4', '-S', `${Math.ceil(ringMemory / MIB)}MiB`, '-f', '-'];
    return ['netsniff-ng', '--in', CAPTURE.name, '--out', file, ...options];
  },
  stdin: ({ snaplen }) => `{ 0x6, 0, 0, 0x${snaplen.toString(16)} },\n`,
  listening: /^Running!/m,
  // `incoming` is what it has read; `failed filter` is what the kernel had no room for, and `passed filter` the rest.
  counts: (said) => {
    const received = number(said, /(\d+) +packets passed filter/) + number(said, /(\d+) +packets failed filter/);
    const captured = number(said, /(\d+) +packets incoming/);
    return { received, captured, dropped: received - captured };
  },
};

function countsOfTcpdump(said: string): Counts {
  return {
    received: number(said, /(\d+) packets? received by filter/),
    captured: number(said, /(\d+) packets? captured/),
    dropped: number(said, /(\d+) packets? dropped by kernel/),
  };
}

function number(said: string, pattern: RegExp): number {
  return Number(pattern.exec(said)?.[1]);
}
