// A live capture from its command line to its statistics, and what else needs devices: the lists of -D, -J and -L, and the
// program of -d. Called by capture.ts, and apart from it because all of this takes time to load, which -r need not wait for.
import { setFlagsFromString } from 'node:v8';
import { checkAwaited, waitForInterface } from '../capture/interface-wait.ts';
import { openCapture } from '../capture/open.ts';
import type { CaptureRequest } from '../capture/options.ts';
import { chooseOutput, DEFAULT_SERIES } from '../capture/output-options.ts';
import type { SessionStatistics } from '../capture/session.ts';
import { largestKept } from '../filter/kept-bytes.ts';
import type { ServiceManager } from '../service/service-manager.ts';
import { onSignals } from '../service/signals.ts';
import type { CaptureFlags } from './capture-flags.ts';
import { captureOptionsOf, filterOptionsOf } from './capture-request.ts';
import { listDevices, listLinktypes, listTimestampTypes, offeredTimestampType } from './devices.ts';
import { printProgram } from './filter-dump.ts';
import { serviceStatus, startCount, startStatus } from './progress.ts';
import { startReports } from './reports.ts';
import { reportLine, statisticsLines } from './statistics.ts';

/** A signal to stop, so long after the first, means at once: what goes on in the background may take its time. */
const IMPATIENT_MS = 1000;

/** Resolves when the capture is over. Rejects with CaptureError. */
export async function captureLive(flags: CaptureFlags, expression: string): Promise<void> {
  if (flags.D) return listDevices();
  const filterOptions = filterOptionsOf(flags, expression);
  const { device } = filterOptions;
  if (flags.J) return listTimestampTypes(device);
  if (flags.L) return listLinktypes(filterOptions);
  if (flags.d !== undefined) return printProgram(filterOptions, flags.interface !== undefined, flags.d);
  const timestampType = flags.j === undefined ? undefined : offeredTimestampType(device, flags.j);
  const output = chooseOutput(flags, largestKept(flags));
  const request = { ...captureOptionsOf(flags, filterOptions), timestampType, output };
  if (flags.waitForInterface) checkAwaited(device);
  await run(request, device, flags);
}

async function run(request: CaptureRequest, device: string, flags: CaptureFlags): Promise<void> {
  // V8's space for what is young stays as small as it begins: a packet leaves no garbage, and a rotation so little that
  // more space would only be memory held (native-notes/memory.md).
  setFlagsFromString('--semi-space-growth-factor=1');
  const live = flags.q !== true && flags.v === undefined && process.stderr.isTTY === true;
  const say = (text: string): void => void process.stderr.write(`${live ? '\r\x1b[K' : ''}${text}\n`);
  const notice = (text: string): void => say(`tsnetpcap: ${text}`);
  const series = request.output.kind === 'series';
  const manager = await findServiceManager(notice);
  if (flags.waitForInterface && !(await interfaceCame(device, series, manager, notice))) return;
  // Who reads `-w -` or a FIFO slowly must not stop the loop that the manager hears of.
  const watched = request.output.kind === 'file' && manager?.watched === true;
  const asked = watched ? { ...request, output: { ...request.output, neverBlock: true } } : request;
  const { session, source, output, description } = await openCapture(asked, notice);
  let reported: { readonly statistics?: SessionStatistics; readonly atMs: number } = { atMs: performance.now() };
  let stoppedMs = Number.POSITIVE_INFINITY;
  const offSignals = onSignals({
    stop: () => {
      // Not at once: timeout(1) and terminals send the same signal twice.
      if (performance.now() < stoppedMs + IMPATIENT_MS) {
        stoppedMs = Math.min(stoppedMs, performance.now());
        return session.stop();
      }
      notice('stopped before all files were complete, the next start completes them');
      process.exit(1);
    },
    rotate: () => (series ? session.rotate() : session.stop()),
    report: () => {
      const now = session.statistics();
      notice(statisticsLines(now).join(', ')); // tcpdump's line
      notice(reportLine(now, reported.statistics, (performance.now() - reported.atMs) / 1000));
      reported = { statistics: now, atMs: performance.now() };
    },
  });
  notice(`listening on ${description}`);
  const status = serviceStatus(session, source, output);
  manager?.ready(status());
  const endReports = startReports(() => session.statistics(), {
    intervalSec: flags.statsInterval,
    file: flags.statsFile,
    labels: { device, output: flags.w ?? DEFAULT_SERIES },
    say: notice,
  });
  const endProgress = flags.v === undefined ? startStatus(live, session, output) : startCount(session);
  try {
    await session.run(manager && { alive: () => manager.alive(status), stopping: () => manager.stopping() });
  } finally {
    endProgress();
    offSignals();
    const reported = endReports();
    if (output.ending !== undefined) say(output.ending);
    for (const line of statisticsLines(session.statistics())) say(line);
    source.close();
    await reported;
  }
}

/** It is not loaded where there is none. */
async function findServiceManager(notice: (text: string) => void): Promise<ServiceManager | undefined> {
  if (process.env['NOTIFY_SOCKET'] === undefined) return undefined;
  const { ServiceManager } = await import('../service/service-manager.ts');
  return ServiceManager.fromEnvironment(notice);
}

/** Resolves when the capture can begin, or to false when a signal has ended it before. */
async function interfaceCame(
  device: string,
  series: boolean,
  manager: ServiceManager | undefined,
  notice: (text: string) => void,
): Promise<boolean> {
  const waiting = `${device}: waiting for the interface`;
  let stopping = false;
  const stop = (): void => {
    stopping = true;
  };
  const offSignals = onSignals({
    stop,
    rotate: () => (series ? undefined : stop()),
    report: () => notice(waiting),
  });
  const begun = (): void => {
    notice(waiting);
    manager?.ready(waiting); // for a service that waits has started, and whoever waits for it need not
  };
  const stopped = (): boolean => {
    manager?.alive(() => waiting);
    return stopping;
  };
  try {
    await waitForInterface(device, stopped, begun);
    return !stopping;
  } finally {
    offSignals();
  }
}
