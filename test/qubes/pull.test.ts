// pull-netlogs-to-work in a booted dom0, between a vault and where it copies to. What the document's own script does wrong is
// shown first with its text (document/), then that ours does not; then vaults that do all they can to harm.
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Ended, Program } from '../program.ts';
import { QubesLab } from './lab.ts';

const FILES = fileURLToPath(new URL('../../deploy/qubes/files/', import.meta.url));
const DOCUMENT = fileURLToPath(new URL('document/pull-netlogs-to-work', import.meta.url));
const SCRIPT = '/usr/local/sbin/pull-netlogs-to-work';
const BACKUP = '/usr/local/sbin/qubes-netlogs-backup';
const LIBRARY = '/usr/local/lib/netlogs.sh';
const VIEWER = 'home/user/bin/open-netlogs.sh';
const SOURCES = ['sys-dns', 'sys-vpn', 'sys-firewall', 'sys-net'] as const;
const OLD = '2026-01-02';

let lab: QubesLab;
let today = '';
let yesterday = '';

beforeAll(async () => {
  const bind = (from: string, to: string): string => `--bind-ro=${from}:${to}`;
  lab = await QubesLab.create(
    [
      { name: 'secrets-vault' },
      { name: 'work' },
      { name: 'disp-netlogs', klass: 'DispVM', halted: true },
      { name: 'sys-dns', halted: true },
    ],
    {
      dom0: [
        bind(`${FILES}dom0/netlogs.sh`, LIBRARY),
        bind(`${FILES}dom0/pull-netlogs-to-work`, SCRIPT),
        bind(`${FILES}dom0/qubes-netlogs-backup`, BACKUP),
        bind(DOCUMENT, '/usr/local/sbin/document-pull'),
      ],
    },
  );
});

afterAll(() => lab?.remove());

/** The vault is up, with nothing in it and honest programs; work is empty. */
beforeEach(async () => {
  await lab.qube('secrets-vault').start();
  await lab.qube('secrets-vault').exec(['sh', '-c', 'rm -rf /home/user/NetLogs /usr/local/bin/*']);
  await work('rm -rf NetLogs');
  configure({});
  today = (await lab.dom0.exec(['date', '-I'])).trim();
  yesterday = (await lab.dom0.exec(['date', '-d', 'yesterday', '-I'])).trim();
});

function configure(settings: Readonly<Record<string, string>>): void {
  const all = { MAX_BYTES: '1000000', TIMEOUT: '20', ...settings };
  const lines = Object.entries(all).map(([key, value]) => `${key}=${value}\n`);
  writeFileSync(lab.dom0.path('/etc/netlogs.conf'), lines.join(''));
}

/** As a person runs it, who is not root. */
const pull = (...args: readonly string[]): Promise<Ended> =>
  lab.dom0.run(['setpriv', '--reuid', 'nobody', '--clear-groups', SCRIPT, ...args]);
const document = (...args: readonly string[]): Promise<Ended> =>
  lab.dom0.run(['sh', '-c', 'exec document-pull "$@" < /dev/null', 'sh', ...args]);
const vault = (script: string): Promise<string> => lab.qube('secrets-vault').exec(['bash', '-ec', script], 'user');
const work = (script: string): Promise<string> => lab.qube('work').exec(['bash', '-ec', script], 'user');

const bundle = (source: string, day: string): string =>
  source === 'sys-dns' || source === 'sys-vpn' ? `pcaps-${day}.tgz` : `nft-${day}.log.gz`;

/** Lays what a backup would into the vault. */
async function keep(source: string, day: string, content = `${source} of ${day}`): Promise<void> {
  const directory = `NetLogs/${source}/${day}`;
  await vault(`umask 077; mkdir -p ${directory}; cd ${directory}; echo '${content}' | gzip -n > ${bundle(source, day)}
    echo '{}' > manifest.json; echo partial > .bundle.part`);
}

/** Paths and sizes in work, or elsewhere. */
const listing = async (qube = 'work'): Promise<string[]> =>
  (
    await lab
      .qube(qube)
      .exec(['bash', '-c', '[ ! -e NetLogs ] || find NetLogs ! -type d -printf "%P\n" | sort'], 'user')
  )
    .split('\n')
    .slice(0, -1);
const inside = (day: string, source: string): Promise<string> => work(`tar -tzf NetLogs/${day}/${source}.tgz | sort`);
const absent = (names: readonly string[], day: string): string =>
  names.map((name) => `${name}: nothing of ${day} in secrets-vault\n`).join('');

test('shellcheck finds nothing', async () => {
  const checked = await Program.run(undefined, ['shellcheck', '-x', `${FILES}dom0/pull-netlogs-to-work`]);
  expect(checked).toEqual({ code: 0, stdout: '', stderr: '' });
});

describe('what the document does, and ours', () => {
  test('fault 3: an absent source is not "Pulled", and its file of before stays', async () => {
    await keep('sys-dns', today);
    const lay = (): Promise<string> => work(`mkdir -p NetLogs/${today}; echo good > NetLogs/${today}/sys-vpn.tgz`);
    const size = (): Promise<string> => work(`stat -c %s NetLogs/${today}/sys-vpn.tgz`);
    await lay();
    expect(await document()).toMatchObject({ code: 0, stdout: expect.stringContaining('Pulled sys-vpn\n') });
    expect(await size()).toBe('0\n');

    await lay();
    expect(await pull()).toEqual({
      code: 0,
      stdout: `sys-dns: pulled\nDone. Check in 'work': ~/NetLogs/${today}/\n`,
      stderr: absent(['sys-vpn', 'sys-firewall', 'sys-net'], today),
    });
    expect(await size()).toBe('5\n');
    expect(await inside(today, 'sys-dns')).toBe(`${today}/manifest.json\n${today}/pcaps-${today}.tgz\n`);
  });

  test('fault 11: of the two layouts, the one that the helper reads is the one that the backup writes', async () => {
    // "into secrets-vault:~/NetLogs/<vm>/YYYY-MM-DD.*" of its first part.
    await vault(`mkdir -p NetLogs/sys-dns; echo a | gzip > NetLogs/sys-dns/${today}.tgz`);
    expect(await document()).toMatchObject({ code: 0, stdout: expect.stringContaining('Pulled sys-dns\n') });
    expect(await work(`stat -c %s NetLogs/${today}/sys-dns.tgz`)).toBe('0\n');

    const qube = lab.qube('sys-dns');
    await qube.start();
    const services = '/usr/local/etc/qubes-rpc';
    await qube.exec(['mkdir', '-p', services]);
    for (const service of ['netlog.Export', 'netlog.Release']) {
      writeFileSync(
        qube.path(`${services}/${service}`),
        '#!/bin/sh\n[ "$1" != facts ] || exec echo files=1; echo savefiles | gzip -n\n',
      );
      chmodSync(qube.path(`${services}/${service}`), 0o755);
    }
    configure({ PCAPS: 'sys-dns', NFT: '' });
    expect(await lab.dom0.run([BACKUP])).toMatchObject({ code: 0, stderr: 'sys-dns: backed up\n' });
    expect(await pull()).toMatchObject({ code: 0, stderr: '' });
    expect(await inside(today, 'sys-dns')).toBe(`${today}/manifest.json\n${today}/pcaps-${today}.tgz\n`);
    await qube.shutdown();
  });

  test('fault 12: before the backup of today there is that of yesterday, and any day can be asked for', async () => {
    for (const source of SOURCES) await keep(source, yesterday);
    await keep('sys-net', OLD);
    await document(yesterday);
    expect(await work('find NetLogs -type f -size +0')).toBe(''); // nothing of today, and it takes no date

    const all = SOURCES.map((source) => `${yesterday}/${source}.tgz`).sort();
    await work('rm -rf NetLogs');
    expect(await pull()).toMatchObject({ code: 0, stderr: '' });
    expect(await listing()).toEqual(all);
    expect(await pull(OLD)).toMatchObject({ code: 0, stdout: expect.stringContaining('sys-net: pulled\n') });
    expect(await listing()).toEqual([`${OLD}/sys-net.tgz`, ...all]);
    await work('rm -rf NetLogs');
    await vault(`rm -r NetLogs/*/${yesterday}`);
    expect(await pull('latest')).toMatchObject({ code: 0, stderr: expect.stringContaining(OLD) });
    expect(await listing()).toEqual([`${OLD}/sys-net.tgz`]);
  });

  test('fault 15: what the net qubes have captured need not come into work', async () => {
    await keep('sys-net', today);
    await document('--target', 'disp-netlogs');
    expect(await listing()).toContain(`${today}/sys-net.tgz`);
    expect(lab.qube('disp-netlogs').running).toBe(false);

    await work('rm -rf NetLogs');
    const viewer = lab.dom0.path(`/usr/local/lib/qubes-netlogs/work/${VIEWER}`);
    mkdirSync(dirname(viewer), { recursive: true });
    writeFileSync(viewer, '#!/bin/sh\necho the viewer\n');
    expect(await pull('--target', 'disp-netlogs')).toMatchObject({ code: 0 });
    expect(await listing('disp-netlogs')).toEqual([`${today}/sys-net.tgz`]);
    expect(await lab.qube('disp-netlogs').exec([`/${VIEWER}`], 'user')).toBe('the viewer\n');
    expect(await listing()).toEqual([]);
    expect(await lab.qube('work').run(['test', '-e', `/${VIEWER}`])).toMatchObject({ code: 1 });
  });
});

test('each archive is what is in the vault, whole and encrypted bundles too, and private', async () => {
  await keep('sys-dns', today, 'first');
  await vault(`cd NetLogs/sys-dns/${today}; echo second > pcaps-${today}-2.tgz.age; cp manifest.json manifest-2.json
    head -c 300000 /dev/urandom > pcaps-${today}-3.tgz`);
  expect(await pull()).toMatchObject({ code: 0 });
  await work(`cd NetLogs && tar -xzf ${today}/sys-dns.tgz`);
  const sums = `cd NetLogs/$0 && sha256sum ${today}/[!.]*`;
  const there = await lab.qube('secrets-vault').exec(['bash', '-c', sums, 'sys-dns'], 'user');
  expect(there.split('\n').length).toBe(6);
  expect(await work(`cd NetLogs && sha256sum ${today}/{m,p}*`)).toBe(there);
  expect(await work(`stat -c %a NetLogs/${today} NetLogs/${today}/sys-dns.tgz`)).toBe('700\n600\n');
});

test('the vault is halted again if it was, and only one program has it', async () => {
  await keep('sys-dns', today);
  await lab.qube('secrets-vault').shutdown();
  expect(await pull()).toMatchObject({ code: 0 });
  expect(lab.qube('secrets-vault').running).toBe(false);
  const both = `exec 9< ${LIBRARY}; flock 9; { ${SCRIPT} 9<&- > /run/said 2>&1; echo "code $?" >> /run/said; } &
    until grep -q waiting /run/said; do sleep 0.1; done; qvm-check -q --running secrets-vault && exit 1; flock -u 9; wait`;
  await lab.dom0.exec(['bash', '-c', both]);
  const said = await lab.dom0.exec(['cat', '/run/said']);
  expect(said).toMatch(/^waiting for another program .*\nsys-dns: pulled\n[\s\S]*code 0\n$/);
});

test('nothing at all is an error, and leaves nothing', async () => {
  expect(await pull(OLD)).toEqual({ code: 1, stdout: '', stderr: absent(SOURCES, OLD) });
  expect(await pull()).toMatchObject({ code: 1, stderr: 'secrets-vault: nothing of the last 390 days\n' });
  await vault(`mkdir -p NetLogs/sys-dns/${today}; echo > NetLogs/sys-dns/${today}/.bundle.part`);
  expect(await pull(today)).toMatchObject({ code: 1 });
  expect(await work('find NetLogs')).toBe('NetLogs\n');
});

test('names are dom0s: what is wrong is refused before any qube is asked', async () => {
  const before = lab.calls.length;
  const wrong = [['2026-02-30'], ['../x'], ['--target'], ['--target', 'dom0'], ['--target=secrets-vault'], ['--x']];
  for (const args of [...wrong, ['--target', '$(reboot)'], [today, today]]) {
    expect(await pull(...args)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('see --help') });
  }
  expect(lab.calls.length).toBe(before);
  expect(await pull('--help')).toMatchObject({ code: 0, stdout: expect.stringContaining('usage: ') });
  expect(await pull('--target', 'nowhere')).toMatchObject({ code: 1, stderr: 'nowhere: there is no such qube\n' });
});

const ESCAPES = String.raw`printf '\033]0;owned\007\033[2Jowned\n'`;

/** [what the vault does, its program, how, what is said of sys-dns, its TIMEOUT]. */
const HOSTILE: readonly (readonly [string, string, string, string, string])[] = [
  ['sends without end', 'tar', 'exec cat /dev/zero', 'it has more bytes than it may', '20'],
  ['breaks off', 'tar', 'echo a; exit 9', 'secrets-vault did not send it (exit code 1)', '20'],
  ['is stuck', 'tar', 'echo a; exec sleep 1000', 'secrets-vault took longer than it may', '2'],
  ['has another checksum', 'sha256sum', 'exec /usr/bin/md5sum', 'it did not arrive whole', '20'],
  ['sends nothing but a checksum', 'tar', 'exit 0', 'it did not arrive whole', '20'],
  [
    'speaks to the terminal',
    'bash',
    `${ESCAPES}; ${ESCAPES} >&2; exit 3`,
    'secrets-vault did not send it (exit code 3)',
    '20',
  ],
  ['says nothing and that all is well', 'bash', 'exit 0', 'it did not arrive whole', '20'],
];

test.each(HOSTILE)(
  'a vault that %s does no harm, and what is there stays',
  async (_what, program, script, why, TIMEOUT) => {
    await keep('sys-dns', today);
    configure({ PCAPS: 'sys-dns', NFT: '' });
    expect(await pull()).toMatchObject({ code: 0 });
    const before = await work('sha256sum NetLogs/*/*');
    configure({ PCAPS: 'sys-dns', NFT: '', TIMEOUT });
    const path = lab.qube('secrets-vault').path(`/usr/local/bin/${program}`);
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
    expect(await pull(today)).toEqual({ code: 1, stdout: '', stderr: `sys-dns: not pulled: ${why}\n` });
    expect(await listing()).toEqual([`${today}/sys-dns.tgz`]);
    expect(await work('sha256sum NetLogs/*/*')).toBe(before);
  },
);

test('a vault can choose no day but one of those that dom0 asks for', async () => {
  const path = lab.qube('secrets-vault').path('/usr/local/bin/bash');
  for (const code of [9, 40, 255]) {
    writeFileSync(path, `#!/bin/sh\n${ESCAPES}; exit ${code}\n`);
    chmodSync(path, 0o755);
    expect(await pull()).toEqual({
      code: 1,
      stdout: '',
      stderr: `secrets-vault: can't be asked for its newest day (exit code ${code})\n`,
    });
  }
});

test('one source that fails does not stop the others', async () => {
  await keep('sys-dns', today);
  await vault(`head -c 5000000 /dev/urandom > NetLogs/sys-dns/${today}/pcaps-${today}.tgz`);
  await keep('sys-net', today);
  expect(await pull()).toEqual({
    code: 1,
    stdout: `sys-net: pulled\nDone. Check in 'work': ~/NetLogs/${today}/\n`,
    stderr: `sys-dns: not pulled: it has more bytes than it may\n${absent(['sys-vpn', 'sys-firewall'], today)}`,
  });
  expect(await listing()).toEqual([`${today}/sys-net.tgz`]);
});

test('a target without room is said, and keeps what it has', async () => {
  await keep('sys-net', today);
  await vault(`head -c 200000 /dev/urandom > NetLogs/sys-net/${today}/nft-${today}.log.gz`);
  await work('mkdir NetLogs');
  await lab.qube('work').exec(['mount', '-t', 'tmpfs', '-o', 'size=64k,mode=777', 'tmpfs', '/home/user/NetLogs']);
  await work(`mkdir NetLogs/${today}; echo good > NetLogs/${today}/sys-net.tgz`);
  const { code, stderr } = await pull();
  const left = await listing();
  const kept = await work(`cat NetLogs/${today}/sys-net.tgz`);
  await lab.qube('work').exec(['umount', '/home/user/NetLogs']);
  expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringMatching(/^sys-net: not pulled: work did/m) });
  expect({ left, kept }).toEqual({ left: [`${today}/sys-net.tgz`], kept: 'good\n' });
});
