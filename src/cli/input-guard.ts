// Keeps what is read from being written: opening it for the output would empty it before its packets are read, and
// appending to it would never end. Made by `tsnetpcap read` and `-r` before they open an output.
import { type BigIntStats, fstatSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { OptionError, systemErrors } from '../errors.ts';

const STDIN = 0;
const STDOUT = 1;

/** Throws where a path, or standard output for `-`, is a file that is read. @throws OptionError */
export type InputGuard = (path: string) => void;

/** `inputs`: files and directories, `-` for standard input. */
export function guardInputs(inputs: readonly string[]): InputGuard {
  const names = new Map<string, string>();
  const add = (name: string): void => {
    const stat = statOf(name, STDIN);
    if (stat?.isFile() === true) names.set(identity(stat), name);
  };
  for (const input of inputs) {
    if (statOf(input, STDIN)?.isDirectory() === true)
      for (const name of systemErrors(() => readdirSync(input))) add(join(input, name));
    else add(input);
  }
  return (path) => {
    const stat = statOf(path, STDOUT);
    const name = stat && names.get(identity(stat));
    if (name !== undefined) throw new OptionError('-w', path, `that is ${name}, which is read`);
  };
}

/** Undefined for what is not there, or can't be looked at: to open it will say why. */
function statOf(name: string, standard: number): BigIntStats | undefined {
  try {
    return name === '-' ? fstatSync(standard, { bigint: true }) : statSync(name, { bigint: true });
  } catch {
    return undefined;
  }
}

function identity({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`;
}
