// `netlogs check`: runs the checks that are asked for, in the order of CHECKS.
import { type Database, number } from '../database.ts';
import type { Filter } from '../filter.ts';
import { sql } from '../sql.ts';
import type { CheckResult } from './finding.ts';
import { checkCapture, checkNft } from './losses.ts';
import { checkDns, checkEncryptedDns } from './names.ts';
import { CHECKS, type CheckName, type Policy } from './policy.ts';
import { makeSent } from './sent.ts';
import { checkTunnel } from './tunnel.ts';

/** Of traffic and losses; `ledger` needs the savefiles themselves (ledger.ts). */
export type IndexCheck = Exclude<CheckName, 'ledger'>;

export async function runChecks(
  database: Database,
  filter: Filter,
  policy: Policy,
  wanted: readonly IndexCheck[],
): Promise<readonly CheckResult[]> {
  const results: CheckResult[] = [];
  const needsTraffic = wanted.some((check) => check !== 'capture' && check !== 'nft');
  if (needsTraffic) {
    await makeSent(database, filter, policy);
    results.push(
      await checkDns(database, policy),
      await checkEncryptedDns(database, policy),
      ...(await checkTunnel(database, policy)),
    );
    const [seen] = await database.rows(sql`SELECT count(*) AS rows FROM sent`);
    if (seen === undefined || number(seen, 'rows') === 0)
      results.forEach((result, index) => {
        results[index] = { ...result, status: 'unknown', about: 'nothing was seen to leave' };
      });
  }
  results.push(await checkCapture(database, filter), await checkNft(database, filter));
  return CHECKS.flatMap((check) =>
    check !== 'ledger' && wanted.includes(check) ? results.filter((result) => result.check === check) : [],
  );
}
