// `tsnetpcap release DIR NAMES...`: deletes savefiles that a backup has taken. Says nothing when that is done.
import { Command } from 'commander';
import { release } from '../rotation/release.ts';

export function releaseCommand(): Command {
  return new Command('tsnetpcap release')
    .description('Deletes complete savefiles, and has the ledger say that they were released.')
    .helpOption('-h, --help', 'print this help')
    .argument('<dir>', 'directory of the savefiles and their ledger')
    .argument('<names...>', 'file names without directory')
    .action((directory: string, names: readonly string[]) => release(directory, names));
}
