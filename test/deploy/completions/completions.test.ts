// The completions of bash and zsh: they are what the option tables make them, and the real shells complete with them.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bashCompletion } from '../../../deploy/completions/bash.ts';
import { completedPrograms } from '../../../deploy/completions/commands.ts';
import { zshCompletion } from '../../../deploy/completions/zsh.ts';
import { CAPTURE_FLAGS } from '../../../src/cli/capture-flags.ts';
import { spellings } from '../../../src/cli/flag.ts';
import { READ_FLAGS } from '../../../src/cli/read-flags.ts';
import { Shell } from './shell.ts';

/** Where the shells are: it holds a file and a directory. */
let home: string;

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'tsnetpcap-completions-'));
  mkdirSync(join(home, 'savefiles'));
  writeFileSync(join(home, 'savefiles/one.pcap'), '');
  writeFileSync(join(home, 'trace.pcap'), '');
});

afterAll(() => {
  if (home !== undefined) rmSync(home, { recursive: true });
});

test.each(await completedPrograms())('those of $name are what `npm run completions` makes of the tables', (program) => {
  const read = (name: string): string =>
    readFileSync(fileURLToPath(new URL(`../../../deploy/completions/${name}`, import.meta.url)), 'utf8');
  expect(read(`${program.name}.bash`)).toBe(bashCompletion(program));
  expect(read(`_${program.name}`)).toBe(zshCompletion(program));
});

test('words that are offered are taken', () => {
  for (const flag of [...CAPTURE_FLAGS, ...READ_FLAGS]) {
    if (flag.name === 'compress' && process.versions['zstd'] === undefined) continue;
    for (const word of flag.words ?? []) expect(flag.parse?.('it', word) ?? word).toBe(word);
  }
});

function options(flags: typeof CAPTURE_FLAGS): string[] {
  return flags.filter(({ printing }) => printing !== true).flatMap(spellings);
}

const interfaces = readdirSync('/sys/class/net', { withFileTypes: true })
  .filter((entry) => !entry.isFile())
  .map(({ name }) => name);

describe.each([
  ['bash', Shell.bash],
  ['zsh', Shell.zsh],
])('%s', (name, start) => {
  let shell: Shell;

  beforeAll(async () => {
    shell = await start(home);
  });

  afterAll(async () => {
    await shell?.close();
  });

  test.each([
    ['tsnetpcap ', ['capture', 'help', 'read', 'release', 'verify']],
    ['tsnetpcap re', ['read', 'release']],
    ['tsnetpcap help v', ['verify']],
    ['tsnetpcap --rotate', ['--rotate', '--rotate-packets', '--rotate-size']],
    ['tsnetpcap capture --rotate-s', ['--rotate-size']],
    ['tsnetpcap not port 22 --check', ['--check']],
    ['tsnetpcap read --f', ['--file-mode', '--from']],
    ['tsnetpcap verify savefiles --h', ['--head', '--help']],
    ['tsnetpcap -i ', ['any', ...interfaces]],
    ['tsnetpcap --interface ', ['any', ...interfaces]],
    ['tsnetpcap -vi ', ['any', ...interfaces]],
    ['tsnetpcap --engine ', ['cap', 'libpcap', 'ring']],
    ['tsnetpcap --ring 3 --compress ', ['gzip', 'zstd']],
    ['tsnetpcap -Q ', ['in', 'inout', 'out']],
    ['tsnetpcap -y ', ['LINUX_SLL', 'LINUX_SLL2']],
    ['tsnetpcap read -y ', ['LINUX_SLL']],
    ['tsnetpcap --sync ', ['close', 'none']],
    ['tsnetpcap --time-stamp-precision n', ['nano']],
    ['tsnetpcap -w t', ['trace.pcap']],
    ['tsnetpcap -r tr', ['trace.pcap']],
    ['tsnetpcap read trace.pcap sa', ['savefiles']],
    ['tsnetpcap verify ', ['savefiles']],
    ['tsnetpcap release savefiles o', ['one.pcap']],
    ['tsnetpcap -Z nobo', ['nobody']],
    ['tsnetpcap -z mkfif', ['mkfifo']],
    ['netlogs d', ['diff', 'dns']],
    ['netlogs help f', ['flows', 'forget']],
    ['netlogs flows --li', ['--limit']],
    ['netlogs show ', ['latest', 'today', 'yesterday']],
    ['netlogs check --only i', ['ipv6']],
    ['netlogs list -d ', ['savefiles']],
    ['netlogs packets -w tr', ['trace.pcap']],
  ])('%s', async (line, offered) => {
    expect((await shell.offers(line)).map((word) => word.replace(/\/$/, ''))).toEqual([...offered].sort());
  });

  test('every option, those of printing left out', async () => {
    const offered = await shell.offers('tsnetpcap -');
    // After a letter zsh goes on with a cluster.
    const missing = options(CAPTURE_FLAGS).filter((option) => !offered.includes(option));
    expect(missing).toEqual([]);
    expect(offered).not.toContain('--no-optimize');
  });

  test.each([
    ['tsnetpcap --engi', name === 'zsh' ? 'tsnetpcap --engine=' : 'tsnetpcap --engine '],
    ['tsnetpcap --engine=ri', 'tsnetpcap --engine=ring '],
    ['tsnetpcap --stats-file=tr', 'tsnetpcap --stats-file=trace.pcap '],
    ['tsnetpcap --keep', 'tsnetpcap --keep-names '],
    ['tsnetpcap ver', 'tsnetpcap verify '],
    ['tsnetpcap verify sa', 'tsnetpcap verify savefiles/'],
    ['tsnetpcap read savefiles/o', 'tsnetpcap read savefiles/one.pcap '],
  ])('%s and TAB', async (line, completed) => {
    expect(await shell.tab(line)).toBe(completed);
  });
});
