// What a shell completes, out of the tables of the programs: the commands, their options, and what follows each of them.
// Called by generate.ts, for both shells.
import type { Command } from 'commander';
import { CAPTURE_FLAGS } from '../../src/cli/capture-flags.ts';
import { type Flag, spellings } from '../../src/cli/flag.ts';
import { NETLOGS_COMMANDS, type NetlogsCommand } from '../../src/cli/netlogs/commands.ts';
import { READ_FLAGS } from '../../src/cli/read-flags.ts';
import { releaseCommand } from '../../src/cli/release.ts';
import { verifyCommand } from '../../src/cli/verify.ts';

/** What a value is: the name of something, one of these words, or anything. */
export type Value = 'file' | 'directory' | 'interface' | 'program' | 'user' | 'other' | readonly string[];

export interface CompletedOption {
  /** `-i`, `--interface` */
  readonly names: readonly string[];
  readonly help: string;
  /** Undefined where nothing follows. */
  readonly value?: { readonly name: string; readonly kind: Value };
  readonly repeatable: boolean;
}

export interface CompletedCommand {
  readonly name: string;
  readonly help: string;
  readonly options: readonly CompletedOption[];
  /** What its words are. */
  readonly operands: 'expression' | 'files' | 'directory' | 'directory and files' | 'command' | 'days' | 'other';
}

export interface CompletedProgram {
  readonly name: string;
  /** The first is the one without a name, too. */
  readonly commands: readonly CompletedCommand[];
}

export async function completedPrograms(): Promise<readonly [CompletedProgram, CompletedProgram]> {
  const commands = await Promise.all(NETLOGS_COMMANDS.map(netlogsCommand));
  const help = { name: 'help', help: 'explain a command', options: [], operands: 'command' } as const;
  return [
    { name: 'tsnetpcap', commands: captureCommands() },
    { name: 'netlogs', commands: [help, ...commands] },
  ];
}

async function netlogsCommand({ name, help, usage, load }: NetlogsCommand): Promise<CompletedCommand> {
  const { flags } = await load();
  const operands = usage.includes('DAY') ? 'days' : name === 'packets' ? 'expression' : 'other';
  return { name, help, options: ofTable(flags), operands };
}

function captureCommands(): readonly CompletedCommand[] {
  return [
    { name: 'capture', help: 'capture packets', options: ofTable(CAPTURE_FLAGS), operands: 'expression' },
    { name: 'read', help: 'read savefiles, and write new ones', options: ofTable(READ_FLAGS), operands: 'files' },
    { name: 'verify', help: 'check a ledger', options: ofCommander(verifyCommand()), operands: 'directory' },
    {
      name: 'release',
      help: 'delete savefiles',
      options: ofCommander(releaseCommand()),
      operands: 'directory and files',
    },
    { name: 'help', help: 'explain a command', options: [], operands: 'command' },
  ];
}

function ofTable<Values>(flags: readonly Flag<Values>[]): CompletedOption[] {
  return flags
    .filter(({ printing }) => printing !== true)
    .map((flag) => ({
      names: spellings(flag),
      help: flag.help,
      ...(flag.value !== undefined && { value: { name: flag.value, kind: kindOf(flag) } }),
      repeatable: flag.repeat !== undefined,
    }));
}

function kindOf<Values>({ name, value, words }: Flag<Values>): Value {
  if (words !== undefined) return words;
  if (name === 'interface') return 'interface';
  if (value === 'dir') return 'directory';
  return value === 'file' || value === 'program' || value === 'user' ? value : 'other';
}

function ofCommander(command: Command): CompletedOption[] {
  const options = command.options.map(({ short, long, description, required }) => ({
    names: [short, long].filter((name) => name !== undefined),
    help: description,
    ...(required && { value: { name: 'value', kind: 'other' as const } }),
    repeatable: false,
  }));
  return [...options, { names: ['-h', '--help'], help: 'print this help', repeatable: false }];
}
