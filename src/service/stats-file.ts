// `--stats-file`: the counters of a capture as Prometheus reads them, for node_exporter's textfile collector. The format is
// https://prometheus.io/docs/instrumenting/exposition_formats/, text version 0.0.4.
import { constants, lstatSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { OptionError, SyscallError } from '../errors.ts';

/** Since the capture began. received = written + dropped + noSpace + filtered + unread. */
export interface Counters {
  readonly received: number;
  readonly written: number;
  readonly dropped: number;
  readonly noSpace: number;
  readonly filtered: number;
  readonly unread: number;
  readonly late: number;
  readonly ifDropped: number;
  readonly queueFreezes: number;
  /** Complete savefiles that exist now; undefined where there is no series. */
  readonly savefilesComplete?: number | undefined;
}

interface Values extends Counters {
  readonly startSec: number;
  readonly updateSec: number;
}

type Metric = readonly [value: keyof Values, name: string, type: 'counter' | 'gauge', help: string];

/** node_exporter leaves out what has another help text in another file: think twice before changing one. */
const METRICS: readonly Metric[] = [
  [
    'received',
    'packets_received_total',
    'counter',
    'Packets that passed the filter in the kernel, lost ones included.',
  ],
  ['written', 'packets_written_total', 'counter', 'Packets written to savefiles.'],
  ['dropped', 'packets_dropped_total', 'counter', 'Packets lost because the ring of the kernel was full.'],
  ['noSpace', 'packets_no_space_total', 'counter', 'Packets lost because there was no room on disk.'],
  ['filtered', 'packets_filtered_total', 'counter', 'Packets left out by a filter outside the kernel.'],
  ['unread', 'packets_unread', 'gauge', 'Packets in the ring of the kernel; after the end, those left there.'],
  ['late', 'packets_late_total', 'counter', 'Packets written into the file after the one of their interval.'],
  ['ifDropped', 'interface_dropped_total', 'counter', 'Packets lost by the network interface, where it says so.'],
  ['queueFreezes', 'queue_freezes_total', 'counter', 'How often the ring of the kernel was found full.'],
  ['savefilesComplete', 'savefiles_complete', 'gauge', 'Complete savefiles of the series that exist.'],
  ['startSec', 'start_time_seconds', 'gauge', 'When the capture began, in seconds since 1970.'],
  ['updateSec', 'last_update_time_seconds', 'gauge', 'When these numbers were read, in seconds since 1970.'],
];
const PREFIX = 'tsnetpcap_';

/** The collector runs as a user of its own. */
const FILE_MODE = 0o644;

/** A name that rename(2) may replace: of a regular file, or of none. @throws OptionError, SyscallError */
export function parseStatsFile(option: string, text: string): string {
  if (text !== '' && !text.endsWith('/') && replaceable(text)) return text;
  throw new OptionError(
    option,
    text,
    'expected the name of a file, which is replaced; not a directory, device or link',
  );
}

function replaceable(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false })?.isFile() ?? true;
  } catch (cause) {
    throw SyscallError.from(cause);
  }
}

export class StatsFile {
  readonly #path: string;
  readonly #labels: string;
  readonly #startSec: number;
  #next = '';
  #writing: Promise<void> = Promise.resolve();
  #queued: Promise<void> | undefined;

  /** `labels` are on every metric: node_exporter takes only one of two files that agree in them. `startMs`: since 1970. */
  constructor(path: string, labels: Readonly<Record<string, string>>, startMs: number) {
    const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
    this.#path = path;
    this.#labels = pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
    this.#startSec = startMs / 1000;
  }

  /**
   * Replaces the file by one with these counters, so that nobody ever sees half of it. One at a time: of the calls while a
   * write is under way, the last one's counters follow it, and resolve all of them. @throws SyscallError
   */
  write(counters: Counters): Promise<void> {
    this.#next = this.#text({ ...counters, startSec: this.#startSec, updateSec: Date.now() / 1000 });
    this.#queued ??= this.#writeAfter(this.#writing);
    return this.#queued;
  }

  async #writeAfter(previous: Promise<void>): Promise<void> {
    await previous.catch(() => {}); // its callers have been told
    this.#queued = undefined;
    this.#writing = this.#replace(this.#next);
    await this.#writing;
  }

  /** Without fsync: after a power cut nobody asks for the numbers from before it, and the next start replaces them. */
  async #replace(text: string): Promise<void> {
    const temporary = `${this.#path}.tmp`; // the collector reads *.prom only
    const flag = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;
    try {
      await writeFile(temporary, text, { mode: FILE_MODE, flag });
      await rename(temporary, this.#path);
    } catch (cause) {
      await rm(temporary, { force: true }).catch(() => {}); // the first failure is the one to be told
      throw SyscallError.from(cause, temporary);
    }
  }

  #text(values: Values): string {
    const lines: string[] = [];
    for (const [key, name, type, help] of METRICS) {
      const value = values[key];
      if (value === undefined) continue;
      const metric = PREFIX + name;
      lines.push(`# HELP ${metric} ${help}`, `# TYPE ${metric} ${type}`, `${metric}${this.#labels} ${value}`);
    }
    return `${lines.join('\n')}\n`;
  }
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '"': '\\"', '\n': '\\n' };

function escapeLabel(value: string): string {
  return value.replace(/[\\"\n]/g, (character) => ESCAPES[character] ?? character);
}
