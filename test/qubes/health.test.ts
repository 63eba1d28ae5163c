// netlogs-health in a booted dom0: of qubes that capture, log and have been backed up, of each of these broken in turn, and of
// qubes that answer with all they can to harm it. The packets and their lines are real.
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { putProgram } from '../boot/installed.ts';
import { type Ended, Program } from '../program.ts';
import { Chain, INTERNET } from './chain.ts';
import { logFromNamespaces, ownPrefix, settle } from './kernel-log.ts';
import { QubesLab } from './lab.ts';
import { putFiles } from './netlog-files.ts';

const HEALTH = '/usr/local/sbin/netlogs-health';
const SERVICE = '/usr/local/etc/qubes-rpc/netlog.Health';
const RC = ['/rw/config/rc.local.d/50-netlog.rc', '--wait'];
const HOUR_S = 3600;
/** What the lab's qubes come to: the tests change it. */
const FINE = [
  'ok    dom0  qubes-netlogs-backup.timer is on',
  'ok    dom0  qubes-netlogs-backup.service has not failed',
  'ok    sys-dns  last good backup: 0 hours ago',
  'ok    sys-dns  netpcap.service is active',
  'ok    sys-dns  a savefile is being written',
  'ok    sys-dns  disk: N% used',
  'ok    sys-dns  no packet dropped, no gap since the last backup',
  'ok    sys-firewall  last good backup: 0 hours ago',
  'ok    sys-firewall  nft: table inet netlog is there',
  'ok    sys-firewall  netlog-spool.service is active',
  'ok    sys-firewall  disk: N% used',
  'ok    sys-firewall  lines: none to log since the last backup',
  'ok    secrets-vault  disk: no more than N% used',
];

let chain: Chain;
let lab: QubesLab;
let restoreSwitch: (() => void) | undefined;

beforeAll(async () => {
  restoreSwitch = logFromNamespaces();
  chain = new Chain(['sys-firewall']);
  const database = { '/vm-config/netlog-prefix': ownPrefix('H') };
  lab = await QubesLab.create([
    { name: 'sys-dns', services: ['netpcap'] },
    {
      name: 'sys-firewall',
      network: chain.namespace('sys-firewall'),
      services: ['qubes-firewall', 'netlog'],
      database,
    },
    { name: 'secrets-vault' },
    { name: 'sys-vpn', halted: true },
  ]);
  putFiles(lab.dom0, ['dom0']);
  const [dns, firewall] = [lab.qube('sys-dns'), lab.qube('sys-firewall')];
  putFiles(dns, ['source', 'capture']);
  putFiles(firewall, ['source', 'nftlog']);
  putProgram('/usr/local', (inside) => dns.path(inside));
  for (const qube of [dns, firewall]) await qube.exec(RC);
  await lab.dom0.exec(['systemctl', 'enable', '--now', 'qubes-netlogs-backup.timer']);
  configure({});
  await backup();
});

afterAll(async () => {
  await lab?.remove();
  chain?.remove();
  restoreSwitch?.();
});

beforeEach(() => configure({}));

function configure(settings: Readonly<Record<string, string>>): void {
  const all = { PCAPS: 'sys-dns', NFT: 'sys-firewall', ...settings };
  const lines = Object.entries(all).map(([key, value]) => `${key}=${value}\n`);
  writeFileSync(lab.dom0.path('/etc/netlogs.conf'), lines.join(''));
}

const backup = (): Promise<string> => lab.dom0.exec(['systemctl', 'start', 'qubes-netlogs-backup.service']);
const health = (...args: readonly string[]): Promise<Ended> => lab.dom0.run([HEALTH, ...args]);
const lines = ({ stdout }: Ended): string[] =>
  stdout
    .replaceAll(/\b\d{1,2}% used/g, 'N% used')
    .trimEnd()
    .split('\n');
const inside = (name: string, script: string): Promise<string> => lab.qube(name).exec(['bash', '-ec', script]);

/** New flows through sys-firewall, of UDP that nobody answers; one line each where the rates allow it. */
async function send(count: number, first = 10_000): Promise<void> {
  const script = `const s = require('dgram').createSocket('udp4').on('error', () => {}); let n = 0;
    const next = () => n < ${count} ? s.send('x', ${first} + n++, '${INTERNET[0]}', next) : s.close(); next();`;
  const ended = await Program.run(undefined, chain.command('client', [process.execPath, '-e', script]));
  expect(ended).toMatchObject({ code: 0 });
}

test('where all is well each check says so, and --quiet says nothing', async () => {
  const all = await health();
  expect({ ...all, stdout: '' }).toEqual({ code: 0, stdout: '', stderr: '' });
  expect(lines(all)).toEqual(FINE);
  expect(await health('--quiet')).toEqual({ code: 0, stdout: '', stderr: '' });
});

test('lines that were logged are counted from the last backup on', async () => {
  await send(7);
  await settle(lab.qube('sys-firewall'));
  expect(lines(await health())).toContain('ok    sys-firewall  lines: 7 logged since the last backup');
  await backup();
  expect(lines(await health())).toEqual(FINE);
  await send(3, 20_000);
  await settle(lab.qube('sys-firewall'));
  expect(lines(await health())).toContain('ok    sys-firewall  lines: 3 logged since the last backup');
});

test('a capture that waits for a packet after a reload is well', async () => {
  const packet = 'echo a > /dev/udp/127.0.0.1/9';
  const open = 'ls /var/log/netpcap | grep -c part || :';
  await inside('sys-dns', `ip link set lo up; ${packet}`);
  await expect.poll(() => inside('sys-dns', 'cat /var/log/netpcap/*.part | wc -c')).not.toBe('24\n');
  await inside('sys-dns', 'systemctl reload netpcap.service');
  await expect.poll(() => inside('sys-dns', open)).toBe('0\n');
  expect(await health('--quiet')).toMatchObject({ code: 0, stdout: '' });
  await inside('sys-dns', `${packet}; ip link set lo down`);
  await expect.poll(() => inside('sys-dns', open)).toBe('1\n');
});

test('what the rates have left out is said, and fails nothing', async () => {
  await send(600, 30_000);
  await settle(lab.qube('sys-firewall'));
  const { code, stdout } = await health('--quiet');
  await backup();
  expect({ code, stdout: stdout.replace(/\d+/, 'N') }).toEqual({
    code: 0,
    stdout: 'warn  sys-firewall  lines: N beyond the rate limits were not logged since the last backup\n',
  });
});

test('packets that were lost and gaps are said, those before the last backup are not', async () => {
  const line = (time: string, event: string): string => `{"type":${event},"time":"${time}","prev":"0"}\\n`;
  const gap = '"gap","device":"any","reason":"down","fromMs":1,"toMs":2';
  const close = '"close","name":"a","dropped":5,"noSpace":2';
  const later = line('2099-01-01T00:00:00.000Z', gap) + line('2099-01-01T00:00:00.000Z', close);
  await inside(
    'sys-dns',
    `printf '${line('2020-01-01T00:00:00.000Z', gap)}${later}' > /var/log/netpcap/z.ledger.jsonl`,
  );
  const said = await health('--quiet');
  await inside('sys-dns', 'rm /var/log/netpcap/z.ledger.jsonl');
  expect(said).toEqual({
    code: 0,
    stdout: 'warn  sys-dns  since the last backup: 7 packets dropped, 1 gaps; its ledger has the times\n',
    stderr: '',
  });
});

/** A file system without room, where `directory` is. */
const fill = (directory: string): string =>
  `mount -t tmpfs -o size=1m,mode=1777 tmpfs ${directory}; head -c 2M /dev/zero > ${directory}/zeros || :`;

/** [what, where, how, how it is mended, what is said]; dom0's are run there. */
const BROKEN: readonly (readonly [string, string, string, string, readonly string[]])[] = [
  [
    'a capture that has ended',
    'sys-dns',
    'systemctl stop netpcap.service',
    'systemctl start netpcap.service',
    ['netpcap.service is not active', 'no savefile is being written'],
  ],
  [
    'a savefile that somebody has deleted',
    'sys-dns',
    'rm /var/log/netpcap/*.part',
    'systemctl restart netpcap.service',
    ['no savefile is being written'],
  ],
  [
    'a spool that has ended',
    'sys-firewall',
    'systemctl stop netlog-spool.service',
    'systemctl start netlog-spool.service',
    ['netlog-spool.service is not active'],
  ],
  [
    'rules that somebody has flushed',
    'sys-firewall',
    'nft delete table inet netlog',
    RC.join(' '),
    ['nft: there is no table inet netlog'],
  ],
  [
    'a full disk for savefiles',
    'sys-dns',
    fill('/var/log/netpcap'),
    'umount /var/log/netpcap',
    ['disk: 100% used, more than 95%'],
  ],
  [
    'a full disk for lines',
    'sys-firewall',
    fill('/var/log/netlog'),
    'umount /var/log/netlog',
    ['disk: 100% used, more than 95%'],
  ],
  [
    'a full vault',
    'secrets-vault',
    fill('/home/user'),
    'umount /home/user',
    ['disk: more than 95% used, or it has not answered'],
  ],
  [
    'a timer that is off',
    'dom0',
    'systemctl disable --now qubes-netlogs-backup.timer',
    'systemctl enable --now qubes-netlogs-backup.timer',
    ['qubes-netlogs-backup.timer is not on'],
  ],
];

describe('what is broken', () => {
  test.each(BROKEN)('%s', async (_what, name, harm, mend, said) => {
    const where = name === 'dom0' ? lab.dom0 : lab.qube(name);
    await where.exec(['bash', '-c', `${harm}; true`]);
    const { code, stdout, stderr } = await health('--quiet');
    await where.exec(['bash', '-ec', mend]);
    expect({ code, stdout, stderr }).toEqual({
      code: 1,
      stdout: said.map((line) => `fail  ${name}  ${line}\n`).join(''),
      stderr: '',
    });
  });

  test('lines that are counted and that nobody keeps', async () => {
    const journald = 'systemd-journald.socket systemd-journald-dev-log.socket systemd-journald-audit.socket';
    await inside('sys-firewall', `systemctl stop ${journald} systemd-journald.service`);
    await send(9, 40_000);
    const { code, stdout } = await health('--quiet');
    await inside('sys-firewall', `systemctl start ${journald} systemd-journald.service`);
    await backup();
    expect({ code, stdout }).toEqual({
      code: 1,
      stdout: 'fail  sys-firewall  lines: 9 logged since the last backup, and none is there\n',
    });
  });

  test('no backup for two days, or none ever', async () => {
    const state = lab.dom0.path('/var/lib/netlogs/sys-dns.pcaps');
    writeFileSync(state, `${Math.floor(Date.now() / 1000) - 50 * HOUR_S}\n`);
    const line = 'fail  sys-dns  last good backup: 50 hours ago, more than 30\n';
    expect(await health('--quiet')).toMatchObject({ code: 1, stdout: line });
    writeFileSync(state, '');
    const never = 'fail  sys-dns  no backup yet: systemctl start qubes-netlogs-backup.service\n';
    expect(await health('--quiet')).toMatchObject({ code: 1, stdout: never });
    await backup();
  });

  test('a backup that has failed', async () => {
    configure({ NFT: 'sys-none' });
    await expect(backup()).rejects.toThrow();
    configure({});
    expect(await health('--quiet')).toMatchObject({
      code: 1,
      stdout: 'fail  dom0  the last backup failed: journalctl -u qubes-netlogs-backup.service\n',
    });
    await backup();
  });

  test('is all mended by now', async () => {
    expect(await health('--quiet')).toEqual({ code: 0, stdout: '', stderr: '' });
  });
});

test('what is not running is said and not started, what is missing is an error', async () => {
  await lab.qube('secrets-vault').shutdown();
  configure({ PCAPS: 'sys-dns sys-vpn', NFT: 'sys-none' });
  const said = await health('--quiet');
  expect(said).toMatchObject({
    code: 1,
    stdout:
      'warn  sys-vpn  no backup yet: systemctl start qubes-netlogs-backup.service\n' +
      'warn  sys-vpn  not running, and not looked into\nfail  sys-none  there is no such qube\n',
  });
  for (const name of ['sys-vpn', 'secrets-vault']) expect(lab.qube(name).running).toBe(false);
  configure({});
  expect(lines(await health()).at(-1)).toBe('ok    secrets-vault  not running, and not looked into');
  await lab.qube('secrets-vault').start();
});

const ESCAPES = String.raw`printf '\033]0;owned\007\033[2Jowned\n'`;
const GOOD = 'active=1\\nopen=1\\ndisk=9\\ndropped=0\\ngaps=0\\n';
const OTHER = 'has answered something else than the numbers asked for';
const NEXT = 'fail  sys-none  there is no such qube\n';
const HOSTILE: readonly (readonly [string, string, string])[] = [
  ['is stuck', 'exec sleep 1000', 'has not answered for 3 seconds'],
  ['trickles', 'while echo active=1; do sleep 0.1; done', 'has not answered for 3 seconds'],
  ['speaks to the terminal', `${ESCAPES}; ${ESCAPES} >&2`, OTHER],
  ['speaks to it behind a good answer', `printf '${GOOD}'; ${ESCAPES}`, OTHER],
  ['has a number that is code', `printf '${GOOD.replace('9', 'x[$(touch /run/owned)]')}'`, OTHER],
  ['has a negative number', `printf '${GOOD.replace('9', '-9')}'`, OTHER],
  ['has a number without end', `printf '${GOOD.replace('9', '9'.repeat(16))}'`, OTHER],
  ['has other keys', `printf '${GOOD.replace('disk', 'PATH')}'`, OTHER],
  ['has NULs', String.raw`printf 'active=1\0\nopen=x\0\n'`, OTHER],
  ['says nothing', 'exit 0', OTHER],
  ['fails', `printf '${GOOD}'; exit 9`, 'its netlog.Health ended with exit code 9'],
  ['has no program', 'exit 127', 'has no netlog.Health (exit code 127)'],
];

describe('a source that', () => {
  const serve = async (script: string, lists = { PCAPS: 'sys-dns sys-none', NFT: '' }): Promise<Ended> => {
    const path = lab.qube('sys-dns').path(SERVICE);
    const honest = readFileSync(path);
    writeFileSync(path, `#!/bin/bash\n${script}\n`);
    chmodSync(path, 0o755);
    configure({ ...lists, TIMEOUT: '3' });
    try {
      return await health('--quiet');
    } finally {
      writeFileSync(path, honest);
    }
  };

  test.each(HOSTILE)('%s does no harm, and hides no other', async (_what, script, said) => {
    const { code, stdout, stderr } = await serve(script);
    expect({ code, stdout, stderr }).toEqual({
      code: 1,
      stdout: `fail  sys-dns  ${said}\n${NEXT}`,
      stderr: '',
    });
    expect(await lab.dom0.run(['test', '-e', '/run/owned'])).toMatchObject({ code: 1 });
  });

  test('answers without end is cut off', async () => {
    const { code, stdout, stderr } = await serve('yes active=1');
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    expect(stdout).toMatch(
      /^fail {2}sys-dns {2}(has answered something else .*|its netlog.Health ended .* \d+)\nfail {2}sys-none .*\n$/,
    );
  });

  test('has lost lines on their way to the journal is warned of', async () => {
    const answer = 'table=1\\nspool=1\\ndisk=1\\nlogged=5\\nkept=3\\nover=0\\n';
    const warned = 'warn  sys-dns  lines: 5 logged since the last backup, and only 3 are there\n';
    const run = (): Promise<Ended> => serve(`printf '${answer}'`, { PCAPS: '', NFT: 'sys-dns' });
    // That of its savefiles is none of its lines.
    const never = 'fail  sys-dns  no backup yet: systemctl start qubes-netlogs-backup.service\n';
    expect(await run()).toMatchObject({ code: 1, stdout: never + warned });
    await lab.dom0.exec(['sh', '-c', 'cd /var/lib/netlogs && cp sys-dns.pcaps sys-dns.nft']);
    expect(await run()).toMatchObject({ code: 0, stdout: warned });
  });

  test('has numbers with zeros before them is read as it says', async () => {
    expect(await serve(`printf '${GOOD.replace('9', '0000096')}'`)).toEqual({
      code: 1,
      stdout: `fail  sys-dns  disk: 96% used, more than 95%\n${NEXT}`,
      stderr: '',
    });
  });
});

test('wrong use', async () => {
  expect(await health('--loud')).toEqual({
    code: 2,
    stdout: '',
    stderr: 'netlogs-health: unknown option --loud (see --help)\n',
  });
  expect(await health('--help')).toMatchObject({ code: 0, stdout: expect.stringContaining('--quiet') });
  const plain = ['setpriv', '--reuid', 'nobody', '--clear-groups', HEALTH];
  expect(await lab.dom0.run(plain)).toMatchObject({ code: 2, stderr: expect.stringContaining('sudo netlogs-health') });
});
