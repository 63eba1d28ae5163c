// The harness itself: a container boots, reboots, is cut off, and nothing of it is left however its owner ends. Needs root
// and systemd-nspawn, and fails without them.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Lab } from '../../bench/lab.ts';
import { offer } from '../../bench/offer.ts';
import { Program } from '../program.ts';
import { Container } from './container.ts';

const HARNESS = fileURLToPath(new URL('container.ts', import.meta.url));

let container: Container;
let lab: Lab;

beforeAll(async () => {
  lab = Lab.create();
  container = await Container.boot({ name: 'harness', network: lab.name, nspawn: ['--bind=/dev/kmsg'] });
});

afterAll(async () => {
  await container?.remove();
  lab?.remove();
});

/** Control groups, directories, mounts and network namespaces with the name of a container in theirs. */
function traces(name: string): string[] {
  const group = new RegExp(`tsnetpcap-${name}-`);
  const groups = ['systemd', 'unified', '.'].flatMap((part) => entries(`/sys/fs/cgroup/${part}`));
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  return [...groups, ...entries('/var/tmp'), ...mounts].filter((entry) => group.test(entry));
}

function entries(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // the hierarchies of cgroups differ
  }
}

test('it is a machine of its own', async () => {
  expect(await container.exec(['cat', '/proc/1/comm', '/etc/hostname'])).toBe('systemd\nharness\n');
  expect(await container.exec(['cat', '/etc/machine-id'])).not.toBe(readFileSync('/etc/machine-id', 'utf8'));
  expect(await container.exec(['systemctl', 'list-timers', '--all', '--no-legend', '*apt*'])).toBe('');
  expect(await container.run(['test', '-c', '/dev/kmsg'])).toMatchObject({ code: 0 });
});

test('a command has its exit code and its outputs', async () => {
  const said = { code: 3, stdout: 'out\n', stderr: 'err\n' };
  expect(await container.run(['sh', '-c', 'echo out; echo err >&2; exit 3'])).toEqual(said);
  await expect(container.exec(['sh', '-c', 'echo why >&2; exit 4'])).rejects.toThrow('exit code 4: why');
});

test('packets of the lab arrive in it, also after it was booted again', async () => {
  const received = async (): Promise<number> =>
    Number(/cap0:(?: *\d+) +(\d+)/.exec(await container.exec(['cat', '/proc/net/dev']))?.[1]);
  const before = await received();
  await offer(lab, { count: 10, send: true });
  expect(await received()).toBe(before + 10);
  await container.reboot();
  await offer(lab, { count: 10, send: true });
  expect(await received()).toBe(before + 20);
});

test('what was written stays: reboot, power off, power cut', async () => {
  const boots = [container.path('')];
  writeFileSync(container.path('/root/kept'), 'kept');
  const again = async (): Promise<void> => {
    expect(await container.exec(['cat', '/root/kept'])).toBe('kept');
    expect(boots).not.toContain(container.path(''));
    boots.push(container.path(''));
  };
  await container.reboot();
  await again();
  await container.powerOff();
  await expect(container.exec(['true'])).rejects.toThrow();
  await container.boot();
  await again();
  await container.cutPower();
  await container.boot();
  await again();
});

test('one that does not boot is an error with its console, and gone', async () => {
  const unfit = Container.boot({ name: 'unfit', nspawn: ['--bind=/no/such/directory'] });
  await expect(unfit).rejects.toThrow(/^unfit has not booted: ended early; its console:\n.*\/no\/such\/directory/s);
  const refused = Container.boot({ name: 'refused', nspawn: ['systemd.unit=emergency.target'] });
  await expect(refused).rejects.toThrow(/^refused has not booted: maintenance; its console:/s);
  expect([...traces('unfit'), ...traces('refused')]).toEqual([]);
});

test('nothing is left of one that was removed', async () => {
  const brief = await Container.boot({ name: 'brief' });
  expect(traces('brief')).not.toEqual([]);
  await brief.exec(['systemd-run', 'sleep', '1000']);
  await brief.remove();
  expect(traces('brief')).toEqual([]);
  await brief.remove();
});

test('nothing is left of one whose owner was killed', async () => {
  const own = Lab.create();
  try {
    const options = JSON.stringify({ name: 'orphan', network: own.name });
    const script = `(await import(${JSON.stringify(HARNESS)})).Container.boot(${options}).then(() => console.log('up'))`;
    const owner = new Program(undefined, [process.execPath, '--import', 'tsx', '--input-type=module', '-e', script]);
    await owner.until(() => owner.stdout === 'up\n');
    expect(traces('orphan')).not.toEqual([]);
    await owner.kill();
    const deadline = performance.now() + 20_000;
    while (traces('orphan').length > 0 && performance.now() < deadline) await sleep(20);
    expect(traces('orphan')).toEqual([]);
    expect(readdirSync('/run/netns')).not.toContain(own.name);
  } finally {
    own.remove();
  }
});
