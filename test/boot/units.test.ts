// The units under a real systemd: what the processes may do, as /proc has it, that one for an interface captures beside the
// other, and that a wrong option is not tried again. Needs root and systemd-nspawn, and fails without them.
import { cpSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PROGRAM } from '../program.ts';
import { CAP_NET_RAW, confinement, writablePaths } from '../service/confinement.ts';
import { Container } from './container.ts';
import { putProgram } from './installed.ts';

const PROJECT = join(dirname(PROGRAM), '..');
const SYSTEMD = join(PROJECT, 'deploy/systemd');

let container: Container;

beforeAll(async () => {
  container = await Container.boot({ name: 'units' });
  const at = (path: string): string => container.path(path);
  putProgram('/usr', at);
  for (const name of ['netpcap.service', 'netpcap@.service'])
    cpSync(join(SYSTEMD, name), at(`/etc/systemd/system/${name}`));
  cpSync(join(SYSTEMD, 'sysusers.conf'), at('/usr/lib/sysusers.d/netpcap.conf'));
  cpSync(join(SYSTEMD, 'tmpfiles.conf'), at('/usr/lib/tmpfiles.d/netpcap.conf'));
  await container.exec(['systemd-sysusers', 'netpcap.conf']);
  await container.exec(['systemd-tmpfiles', '--create', 'netpcap.conf']);
  await container.exec(['systemctl', 'daemon-reload']);
});

afterAll(() => container?.remove());

async function property(unit: string, name: string): Promise<string> {
  return (await container.exec(['systemctl', 'show', '--property', name, '--value', unit])).trim();
}

/** Of a service's main process, the number outside. */
async function mainProcess(unit: string): Promise<number> {
  const inside = await property(unit, 'MainPID');
  const namespace = (await container.exec(['readlink', '/proc/self/ns/pid'])).trim();
  const found = readdirSync('/proc').find((name) => {
    try {
      const numbers = /^NSpid:.*\t(\d+)$/m.exec(readFileSync(`/proc/${name}/status`, 'latin1'));
      return numbers?.[1] === inside && readlinkSync(`/proc/${name}/ns/pid`) === namespace;
    } catch {
      return false; // no process, or not any more
    }
  });
  if (found === undefined) throw new Error(`${unit}: no process ${inside} in the container`);
  return Number(found);
}

test.each([
  ['netpcap.service', '/var/log/netpcap'],
  ['netpcap@lo.service', '/var/log/netpcap/lo'],
])('%s has CAP_NET_RAW and nothing else, and can write to %s and what is its own alone', async (unit, directory) => {
  await container.exec(['systemctl', 'start', unit]);
  const pid = await mainProcess(unit);
  const only = [CAP_NET_RAW];
  const { threads } = confinement(pid);
  expect(threads.length).toBeGreaterThan(5);
  for (const thread of threads) {
    expect(thread).toMatchObject({
      permitted: only,
      effective: only,
      inheritable: only,
      ambient: only,
      bounding: only,
    });
    expect(thread).toMatchObject({ noNewPrivileges: true, seccomp: 'filter' });
    expect(new Set([...thread.uids, ...thread.gids, ...thread.groups])).not.toContain(0);
  }
  // Both temporary directories are mounts of its own (PrivateTmp).
  expect(writablePaths(pid)).toEqual(['/tmp', directory, '/var/tmp'].sort());
  const mounts = readFileSync(`/proc/${pid}/mountinfo`, 'latin1').split('\n');
  for (const own of ['/tmp', '/var/tmp'])
    expect(mounts.some((line) => line.includes(`systemd-private-`) && line.split(' ')[4] === own)).toBe(true);
  expect(await property(unit, 'StatusText')).toContain(`0 dropped, ${directory}/pcap-`);
});

test('the two go on beside each other, each with its files, which are the user’s', async () => {
  for (const unit of ['netpcap.service', 'netpcap@lo.service'])
    expect(await property(unit, 'ActiveState')).toBe('active');
  const owners = await container.exec(['stat', '--format', '%U:%G:%a', '/var/log/netpcap', '/var/log/netpcap/lo']);
  expect(owners).toBe('netpcap:netpcap:750\nnetpcap:netpcap:750\n');
});

test('what is no name of an interface, and a wrong option, end it at once and for good', async () => {
  writeFileSync(container.path('/etc/default/netpcap-lo'), 'NETPCAP_OPTS="--nonsense"\n');
  await container.exec(['systemctl', 'stop', 'netpcap@lo.service']);
  for (const unit of ['netpcap@lo.service', 'netpcap@br-lan.service']) {
    expect((await container.run(['systemctl', 'start', unit])).code).not.toBe(0);
    expect(await property(unit, 'ActiveState')).toBe('failed');
    expect(await property(unit, 'ExecMainStatus')).toBe('2');
    expect(await property(unit, 'NRestarts')).toBe('0');
  }
});
