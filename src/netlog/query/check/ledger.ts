// The check of the savefiles against their ledger, where a ledger is at hand: in a live directory, or in what was unpacked. The
// last hash that the newest manifest knows must be in it: then nothing was rewritten since that bundle.
import { type Database, optionalText, text } from '../database.ts';
import { type Days, during } from '../days.ts';
import { sql } from '../sql.ts';
import { type CheckResult, type Evidence, judged, lossOf } from './finding.ts';

/** A directory with ledgers in it, and the qube that it is of. */
export interface LedgerDirectory {
  readonly path: string;
  readonly host: string;
}

export async function checkLedgers(
  database: Database,
  directories: readonly LedgerDirectory[],
  days: Days,
): Promise<CheckResult> {
  if (directories.length === 0)
    return { check: 'ledger', status: 'unknown', about: 'no ledger is at hand', evidence: [] };
  // It needs libc for the names of savefiles, which nothing else here does.
  const { verify } = await import('../../../rotation/verify.ts');
  const heads = await newestHeads(database, days);
  const evidence: Evidence[] = [];
  let held = 0;
  for (const { path, host } of directories) {
    for await (const found of verify(path, heads.get(host))) {
      if (found.kind === 'summary') held += found.ok;
      else if (found.kind !== 'notice' && found.kind !== 'extra') {
        const what = [found.kind, found.file].filter((word) => word !== undefined).join(' ');
        evidence.push(lossOf(host, Date.now() * 1000, 1, `${what}: ${found.text}`));
      }
    }
  }
  return judged('ledger', `${held} savefiles are as their ledger says`, evidence);
}

async function newestHeads(database: Database, days: Days): Promise<ReadonlyMap<string, string>> {
  const rows = await database.rows(sql`
    SELECT host, max_by(facts['ledger_head'], until) AS head FROM manifests
    WHERE ${during(days)} AND facts['ledger_head'] IS NOT NULL GROUP BY host`);
  const heads = new Map<string, string>();
  for (const row of rows) {
    const head = optionalText(row, 'head')?.toLowerCase();
    if (head !== undefined && /^[0-9a-f]{64}$/.test(head)) heads.set(text(row, 'host'), head);
  }
  return heads;
}
