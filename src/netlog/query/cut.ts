// `netlogs packets`: what is to be cut out of which savefiles, for a ROW or for a filter. Both ends of a NAT are taken.
import { type Database, optionalNumber, type Row, text } from './database.ts';
import { type Filter, ofDays, ofFlows, ofTime } from './filter.ts';
import { firstEnds } from './flows.ts';
import type { FlowName } from './row-name.ts';
import { all, type Sql, sql } from './sql.ts';

/** Both directions are meant. */
export interface Ends {
  readonly proto: string;
  readonly src: string;
  readonly sport: number | undefined;
  readonly dst: string;
  readonly dport: number | undefined;
}

/** Of one qube and day. */
export interface Cut {
  readonly host: string;
  readonly date: string;
  /** Names of savefiles, as in `files`. */
  readonly files: readonly string[];
  /** Undefined: all packets. */
  readonly ends: readonly Ends[] | undefined;
}

export function cutRow(database: Database, { host, date, flow }: FlowName): Promise<readonly Cut[]> {
  return cutFlows(database, sql`host = ${host} AND date = CAST(${date} AS DATE) AND flow = ${flow}`, []);
}

export function cutFilter(database: Database, filter: Filter): Promise<readonly Cut[]> {
  return cutFlows(database, ofFlows(filter), ofTime(filter));
}

/** All packets of the days, qubes and times of a filter: for an expression that is asked of each. */
export async function cutAll(database: Database, filter: Filter): Promise<readonly Cut[]> {
  const { from, to } = filter;
  const times: Sql[] = [];
  if (from !== undefined) times.push(sql`last >= make_timestamptz(${from})`);
  if (to !== undefined) times.push(sql`first < make_timestamptz(${to})`);
  const rows = await database.rows(sql`
    SELECT host, CAST(date AS VARCHAR) AS day, name FROM files WHERE ${all([...ofDays(filter), ...times])}
    ORDER BY day, host, first`);
  return grouped(
    rows.map((row) => ({ host: text(row, 'host'), date: text(row, 'day'), file: text(row, 'name') })),
    () => undefined,
  );
}

async function cutFlows(database: Database, wanted: Sql, times: readonly Sql[]): Promise<readonly Cut[]> {
  await database.rows(sql`
    CREATE OR REPLACE TEMP TABLE cut_out AS ${firstEnds(wanted)}
    SELECT f.host, f.date, f.flow, f.proto, f.src, f.sport, f.dst, f.dport FROM flows f
    SEMI JOIN (SELECT host, date, flow FROM hit UNION SELECT f.host, f.date, f.flow FROM flows f SEMI JOIN groups USING (host, date, nat))
      h ON h.host = f.host AND h.date = f.date AND h.flow = f.flow`);
  const files = await database.rows(sql`
    SELECT DISTINCT f.host, CAST(f.date AS VARCHAR) AS day, f.name, f.first FROM packets p
    SEMI JOIN cut_out c ON c.host = p.host AND c.date = p.date AND c.flow = p.flow
    JOIN files f ON f.host = p.host AND f.date = p.date AND f.file = p.file
    WHERE ${all(times)} ORDER BY day, f.host, f.first`);
  const ends = await database.rows(sql`SELECT *, CAST(date AS VARCHAR) AS day FROM cut_out`);
  const byPlace = new Map<string, Ends[]>();
  for (const row of ends) {
    const place = `${text(row, 'host')}/${text(row, 'day')}`;
    const known = byPlace.get(place);
    if (known === undefined) byPlace.set(place, [endsOf(row)]);
    else known.push(endsOf(row));
  }
  return grouped(
    files.map((row) => ({ host: text(row, 'host'), date: text(row, 'day'), file: text(row, 'name') })),
    (place) => byPlace.get(place) ?? [],
  );
}

function endsOf(row: Row): Ends {
  return {
    proto: text(row, 'proto'),
    src: text(row, 'src'),
    sport: optionalNumber(row, 'sport'),
    dst: text(row, 'dst'),
    dport: optionalNumber(row, 'dport'),
  };
}

interface Place {
  readonly host: string;
  readonly date: string;
  readonly file: string;
}

function grouped(places: readonly Place[], endsOf: (place: string) => readonly Ends[] | undefined): readonly Cut[] {
  const cuts = new Map<string, { host: string; date: string; files: string[]; ends: readonly Ends[] | undefined }>();
  for (const { host, date, file } of places) {
    const place = `${host}/${date}`;
    const cut = cuts.get(place) ?? { host, date, files: [], ends: endsOf(place) };
    cut.files.push(file);
    cuts.set(place, cut);
  }
  return [...cuts.values()];
}
