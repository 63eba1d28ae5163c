// Fills the data of the page from the views of the index; `netlogs report` calls it and brings what `check` and `diff` found.
// Every list is cut here, so that the page of a day of a million flows stays small; what is left out is counted.
import { type Ask, during } from './ask.ts';
import { dropFlows, flowsOf, makeFlows, peersOf } from './flow-sums.ts';
import type {
  GapSum,
  ReportBundle,
  ReportChange,
  ReportCheck,
  ReportData,
  ReportGap,
  ReportGaps,
} from './report-data.ts';
import { spanOf, type Traffic, trafficOf } from './timeline.ts';

/** What other questions found about the days, whole. */
export interface Findings {
  readonly checks: readonly (Omit<ReportCheck, 'evidence'> & { readonly evidence: ReportCheck['evidence']['rows'] })[];
  /** Undefined where there is no day before. */
  readonly changes?: { readonly with: string; readonly rows: readonly ReportChange[] } | undefined;
}

const GAPS_SHOWN = 300;
const EVIDENCE_SHOWN = 100;
const CHANGES_SHOWN = 300;
const SILENT: Traffic = { packets: 0, bytes: 0, lines: 0, packetsAt: [], bytesAt: [], linesAt: [] };

/** `days`: dates, at least one. Makes a temporary table `report_flows` where `ask` asks, and drops it. */
export async function reportData(ask: Ask, days: readonly string[], findings: Findings): Promise<ReportData> {
  const span = await spanOf(ask, days);
  const traffic = await trafficOf(ask, days, span);
  const hosts = await hostsOf(ask, days);
  try {
    await makeFlows(ask, days);
    const peers = await peersOf(ask, days);
    return {
      made: Date.now(),
      zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
      days: [...days].sort(),
      qubes: hosts.map((host) => ({ host, ...(traffic.qubes.get(host) ?? SILENT), ...peers(host) })),
      bundles: await bundlesOf(ask, days),
      gaps: await gapsOf(ask, days),
      checks: findings.checks.map((check) => ({ ...check, evidence: cut(check.evidence, EVIDENCE_SHOWN) })),
      changes: findings.changes && changesOf(findings.changes),
      timeline: { ...span, outside: traffic.outside },
      flows: await flowsOf(ask),
    };
  } finally {
    await dropFlows(ask);
  }
}

function cut<Row>(rows: readonly Row[], shown: number): { rows: readonly Row[]; total: number } {
  return { rows: rows.slice(0, shown), total: rows.length };
}

/** Also those that sent nothing but a manifest. */
async function hostsOf(ask: Ask, days: readonly string[]): Promise<string[]> {
  const views = ['files', 'nft', 'manifests', 'gaps', 'flows'];
  const each = views.map((view) => `SELECT host FROM ${view} WHERE ${during(days)}`);
  const rows = await ask<{ host: string }>(`SELECT DISTINCT host FROM (${each.join(' UNION ALL ')}) ORDER BY host`);
  return rows.map(({ host }) => host);
}

async function bundlesOf(ask: Ask, days: readonly string[]): Promise<readonly ReportBundle[]> {
  const of = (view: string) => `FROM ${view} WHERE ${during(days)} GROUP BY host, date`;
  return ask<ReportBundle>(`
    SELECT host, date::VARCHAR AS day, since, until,
      coalesce(savefiles, 0) AS savefiles, coalesce(packets, 0) AS packets, coalesce(bytes, 0) AS bytes,
      coalesce(lines, 0) AS lines, coalesce(dropped, 0) AS dropped, coalesce(damaged, 0) AS damaged
    FROM (SELECT host, date, epoch_ms(min(since))::DOUBLE AS since, epoch_ms(max(until))::DOUBLE AS until ${of('manifests')})
    FULL JOIN (
      SELECT host, date, count(*)::DOUBLE AS savefiles, sum(packets)::DOUBLE AS packets, sum(bytes)::DOUBLE AS bytes,
        sum(dropped)::DOUBLE AS dropped, count(damage)::DOUBLE AS damaged ${of('files')}
    ) USING (host, date)
    FULL JOIN (SELECT host, date, count(*)::DOUBLE AS lines ${of('nft')}) USING (host, date)
    ORDER BY host, date`);
}

async function gapsOf(ask: Ask, days: readonly string[]): Promise<ReportGaps> {
  const rows = await ask<ReportGap>(`
    FROM (
      SELECT host, epoch_ms("from")::DOUBLE AS "from", epoch_ms("to")::DOUBLE AS "to", kind, coalesce(count, 0)::DOUBLE AS count, about
      FROM gaps WHERE ${during(days)} ORDER BY "to" - "from" DESC, count DESC, "from", host LIMIT ${GAPS_SHOWN}
    ) ORDER BY "from", host`);
  const sums = await ask<GapSum>(`
    SELECT kind, count(*)::DOUBLE AS times, coalesce(sum(count), 0)::DOUBLE AS count
    FROM gaps WHERE ${during(days)} GROUP BY kind ORDER BY kind`);
  return { rows, total: sums.reduce((all, { times }) => all + times, 0), sums };
}

function changesOf({ with: day, rows }: NonNullable<Findings['changes']>): ReportData['changes'] {
  const times = new Map<string, number>();
  for (const { kind } of rows) times.set(kind, (times.get(kind) ?? 0) + 1);
  return { with: day, ...cut(rows, CHANGES_SHOWN), sums: [...times].map(([kind, each]) => ({ kind, times: each })) };
}
