// Fills the data of the page from the views of the index; `netlogs report` calls it and brings what the checks found. Every
// list is cut here, so that the page of a day of a million flows stays small; what is left out is counted.
import type { CheckResult } from '../query/check/finding.ts';
import { type Database, number, optionalNumber, optionalText, type Row, text } from '../query/database.ts';
import { type Days, during } from '../query/days.ts';
import { listNovelties } from '../query/diff.ts';
import { type Holding, listHoldings } from '../query/holdings.ts';
import { shortRowName } from '../query/row-name.ts';
import { sql } from '../query/sql.ts';
import { dropFlows, flowsOf, makeFlows, peersOf } from './flow-sums.ts';
import type {
  GapKind,
  Part,
  ReportBundle,
  ReportChanges,
  ReportCheck,
  ReportData,
  ReportGap,
  ReportGaps,
} from './report-data.ts';
import { spanOf, type Traffic, trafficOf } from './timeline.ts';

const GAPS_SHOWN = 300;
const EVIDENCE_SHOWN = 100;
const CHANGES_SHOWN = 300;
/** More than that are not even counted. */
const CHANGES_COUNTED = 10_000;
const SILENT: Traffic = { packets: 0, bytes: 0, lines: 0, packetsAt: [], bytesAt: [], linesAt: [] };

/**
 * Makes a temporary table `report_flows` in `database`, and drops it. `now`: milliseconds. `zone`: that times are shown in, by
 * its IANA name.
 */
export async function reportData(
  database: Database,
  days: Days,
  checks: readonly CheckResult[],
  now: number,
  zone: string,
): Promise<ReportData> {
  const holdings = await listHoldings(database, { days });
  const span = spanOf(days, holdings);
  const traffic = await trafficOf(database, days, span);
  const hosts = [...new Set(holdings.map(({ host }) => host))].sort();
  try {
    await makeFlows(database, days);
    const peers = await peersOf(database, days);
    return {
      made: now,
      zone,
      from: days.from,
      to: days.to,
      qubes: hosts.map((host) => ({ host, ...(traffic.qubes.get(host) ?? SILENT), ...peers(host) })),
      bundles: holdings.map(bundleOf),
      gaps: await gapsOf(database, days),
      checks: checks.map(checkOf),
      changes: await changesOf(database, days),
      timeline: { ...span, outside: traffic.outside },
      flows: await flowsOf(database),
    };
  } finally {
    await dropFlows(database);
  }
}

function cut<Row>(rows: readonly Row[], shown: number): Part<Row> {
  return { rows: rows.slice(0, shown), total: rows.length };
}

function shortened(row: string | undefined): string | null {
  return row === undefined ? null : shortRowName(row);
}

function millis(micros: number | undefined): number | null {
  return micros === undefined ? null : micros / 1000;
}

function bundleOf({
  host,
  date,
  since,
  until,
  files,
  packets,
  bytes,
  lines,
  lost,
  damaged,
  encrypted,
}: Holding): ReportBundle {
  const counts = { savefiles: files, packets, bytes, lines, lost, damaged, encrypted };
  return { host, day: date, since: millis(since), until: millis(until), ...counts };
}

function checkOf({ check, status, about, evidence }: CheckResult): ReportCheck {
  const rows = evidence.map((row) => ({
    host: row.host,
    first: row.first / 1000,
    client: row.client ?? null,
    proto: row.proto ?? null,
    remote: row.remote ?? null,
    port: row.port ?? null,
    name: row.name ?? null,
    count: row.count,
    bytes: row.bytes ?? null,
    about: row.about,
    row: shortened(row.row),
  }));
  return { check, status, about, evidence: cut(rows, EVIDENCE_SHOWN) };
}

async function gapsOf(database: Database, days: Days): Promise<ReportGaps> {
  const rows = await database.rows(sql`
    FROM (
      SELECT host, epoch_ms("from") AS start, epoch_ms("to") AS stop, kind, coalesce(count, 0) AS count, about
      FROM gaps WHERE ${during(days)} ORDER BY stop - start DESC, count DESC, start, host LIMIT ${GAPS_SHOWN}
    ) ORDER BY start, host`);
  const sums = await database.rows(sql`
    SELECT kind, count(*) AS times, coalesce(sum(count), 0) AS count
    FROM gaps WHERE ${during(days)} GROUP BY kind ORDER BY kind`);
  return {
    rows: rows.map(gapOf),
    total: sums.reduce((all, row) => all + number(row, 'times'), 0),
    sums: sums.map((row) => ({ kind: kindOf(row), times: number(row, 'times'), count: number(row, 'count') })),
  };
}

/** A time that is not known is one end of the other. */
function gapOf(row: Row): ReportGap {
  const [start, stop] = [optionalNumber(row, 'start'), optionalNumber(row, 'stop')];
  return {
    host: text(row, 'host'),
    from: start ?? stop ?? null,
    to: stop ?? start ?? null,
    kind: kindOf(row),
    count: number(row, 'count'),
    about: optionalText(row, 'about') ?? '',
  };
}

function kindOf(row: Row): GapKind {
  const kinds: readonly GapKind[] = ['gap', 'lost', 'dropped', 'unlogged', 'missing', 'damaged'];
  const found = text(row, 'kind');
  const kind = kinds.find((each) => each === found);
  if (kind === undefined) throw new Error(`unreachable: gaps of the kind ${found}`);
  return kind;
}

/** Compared with the newest day before them that there is. */
async function changesOf(database: Database, days: Days): Promise<ReportChanges | undefined> {
  const [found] = await database.rows(sql`
    SELECT CAST(max(date) AS VARCHAR) AS day FROM (SELECT date FROM flows UNION ALL SELECT date FROM nft)
    WHERE date < CAST(${days.from} AS DATE)`);
  const before = found && optionalText(found, 'day');
  if (before === undefined) return undefined;
  const { rows, more } = await listNovelties(database, { from: before, to: before }, days, CHANGES_COUNTED);
  const times = new Map<string, number>();
  for (const { kind } of rows) times.set(kind, (times.get(kind) ?? 0) + 1);
  const sums = [...times].map(([kind, each]) => ({ kind, times: each }));
  const changes = rows.map(({ first, row, ...rest }) => ({ ...rest, first: first / 1000, row: shortened(row) }));
  return { with: before, ...cut(changes, CHANGES_SHOWN), more, sums };
}
