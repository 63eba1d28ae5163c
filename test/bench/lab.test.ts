// The network is as silent, separate and short-lived as promised. Needs root, and fails without it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { Lab } from '../../bench/lab.ts';

function createLab(): Lab {
  const lab = Lab.create();
  onTestFinished(() => lab.remove());
  return lab;
}

test('has both ends up, in a namespace that goes away with it', () => {
  const lab = createLab();
  const links = lab.exec(['ip', '-brief', 'link']);
  expect(links).toMatch(/^cap0@gen0 +UP +02:00:00:00:00:02 /m);
  expect(links).toMatch(/^gen0@cap0 +UP +02:00:00:00:00:01 /m);
  expect(lab.exec(['ip', '-brief', 'address'])).not.toMatch(/[.:]\w+\/\d/);
  lab.remove();
  expect(existsSync(`/run/netns/${lab.name}`)).toBe(false);
  lab.remove();
});

test('two labs in one process do not meet', () => {
  const [one, other] = [createLab(), createLab()];
  expect(one.name).not.toBe(other.name);
  one.remove();
  expect(other.exec(['ip', '-brief', 'link', 'show', 'cap0'])).toContain('UP');
});

test('what is spawned by a command is the program itself', async () => {
  const lab = createLab();
  const [program, ...args] = lab.command(['sleep', '60']);
  const child = spawn(program, args, { stdio: 'ignore' });
  const closed = once(child, 'close');
  onTestFinished(() => void child.kill());
  await expect.poll(() => readFileSync(`/proc/${child.pid}/comm`, 'utf8')).toBe('sleep\n');
  child.kill('SIGTERM');
  expect(await closed).toEqual([null, 'SIGTERM']);
});

test('a failure says which command failed and why', () => {
  const lab = createLab();
  expect(() => lab.exec(['ip', 'link', 'show', 'absent0'])).toThrow(
    /^ip netns exec tsnp\S+ ip link show absent0: exit code 1: .*absent0.* does not exist/,
  );
  expect(() => lab.exec(['no-such-program'])).toThrow(/no-such-program/);
});
