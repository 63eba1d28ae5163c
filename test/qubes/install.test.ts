// The document's own two commands in a dom0 with its qubes: `qubesctl state.show_sls` and `qubesctl state.sls`. What
// test=True says is what is done then, a second time there is nothing to do, what a restart of a qube or a person has undone
// is done again, and the removal leaves nothing but logs.
import { statSync } from 'node:fs';
import { basename } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FILES } from '../../src/netlog/state/files.ts';
import type { Ended } from '../program.ts';
import { QubesLab } from './lab.ts';
import { apply, layPillar, layProgram, layStates, STATE, salt, WITH_QUBESCTL } from './salt.ts';

const NET_QUBES = ['sys-dns', 'sys-vpn', 'sys-firewall', 'sys-net'];
const SCRIPT = '/usr/local/sbin/qubes-netlogs-backup';
/** Files, and directories that bear our names; logs and what the system notes down are not in question. */
const OURS = ['(', '!', '-type', 'd', '-o', '-name', '*netlog*', '-o', '-name', '*netpcap*', ')'];
const PLACES = {
  dom0: ['/usr/local', '/etc', '/var/lib', ...OURS],
  qube: ['/rw', '/run/systemd/system', '/usr/lib/systemd', ...OURS, '!', '-path', '/rw/bind-dirs*'],
};

const QUBES_OF: Readonly<Record<string, readonly string[]>> = {
  capture: ['sys-dns', 'sys-vpn'],
  nftlog: ['sys-firewall', 'sys-net'],
};

let lab: QubesLab;
let before: string[] = [];

beforeAll(async () => {
  lab = await QubesLab.create(
    [
      { name: 'sys-dns' },
      { name: 'sys-vpn', nspawn: WITH_QUBESCTL },
      { name: 'sys-firewall', services: ['qubes-firewall'] },
      { name: 'sys-net', services: ['qubes-firewall'] },
      { name: 'work', halted: true },
      { name: 'secrets-vault', halted: true },
      { name: 'disp-net', halted: true, klass: 'DispVM' },
    ],
    { dom0: WITH_QUBESCTL },
  );
  layStates(lab.dom0, layProgram);
  before = await listings();
});
afterAll(() => lab?.remove());

/** What is in dom0 and in the qubes that run from the beginning. */
async function listings(): Promise<string[]> {
  const lists = [
    lab.dom0.exec(['find', ...PLACES.dom0]),
    ...NET_QUBES.map((name) => lab.qube(name).exec(['find', ...PLACES.qube])),
  ];
  return (await Promise.all(lists)).map((list) => list.split('\n').sort().join('\n'));
}

const install = (): Promise<string[]> => apply(lab.dom0, STATE);
const active = (qube: string, unit: string): Promise<{ stdout: string }> =>
  lab.qube(qube).run(['systemctl', 'is-active', unit]);

const viewer = (): Promise<Ended> => lab.qube('work').run(['stat', '-c', '%U %a', '/home/user/bin/open-netlogs.sh']);

/** Units of ours that should run in a qube and do not. */
async function stopped(): Promise<string[]> {
  const units = FILES.flatMap(({ role, rw = '' }) =>
    rw.endsWith('.service') ? (QUBES_OF[role] ?? []).map((qube) => [qube, basename(rw)] as const) : [],
  );
  const states = await Promise.all(
    units.map(async ([qube, unit]) => `${qube} ${unit}: ${(await active(qube, unit)).stdout.trim()}`),
  );
  expect(states).not.toEqual([]);
  return states.filter((state) => !state.endsWith(': active'));
}

test('test=True touches nothing', async () => {
  expect(await salt(lab.dom0, STATE, 'test=True')).not.toEqual([]);
  expect(await listings()).toEqual(before);
});

test("the document's `install` of a script onto itself fails, and leaves its mode", async () => {
  await lab.dom0.exec(['sh', '-c', `echo '#!/bin/sh' > ${SCRIPT}`]);
  const document = await lab.dom0.run(['install', '-m', '0755', SCRIPT, SCRIPT]);
  expect(document).toMatchObject({ code: 1, stderr: expect.stringContaining('are the same file') });
  expect(statSync(lab.dom0.path(SCRIPT)).mode & 0o7777).toBe(0o644);
});

test('applied once, all is there and runs; twice, there is nothing to do', async () => {
  const ids = await install();
  for (const qube of NET_QUBES) expect(ids).toContain(`netlog-deploy-${qube}`);
  expect(await stopped()).toEqual([]);
  expect(await lab.qube('sys-dns').exec(['findmnt', '-no', 'SOURCE', '/var/log/netpcap'])).toContain('bind-dirs');
  const timers = await lab.dom0.exec(['systemctl', 'list-timers', '--all']);
  expect(timers).toContain('qubes-netlogs-backup.service');
  expect(statSync(lab.dom0.path(SCRIPT)).mode & 0o7777).toBe(0o755);
  // A qube that was halted is halted again.
  expect(lab.qube('work').running).toBe(false);
  await lab.qube('work').start();
  expect(await viewer()).toMatchObject({ stdout: 'user 755\n' });
});

test('after a restart of the qubes all runs with what it had, and there is nothing to do', async () => {
  const [dns, firewall] = [lab.qube('sys-dns'), lab.qube('sys-firewall')];
  const [first] = (await dns.exec(['ls', '/var/log/netpcap'])).split('\n');
  await Promise.all([dns, firewall].map((qube) => qube.shutdown()));
  await Promise.all([dns, firewall].map((qube) => qube.start()));
  await expect.poll(stopped).toEqual([]);
  expect(await dns.exec(['ls', '/var/log/netpcap'])).toContain(first?.replace('.part', ''));
  expect(await salt(lab.dom0, STATE)).toEqual([]);
});

test('what a person has changed in a qube is put right', async () => {
  const change = 'echo >> /rw/config/netlog/netpcap.default; chmod 644 /usr/local/bin/tsnetpcap';
  await lab.qube('sys-vpn').exec(['sh', '-c', change]);
  expect(await install()).toEqual(['netlog-deploy-sys-vpn']);
});

test('a setting of the pillar arrives, and what runs with it is restarted', async () => {
  const times = "at: '04:10', also_at: hourly, final: true";
  layPillar(lab.dom0, `netlog: { ring: 72, skip_qube_ranges: true, ${times}, new_rate: 10/second }\n`);
  const qube = lab.qube('sys-dns');
  const pid = async (): Promise<string> => (await qube.exec(['systemctl', 'show', '-P', 'MainPID', 'netpcap'])).trim();
  const old = await pid();
  expect(await install()).toContain('netlog-deploy-sys-dns');
  expect(await pid()).not.toBe(old);
  const line = (await qube.exec(['cat', `/proc/${await pid()}/cmdline`])).split('\0').join(' ');
  expect(line).toContain('--ring 72 --exclude 10.137.0.0/16 --exclude 10.138.0.0/16 --exclude 10.139.0.0/16');
  expect(line).toContain('--exclude fd09:24ef:4179::/48');
  const calendar = await lab.dom0.exec(['systemctl', 'show', '-P', 'TimersCalendar', 'qubes-netlogs-backup.timer']);
  expect(calendar).toContain('OnCalendar=*-*-* 04:10:00 ;');
  expect(calendar).toContain('OnCalendar=*-*-* *:00:00 ;');
  expect(await lab.dom0.exec(['systemctl', 'is-enabled', 'qubes-netlogs-final.service'])).toBe('enabled\n');
  const rules = await lab.qube('sys-net').exec(['nft', 'list', 'chain', 'inet', 'netlog', 'new']);
  expect(rules).toContain('limit rate 10/second }');
  expect(rules).toContain('log prefix "SYSNET:new "');
});

test('a time that systemd does not know is refused before anything is changed', async () => {
  const [old, wrong] = ['ring: 72', "also_at: 'every now and then'"];
  layPillar(lab.dom0, `netlog: { ${old}, ${wrong} }\n`);
  const { code, stdout } = await lab.dom0.run(['qubesctl', '--show-output', 'state.sls', STATE]);
  expect(code).toBe(2);
  expect(lines(stdout).map((line) => JSON.parse(line))).toEqual([
    expect.objectContaining({ id: 'netlog-also_at', failed: expect.stringContaining('every now and then') }),
  ]);
  const timer = ['systemctl', 'show', '-P', 'TimersCalendar', 'qubes-netlogs-backup.timer'];
  expect(await lab.dom0.exec(timer)).toContain('OnCalendar=*-*-* 04:10:00 ;');
  layPillar(lab.dom0, `netlog: { ${old} }\n`);
});

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');

test('a disposable is refused in mode rw, which it would not keep', async () => {
  const line = 'disp-net root /rw/config/rc.local.d/50-netlog.rc source nftlog';
  await lab.dom0.exec(['sh', '-c', `echo '${line}' >> /usr/local/lib/qubes-netlogs/qubes`]);
  expect(await lab.dom0.run(['qubes-netlogs-deploy', 'disp-net'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('disp-net is a disposable, and keeps nothing'),
  });
  expect(lab.qube('disp-net').running).toBe(false);
});

test('the removal leaves nothing but logs', async () => {
  expect(await apply(lab.dom0, `${STATE}-remove`)).toContain('netlog-remove-sys-dns');
  expect(await listings()).toEqual(before);
  expect(await viewer()).toMatchObject({ code: 1 });
  expect(await lab.qube('sys-dns').exec(['ls', '/rw/bind-dirs/var/log/netpcap'])).toContain('.pcap');
  expect(await active('sys-dns', 'netpcap.service')).toMatchObject({ stdout: 'inactive\n' });
  expect(await lab.qube('sys-net').exec(['nft', 'list', 'ruleset'])).not.toContain('netlog');
});

test('by --targets, a qube puts the same into itself, and takes it away again', async () => {
  const qube = lab.qube('sys-vpn');
  layStates(qube, layProgram);
  expect(await apply(qube, STATE)).toContain('netlog-activate');
  expect(await active('sys-vpn', 'netpcap.service')).toMatchObject({ stdout: 'active\n' });
  expect(await apply(qube, `${STATE}-remove`)).toContain('netlog-activate');
  expect(await listings()).toEqual(before);
});
