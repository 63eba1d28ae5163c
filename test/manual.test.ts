// The manual pages against what they describe, in both directions: each command's options by all their names, the synopsis, and
// mandoc's opinion. What a capture's options do is in test/documented-lines.test.ts, their defaults in
// test/cli/configuration.test.ts.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { CAPTURE_FLAGS } from '../src/cli/capture-flags.ts';
import { type Flag, spellings } from '../src/cli/flag.ts';
import { NETLOGS_COMMANDS } from '../src/cli/netlogs/commands.ts';
import { READ_FLAGS } from '../src/cli/read-flags.ts';
import { releaseCommand } from '../src/cli/release.ts';
import { verifyCommand } from '../src/cli/verify.ts';

const PATHS = ['tsnetpcap.8', 'netlogs.1'].map((name) => fileURLToPath(new URL(`../man/${name}`, import.meta.url)));
const [MANUAL = '', NETLOGS_MANUAL = ''] = PATHS.map((path) => readFileSync(path, 'utf8'));

/** From one heading to another: `-s` or `--snaplen`, and `=` behind what takes a value. */
function described(from: string, to: string, manual: string = MANUAL): string[] {
  const section = manual.slice(manual.indexOf(`\n${from}\n`), manual.indexOf(`\n${to}\n`));
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

/** What several commands of netlogs have stands once, before all of them; each has a section for what is its own. */
test.each(NETLOGS_COMMANDS)(
  'every option of netlogs $name, with a value where it takes one, and no other',
  async ({ name, load }) => {
    const shared = described('.Ss Rows', '.Sh COMMANDS', NETLOGS_MANUAL);
    const headings = [...NETLOGS_COMMANDS.map((command) => `.Ss ${command.name}`), '.Sh FILES'];
    const at = headings.indexOf(`.Ss ${name}`);
    const own = described(headings[at] ?? '', headings[at + 1] ?? '', NETLOGS_MANUAL);
    const options = ofTable((await load()).flags);
    expect(own.sort()).toEqual(options.filter((option) => !shared.includes(option)).sort());
  },
);

test('no option that all commands of netlogs are said to have is one of none', async () => {
  const all = new Set<string>();
  for (const { load } of NETLOGS_COMMANDS) for (const option of ofTable((await load()).flags)) all.add(option);
  expect(described('.Ss Rows', '.Sh COMMANDS', NETLOGS_MANUAL).filter((option) => !all.has(option))).toEqual([]);
});

test.each([
  [MANUAL, ['capture', 'read', 'verify', 'release', 'help']],
  [NETLOGS_MANUAL, [...NETLOGS_COMMANDS.map(({ name }) => name), 'help']],
])('the synopsis has every command', (manual, expected) => {
  const synopsis = manual.slice(manual.indexOf('.Sh SYNOPSIS'), manual.indexOf('.Sh DESCRIPTION'));
  const commands = [...synopsis.matchAll(/(?:^\.|Op )Cm (\w+)$/gm)].map(([, name]) => name);
  expect(commands).toEqual(expected);
});

test.each(PATHS)('mandoc has nothing to remark on %s', (path) => {
  const { stdout, error } = spawnSync('mandoc', ['-Tlint', '-Wstyle', path], { encoding: 'utf8' });
  // Which other manuals are installed is the machine's business.
  const remarks = stdout?.split('\n').filter((line) => line !== '' && !line.includes('referenced manual not found'));
  expect({ error, remarks }).toEqual({ error: undefined, remarks: [] });
});
