// The state files as they are committed, for every qube they know: that they are what the tables render, and that what a
// qube would get from them passes the judges of its kind as it stands in the rendered text.
import { execFileSync, spawnSync } from 'node:child_process';
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

/** What a state says against a pillar. */
function refusal(state: string, pillar: string): string {
  writeFileSync(join(home, 'wrong'), pillar);
  const args = [
    '--salt',
    home,
    '--pillar',
    join(home, 'wrong'),
    '--id',
    'dom0',
    'state.show_sls',
    `qubes.monitor.${state}`,
  ];
  const { status, stdout, stderr } = spawnSync(QUBESCTL, args, { encoding: 'utf8' });
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  return stderr;
}

/** [a line of the pillar, what is named]. */
const WRONG: readonly (readonly [string, string])[] = [
  ['options: \'--exclude "net 10.0.0.0/8"\'', 'options'],
  ['options: "--keep-names\\nExecStart=/bin/sh"', 'options'],
  ["options: 'a\\b'", 'options'],
  ['options: "it\'s"', 'options'],
  ['capture: sys-dns', 'capture'],
  ["capture: ['sys-dns; reboot']", 'capture'],
  ['capture: ["sys-dns\\n"]', 'capture'],
  ['capture: [dom0]', 'capture'],
  ['nftlog: { sys-net: sysnet }', 'nftlog'],
  ["nftlog: { sys-net: 'SYS\" level emerg #' }", 'nftlog'],
  ['nftlog: [sys-net]', 'nftlog'],
  ['vault: $(reboot)', 'vault'],
  ["work: ''", 'work'],
  ['recipient: ssh-ed25519 AAAA', 'recipient'],
  ['recipient: AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQ', 'recipient'],
  ['new_rate: nonsense', 'new_rate'],
  ['new_rate: 0/second', 'new_rate'],
  ['dns_rate: 10/second burst 5', 'dns_rate'],
  ['at: 10:30', 'at'], // which YAML takes for 630
  ["at: '24:00'", 'at'],
  ['also_at: "hourly\\nUnit=x"', 'also_at'],
  ['max_bytes: 2e9', 'max_bytes'],
  ['keep_days: -1', 'keep_days'],
  ['keep_days:', 'keep_days'],
  ['ring: 0', 'ring'],
  ['final: 1', 'final'],
  ['mode: both', 'mode'],
  ['mode: template', 'templates'],
  ['keepdays: 3', 'keepdays'],
];

test.each(WRONG)('%s is refused by its name', (line, name) => {
  for (const state of ['full-netlog', 'full-netlog-remove']) {
    expect(refusal(state, `netlog:\n  ${line}\n`)).toMatch(new RegExp(`failed: pillar netlog: .*\\b${name}\\b`));
  }
});

test('a pillar without a setting is one of defaults, and what is none is refused', () => {
  writeFileSync(join(home, 'empty'), 'netlog:\n');
  expect(show('full-netlog', 'dom0', 'empty')).toEqual(show('full-netlog', 'dom0', 'rw'));
  expect(refusal('full-netlog', 'netlog: rw\n')).toContain('pillar netlog: ');
});

test('the example pillar is the defaults, to the letter', () => {
  cpSync(join(home, 'qubes/monitor/pillar.example'), join(home, 'example'));
  expect(show('full-netlog', 'dom0', 'example')).toEqual(show('full-netlog', 'dom0', 'rw'));
});

test('unusual settings are taken as they are, in both forms, for every qube', () => {
  const options = '--keep-names not port 123 and tcp[13] & 2 != 0 and len <= 1500';
  const also = `options: '${options}', new_rate: 10/second, keep_days: '30', keep_bytes: 9000000000, ring: 72`;
  const recipient = 'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p';
  const qubes = "capture: [sys-both, a.b_c-1], nftlog: { sys-both: BOTH }, also_at: 'Mon..Fri *-*-* 12,18:00'";
  for (const mode of ['mode: rw', 'mode: template, templates: [a-template, b-template]']) {
    writeFileSync(
      join(home, 'unusual'),
      `netlog: { ${mode}, ${also}, ${qubes}, recipient: ${recipient}, at: '23:59' }\n`,
    );
    const texts = new Map(files('dom0', 'unusual').map(({ name, contents }) => [name, contents]));
    expect(texts.get('/etc/netlogs.conf')).toContain('PCAPS=sys-both a.b_c-1\nNFT=sys-both\n');
    expect(texts.get('/etc/netlogs.conf')).toContain(`KEEP_DAYS=30\nKEEP_BYTES=9000000000\nRECIPIENT=${recipient}\n`);
    const rw = mode === 'mode: rw';
    const home_ = rw ? '/rw/config/netlog' : '/usr/lib/netlog';
    expect(texts.get(`${PAYLOAD}/capture${home_}/netpcap.default`)).toContain(`NETPCAP_OPTS="${options}"\n`);
    const all = (names: readonly string[], roles: string): string[] => names.map((name) => `${name} ${roles}`);
    const expected = rw
      ? [
          'sys-both root /rw/config/rc.local.d/50-netlog.rc source capture nftlog',
          'a.b_c-1 root /rw/config/rc.local.d/50-netlog.rc source capture',
        ]
      : all(['a-template', 'b-template'], 'root /usr/lib/netlog/activate template source capture nftlog');
    expect(texts.get(`${PAYLOAD}/qubes`)).toBe([...expected, 'work user - work', ''].join('\n'));
    for (const id of ['sys-both', 'a.b_c-1', 'a-template', 'b-template', 'work', 'secrets-vault']) {
      const names = files(id, 'unusual').map(({ name }) => basename(name));
      const captures = rw ? ['sys-both', 'a.b_c-1'].includes(id) : id.endsWith('template');
      expect([id, names.includes('netlog-pcaps')]).toEqual([id, captures]);
      expect([id, names.includes('netlog-spool')]).toEqual([id, captures && id !== 'a.b_c-1']);
    }
  }
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
