// The timeline: what span of time the days are about, in how long steps, and what each qube has in each of them.
import { type Ask, during } from './ask.ts';
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

/** The sums of one qube, as ReportQube has them. */
export type Traffic = Pick<ReportQube, 'packets' | 'bytes' | 'lines' | 'packetsAt' | 'bytesAt' | 'linesAt'>;

/** `outside` is not known yet. */
export async function spanOf(ask: Ask, days: readonly string[]): Promise<Omit<ReportTimeline, 'outside'>> {
  const when = during(days);
  const sorted = days.map((day) => Date.parse(day)).sort((a, b) => a - b);
  const [first, last] = [sorted[0] ?? 0, (sorted.at(-1) ?? 0) + DAY_MS];
  const [low, high] = [first - NEAR_MS, last + NEAR_MS];
  const [span] = await ask<{ from: number | null; to: number | null }>(`
    SELECT min(low)::DOUBLE AS "from", max(high)::DOUBLE AS "to" FROM (
      SELECT epoch_ms(min(since)) AS low, epoch_ms(max(until)) AS high FROM manifests WHERE ${when}
      UNION ALL
      SELECT min(time), max(time) FROM (
        SELECT epoch_ms("first") AS time FROM files WHERE ${when}
        UNION ALL SELECT epoch_ms("last") FROM files WHERE ${when}
        UNION ALL SELECT epoch_ms(time) FROM nft WHERE ${when}
      ) WHERE time BETWEEN ${low} AND ${high}
    )`);
  const [start, end] = [span?.from ?? first, span?.to ?? last];
  const stepMs =
    STEPS_MS.find((each) => (end - start) / each < MOST_STEPS - 1) ?? wholeDays((end - start) / MOST_STEPS);
  const from = Math.floor(start / stepMs) * stepMs;
  return { from, stepMs, steps: Math.floor((end - from) / stepMs) + 1 };
}

function wholeDays(ms: number): number {
  return Math.ceil(ms / DAY_MS) * DAY_MS;
}

type Amounts = Pick<ReportQube, 'packets' | 'bytes' | 'lines'>;

interface Sums extends Amounts {
  readonly host: string;
  /** Of the timeline; below 0 or from `steps` on: outside. */
  readonly step: number;
}

/** By host, and how many packets and lines are outside. */
export async function trafficOf(
  ask: Ask,
  days: readonly string[],
  { from, stepMs, steps }: Omit<ReportTimeline, 'outside'>,
): Promise<{ readonly qubes: ReadonlyMap<string, Traffic>; readonly outside: number }> {
  const step = `greatest(-1, least(${steps}, floor((epoch_ms(time) - ${from}) / ${stepMs})))`;
  const rows = await ask<Sums>(`
    SELECT host, ${step}::DOUBLE AS step, count(*)::DOUBLE AS packets, sum(len)::DOUBLE AS bytes, 0::DOUBLE AS lines
    FROM packets WHERE ${during(days)} GROUP BY ALL
    UNION ALL
    SELECT host, ${step}::DOUBLE AS step, 0::DOUBLE, 0::DOUBLE, count(*)::DOUBLE FROM nft WHERE ${during(days)} GROUP BY ALL`);
  let outside = 0;
  const qubes = new Map<string, Traffic>();
  for (const host of new Set(rows.map((row) => row.host))) {
    const these = rows.filter((row) => row.host === host);
    for (const { step: at, packets, lines } of these) if (at < 0 || at >= steps) outside += packets + lines;
    const total = (key: keyof Amounts) => these.reduce((sum, row) => sum + row[key], 0);
    const series = (key: keyof Amounts) =>
      total(key) > 0 ? Array.from({ length: steps }, (_, at) => sumAt(these, at, key)) : [];
    qubes.set(host, {
      packets: total('packets'),
      bytes: total('bytes'),
      lines: total('lines'),
      packetsAt: series('packets'),
      bytesAt: series('bytes'),
      linesAt: series('lines'),
    });
  }
  return { qubes, outside };
}

/** A step has a row of packets and one of lines at most. */
function sumAt(rows: readonly Sums[], step: number, key: keyof Amounts): number {
  return rows.reduce((sum, row) => (row.step === step ? sum + row[key] : sum), 0);
}
