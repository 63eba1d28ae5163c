#!/usr/bin/env node
// The program netlogs: reads the command line, runs the command, and turns whatever is thrown into one line on stderr and an
// exit code: 1 it failed, or `check` found something; 2 the call is wrong; 3 `check` could not check all.
import { type Command, CommanderError } from 'commander';
import { CaptureError, OptionError, SyscallError } from '../errors.ts';
import { harmless } from '../netlog/harmless.ts';
import { VERSION } from '../version.ts';
import { EXIT_FAILED, EXIT_USAGE, exitCodeOf } from './exit-code.ts';
import { expandAbbreviations } from './flag.ts';
import { NETLOGS_COMMANDS, type NetlogsCommand } from './netlogs/commands.ts';

async function main(args: readonly string[]): Promise<void> {
  const [first, ...rest] = args;
  if (first === undefined || first === '--help' || first === '-h') return void process.stdout.write(overview());
  if (first === 'help') return help(rest);
  if (first === '--version' || first === '-V') {
    process.stdout.write(`netlogs ${VERSION}, Node ${process.versions.node}\n`);
    return;
  }
  const known = find(first);
  if (known === undefined) throw new OptionError('netlogs', first, `no such command, expected one of ${names()}`);
  const { command, flags } = await known.load();
  const given = expandAbbreviations(rest, flags);
  await commandLine(command).parseAsync(given, { from: 'user' });
}

/** `netlogs help [COMMAND]` */
async function help([name]: readonly string[]): Promise<void> {
  if (name === undefined) return void process.stdout.write(overview());
  if (find(name) === undefined) throw new OptionError('help', name, `expected one of ${names()}`);
  return main([name, '--help']);
}

function find(name: string): NetlogsCommand | undefined {
  return NETLOGS_COMMANDS.find((each) => each.name === name);
}

function names(): string {
  return NETLOGS_COMMANDS.map(({ name }) => name).join(', ');
}

function overview(): string {
  const rows = NETLOGS_COMMANDS.map(({ usage, help }) => `  ${usage.padEnd(24)}${help}\n`);
  return `Usage: netlogs COMMAND [options]

Answers from the network logs of a Qubes OS machine: bundles in ~/NetLogs as pull-netlogs-to-work leaves them, or -d DIR,
any directory of savefiles and nft logs, also a live /var/log/netpcap.

Commands:
${rows.join('')}  help [COMMAND]          explain a command

A DAY is a date, today, yesterday, latest, or A..B of these. A ROW, as tables print it, names the flow that a row is about.

What is there, and is it all?
  netlogs list
  netlogs check --only capture --only nft
Did anything leak?
  netlogs check yesterday && echo nothing found
What began after an update?
  netlogs diff 2026-01-30 2026-01-31
Who asked for that name, and what came of it?
  netlogs dns --name example.org
  netlogs show --name example.org
  netlogs packets sys-dns/0131/12
All else:
  netlogs sql "SELECT name, count(*) FROM flows GROUP BY name ORDER BY 2 DESC LIMIT 20"

Exit status: 0 all well; 1 failed, or check found something; 2 the call is wrong; 3 check could not check all.
`;
}

/** What all commands have in common. */
function commandLine(command: Command): Command {
  return command.exitOverride().configureOutput({
    // Its guess at what was meant comes on a line of its own; an error is one line.
    outputError: (text, write) =>
      write(
        harmless(
          text
            .replace(/^error: /, 'netlogs: ')
            .replace('\n(', ' (')
            .trimEnd(),
        ).concat('\n'),
      ),
  });
}

function fail(cause: unknown): number {
  if (cause instanceof CommanderError) return cause.exitCode === 0 ? 0 : EXIT_USAGE; // commander has said it
  if (!(cause instanceof CaptureError)) {
    process.stderr.write(`netlogs: bug: ${cause instanceof Error ? cause.stack : String(cause)}\n`);
    return EXIT_FAILED;
  }
  // Whoever reads it has enough: `netlogs check | head -1` still says by its exit code what it found.
  if (cause.code === 'EPIPE') return Number(process.exitCode ?? 0);
  process.stderr.write(`netlogs: ${harmless(cause.message)}\n`);
  return exitCodeOf(cause);
}

process.stderr.on('error', () => {});
process.on('uncaughtException', (cause) => process.exit(fail(SyscallError.from(cause))));
main(process.argv.slice(2)).catch((cause) => {
  process.exitCode = fail(SyscallError.from(cause));
});
