// The timeline: what span of time the days are about, in how long steps, and what each qube has in each of them.
import { type Database, number, text } from '../query/database.ts';
import { type Days, during } from '../query/days.ts';
import type { Holding } from '../query/holdings.ts';
import { sql } from '../query/sql.ts';
import type { ReportQube, ReportTimeline } from './report-data.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** More would be narrower than a pixel on a phone. */
const MOST_STEPS = 400;
/** An hour is a whole number of the short ones: the page sums by the hour. */
const STEPS_MS: readonly number[] = [
  MINUTE_MS,
  5 * MINUTE_MS,
  10 * MINUTE_MS,
  15 * MINUTE_MS,
  30 * MINUTE_MS,
  HOUR_MS,
  2 * HOUR_MS,
  6 * HOUR_MS,
  12 * HOUR_MS,
];

/** A clock that was wrong makes times far away: what no manifest speaks of is looked for this near to its day only. */
const NEAR_MS = 2 * DAY_MS;

type Span = Omit<ReportTimeline, 'outside'>;
type Amounts = Pick<ReportQube, 'packets' | 'bytes' | 'lines'>;

/** The sums of one qube, as ReportQube has them. */
export type Traffic = Amounts & Pick<ReportQube, 'packetsAt' | 'bytesAt' | 'linesAt'>;

/** All that is there of the days; the days themselves where nothing is. */
export function spanOf(days: Days, holdings: readonly Holding[]): Span {
  const [first, last] = [Date.parse(days.from), Date.parse(days.to) + DAY_MS];
  const times = holdings.flatMap(({ bundles, since, until }) => {
    const both = [since, until].flatMap((micros) => (micros === undefined ? [] : micros / 1000));
    return bundles > 0 ? both : both.filter((time) => time >= first - NEAR_MS && time <= last + NEAR_MS);
  });
  const [start, end] = times.length > 0 ? [Math.min(...times), Math.max(...times)] : [first, last];
  const stepMs =
    STEPS_MS.find((each) => (end - start) / each < MOST_STEPS - 1) ?? wholeDays((end - start) / MOST_STEPS);
  const from = Math.floor(start / stepMs) * stepMs;
  return { from, stepMs, steps: Math.floor((end - from) / stepMs) + 1 };
}

function wholeDays(ms: number): number {
  return Math.ceil(ms / DAY_MS) * DAY_MS;
}

interface Sums extends Amounts {
  readonly host: string;
  /** Of the timeline; -1 or `steps`: outside. */
  readonly step: number;
}

/** By host, and how many packets and lines are outside. */
export async function trafficOf(
  database: Database,
  days: Days,
  { from, stepMs, steps }: Span,
): Promise<{ readonly qubes: ReadonlyMap<string, Traffic>; readonly outside: number }> {
  const step = sql`greatest(-1, least(${steps}, floor((epoch_ms(time) - ${from}) / ${stepMs}))) AS step`;
  const rows = await database.rows(sql`
    SELECT host, ${step}, count(*) AS packets, sum(len) AS bytes, 0 AS lines FROM packets WHERE ${during(days)} GROUP BY ALL
    UNION ALL
    SELECT host, ${step}, 0, 0, count(*) FROM nft WHERE ${during(days)} GROUP BY ALL`);
  const sums = rows.map(
    (row): Sums => ({
      host: text(row, 'host'),
      step: number(row, 'step'),
      packets: number(row, 'packets'),
      bytes: number(row, 'bytes'),
      lines: number(row, 'lines'),
    }),
  );
  const outside = sums.filter((row) => row.step < 0 || row.step >= steps);
  const hosts = new Set(sums.map(({ host }) => host));
  return {
    qubes: new Map(
      [...hosts].map((host) => [
        host,
        trafficIn(
          sums.filter((row) => row.host === host),
          steps,
        ),
      ]),
    ),
    outside: outside.reduce((sum, { packets, lines }) => sum + packets + lines, 0),
  };
}

function trafficIn(sums: readonly Sums[], steps: number): Traffic {
  const total = (key: keyof Amounts): number => sums.reduce((sum, row) => sum + row[key], 0);
  const series = (key: keyof Amounts): number[] => {
    if (total(key) === 0) return [];
    const values = Array.from({ length: steps }, () => 0);
    // A step has a row of packets and one of lines at most.
    for (const row of sums) if (row.step in values && row[key] > 0) values[row.step] = row[key];
    return values;
  };
  return {
    packets: total('packets'),
    bytes: total('bytes'),
    lines: total('lines'),
    packetsAt: series('packets'),
    bytesAt: series('bytes'),
    linesAt: series('lines'),
  };
}
