// The service as its users have it: the package installed by apt under a real systemd, enabled, and what then happens to a
// capture that runs for months, in the order in which it can: traffic, a reload, a process that hangs, a full disk, a power cut,
// a reboot, a stop. Needs root and systemd-nspawn, and fails without them.
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CAPTURE, Lab } from '../../bench/lab.ts';
import { offer } from '../../bench/offer.ts';
import { Packages, VERSION } from '../deploy/package/packages.ts';
import { expectReadable, readSavefile } from '../savefile.ts';
import { Container } from './container.ts';

const DEB = `/packages/tsnetpcap_${VERSION}-1_${process.arch === 'x64' ? 'amd64' : 'arm64'}.deb`;
const DIRECTORY = '/var/log/netpcap';
const WATCHDOG_SEC = 3;
const RATE = 20_000;
const PATIENCE_MS = 30_000;

let packages: Packages;
let lab: Lab;
let machine: Container;
let judged: string;
/** Packets put on the wire for the savefiles that are judged. */
let offered = 0;

beforeAll(async () => {
  packages = new Packages('tsnetpcap');
  lab = Lab.create();
  judged = mkdtempSync(join(tmpdir(), 'tsnetpcap-service-'));
  machine = await Container.boot({
    name: 'service',
    network: lab.name,
    nspawn: [`--bind-ro=${packages.directory}:/packages`],
  });
  await machine.exec(['rm', '-f', '/usr/sbin/policy-rc.d']);
});

afterAll(async () => {
  lab?.remove(); // its name; the namespace goes with the machine
  await machine?.remove();
  packages?.remove();
  if (judged !== undefined) rmSync(judged, { recursive: true });
});

const systemctl = (...words: string[]): Promise<string> => machine.exec(['systemctl', ...words]);

async function property(name: string): Promise<string> {
  return (await systemctl('show', '--property', name, '--value', 'netpcap')).trim();
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not in ${PATIENCE_MS} ms: ${what}`);
    await sleep(100);
  }
}

/** Resolves when the service says that it has written so many packets since its start. */
function written(packets: number): Promise<void> {
  return until(`${packets} packets written`, async () =>
    (await property('StatusText')).startsWith(`${packets} packets, `),
  );
}

async function traffic(count: number): Promise<void> {
  offered += await offer(lab, { count, rate: RATE });
}

/** Complete savefiles, oldest first. */
async function complete(): Promise<string[]> {
  return (await machine.exec(['ls', DIRECTORY])).split('\n').filter((name) => /^pcap-\d{14}(-\d+)?\.pcap$/.test(name));
}

/** All packets of the complete savefiles, which other programs have read as well. */
async function kept(): Promise<number> {
  let packets = 0;
  for (const name of await complete()) {
    const copy = join(judged, name);
    copyFileSync(machine.path(`${DIRECTORY}/${name}`), copy);
    const { records } = readSavefile(copy);
    expectReadable(copy, records.length);
    packets += records.length;
  }
  return packets;
}

async function entries(type: string): Promise<Record<string, unknown>[]> {
  const lines = (await machine.exec(['cat', `${DIRECTORY}/pcap.ledger.jsonl`])).trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter((entry) => entry['type'] === type);
}

async function verified(): Promise<void> {
  expect(await machine.run(['tsnetpcap', 'verify', DIRECTORY])).toMatchObject({ code: 0, stderr: '' });
}

test('installed by apt, enabled and started, it captures and says how it gets on', async () => {
  await machine.exec(['apt-get', '--yes', 'install', DEB]);
  writeFileSync(machine.path('/etc/default/netpcap'), `NETPCAP_OPTS="-i ${CAPTURE.name}"\n`);
  const dropIn = machine.path('/etc/systemd/system/netpcap.service.d');
  await machine.exec(['mkdir', '/etc/systemd/system/netpcap.service.d']);
  writeFileSync(join(dropIn, 'test.conf'), `[Service]\nWatchdogSec=${WATCHDOG_SEC}s\nRestartSec=100ms\n`);
  await systemctl('daemon-reload');
  await systemctl('enable', '--now', 'netpcap');
  await traffic(2000);
  await written(2000);
  expect(await systemctl('status', 'netpcap')).toMatch(/Status: ".*dropped.*pcap-\d{14}\.pcap/);
});

test('a reload completes the file and begins the next', async () => {
  expect(await complete()).toEqual([]);
  await systemctl('reload', 'netpcap');
  await until('a complete file', async () => (await complete()).length === 1);
  expect(await kept()).toBe(offered);
  await traffic(1000);
});

test('a process that hangs is ended by the watchdog, and the ring goes on with its file', async () => {
  const before = await property('MainPID');
  await written(3000);
  await machine.exec(['kill', '-STOP', before]);
  await until('another process', async () => (await property('NRestarts')) === '1');
  await until('that it captures', async () => (await property('ActiveState')) === 'active');
  expect(await property('MainPID')).not.toBe(before);
  expect(await complete()).toHaveLength(2);
  expect(await entries('adopt')).toHaveLength(1);
  expect(await kept()).toBe(offered);
  await verified();
});

test('a disk that stays full for three times the watchdog leaves the process alone', async () => {
  const before = await property('MainPID');
  const filler = `${DIRECTORY}/filler`;
  await systemctl('stop', 'netpcap');
  await machine.exec([
    'sh',
    '-ec',
    `cp -a ${DIRECTORY} /var/aside; mount -t tmpfs -o size=2m,mode=750 full ${DIRECTORY}`,
  ]);
  await machine.exec(['chown', 'netpcap:netpcap', DIRECTORY]);
  await systemctl('start', 'netpcap');
  const pid = await property('MainPID');
  expect(pid).not.toBe(before);
  const restarts = await property('NRestarts');
  await machine.run(['sh', '-c', `cat /dev/zero > ${filler}`]);
  const full = await offer(lab, { count: 10_000, rate: RATE });
  await sleep(3 * WATCHDOG_SEC * 1000);
  expect([await property('MainPID'), await property('NRestarts')]).toEqual([pid, restarts]);
  expect(await property('ActiveState')).toBe('active');
  await machine.exec(['rm', filler]);
  await written(full);
  await systemctl('stop', 'netpcap');
  expect(await kept()).toBe(full);
  await verified();
  await machine.exec(['umount', DIRECTORY]);
  await systemctl('start', 'netpcap');
  expect(await kept()).toBe(offered);
});

test('after a power cut it starts by itself and completes what was left', async () => {
  const before = (await complete()).length;
  const adopted = (await entries('adopt')).length;
  await traffic(1000);
  await written(1000);
  await machine.cutPower();
  await machine.boot();
  await until('that it captures', async () => (await property('ActiveState')) === 'active');
  expect(await complete()).toHaveLength(before + 1);
  expect(await entries('adopt')).toHaveLength(adopted + 1);
  expect(await kept()).toBe(offered);
  await verified();
});

test('a reboot stops it with all packets in its file, and starts it again', async () => {
  await traffic(2000);
  await machine.reboot();
  await until('that it captures', async () => (await property('ActiveState')) === 'active');
  expect(await kept()).toBe(offered);
});

test('stopped, it has drained what the kernel had', async () => {
  await traffic(5000);
  await systemctl('stop', 'netpcap');
  expect(await property('Result')).toBe('success');
  expect(await kept()).toBe(offered);
  await verified();
});

test('purged, it leaves its files', async () => {
  const files = await complete();
  await machine.exec(['apt-get', '--yes', 'purge', 'tsnetpcap']);
  expect(await complete()).toEqual(files);
  expect(await kept()).toBe(offered);
  expect((await machine.run(['getent', 'passwd', 'netpcap'])).code).not.toBe(0);
});
