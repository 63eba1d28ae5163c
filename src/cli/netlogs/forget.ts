// `netlogs forget DAY`
import { createInterface } from 'node:readline/promises';
import { Command } from 'commander';
import { CaptureError, OptionError } from '../../errors.ts';
import { harmless } from '../../netlog/harmless.ts';
import { findForgettable, forget } from '../../netlog/query/forget.ts';
import { addFlags, type Flag } from '../flag.ts';
import { DAY } from './day.ts';
import { ROOT_FLAGS, type RootFlags } from './flags.ts';
import { parseDaysOf, rootOf } from './open.ts';

interface ForgetFlags extends RootFlags {
  readonly yes?: true;
}

/** Nothing is indexed, so there is nothing else to say. */
export const FORGET_FLAGS: readonly Flag<ForgetFlags>[] = [
  { name: 'yes', long: ['yes'], help: 'do not ask', group: 'Deletion:' },
  ...ROOT_FLAGS.filter(({ name }) => name === 'directory' || name === 'help'),
];

export function forgetCommand(): Command {
  const command = new Command('netlogs forget')
    .description(
      'Deletes the bundles of a day, what was unpacked of them, and their index; nothing else that lies there.',
    )
    .argument('<day>', DAY)
    .action(async (day: string, flags: ForgetFlags) => {
      const root = rootOf(flags);
      const days = await parseDaysOf(root, flags, day);
      const found = await findForgettable(root, days);
      const what = `${found.files.length} files and the index of ${found.partitions.length} qubes' days, ${days.from} to ${days.to}, in ${root}`;
      if (found.files.length + found.partitions.length === 0)
        throw new CaptureError('ERR_NO_DAY', `${root}: nothing of ${days.from} to ${days.to}`);
      if (flags.yes !== true && !(await confirmed(`Delete ${harmless(what)}? [y/N] `, day))) {
        process.stderr.write('netlogs: nothing deleted\n');
        process.exitCode = 1;
        return;
      }
      for (const path of forget(found))
        process.stderr.write(`netlogs: ${harmless(path)}: there is something else in it, it stays\n`);
      process.stderr.write(`netlogs: deleted ${harmless(what)}\n`);
    });
  addFlags(command, FORGET_FLAGS, '');
  return command;
}

async function confirmed(question: string, day: string): Promise<boolean> {
  if (process.stdin.isTTY !== true) throw new OptionError('forget', day, 'there is no terminal to ask: give --yes');
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await asking.question(question)).trim());
  } finally {
    asking.close();
  }
}
