// `netlogs report [DAY]`
import { writeFileSync } from 'node:fs';
import { Command } from 'commander';
import { SyscallError } from '../../errors.ts';
import { harmless } from '../../netlog/harmless.ts';
import { checkLedgers } from '../../netlog/query/check/ledger.ts';
import { CHECKS } from '../../netlog/query/check/policy.ts';
import { type IndexCheck, runChecks } from '../../netlog/query/check/run.ts';
import { addFlags, type Flag } from '../flag.ts';
import { DAY } from './day.ts';
import { ROOT_FLAGS, type RootFlags } from './flags.ts';
import { type OpenIndex, withIndex } from './open.ts';
import { POLICY_FLAGS, type PolicyFlags, policyOf } from './policy.ts';

interface ReportFlags extends RootFlags, PolicyFlags {
  readonly w?: string;
}

export const REPORT_FLAGS: readonly Flag<ReportFlags>[] = [
  {
    name: 'w',
    letter: 'w',
    value: 'file',
    help: 'write the page there, - is standard output',
    group: 'Output:',
    default: [undefined, 'netlogs-DAY.html'],
  },
  ...POLICY_FLAGS,
  ...ROOT_FLAGS,
];

export function reportCommand(): Command {
  const command = new Command('netlogs report')
    .description('A page of a day to look at, with what check finds: one HTML file that needs no network.')
    .argument('[day]', DAY, 'latest')
    .action(report);
  addFlags(command, REPORT_FLAGS, '');
  return command;
}

async function report(day: string, flags: ReportFlags): Promise<void> {
  const policy = policyOf(flags);
  const { renderReport } = await import('../../netlog/report/render.ts');
  const { reportData } = await import('../../netlog/report/data.ts');
  const write = async ({ database, days, ledgers }: OpenIndex): Promise<void> => {
    const ofIndex = CHECKS.filter((name): name is IndexCheck => name !== 'ledger');
    const checks = [...(await runChecks(database, { days }, policy, ofIndex))];
    if (ledgers.length > 0) checks.push(await checkLedgers(database, ledgers, days));
    const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
    const page = renderReport(await reportData(database, days, checks, Date.now(), timeZone));
    if (flags.w === '-') {
      process.stdout.write(page);
      return;
    }
    const path = flags.w ?? `netlogs-${days.from}${days.to === days.from ? '' : `..${days.to}`}.html`;
    try {
      // Whose it is decides who reads it: what it shows is private.
      writeFileSync(path, page, { mode: 0o600 });
    } catch (cause) {
      throw SyscallError.from(cause, path);
    }
    process.stderr.write(`netlogs: ${harmless(path)}\n`);
  };
  await withIndex(flags, [day], write, true);
}
