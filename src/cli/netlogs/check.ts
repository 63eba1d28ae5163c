// `netlogs check [DAY]`: a line for each check, below it the rows that show what was found. Exit code 1 when one failed, 3 when
// none did but one had nothing to look at.
import { Command } from 'commander';
import { OptionError } from '../../errors.ts';
import { harmless } from '../../netlog/harmless.ts';
import type { CheckResult, Evidence } from '../../netlog/query/check/finding.ts';
import { checkLedgers } from '../../netlog/query/check/ledger.ts';
import { CHECKS, type CheckName } from '../../netlog/query/check/policy.ts';
import { policyJson } from '../../netlog/query/check/policy-file.ts';
import { type IndexCheck, runChecks } from '../../netlog/query/check/run.ts';
import { addFlags, type Flag } from '../flag.ts';
import { type Column, endOf } from './column.ts';
import { DAY } from './day.ts';
import { FORMAT_FLAGS, type FormatFlags, ROOT_FLAGS, type RootFlags } from './flags.ts';
import { withIndex } from './open.ts';
import { printRows } from './output.ts';
import { POLICY_FLAGS, type PolicyFlags, policyOf } from './policy.ts';

interface CheckFlags extends RootFlags, FormatFlags, PolicyFlags {
  readonly only?: readonly CheckName[];
  readonly rows?: number;
  readonly printPolicy?: true;
}

const EXIT_FOUND = 1;
const EXIT_UNKNOWN = 3;
const DEFAULT_ROWS = 20;

const group = { policy: 'Policy:', output: 'Output:' } as const;

export const CHECK_FLAGS: readonly Flag<CheckFlags>[] = [
  {
    name: 'only',
    long: ['only'],
    value: 'check',
    words: CHECKS,
    help: `one of ${CHECKS.join(', ')}`,
    group: group.policy,
    repeat: 'list',
    parse: parseCheck,
  },
  ...POLICY_FLAGS,
  {
    name: 'printPolicy',
    long: ['print-policy'],
    help: 'print what is held against the day, and check nothing',
    group: group.policy,
  },
  {
    name: 'rows',
    long: ['rows'],
    value: 'rows',
    help: 'print so many rows of each check at most',
    group: group.output,
    parse: parseRows,
    default: [DEFAULT_ROWS],
  },
  ...FORMAT_FLAGS,
  ...ROOT_FLAGS,
];

const COLUMNS: readonly Column<Evidence>[] = [
  { name: 'host', of: ({ host }) => host, whole: true },
  { name: 'first', of: ({ first }) => first, kind: 'time', spare: 1 },
  { name: 'client', of: ({ client }) => client },
  { name: 'proto', of: ({ proto }) => proto, whole: true, spare: 3 },
  { name: 'to', of: ({ remote, port }) => endOf(remote, port), only: 'table' },
  { name: 'remote', of: ({ remote }) => remote, only: 'data' },
  { name: 'port', of: ({ port }) => port, only: 'data' },
  { name: 'name', of: ({ name }) => name, spare: 2 },
  { name: 'count', of: ({ count }) => count, spare: 4 },
  { name: 'bytes', of: ({ bytes }) => bytes, spare: 5 },
  { name: 'about', of: ({ about }) => about },
  { name: 'row', of: ({ row }) => row },
];

export function checkCommand(): Command {
  const command = new Command('netlogs check')
    .description(
      'Holds a day against a policy. Exit status 0: nothing found; 1: something; 3: nothing, but not all could be checked.',
    )
    .argument('[day]', DAY, 'latest')
    .action(check);
  addFlags(command, CHECK_FLAGS, '');
  return command.addHelpText(
    'after',
    `
Checks:
  dns            no question in plain leaves but to a resolver that is allowed
  encrypted-dns  nobody but sys-dns asks by TLS, QUIC or HTTPS
  tunnel         what leaves sys-vpn beside its tunnel, and what sys-net forwards, goes to the tunnel's end
  ipv6           the same for IPv6
  capture        no time without a capture, no packet dropped, no savefile missing or damaged
  nft            the rules are there, and wrote all their lines
  ledger         the savefiles are as their ledger says, where it is at hand: -d /var/log/netpcap

Examples:
  netlogs check yesterday --tunnel 198.51.100.51:51820
      is everything in the tunnel?
  netlogs check --print-policy > ~/.config/netlogs.json
      a policy to begin with, and the reasons for what it allows
`,
  );
}

async function check(day: string, flags: CheckFlags): Promise<void> {
  const policy = policyOf(flags);
  if (flags.printPolicy === true) {
    process.stdout.write(`${policyJson(policy)}\n`);
    return;
  }
  const wanted = flags.only ?? CHECKS;
  await withIndex(flags, [day], async ({ database, days, ledgers }) => {
    const results = await runChecks(
      database,
      { days },
      policy,
      wanted.filter((name): name is IndexCheck => name !== 'ledger'),
    );
    const ledger = wanted.includes('ledger') ? await checkLedgers(database, ledgers, days) : undefined;
    // Bundles have no ledger in them: without being asked it says nothing of that.
    const all =
      ledger === undefined || (ledger.status === 'unknown' && flags.only === undefined)
        ? results
        : [...results, ledger];
    print(all, flags);
    if (all.some(({ status }) => status === 'failed')) process.exitCode = EXIT_FOUND;
    else if (all.some(({ status }) => status === 'unknown')) process.exitCode = EXIT_UNKNOWN;
  });
}

/** JSON and CSV have each row of evidence with its check, and a check without any as a row of its own. */
function print(results: readonly CheckResult[], flags: CheckFlags): void {
  const { rows: most = DEFAULT_ROWS } = flags;
  if (flags.json === true || flags.csv === true) {
    type Found = CheckResult & { readonly found: Evidence | undefined };
    const found = results.flatMap((result): Found[] =>
      result.evidence.length === 0
        ? [{ ...result, found: undefined }]
        : result.evidence.map((each) => ({ ...result, found: each })),
    );
    const columns: Column<Found>[] = [
      { name: 'check', of: (row) => row.check },
      { name: 'status', of: ({ status }) => status },
      ...COLUMNS.map(
        (column): Column<Found> => ({
          ...column,
          of: ({ found: evidence, about }) =>
            evidence !== undefined ? column.of(evidence) : column.name === 'about' ? about : undefined,
        }),
      ),
    ];
    printRows(columns, found, flags);
    return;
  }
  const width = Math.max(...results.map((result) => result.check.length));
  for (const result of results) {
    const rows = result.evidence.length === 0 ? '' : `, ${result.evidence.length} found`;
    process.stdout.write(
      `${result.status.padEnd(8)} ${result.check.padEnd(width)}  ${harmless(result.about)}${rows}\n`,
    );
    printRows(COLUMNS, result.evidence.slice(0, most), flags);
    if (result.evidence.length > most)
      process.stdout.write(`and ${result.evidence.length - most} more: --rows shows them\n`);
  }
}

function parseCheck(option: string, text: string): CheckName {
  const name = CHECKS.find((each) => each === text);
  if (name === undefined) throw new OptionError(option, text, `expected one of ${CHECKS.join(', ')}`);
  return name;
}

function parseRows(option: string, text: string): number {
  const rows = Number(text);
  if (!/^\d{1,9}$/.test(text)) throw new OptionError(option, text, 'expected 0 to 999999999');
  return rows;
}
