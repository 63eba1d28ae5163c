// The checks of the record itself. `capture`: no time without a capture, nothing dropped, no savefile missing or damaged.
// `nft`: the rules are there, and no line was left out.
import { type Database, number, text } from '../database.ts';
import { type Filter, ofDays } from '../filter.ts';
import { all, sql } from '../sql.ts';
import { type CheckResult, judged, lossOf } from './finding.ts';

/** Kinds of `gaps`, and how each is said. */
const CAPTURE: Readonly<Record<string, string>> = {
  gap: 'no capture ran',
  lost: 'packets that the capture could not keep',
  dropped: 'packets that the kernel had no room for',
  missing: 'savefiles that should be there',
  damaged: 'a savefile or a bundle that is broken',
};

export async function checkCapture(database: Database, filter: Filter): Promise<CheckResult> {
  const kinds = Object.keys(CAPTURE);
  const rows = await database.rows(sql`
    SELECT host, epoch_us("from") AS us, coalesce(count, 0) AS count, kind, coalesce(about, '') AS about,
      epoch_us("to") - epoch_us("from") AS lasted FROM gaps
    WHERE ${all(ofDays(filter))} AND kind IN ${kinds} ORDER BY "from", host`);
  const evidence = rows.map((row) => {
    const kind = text(row, 'kind');
    const lasted = kind === 'gap' ? ` for ${Math.round(number(row, 'lasted') / 1e6)} s` : '';
    const about = text(row, 'about');
    return lossOf(
      text(row, 'host'),
      number(row, 'us'),
      number(row, 'count'),
      `${CAPTURE[kind]}${lasted}${about === '' ? '' : `: ${about}`}`,
    );
  });
  const [total] = await database.rows(sql`SELECT count(*) AS files FROM files WHERE ${all(ofDays(filter))}`);
  if (evidence.length === 0 && (total === undefined || number(total, 'files') === 0))
    return { check: 'capture', status: 'unknown', about: 'there are no savefiles', evidence };
  return judged('capture', 'times without a capture, and packets lost', evidence);
}

export async function checkNft(database: Database, filter: Filter): Promise<CheckResult> {
  const wanted = all(ofDays(filter));
  const unlogged = await database.rows(sql`
    SELECT host, epoch_us("from") AS us, coalesce(count, 0) AS count, coalesce(about, '') AS about FROM gaps
    WHERE ${wanted} AND kind = 'unlogged' ORDER BY "from", host`);
  const missing = await database.rows(sql`
    SELECT host, epoch_us(until) AS us FROM manifests WHERE ${wanted} AND facts['table'] = 'missing' ORDER BY until, host`);
  const [lines] = await database.rows(sql`
    SELECT (SELECT count(*) FROM nft WHERE ${wanted}) + (SELECT count(*) FROM manifests WHERE ${wanted} AND kind = 'nft') AS lines`);
  const evidence = [
    ...missing.map((row) =>
      lossOf(text(row, 'host'), number(row, 'us'), 0, 'the rules were gone when the lines were fetched'),
    ),
    ...unlogged.map((row) =>
      lossOf(
        text(row, 'host'),
        number(row, 'us'),
        number(row, 'count'),
        `packets without a line${text(row, 'about') === '' ? '' : `: ${text(row, 'about')}`}`,
      ),
    ),
  ];
  if (evidence.length === 0 && (lines === undefined || number(lines, 'lines') === 0))
    return { check: 'nft', status: 'unknown', about: 'there are no lines of nft', evidence };
  return judged('nft', 'rules that are gone, and lines left out', evidence);
}
