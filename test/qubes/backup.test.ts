// qubes-netlogs-backup in a booted dom0, with its unit and timer, against sources that keep to the protocol and sources
// that do all they can not to. The sources' own programs have tests of their own; here they are a few lines of shell.
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Ended, Program } from '../program.ts';
import { QubesLab } from './lab.ts';

const FILES = fileURLToPath(new URL('../../deploy/qubes/files/dom0/', import.meta.url));
const SCRIPT = '/usr/local/sbin/qubes-netlogs-backup';
const SERVICES = '/usr/local/etc/qubes-rpc';
const DAY_S = 86_400;

/** Keeps to the protocol; notes what it was asked. */
const HONEST = `echo "export $*" >> /rw/asked
case $1 in
facts) printf 'files=2\\npackets=10\\nledger_head=abc\\n' ;;
*) echo "of $ID" | gzip -n ;;
esac
`;
const RELEASE = 'echo "release $*" >> /rw/asked\n';

let lab: QubesLab;

beforeAll(async () => {
  const unit = (name: string): string => `--bind-ro=${FILES}${name}:/etc/systemd/system/${name}`;
  lab = await QubesLab.create(
    [
      { name: 'secrets-vault', halted: true },
      { name: 'sys-dns' },
      { name: 'sys-net' },
      { name: 'sys-vpn', halted: true },
    ],
    {
      dom0: [
        `--bind-ro=${FILES}netlogs.sh:/usr/local/lib/netlogs.sh`,
        `--bind-ro=${FILES}qubes-netlogs-backup:${SCRIPT}`,
        unit('qubes-netlogs-backup.service'),
        unit('qubes-netlogs-backup.timer'),
      ],
    },
  );
});

afterAll(() => lab?.remove());

/** Nothing in the vault, no run before, honest sources, and the vault is up, so that runs are short. */
beforeEach(async () => {
  await lab.dom0.exec(['rm', '-rf', '/var/lib/netlogs']);
  await lab.qube('secrets-vault').start();
  await vault('rm -rf NetLogs');
  for (const name of ['sys-dns', 'sys-net']) await serve(name, HONEST);
  configure({});
});

async function serve(name: string, script: string): Promise<void> {
  const qube = lab.qube(name);
  await qube.exec(['sh', '-c', `rm -f /rw/asked; mkdir -p ${SERVICES}`]);
  for (const [service, text] of [
    ['netlog.Export', script],
    ['netlog.Release', RELEASE],
  ] as const) {
    const path = qube.path(`${SERVICES}/${service}`);
    writeFileSync(path, `#!/bin/bash\n${text}`);
    chmodSync(path, 0o755);
  }
}

function configure(settings: Readonly<Record<string, string>>): void {
  const all = { PCAPS: 'sys-dns', NFT: 'sys-net', MAX_BYTES: '1000000', TIMEOUT: '20', ...settings };
  const lines = Object.entries(all).map(([key, value]) => `${key}=${value}\n`);
  writeFileSync(lab.dom0.path('/etc/netlogs.conf'), lines.join(''));
}

const backup = (): Promise<Ended> => lab.dom0.run([SCRIPT]);
const vault = (script: string): Promise<string> => lab.qube('secrets-vault').exec(['bash', '-c', script], 'user');
const listing = async (): Promise<string[]> =>
  (await vault('[ ! -e NetLogs ] || find NetLogs -mindepth 1 -printf "%P %y %m\\n" | sort')).split('\n').slice(0, -1);
const asked = (name: string): string => readFileSync(lab.qube(name).path('/rw/asked'), 'utf8');
const today = async (): Promise<string> => (await lab.dom0.exec(['date', '-I'])).trim();
const manifest = async (path: string): Promise<Record<string, unknown>> =>
  JSON.parse(await vault(`cat NetLogs/${path}`)) as Record<string, unknown>;

/** What a good run of one of the two leaves. */
function whole(name: 'sys-dns' | 'sys-net', date: string, n = ''): string[] {
  const bundle = name === 'sys-dns' ? `pcaps-${date}${n}.tgz` : `nft-${date}${n}.log.gz`;
  return [`${name}/${date}/manifest${n}.json f 600`, `${name}/${date}/${bundle} f 600`];
}

const directories = (name: string, date: string): string[] => [`${name} d 700`, `${name}/${date} d 700`];

test('shellcheck and systemd find nothing in what is installed', async () => {
  const checked = await Program.run(undefined, ['shellcheck', '-x', `${FILES}qubes-netlogs-backup`]);
  expect(checked).toEqual({ code: 0, stdout: '', stderr: '' });
  const units = ['service', 'timer'].map((kind) => `/etc/systemd/system/qubes-netlogs-backup.${kind}`);
  expect(await lab.dom0.run(['systemd-analyze', 'verify', ...units])).toEqual({ code: 0, stdout: '', stderr: '' });
});

test('bundles and manifests are in the vault, and the sources know', async () => {
  await lab.qube('secrets-vault').shutdown();
  const before = lab.calls.length;
  const date = await today();
  expect(await backup()).toEqual({ code: 0, stdout: '', stderr: 'sys-dns: backed up\nsys-net: backed up\n' });
  expect(lab.qube('secrets-vault').running).toBe(false); // as it was
  const toSources = lab.calls.slice(before).filter((call) => call[0] === 'qvm-run' && !call.includes('secrets-vault'));
  expect(toSources.length).toBe(6);
  for (const call of toSources) expect(call.slice(1, 7)).toEqual(['--no-gui', '-q', '-n', '-p', '-u', 'root']);

  await lab.qube('secrets-vault').start();
  const left = ['sys-dns', 'sys-net'] as const;
  expect(await listing()).toEqual(left.flatMap((name) => [...directories(name, date), ...whole(name, date)]));
  const told = await manifest(`sys-dns/${date}/manifest.json`);
  const [sum] = (await vault(`sha256sum < NetLogs/sys-dns/${date}/pcaps-${date}.tgz`)).split(' ');
  const id = String(told['id']);
  expect(told).toEqual({
    version: 1,
    source: 'sys-dns',
    kind: 'pcaps',
    date,
    id: expect.stringMatching(/^\d{8}T\d{6}Z$/),
    since: await lab.dom0
      .exec(['date', '-ud', '@'.concat(await midnight()), '+%Y-%m-%dT%H:%M:%SZ'])
      .then((text) => text.trim()),
    until: id.replace(/^(....)(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5'),
    last_good: null,
    encrypted: false,
    file: `pcaps-${date}.tgz`,
    bytes: 24,
    sha256: sum,
    facts: { files: '2', ledger_head: 'abc', packets: '10' },
  });
  const until = (await lab.dom0.exec(['cat', '/var/lib/netlogs/sys-net.nft'])).trim();
  expect(asked('sys-net')).toBe(
    `export nft ${id} ${Number(await midnight()) - 60} ${until}\nexport facts nft ${id}\nrelease nft ${id} 2\n`,
  );
});

const midnight = async (): Promise<string> => (await lab.dom0.exec(['date', '-d', 'yesterday 00:00', '+%s'])).trim();

test('a further run on the same day is kept beside the first', async () => {
  const date = await today();
  expect(await backup()).toMatchObject({ code: 0 });
  const first = await vault('cd NetLogs && sha256sum */*/*');
  expect(await backup()).toMatchObject({ code: 0 });
  const left = ['sys-dns', 'sys-net'] as const;
  const both = left.flatMap((name) => [...directories(name, date), ...whole(name, date, '-2'), ...whole(name, date)]);
  expect(await listing()).toEqual(both.sort());
  expect(await vault('cd NetLogs && sha256sum */*/* | grep -v -- "-2[.]"')).toBe(first);
  const before = await manifest(`sys-net/${date}/manifest.json`);
  expect(await manifest(`sys-net/${date}/manifest-2.json`)).toMatchObject({ last_good: before['until'] });
});

test('the interval goes back to the last good run, and a minute more for a clock that is behind', async () => {
  const last = Math.floor(Date.now() / 1000) - 5 * DAY_S;
  await lab.dom0.exec(['sh', '-c', `mkdir -p /var/lib/netlogs; echo ${last} > /var/lib/netlogs/sys-net.nft`]);
  await serve('sys-net', 'exit 5\n');
  expect(await backup()).toMatchObject({ code: 1, stderr: expect.stringContaining('exit code 5') });
  await serve('sys-net', HONEST);
  expect(await backup()).toMatchObject({ code: 0 });
  expect(asked('sys-net')).toMatch(new RegExp(`^export nft \\w+ ${last - 60} `));
});

test('a qube of both kinds: each goes back to its own last good run, and one that fails is not released by the other', async () => {
  const last = Math.floor(Date.now() / 1000) - 5 * DAY_S;
  const state = '/var/lib/netlogs/sys-dns.';
  configure({ PCAPS: 'sys-dns', NFT: 'sys-dns' });
  await lab.dom0.exec([
    'sh',
    '-c',
    `mkdir -p /var/lib/netlogs; for kind in pcaps nft; do echo ${last} > ${state}$kind; done`,
  ]);
  await serve('sys-dns', `[ "$1" != pcaps ] || exit 5\n${HONEST}`);
  expect(await backup()).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('exit code 5\nsys-dns: backed up\n'),
  });
  expect(await lab.dom0.exec(['cat', `${state}pcaps`])).toBe(`${last}\n`);
  const id = /^export facts nft (\w+)$/m.exec(asked('sys-dns'))?.[1];
  expect(asked('sys-dns').match(/^(release|export facts) .*$/gm)).toEqual([
    `export facts nft ${id}`,
    `release nft ${id} 2`,
  ]);

  await serve('sys-dns', HONEST);
  expect(await backup()).toEqual({ code: 0, stdout: '', stderr: 'sys-dns: backed up\nsys-dns: backed up\n' });
  expect(asked('sys-dns')).toMatch(new RegExp(`^export pcaps \\w+ ${last} `));
  const date = await today();
  const names = ['manifest-2', 'manifest-3', 'manifest'].map((name) => `sys-dns/${date}/${name}.json f 600`);
  const bundles = [`nft-${date}-3.log.gz`, `nft-${date}.log.gz`, `pcaps-${date}-2.tgz`];
  const files = [...names, ...bundles.map((name) => `sys-dns/${date}/${name} f 600`)];
  expect(await listing()).toEqual([...directories('sys-dns', date), ...files].sort());
});

test('what halts is left for later, what is missing is an error, and nothing is started for it', async () => {
  configure({ PCAPS: 'sys-vpn sys-dns', NFT: 'sys-none sys-net' });
  expect(await backup()).toEqual({
    code: 1,
    stdout: '',
    stderr:
      'sys-vpn: not running, left for the next run\nsys-dns: backed up\n' +
      'sys-none: not backed up: there is no such qube\nsys-net: backed up\n',
  });
  expect(lab.qube('sys-vpn').running).toBe(false);
  configure({ VAULT: 'no-vault' });
  expect(await backup()).toMatchObject({ code: 1, stderr: "no-vault: can't be started\n" });
});

test('settings are read and never run', async () => {
  const path = lab.dom0.path('/etc/netlogs.conf');
  writeFileSync(path, '# a comment\nOTHER=$(touch /run/owned)\nPCAPS=sys-dns;touch /run/owned\n');
  expect(await backup()).toMatchObject({ code: 1, stderr: expect.stringContaining('/etc/netlogs.conf: PCAPS') });
  expect(existsSync(lab.dom0.path('/run/owned'))).toBe(false);
});

test('with a recipient the vault gets what age made of it', async () => {
  const recipient = 'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p';
  configure({ RECIPIENT: recipient });
  await serve('sys-dns', `${HONEST.replace('echo "of $ID" | gzip -n', 'echo age-encryption.org/v1 "$5"')}`);
  await serve('sys-net', HONEST); // sends plain text nevertheless
  const date = await today();
  expect(await backup()).toMatchObject({
    code: 1,
    stderr: 'sys-dns: backed up\nsys-net: not backed up: it sent something else than a bundle\n',
  });
  expect(await vault(`cat NetLogs/sys-dns/${date}/pcaps-${date}.tgz.age`)).toBe(`age-encryption.org/v1 ${recipient}\n`);
  expect(await manifest(`sys-dns/${date}/manifest.json`)).toMatchObject({ encrypted: true });
});

const ESCAPES = String.raw`printf '\033]0;owned\007\033[2Jowned\n'`;
const TAR = String.raw`cd "$(mktemp -d)"; mkfifo pipe; mknod device c 1 3; ln -s /etc/passwd link; : > "$(printf 'a\nb\033[2J')"
: > x; tar -cz --transform 's|^x$|../../x|' -P -- * `;

/** [what the source does, why it is not backed up; '' when it is, as it came]. */
const HOSTILE: readonly (readonly [string, string, string, Readonly<Record<string, string>>])[] = [
  ['sends without end', 'cat /dev/zero\n', 'it sent more than it may', {}],
  ['sends without end and ends well', "trap '' PIPE; cat /dev/zero; exit 0\n", 'it sent more than it may', {}],
  ['sends nothing', 'exit 0\n', 'it sent nothing', {}],
  ['sends garbage', `${ESCAPES}; head -c 500000 /dev/urandom\n`, 'it sent something else than a bundle', {}],
  ['breaks off', 'echo a | gzip; exit 9\n', 'its netlog.Export ended with exit code 9', {}],
  ['is killed', 'echo a | gzip; kill -9 $$\n', 'its netlog.Export ended with exit code 137', {}],
  ['is stuck', 'echo a | gzip; exec sleep 1000\n', 'it took longer than it may', { TIMEOUT: '2' }],
  ['trickles', 'while echo a; do sleep 0.1; done\n', 'it took longer than it may', { TIMEOUT: '2' }],
  ['has no age', 'exit 78\n', 'it has no age, which is to encrypt it', {}],
  ['has no program', 'exit 127\n', 'it has no netlog.Export (exit code 127)', {}],
  ['speaks to the terminal', `${ESCAPES} >&2; ${ESCAPES}; exit 1\n`, 'its netlog.Export ended with exit code 1', {}],
  ['has endless facts', `[ "$1" = facts ] && exec yes files=1; echo a | gzip\n`, 'it sent more than it may', {}],
  [
    'has false facts',
    `[ "$1" = facts ] && { ${ESCAPES}; echo 'a="},{'; echo b=1; echo b=2; exit; }; echo a | gzip\n`,
    '',
    {},
  ],
  ['has a tar with all that is bad', `[ "$1" = facts ] && echo files=1 || { ${TAR}; }\n`, '', {}],
];

test.each(HOSTILE)('a source that %s does no harm', async (_what, script, reason, settings) => {
  const date = await today();
  await serve('sys-dns', script);
  configure(settings);
  // Not all of the root: the machine below is at work meanwhile.
  const outside = 'find /etc /home /srv /usr/local/sbin /var/lib -newer /run/before ! -type d';
  await lab.dom0.exec(['touch', '/run/before']);
  const { code, stdout, stderr } = await backup();
  const line = reason === '' ? 'sys-dns: backed up\n' : `sys-dns: not backed up: ${reason}\n`;
  expect({ code, stdout, stderr }).toEqual({
    code: reason === '' ? 0 : 1,
    stdout: '',
    stderr: `${line}sys-net: backed up\n`,
  });
  const kept = reason === '' ? [...directories('sys-dns', date), ...whole('sys-dns', date)] : ['sys-dns d 700'];
  expect(await listing()).toEqual([...kept, ...directories('sys-net', date), ...whole('sys-net', date)]);
  if (reason === '') await manifest(`sys-dns/${date}/manifest.json`);
  const written = (await lab.dom0.exec(['sh', '-c', outside])).split('\n').filter((path) => path !== '');
  const own =
    reason === ''
      ? ['/var/lib/netlogs/sys-dns.pcaps', '/var/lib/netlogs/sys-net.nft']
      : ['/var/lib/netlogs/sys-net.nft'];
  expect(written.sort()).toEqual(own);
});

test('facts can say no more than their form', async () => {
  const date = await today();
  await serve(
    'sys-dns',
    `[ "$1" = facts ] && { ${ESCAPES}; echo 'a="},{'; echo b=1; echo b=2; exit; }; echo a | gzip\n`,
  );
  expect(await backup()).toMatchObject({ code: 0 });
  expect(await manifest(`sys-dns/${date}/manifest.json`)).toMatchObject({ facts: { b: '1' } });
});

test('a run that was cut off leaves nothing after the next', async () => {
  const date = await today();
  await vault(`mkdir -p NetLogs/sys-dns/2026-01-01; touch NetLogs/sys-dns/2026-01-01/.bundle.part`);
  expect(await backup()).toMatchObject({ code: 0 });
  expect(await listing()).not.toContain('sys-dns/2026-01-01/.bundle.part f 600');
  expect(await listing()).toContain(`sys-dns/${date}/manifest.json f 600`);
});

test('a vault without room is said', async () => {
  const qube = lab.qube('secrets-vault');
  await vault('mkdir -m 0700 NetLogs');
  await qube.exec(['mount', '-t', 'tmpfs', '-o', 'size=64k,uid=2000,mode=700', 'tmpfs', '/home/user/NetLogs']);
  await serve('sys-dns', '[ "$1" = facts ] && exec echo files=1; head -c 200000 /dev/urandom | gzip\n');
  const { code, stderr } = await backup();
  await qube.exec(['umount', '/home/user/NetLogs']);
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: expect.stringMatching(/^sys-dns: not backed up: .*\nsys-net: backed up\n$/),
  });
});

test('the vault forgets by age and by size, but not what is of today', async () => {
  const date = await today();
  const days = ['2025-01-01', '2025-06-01', '2026-01-01'];
  const fill = async (): Promise<string> =>
    vault(`umask 077; for d in ${days.join(' ')}; do mkdir -p NetLogs/sys-net/$d; head -c 100K /dev/zero > NetLogs/sys-net/$d/a; done
      mkdir -p NetLogs/notes`);
  const left = async (): Promise<string[]> => (await listing()).filter((line) => / d /.test(line));
  const always = [...directories('sys-dns', date), ...directories('sys-net', date), 'notes d 700'];
  await fill();
  configure({ KEEP_DAYS: String(Math.floor((Date.parse(date) - Date.parse('2025-06-01')) / (1000 * DAY_S))) });
  expect(await backup()).toMatchObject({ code: 0 });
  expect(await left()).toEqual([...always, 'sys-net/2025-06-01 d 700', 'sys-net/2026-01-01 d 700'].sort());
  await fill();
  configure({ KEEP_BYTES: '150000' });
  expect(await backup()).toMatchObject({ code: 0 });
  expect(await left()).toEqual([...always, 'sys-net/2026-01-01 d 700'].sort());
  configure({ KEEP_BYTES: '0' });
  expect(await backup()).toMatchObject({ code: 0 });
  expect(await left()).toEqual(always.sort());
});

test('the timer makes up for a night that was missed, and the service says what failed', async () => {
  const show = async (unit: string, property: string): Promise<string> =>
    (await lab.dom0.exec(['systemctl', 'show', '--value', '-p', property, unit])).trim();
  await serve('sys-dns', 'exit 1\n');
  await lab.dom0.exec(['sh', '-ec', 'mkdir -p /var/lib/systemd/timers; touch -d "3 days ago" $0', STAMP]);
  await lab.dom0.exec(['systemctl', 'enable', '--now', 'qubes-netlogs-backup.timer']);
  await expect.poll(() => show('qubes-netlogs-backup.service', 'ActiveState'), { timeout: 30_000 }).toBe('failed');
  expect(await show('qubes-netlogs-backup.service', 'ExecMainStatus')).toBe('1');
  const journal = await lab.dom0.exec(['journalctl', '-o', 'cat', '-u', 'qubes-netlogs-backup.service']);
  expect(journal).toContain('sys-dns: not backed up: its netlog.Export ended with exit code 1\nsys-net: backed up\n');
  expect(await show('qubes-netlogs-backup.timer', 'NextElapseUSecRealtime')).toMatch(/03:35:/);
  expect(await listing()).toContain(whole('sys-net', await today())[0]);
});

const STAMP = '/var/lib/systemd/timers/stamp-qubes-netlogs-backup.timer';
