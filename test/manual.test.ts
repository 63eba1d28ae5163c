// The manual page against what it describes, in both directions: each command's options by all their names, its synopsis, and
// mandoc's opinion. What a capture's options do is in test/documented-lines.test.ts, their defaults in
// test/cli/configuration.test.ts.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { CAPTURE_FLAGS } from '../src/cli/capture-flags.ts';
import { type Flag, spellings } from '../src/cli/flag.ts';
import { READ_FLAGS } from '../src/cli/read-flags.ts';
import { releaseCommand } from '../src/cli/release.ts';
import { verifyCommand } from '../src/cli/verify.ts';

const PATH = fileURLToPath(new URL('../man/tsnetpcap.8', import.meta.url));
const MANUAL = readFileSync(PATH, 'utf8');

/** From one heading to another: `-s` or `--snaplen`, and `=` behind what takes a value. */
function described(from: string, to: string): string[] {
  const section = MANUAL.slice(MANUAL.indexOf(`\n${from}\n`), MANUAL.indexOf(`\n${to}\n`));
  return [...section.matchAll(/^\.It Fl (.*)$/gm)].flatMap(([, item = '']) => {
    const [names = '', value] = item.split(/ (?:Ar|Cm) /);
    return names.split(' , Fl ').map((name) => `-${name}${value === undefined ? '' : '='}`);
  });
}

function ofTable<Values>(flags: readonly Flag<Values>[]): string[] {
  return flags.flatMap((flag) => spellings(flag).map((name) => `${name}${flag.value === undefined ? '' : '='}`));
}

function ofCommander(command: Command): string[] {
  return command.options.map(({ long, required }) => `${long}${required ? '=' : ''}`);
}

test.each([
  ['a capture', '.Ss Packets', '.Sh SERIES', ofTable(CAPTURE_FLAGS)],
  ['read', '.Sh READ', '.Sh VERIFY', ofTable(READ_FLAGS).filter((name) => name !== '-h' && name !== '--help')],
  ['verify', '.Sh VERIFY', '.Sh RELEASE', ofCommander(verifyCommand())],
  ['release', '.Sh RELEASE', '.Sh SIGNALS', ofCommander(releaseCommand())],
])('every option of %s by every name, with a value where it takes one, once, and no other', (_, from, to, options) => {
  expect(described(from, to).sort()).toEqual(options.sort());
});

test('the synopsis has every command', () => {
  const synopsis = MANUAL.slice(MANUAL.indexOf('.Sh SYNOPSIS'), MANUAL.indexOf('.Sh DESCRIPTION'));
  const commands = [...synopsis.matchAll(/(?:^\.|Op )Cm (\w+)$/gm)].map(([, name]) => name);
  expect(commands).toEqual(['capture', 'read', 'verify', 'release', 'help']);
});

test('mandoc has nothing to remark', () => {
  const { stdout, error } = spawnSync('mandoc', ['-Tlint', '-Wstyle', PATH], { encoding: 'utf8' });
  // Which other manuals are installed is the machine's business.
  const remarks = stdout?.split('\n').filter((line) => line !== '' && !line.includes('referenced manual not found'));
  expect({ error, remarks }).toEqual({ error: undefined, remarks: [] });
});
