// `netlogs dns`: questions with what was answered, one row for each, however often it was asked again. Where a question
// crosses the qube, the row is of the end that saw it first.
import {
  type Database,
  flag,
  type Micros,
  number,
  optionalNumber,
  optionalText,
  type Row,
  text,
  texts,
} from './database.ts';
import { type Filter, ofDays, ofEnds, ofNames, ofTime } from './filter.ts';
import { atMost, type Page, pageOf } from './page.ts';
import { rowName } from './row-name.ts';
import { all, sql } from './sql.ts';

export interface Question {
  readonly row: string;
  readonly host: string;
  readonly time: Micros;
  readonly proto: string;
  /** Who asks. */
  readonly src: string;
  readonly sport: number | undefined;
  readonly dst: string;
  readonly dport: number | undefined;
  readonly name: string | undefined;
  readonly type: string | undefined;
  /** Undefined: not answered. */
  readonly rcode: string | undefined;
  /** `A 192.0.2.1` */
  readonly answers: readonly string[];
  /** So many times. */
  readonly asked: number;
  /** Microseconds from the first question to the first answer. */
  readonly took: number | undefined;
  /** The capture did not keep all of a message. */
  readonly cut: boolean;
}

export async function listQuestions(database: Database, filter: Filter, limit: number): Promise<Page<Question>> {
  const wanted = all([...ofDays(filter), ...ofEnds(filter), ...ofNames(filter, 'name'), ...ofTime(filter)]);
  const rows = await database.rows(sql`
    WITH said AS (
      SELECT host, date, flow, id, name, type, proto, min(time) AS time, count(*) FILTER (NOT response) AS asked,
        min(time) FILTER (NOT response) AS asked_at, min(time) FILTER (response) AS answered_at,
        min_by(rcode, time) FILTER (response) AS rcode, min_by(answers, time) FILTER (response) AS answers,
        coalesce(bool_or(cut), FALSE) AS cut, any_value(if(response, [dst, src], [src, dst])) AS ends,
        any_value(if(response, [dport, sport], [sport, dport])) AS ports
      FROM dns WHERE ${wanted} GROUP BY ALL),
    once AS (
      SELECT s.*, row_number() OVER (
        PARTITION BY s.host, s.date, coalesce(f.nat, -1 - s.flow), s.id, s.name, s.type ORDER BY s.time, s.flow) AS place
      FROM said s LEFT JOIN flows f ON f.host = s.host AND f.date = s.date AND f.flow = s.flow)
    SELECT host, CAST(date AS VARCHAR) AS day, flow, epoch_us(time) AS us, proto, ends[1] AS src, ports[1] AS sport,
      ends[2] AS dst, ports[2] AS dport, name, type, rcode, answers, asked, epoch_us(answered_at) - epoch_us(asked_at) AS took, cut
    FROM once WHERE place = 1 ORDER BY us, host, flow, id ${atMost(limit)}`);
  return pageOf(rows.map(questionOf), limit);
}

function questionOf(row: Row): Question {
  const host = text(row, 'host');
  return {
    row: rowName({ host, date: text(row, 'day'), flow: number(row, 'flow') }),
    host,
    time: number(row, 'us'),
    proto: text(row, 'proto'),
    src: text(row, 'src'),
    sport: optionalNumber(row, 'sport'),
    dst: text(row, 'dst'),
    dport: optionalNumber(row, 'dport'),
    name: optionalText(row, 'name'),
    type: optionalText(row, 'type'),
    rcode: optionalText(row, 'rcode'),
    answers: texts(row, 'answers'),
    asked: number(row, 'asked'),
    took: optionalNumber(row, 'took'),
    cut: flag(row, 'cut'),
  };
}
