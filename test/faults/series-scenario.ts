// Series, FileRing, Ledger and Finisher together under faults, driven by the session itself: a start on what a crash left,
// a few minutes of packets in no time, files cut by time, by packets, by size and on demand, three of them kept and
// compressed, files released by a backup, the clock set; then the end. And then, whatever became of that, one more start,
// after which everything must be in order.
import { appendFileSync, readdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { CaptureSession } from '../../src/capture/session.ts';
import { CaptureError, SyscallError } from '../../src/errors.ts';
import { utcZone } from '../../src/native/time.ts';
import { IntervalClock } from '../../src/rotation/clock.ts';
import { FileRing, type FileRingOptions } from '../../src/rotation/file-ring.ts';
import type { LedgerEvent } from '../../src/rotation/ledger-entry.ts';
import { SavefileName } from '../../src/rotation/name.ts';
import { release } from '../../src/rotation/release.ts';
import { Series } from '../../src/savefile/series.ts';
import { SeriesBuilder } from '../rotation/series-builder.ts';
import { replay } from './replay.ts';
import type { Scenario, Stage } from './scenario.ts';
import { ScriptedClock, ScriptedSource, type Step } from './scripted-source.ts';
import { proveSeries, recordsOf } from './series-proof.ts';

const HEADER = { precision: 'micro', snaplen: 96, linktype: 1 } as const;
const KEEP = 3;
const SERIES = 'pcap';
const INTERVAL_SEC = 20;
const SETTLE_MS = 200;
/** So often a start that failed is tried again, as a service manager does. */
const STARTS = 3;
/** Behind the hours of SeriesBuilder. */
const START_MS = Date.parse('2026-01-01T12:00:07.250Z');

/** What a crash leaves: complete files, compressed and not, two that were being compressed, and one that was being written. */
function leave(directory: string, random: () => number): Buffer[] {
  const builder = new SeriesBuilder(directory).start().savefile(0).savefile(1, 3);
  const path = (hour: number): string => builder.path(builder.name(hour));
  const compress = (hour: number): Buffer => gzipSync(recordsOf(path(hour)).file);
  builder.savefile(2, 5);
  const left = [0, 1, 2].flatMap((hour) => recordsOf(path(hour)).records);
  if (random() < 0.5) builder.compress(0, 'gz', compress(0)).replace(0, 'gz');
  builder.compress(1, 'gz', compress(1));
  if (random() < 0.5) builder.compress(2, 'gz', compress(2));
  if (random() < 0.6) unlinkSync(path(1));
  builder.begin(3, 7);
  left.push(...recordsOf(`${path(3)}.part`).records);
  appendFileSync(`${path(3)}.part`, Buffer.alloc(16 + Math.floor(random() * 30), 0x21));
  return left;
}

/** A few minutes. */
function script(random: () => number, act: { readonly release: () => void; readonly lock: () => void }): Step[] {
  const steps: Step[] = [{ breath: 8 }, { act: act.lock }];
  const upTo = (most: number): number => Math.floor(random() * most);
  const packets = (most: number, lateMs = 0): Step => ({ packets: 1 + upTo(most), everyMs: upTo(400), lateMs });
  for (let n = 0; n < 7; n++) {
    steps.push(packets(14), { passMs: upTo(9000) });
    const kind = random();
    if (kind < 0.3) steps.push({ rotate: true }, packets(8));
    else if (kind < 0.5) steps.push({ act: act.release }, { passMs: 1500 }, { breath: 3 });
    else if (kind < 0.65) steps.push(packets(30), { setByMs: random() < 0.5 ? -45_000 : 70_000 }, packets(3));
    else if (kind < 0.8) steps.push({ passMs: 20_000 + upTo(20_000) }, packets(5, 8));
    if (random() < 0.7) steps.push({ breath: 1 + upTo(6) });
  }
  return steps;
}

interface Result {
  readonly written: readonly Buffer[];
  /** The capture ran to its end, and all of its savefiles are complete. */
  readonly settled: boolean;
}

class SeriesRun {
  readonly #stage: Stage;
  readonly #clock: ScriptedClock = new ScriptedClock(START_MS);
  readonly #options: FileRingOptions;

  constructor(stage: Stage) {
    this.#stage = stage;
    this.#options = {
      name: new SavefileName(join(stage.directory, 'pcap-%Y%m%d%H%M%S.pcap'), utcZone()),
      retention: { keep: KEEP },
      part: true,
      sync: true,
      ledger: true,
      fileMode: 0o640,
      compress: 'gzip',
      command: undefined,
      notice: () => {},
    };
  }

  async run(): Promise<void> {
    const { faults, directory, graveyard, random, judge } = this.#stage;
    const left = faults.aside(() => leave(directory, random));
    const names = faults.aside(() => readdirSync(directory));
    this.#clock.install();
    try {
      const steps = script(random, { release: () => this.#release(), lock: () => this.#expectLocked() });
      let first = await this.#capture(steps);
      for (let starts = 1; starts < STARTS && first === undefined; starts++) first = await this.#capture(steps);
      const { hits } = faults.met();
      const failed = Object.values(hits).some((count) => count > 0);
      if (!failed && first?.settled !== true) throw new Error('a capture without a fault did not end as it should');
      faults.heal();
      this.#clock.pass(2 * INTERVAL_SEC * 1000);
      const second = await this.#capture([{ breath: 5 }, { packets: 20, everyMs: 1500, lateMs: 0 }, { passMs: 5000 }]);
      if (second?.settled !== true) throw new Error('the next capture did not end as it should');
      const events = faults.events();
      faults.disarm();
      const unsaid = replay(events, names, KEEP);
      const records = [...left, ...(first?.written ?? []), ...second.written];
      await proveSeries({ directory, graveyard, series: SERIES, keep: KEEP, records, unsaid, judge });
    } finally {
      this.#clock.remove();
    }
  }

  /** A process's life; undefined when it could not start. */
  async #capture(steps: readonly Step[]): Promise<Result | undefined> {
    const { random } = this.#stage;
    const source = new ScriptedSource(this.#clock, steps, random);
    const series = await this.#open();
    if (series === undefined) return undefined;
    const session = new CaptureSession(source, series, {
      durationMs: Number.POSITIVE_INFINITY,
      settleMs: SETTLE_MS,
      notice: () => {},
    });
    source.begin(series, session);
    let settled = true;
    try {
      await session.run();
    } catch (cause) {
      if (!(cause instanceof CaptureError)) throw new Error('not a CaptureError', { cause });
      settled = false;
    }
    const { received, written, noSpace, unread } = session.statistics();
    if (written !== source.written.length)
      throw new Error(`${written} written, by the source ${source.written.length}`);
    if (received !== written + noSpace + unread)
      throw new Error(`${received} packets, ${written} written, ${noSpace} lost, ${unread} unread`);
    return { written: source.written, settled };
  }

  async #open(): Promise<Series | undefined> {
    let fileRing: FileRing | undefined;
    try {
      fileRing = FileRing.open(this.#options, START);
      return new Series(
        {
          clock: new IntervalClock(INTERVAL_SEC, utcZone()),
          fileRing,
          settleMs: SETTLE_MS,
          rotatePackets: 12,
          rotateSize: 1500,
          syncSec: 5,
          counts: () => ({ received: 0, dropped: 0, ifDropped: 0, queueFreezes: 0, filtered: 0 }),
          notice: () => {},
        },
        HEADER,
        Number.POSITIVE_INFINITY,
        this.#clock.wallMs,
      );
    } catch (cause) {
      if (!(cause instanceof SyscallError)) throw new Error('not a SyscallError', { cause });
      await fileRing?.close(undefined).catch(() => {}); // the process ends
      return undefined;
    }
  }

  /** As `tsnetpcap release` does with the oldest file. */
  #release(): void {
    const { faults, directory } = this.#stage;
    faults.spare(() => {
      const [oldest] = readdirSync(directory)
        .filter((name) => /\.pcap(\.gz)?$/.test(name))
        .sort();
      if (oldest === undefined) return;
      try {
        release(directory, [oldest]);
      } catch (cause) {
        if (!(cause instanceof CaptureError)) throw cause; // the ledger does not know it yet
      }
    });
  }

  #expectLocked(): void {
    this.#stage.faults.spare(() => {
      try {
        FileRing.open(this.#options, undefined);
      } catch (cause) {
        if (cause instanceof CaptureError && cause.code === 'ERR_LOCKED') return;
        throw cause;
      }
      throw new Error('two captures own the series');
    });
  }
}

const START: LedgerEvent = {
  type: 'start',
  version: '0.0.0',
  node: process.versions.node,
  host: 'here',
  pid: process.pid,
  zoneOffset: 0,
  pattern: 'pcap-%Y%m%d%H%M%S.pcap',
  device: 'none',
  interfaces: [],
  linktype: HEADER.linktype,
  snaplen: HEADER.snaplen,
  precision: HEADER.precision,
  filter: '',
  exclude: [],
  program: '',
};

export const SERIES_SCENARIO: Scenario = {
  name: 'series',
  calls: ['create', 'open', 'write', 'ftruncate', 'fallocate', 'fdatasync', 'rename', 'unlink', 'close'],
  never: ['EAGAIN'], // of pipes
  restarts: true,
  stride: 20,
  run: (stage) => new SeriesRun(stage).run(),
};
