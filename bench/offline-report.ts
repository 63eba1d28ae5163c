// The table of `npm run bench -- --offline`: medians with their spread, and how many times faster. Pure; called by offline.ts.
import { table } from './report.ts';
import { spread, spreadText } from './spread.ts';

export interface OfflineRun {
  readonly wallSec: number;
  readonly cpuSec: number;
  readonly rssMib: number;
}

export interface OfflineRow {
  readonly title: string;
  /** Ours and theirs, pair by pair. */
  readonly runs: readonly (readonly [OfflineRun, OfflineRun])[];
  /** Whether both wrote the same records. */
  readonly same: boolean;
}

export function offlineTable(packets: number, rows: readonly OfflineRow[]): string {
  const head = [`${packets} packets`, 'wall s', 'theirs', 'times as fast', 'CPU s', 'theirs', 'RSS MiB', 'theirs', ''];
  const lines = rows.map(({ title, runs, same }) => {
    const ours = runs.map(([run]) => run);
    const theirs = runs.map(([, run]) => run);
    const column = (of: readonly OfflineRun[], value: (run: OfflineRun) => number, digits: number): string =>
      spreadText(spread(of.map(value)), digits);
    return [
      title,
      column(ours, ({ wallSec }) => wallSec, 2),
      column(theirs, ({ wallSec }) => wallSec, 2),
      spreadText(spread(runs.map(([one, other]) => other.wallSec / one.wallSec)), 1),
      column(ours, ({ cpuSec }) => cpuSec, 2),
      column(theirs, ({ cpuSec }) => cpuSec, 2),
      column(ours, ({ rssMib }) => rssMib, 0),
      column(theirs, ({ rssMib }) => rssMib, 0),
      same ? '' : 'VOID: not the same records',
    ];
  });
  return table([head, ...lines]);
}
