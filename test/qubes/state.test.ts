// The state files as they are committed, for every qube they know: that they are what the tables render, and that what a
// qube would get from them passes the judges of its kind as it stands in the rendered text.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FILES } from '../../src/netlog/state/files.ts';
import { PAYLOAD } from '../../src/netlog/state/sections.ts';
import { Program } from '../program.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const QUBESCTL = fileURLToPath(new URL('qubesctl.py', import.meta.url));
const RENDERED = ['full-netlog.sls', 'full-netlog-remove.sls', 'full-netlog.top', 'pillar.example'];
const IDS = ['dom0', 'sys-dns', 'sys-vpn', 'sys-firewall', 'sys-net', 'work', 'secrets-vault', 'a-template'];
const TEMPLATE =
  "netlog: { mode: template, templates: [a-template], skip_qube_ranges: true, options: '--keep-names' }\n";

interface Managed {
  readonly name: string;
  readonly mode: string;
  readonly contents: string;
}

let home = '';
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'tsnetpcap-state-'));
  mkdirSync(join(home, 'qubes/monitor'), { recursive: true });
  for (const name of RENDERED) cpSync(join(ROOT, 'deploy/qubes', name), join(home, 'qubes/monitor', name));
  writeFileSync(join(home, 'rw'), '');
  writeFileSync(join(home, 'template'), TEMPLATE);
});
afterAll(() => rmSync(home, { recursive: true }));

/** What `qubesctl state.show_sls` gives for a qube, as states by their ids. */
function show(state: string, id: string, mode: string): Readonly<Record<string, Record<string, object[]>>> {
  const args = ['--salt', home, '--pillar', join(home, mode), '--id', id, 'state.show_sls', `qubes.monitor.${state}`];
  return JSON.parse(execFileSync(QUBESCTL, args, { encoding: 'utf8' })).states;
}

/** The files that `id` gets as texts. */
function files(id: string, mode: string): Managed[] {
  return Object.values(show('full-netlog', id, mode)).flatMap((state) => {
    const managed: Managed = Object.assign({}, ...(state['file.managed'] ?? []));
    return managed.contents === undefined ? [] : [managed];
  });
}

test('what is committed is what the tables render', () => {
  const output = mkdtempSync(join(home, 'rendered-'));
  execFileSync(join(ROOT, 'node_modules/.bin/tsx'), [join(ROOT, 'deploy/qubes/main.ts'), output]);
  for (const name of RENDERED) {
    expect(readFileSync(join(output, name), 'utf8')).toBe(readFileSync(join(ROOT, 'deploy/qubes', name), 'utf8'));
  }
});

test('every file below deploy/qubes/files is in the table', () => {
  const list = execFileSync('find', ['.', '-type', 'f', '-printf', 'qubes/files/%P\n'], {
    cwd: join(ROOT, 'deploy/qubes/files'),
    encoding: 'utf8',
  });
  const known = FILES.map(({ from }) => from).filter((from) => from.startsWith('qubes/files/'));
  expect([...new Set(known)].sort()).toEqual(list.trim().split('\n').sort());
});

test('each file arrives as it is here, with settings at their defaults, and with its mode', () => {
  const texts = new Set(FILES.map(({ from, mode }) => `${mode} ${readFileSync(join(ROOT, 'deploy', from), 'utf8')}`));
  for (const mode of ['rw', 'template']) {
    const arrived = [...files('dom0', 'rw'), ...(mode === 'rw' ? [] : files('a-template', 'template'))];
    for (const { mode: bits, contents } of arrived) texts.delete(`${bits} ${contents}`);
  }
  expect([...texts].filter((text) => !text.includes('50-qubes.conf'))).toEqual([]);
});

describe.each(IDS)('%s', (id) => {
  test.each(['rw', 'template'])('scripts pass shellcheck, units systemd-analyze, in the form %s', async (mode) => {
    expect(show('full-netlog-remove', id, mode)).toBeDefined();
    const root = mkdtempSync(join(home, `${id}-`));
    const managed = files(id, mode).filter(({ name }) => !name.startsWith(PAYLOAD));
    for (const { name, mode: bits, contents } of managed) lay(root, name, contents, Number.parseInt(bits, 8));
    const scripts = managed
      .filter(({ contents }) => /^#(!.*sh| shellcheck shell=bash)\n/.test(contents))
      .map(({ name }) => join(root, name));
    if (scripts.length > 0) {
      // SC2317: functions that `declare -f` sends elsewhere.
      const shellcheck = await Program.run(undefined, ['shellcheck', '-x', '--exclude=SC2317', ...scripts]);
      expect(shellcheck).toMatchObject({ code: 0, stdout: '' });
    }
    for (const { contents } of managed) {
      for (const [, rules = ''] of contents.matchAll(/^ *cat << NFT\n([\s\S]*?)\nNFT$/gm)) {
        const check = ['unshare', '--net', 'nft', '--check', '--file', join(root, 'rules')] as const;
        lay(root, 'rules', rules.replaceAll('$prefix', 'SYSFW'), 0o644);
        expect(await Program.run(undefined, check)).toMatchObject({ code: 0, stderr: '' });
      }
    }
    // As 50-netlog.rc does it.
    const kept = join(root, '/rw/config/netlog');
    if (existsSync(kept)) cpSync(kept, join(root, '/etc/systemd/system'), { recursive: true });
    cpSync('/lib/systemd/system', join(root, 'usr/lib/systemd/system'), { recursive: true, verbatimSymlinks: true });
    lay(root, '/bin/sh', '', 0o755);
    for (const unit of managed.flatMap(({ name }) => (/\.(service|timer)$/.test(name) ? [basename(name)] : []))) {
      expect(await verify(root, unit)).toBe('');
    }
  });
});

function lay(root: string, name: string, contents: string, mode: number): void {
  const path = join(root, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, contents, { mode });
}

/** What systemd says against a unit with its drop-ins on a machine that has what `root` has. */
async function verify(root: string, unit: string): Promise<string> {
  const { stdout, stderr } = await Program.run(undefined, [
    'systemd-analyze',
    'verify',
    '--man=no',
    `--root=${root}`,
    unit,
  ]);
  return stdout + stderr;
}
