// The lab itself: dom0's qvm-run and so on behave as notes from Qubes' sources say, and an app qube keeps /rw alone.
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { QubesLab } from './lab.ts';

let lab: QubesLab;

beforeAll(async () => {
  lab = await QubesLab.create([
    { name: 'work' },
    { name: 'sys-net', services: ['qubes-firewall'], database: { '/vm-config/netlog-prefix': 'SYSNET' } },
    { name: 'secrets-vault', halted: true },
  ]);
});

afterAll(() => lab?.remove());

const dom0 = (script: string): Promise<{ code: number | null; stdout: string; stderr: string }> =>
  lab.dom0.run(['bash', '-c', script]);

test('qvm-run passes stdio and exit codes, and quotes as Qubes does', async () => {
  const said = { code: 3, stdout: 'out a  b\n', stderr: 'err\n' };
  expect(await dom0(`qvm-run -p work -- sh -c 'echo "out $1"; echo err >&2; exit 3' sh 'a  b'`)).toEqual(said);
  expect(await dom0(`qvm-run work 'echo out; exit 4'`)).toEqual({ code: 4, stdout: '', stderr: '' });
  expect(await dom0('echo in | qvm-run --pass-io work "cat; id -un; pwd"')).toMatchObject({
    stdout: 'in\nuser\n/home/user\n',
  });
  expect(await dom0('qvm-run -p work "id -un; pwd" < /dev/null')).toMatchObject({ stdout: 'user\n/home/user\n' });
  expect(await dom0('qvm-run -pu root work -- sh -c "id -un; pwd"')).toMatchObject({ stdout: 'root\n/root\n' });
  // The trap of the form without argv: what is piped in becomes commands.
  expect(await dom0(`echo 'echo trapped' | qvm-run -p work 'true #'`)).toMatchObject({ stdout: 'trapped\n' });
  expect(await dom0('qvm-run -p nowhere true')).toMatchObject({ code: 2, stdout: '' });
  expect(await dom0('qvm-run -p work -- no-such-program')).toMatchObject({ code: 127 });
  expect(await dom0('qvm-run -p work -- sh -c "kill -9 \\$\\$"')).toMatchObject({ code: 137 });
  expect(lab.calls).toContainEqual(['qvm-run', '-p', 'nowhere', 'true']);
});

test('bytes cross whole, from qube to qube through dom0', async () => {
  const sum = 'head -c 50M /dev/zero | sha256sum';
  const piped = 'qvm-run -p work -- head -c 50M /dev/zero </dev/null | qvm-run -p sys-net -- sha256sum';
  expect(await dom0(piped)).toMatchObject({ code: 0, stdout: (await dom0(sum)).stdout });
});

test('a client that is killed or is not read ends what it runs', async () => {
  expect(
    await dom0('timeout 1 qvm-run -p work -- cat /dev/zero </dev/null | wc -c >/dev/null; echo $PIPESTATUS'),
  ).toEqual({ code: 0, stdout: '124\n', stderr: '' });
  expect(await dom0('qvm-run -p work -- cat /dev/zero </dev/null | head -c 1000 | wc -c')).toEqual({
    code: 0,
    stdout: '1000\n',
    stderr: '',
  });
  await expect.poll(() => lab.qube('work').run(['pgrep', '-x', 'cat'])).toMatchObject({ code: 1 });
});

test('--service runs a service of the qube with its argument', async () => {
  const qube = lab.qube('work');
  await qube.exec(['mkdir', '-p', '/usr/local/etc/qubes-rpc']);
  const service = '/usr/local/etc/qubes-rpc/netlog.Echo';
  writeFileSync(qube.path(service), '#!/bin/sh\necho "$#$1"\n', { mode: 0o755 });
  expect(await dom0('qvm-run -p --service work netlog.Echo+a+b')).toEqual({ code: 0, stdout: '1a+b\n', stderr: '' });
  expect(await dom0('qvm-run -p --service work netlog.None')).toMatchObject({ code: 127 });
});

test('qubes start and end as asked', async () => {
  expect(await dom0('qvm-check -q --running secrets-vault')).toMatchObject({ code: 1 });
  expect(await dom0('qvm-check -q secrets-vault; qvm-check -q nowhere')).toMatchObject({ code: 1, stdout: '' });
  expect(await dom0('qvm-run -n -p secrets-vault true')).toMatchObject({ code: 1 });
  expect(lab.qube('secrets-vault').running).toBe(false);
  expect(await dom0('qvm-run -p secrets-vault "echo kept > kept"')).toMatchObject({ code: 0 });
  expect(await dom0('qvm-ls --raw-data --fields NAME,STATE secrets-vault')).toMatchObject({
    stdout: 'secrets-vault|Running\n',
  });
  expect(await dom0('qvm-shutdown --wait secrets-vault')).toMatchObject({ code: 0 });
  expect(lab.qube('secrets-vault').running).toBe(false);
  expect(await dom0('qvm-start secrets-vault; qvm-run -p secrets-vault "cat kept"')).toMatchObject({
    stdout: 'kept\n',
  });
});

test('an app qube keeps /rw alone, and starts what is in it', async () => {
  const qube = lab.qube('sys-net');
  const rc = '#!/bin/sh\nqubesdb-read /vm-config/netlog-prefix > /run/prefix\n';
  await qube.exec([
    'sh',
    '-ec',
    'mkdir /var/log/netpcap; echo 1 > /var/log/netpcap/a; echo 1 > /var/log/b; echo 1 > ~/c',
  ]);
  await qube.exec(['sh', '-ec', 'mkdir -p /rw/bind-dirs/var/log/netpcap; echo 1 > /usr/local/d; echo 2 > /rw/e']);
  writeFileSync(qube.path('/rw/config/rc.local.d/50-netpcap.rc'), rc, { mode: 0o755 });
  writeFileSync(qube.path('/rw/config/qubes-bind-dirs.d/50.conf'), "binds+=( '/var/log/netpcap' )\n");
  writeFileSync(qube.path('/rw/config/qubes-firewall-user-script'), '#!/bin/sh\ntouch /run/user-script\n', {
    mode: 0o755,
  });
  expect(await dom0('qvm-service sys-net netpcap on')).toMatchObject({ code: 0 });
  await qube.kill();
  await qube.start();
  const left =
    'cat /run/prefix /usr/local/d /rw/e; ls -A /var/log/netpcap; ls -d /root/c /var/log/b /run/user-script; ls /run/qubes-service';
  const { stdout } = await qube.run(['sh', '-c', left]);
  expect(stdout).toBe('SYSNET1\n2\n/run/user-script\nnetpcap\nqubes-firewall\n');
});

test('nothing is left of a lab', async () => {
  const labs = (): string[] => readdirSync('/run').filter((name) => name.startsWith('qrexec-lab-'));
  const before = labs();
  const brief = await QubesLab.create([]);
  expect(labs().length).toBe(before.length + 1);
  await brief.remove();
  expect(labs()).toEqual(before);
  expect(existsSync(brief.dom0.path('/'))).toBe(false);
});
