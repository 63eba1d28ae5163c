#!/usr/bin/env node
// The program: reads the command line, runs the command, and turns whatever is thrown into one line on stderr and an
// exit code: 1 the capture failed, 2 the call is wrong (option or filter).
import { type Command, CommanderError } from 'commander';
import { CaptureError, OptionError, SyscallError } from '../errors.ts';
import { VERSION } from '../version.ts';
import { EXIT_FAILED, EXIT_USAGE, exitCodeOf } from './exit-code.ts';
import { expandAbbreviations } from './flag.ts';

async function main(args: string[]): Promise<void> {
  const [first, ...rest] = args;
  if (first === 'help') return help(rest);
  // What is not needed is not loaded: each module costs a capture's start a millisecond.
  if (first === 'verify') {
    const { verifyCommand } = await import('./verify.ts');
    await commandLine(verifyCommand()).parseAsync(rest, { from: 'user' });
  } else if (first === 'read') {
    const { readCommand } = await import('./read.ts');
    const { READ_FLAGS } = await import('./read-flags.ts');
    const given = expandAbbreviations(rest, READ_FLAGS);
    await commandLine(readCommand(given)).parseAsync(given, { from: 'user' });
  } else if (first === 'release') {
    const { releaseCommand } = await import('./release.ts');
    await commandLine(releaseCommand()).parseAsync(rest, { from: 'user' });
  } else {
    const { captureCommand } = await import('./capture.ts');
    const { CAPTURE_FLAGS } = await import('./capture-flags.ts');
    const given = expandAbbreviations(first === 'capture' ? rest : args, CAPTURE_FLAGS);
    const version = `tsnetpcap ${VERSION}, Node ${process.versions.node}`;
    await commandLine(captureCommand(version)).parseAsync(given, { from: 'user' });
  }
}

const COMMANDS: readonly string[] = ['capture', 'read', 'verify', 'release'];

/** `tsnetpcap help [COMMAND]` */
function help([command = 'capture']: string[]): Promise<void> {
  if (!COMMANDS.includes(command)) throw new OptionError('help', command, `expected ${COMMANDS.join(', ')}`);
  return main([command, '--help']);
}

/** What all commands have in common. */
function commandLine(command: Command): Command {
  return command.exitOverride().configureOutput({
    // Its guess at what was meant comes on a line of its own; an error is one line.
    outputError: (text, write) => write(text.replace(/^error: /, 'tsnetpcap: ').replace('\n(', ' (')),
  });
}

function fail(cause: unknown): number {
  if (cause instanceof CommanderError) return cause.exitCode === 0 ? 0 : EXIT_USAGE; // commander has said it
  if (!(cause instanceof CaptureError)) {
    process.stderr.write(`tsnetpcap: bug: ${cause instanceof Error ? cause.stack : String(cause)}\n`);
    return EXIT_FAILED;
  }
  // The reader of `-w -` has gone: that is its way to say that it has enough.
  if (cause.code === 'EPIPE') return 0;
  process.stderr.write(`tsnetpcap: ${cause.message}\n`);
  return exitCodeOf(cause);
}

// Nobody reads what is said any more (`2>&1 | head -1`, a full log disk): no reason to end a capture.
process.stderr.on('error', () => {});
// What stdout fails with comes here. Asking for process.stdout instead would make a pipe of `-w -` one that does not block.
process.on('uncaughtException', (cause) => process.exit(fail(SyscallError.from(cause))));
main(process.argv.slice(2)).catch((cause) => {
  process.exitCode = fail(cause);
});
