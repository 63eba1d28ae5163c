// What a capture says about itself at regular times: lines on stderr (`--stats-interval`), a file for Prometheus
// (`--stats-file`). The capture goes on whatever becomes of them.
import type { SessionStatistics } from '../capture/session.ts';
import { SyscallError } from '../errors.ts';
import { parseDuration } from '../rotation/duration.ts';
import { type Counters, StatsFile } from '../service/stats-file.ts';
import { reportLine } from './statistics.ts';

/** Of --stats-file: how often Prometheus asks, as it is delivered. */
export const DEFAULT_STATS_INTERVAL_SEC = 15;
const MAX_INTERVAL_SEC = 86400;

/** Of the whole capture. */
export type ReportedStatistics = SessionStatistics & Counters;

export interface ReportOptions {
  /** Undefined: no lines, and the file every 15 seconds. */
  readonly intervalSec: number | undefined;
  readonly file: string | undefined;
  /** Of the metrics in the file. */
  readonly labels: Readonly<Record<string, string>>;
  readonly say: (text: string) => void;
}

/** Seconds. @throws OptionError */
export function parseStatsInterval(option: string, text: string): number {
  return parseDuration(option, text, MAX_INTERVAL_SEC);
}

/**
 * Begins to report on a capture that starts now. Returns what makes the last report, of the time since the one before; it
 * resolves when the file has that, too.
 */
export function startReports(statistics: () => ReportedStatistics, options: ReportOptions): () => Promise<void> {
  const { intervalSec, file, say } = options;
  if (intervalSec === undefined && file === undefined) return async () => {};
  const statsFile = file === undefined ? undefined : new StatsFile(file, options.labels, Date.now());
  const intervalMs = (intervalSec ?? DEFAULT_STATS_INTERVAL_SEC) * 1000;
  let reportedMs = performance.now();
  let reported: ReportedStatistics | undefined;
  let failure: string | undefined;

  const save = async (now: ReportedStatistics): Promise<void> => {
    try {
      await statsFile?.write(now);
      if (failure !== undefined) say(`--stats-file: ${file} is written again`);
      failure = undefined;
    } catch (cause) {
      if (!(cause instanceof SyscallError)) throw cause;
      // Once per change, not once per interval; by its code, as the same failure meets one call or another.
      if (cause.code !== failure) say(`--stats-file: ${cause.message}`);
      failure = cause.code;
    }
  };
  const report = (): Promise<void> => {
    const now = statistics();
    const nowMs = performance.now();
    if (intervalSec !== undefined) say(reportLine(now, reported, (nowMs - reportedMs) / 1000));
    [reported, reportedMs] = [now, nowMs];
    return save(now);
  };

  // Counted from the start: a timer is late while the capture waits for packets, and must not get later and later.
  let dueMs = reportedMs;
  const schedule = (): NodeJS.Timeout => {
    const nowMs = performance.now();
    dueMs += intervalMs * Math.max(1, Math.ceil((nowMs - dueMs) / intervalMs));
    return setTimeout(() => {
      void report();
      timer = schedule();
    }, dueMs - nowMs);
  };
  let timer = schedule();
  void save(statistics());
  return () => {
    clearTimeout(timer);
    return report();
  };
}
