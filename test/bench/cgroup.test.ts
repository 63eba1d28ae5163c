// A group with a quota, on this machine as it is, and as files where it has the other version. Needs root, and fails without
// it; on a machine whose control groups are out of reach, it has to be said why.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { CpuGroup } from '../../bench/cgroup.ts';

/** A directory that looks like a hierarchy, and its line of /proc/self/mounts. */
function hierarchy(version: 1 | 2, controllers: string): { path: string; mounts: string } {
  const path = mkdtempSync(join(tmpdir(), 'tsnetpcap-cgroup-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  writeFileSync(join(path, 'cgroup.controllers'), `${controllers}\n`);
  const mounts = version === 2 ? `none ${path} cgroup2 rw 0 0\n` : `none ${path} cgroup rw,${controllers} 0 0\n`;
  return { path, mounts };
}

test('a process is in the group until it ends, and then there is no group', async () => {
  const name = `tsnetpcap-test-${process.pid}`;
  const group = CpuGroup.create(name);
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  const closed = once(child, 'close');
  try {
    group.limit(undefined);
    group.add(Number(child.pid));
    group.limit(12.5);
    expect(readFileSync(`/proc/${child.pid}/cgroup`, 'utf8')).toMatch(new RegExp(`/${name}$`, 'm'));
  } finally {
    child.kill();
    await closed;
    await group.remove();
  }
  await group.remove();
});

test('version 2: cpu.max has quota and period', () => {
  const { path, mounts } = hierarchy(2, 'cpuset cpu io');
  const group = CpuGroup.create('g', `${mounts}none /elsewhere tmpfs rw 0 0\n`);
  expect(group.version).toBe(2);
  expect(readFileSync(join(path, 'cgroup.subtree_control'), 'utf8')).toBe('+cpu');
  group.limit(12.5);
  expect(readFileSync(join(path, 'g/cpu.max'), 'utf8')).toBe('12500 100000');
  group.limit(undefined);
  expect(readFileSync(join(path, 'g/cpu.max'), 'utf8')).toBe('max 100000');
  group.add(1234);
  expect(readFileSync(join(path, 'g/cgroup.procs'), 'utf8')).toBe('1234');
});

test('version 1: two files, and -1 for no quota; no less than the kernel takes', () => {
  const { path, mounts } = hierarchy(1, 'cpu,cpuacct');
  const group = CpuGroup.create('g', mounts);
  const files = (): Record<string, string> =>
    Object.fromEntries(readdirSync(join(path, 'g')).map((name) => [name, readFileSync(join(path, 'g', name), 'utf8')]));
  group.limit(0.001);
  expect([group.version, files()]).toEqual([1, { 'cpu.cfs_period_us': '100000', 'cpu.cfs_quota_us': '1000' }]);
  group.limit(undefined);
  expect(files()).toEqual({ 'cpu.cfs_period_us': '100000', 'cpu.cfs_quota_us': '-1' });
});

test('where there is no CPU controller, or no group can be made, that is said', () => {
  expect(() => CpuGroup.create('g', hierarchy(2, 'io memory').mounts)).toThrow('no cgroup hierarchy with the CPU');
  expect(() => CpuGroup.create('g', hierarchy(1, 'cpuset').mounts)).toThrow('no cgroup hierarchy with the CPU');
  const { path, mounts } = hierarchy(2, 'cpu');
  mkdirSync(join(path, 'g'));
  expect(() => CpuGroup.create('g', mounts)).toThrow('EEXIST');
});
