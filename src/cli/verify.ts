// `tsnetpcap verify DIR`: one line for each finding on stdout, then one for each series; exit code 1 when something is not
// as the ledger proves it was.
import { Command } from 'commander';
import { OptionError, SyscallError } from '../errors.ts';
import { type Finding, type SeriesSummary, verify } from '../rotation/verify.ts';

interface Flags {
  readonly head?: string;
  readonly json?: true;
}

export function verifyCommand(): Command {
  return new Command('tsnetpcap verify')
    .description('Checks the savefiles in a directory against their ledger. Only reads; a capture may be running.')
    .helpOption('-h, --help', 'print this help')
    .argument('<dir>', 'directory of the savefiles and their ledger')
    .option('--head <hash>', 'hash of a line that must be in the ledger, as printed by an earlier verify')
    .option('--json', 'print each line as a JSON object')
    .action(verifyAndPrint);
}

async function verifyAndPrint(directory: string, flags: Flags): Promise<void> {
  const head = flags.head?.toLowerCase();
  if (head !== undefined && !/^[0-9a-f]{64}$/.test(head))
    throw new OptionError('--head', flags.head ?? '', 'expected the hash of a line, 64 hexadecimal digits');
  let failure: unknown;
  process.stdout.on('error', (cause) => {
    failure = cause;
  });
  for await (const item of verify(directory, head)) {
    process.stdout.write(`${flags.json === true ? JSON.stringify(item) : printable(lineOf(item))}\n`);
    if (!['notice', 'extra', 'summary'].includes(item.kind)) process.exitCode = 1;
  }
  const error = SyscallError.from(failure);
  // `verify | head -1` has what it wants, and the exit code says the rest.
  if (error instanceof SyscallError && error.code !== 'EPIPE') throw error;
}

function lineOf(item: Finding | SeriesSummary): string {
  if (item.kind === 'summary') {
    const { series, files, ok, lines, head } = item;
    return `${series}: ${ok} of ${files} complete savefiles are as the ledger says, ${lines} lines, head ${head}`;
  }
  const place = item.file === undefined ? (item.series ?? '') : item.file;
  const line = item.line === undefined ? '' : ` line ${item.line}`;
  return `${[item.kind, place].filter((word) => word !== '').join(' ')}${line}: ${item.text}`;
}

/** Anyone may have put a line feed into the name of a file. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
