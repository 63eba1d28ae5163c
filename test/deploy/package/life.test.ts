// The Debian package's life on a machine of its own: what its maintainer scripts do to the service, its user and the savefiles,
// from the first installation through upgrade and purge to the next. Needs root, systemd-nspawn, and Node as a Debian package.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Container } from '../../boot/container.ts';
import { Packages, VERSION } from './packages.ts';

const DEB = `/packages/tsnetpcap_${VERSION}-1_${process.arch === 'x64' ? 'amd64' : 'arm64'}.deb`;
const DIRECTORY = '/var/log/netpcap';

let packages: Packages;
let machine: Container;

beforeAll(async () => {
  packages = new Packages('tsnetpcap');
  machine = await Container.boot({ name: 'life', nspawn: [`--bind-ro=${packages.directory}:/packages`] });
  // Images for containers have one, which forbids maintainer scripts to restart what runs.
  await machine.exec(['rm', '-f', '/usr/sbin/policy-rc.d']);
});

afterAll(async () => {
  await machine?.remove();
  packages?.remove();
});

const install = (): Promise<string> => machine.exec(['dpkg', '-i', DEB]);
const service = (command: string): Promise<string> => machine.exec(['systemctl', command, 'netpcap']);

/** What systemctl says of the service, which is its exit code's business as well. */
async function asked(question: 'is-active' | 'is-enabled'): Promise<string> {
  return (await machine.run(['systemctl', question, 'netpcap'])).stdout.trim();
}

const mainProcess = (): Promise<string> =>
  machine.exec(['systemctl', 'show', '--property=MainPID', '--value', 'netpcap']);

/** Of what the service has written, and of the directory itself. */
async function owners(): Promise<string[]> {
  const printed = await machine.exec(['find', DIRECTORY, '-printf', '%u:%g\n']);
  return [...new Set(printed.trimEnd().split('\n'))];
}

async function savefiles(pattern: RegExp): Promise<string[]> {
  return (await machine.exec(['ls', DIRECTORY])).split('\n').filter((name) => pattern.test(name));
}

test('installed, it has a user and a directory, and neither runs nor will', async () => {
  await install();
  expect([await asked('is-active'), await asked('is-enabled')]).toEqual(['inactive', 'disabled']);
  expect(await machine.exec(['stat', '-c', '%U:%G %a', DIRECTORY])).toBe('netpcap:netpcap 750\n');
  expect(await machine.exec(['tsnetpcap', '--version'])).toContain(`tsnetpcap ${VERSION}, Node `);
});

test('an upgrade leaves it as it is when it is stopped, and starts it anew when it runs', async () => {
  await install();
  expect(await asked('is-active')).toBe('inactive');
  await service('start');
  const before = await mainProcess();
  expect(await savefiles(/\.pcap$/)).toEqual([]);
  await machine.exec(['sh', '-c', 'echo "NETPCAP_OPTS=--utc" > /etc/default/netpcap']);
  await install();
  expect(await asked('is-active')).toBe('active');
  expect(await mainProcess()).not.toBe(before);
  expect(await savefiles(/\.pcap$/)).toHaveLength(1);
  expect(await machine.exec(['cat', '/etc/default/netpcap'])).toBe('NETPCAP_OPTS=--utc\n');
});

test("removed and purged, it is stopped, its user and its links are gone, and the savefiles are root's", async () => {
  await service('enable');
  await machine.exec(['dpkg', '--remove', 'tsnetpcap']);
  expect(await asked('is-active')).toBe('inactive');
  const left = await savefiles(/\.pcap$/);
  expect(left).toHaveLength(2);
  expect(await owners()).toEqual(['netpcap:netpcap']);
  await machine.exec(['dpkg', '--purge', 'tsnetpcap']);
  expect(await savefiles(/\.pcap$/)).toEqual(left);
  expect(await owners()).toEqual(['root:root']);
  expect((await machine.run(['getent', 'passwd', 'netpcap'])).code).not.toBe(0);
  expect((await machine.run(['getent', 'group', 'netpcap'])).code).not.toBe(0);
  expect(await machine.exec(['find', '/etc', '-name', '*netpcap*'])).toBe('');
});

test('installed again, it goes on with the savefiles of before', async () => {
  const left = await savefiles(/\.pcap$/);
  await install();
  expect(await owners()).toEqual(['netpcap:netpcap']);
  await service('start');
  await service('stop');
  expect(await savefiles(/\.pcap$/)).toEqual(expect.arrayContaining(left));
  expect(await machine.run(['tsnetpcap', 'verify', DIRECTORY])).toMatchObject({ code: 0, stderr: '' });
});
