// The messages to a service manager, read by a real socket's other end, and what becomes of those that do not get through.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ServiceManager } from '../../src/service/service-manager.ts';
import { ManagerStandIn } from './manager-stand-in.ts';

let directory: string;
const notices: string[] = [];
const notice = (text: string): void => void notices.push(text);

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'tsnetpcap-manager-'));
});

afterAll(() => {
  if (directory !== undefined) rmSync(directory, { recursive: true });
});

function found(env: Record<string, string | undefined>): ServiceManager {
  const manager = ServiceManager.fromEnvironment(notice, env);
  if (manager === undefined) throw new Error('no manager was found');
  return manager;
}

test.each([
  ['a path', () => join(directory, 'notify')],
  ['a path of 107 bytes, the longest', () => join(directory, 'x'.repeat(107 - directory.length - 1))],
  ['a name in the abstract namespace', () => `@tsnetpcap-test-${process.pid}`],
])('%s', async (_, address) => {
  const manager = await ManagerStandIn.at(address());
  try {
    const ours = found({ NOTIFY_SOCKET: manager.address });
    ours.ready('begins, µ');
    ours.stopping();
    await manager.says(/^STOPPING=1$/);
    expect(manager.messages).toEqual(['READY=1\nSTATUS=begins, µ', 'STOPPING=1\nSTATUS=stopping']);
  } finally {
    await manager.end();
  }
});

test('a watchdog hears of it a few times in its time, and of a status that has changed', async () => {
  const manager = await ManagerStandIn.at(join(directory, 'watchdog'));
  try {
    const env = { NOTIFY_SOCKET: manager.address, WATCHDOG_USEC: '4000', WATCHDOG_PID: String(process.pid), PATH: '/' };
    const ours = found(env);
    expect(env).toEqual({ PATH: '/' }); // what we start is not told
    ours.ready('1');
    const said = ['1', '1', '2'];
    for (const status of said) {
      const until = performance.now() + 1; // a quarter of 4 ms
      while (performance.now() < until);
      ours.alive(() => status);
      ours.alive(() => 'too soon, most often');
    }
    ours.stopping();
    await manager.says(/^STOPPING=1$/);
    const beats = manager.lines.filter((line) => line === 'WATCHDOG=1');
    expect(beats.length).toBeGreaterThanOrEqual(said.length);
    expect(manager.messages).toContain('WATCHDOG=1\nSTATUS=2');
  } finally {
    await manager.end();
  }
});

test.each([
  ['nobody asks', {}],
  ["it is another process's", { WATCHDOG_USEC: '1', WATCHDOG_PID: '1' }],
  ['it is no number', { WATCHDOG_USEC: 'often' }],
])('no watchdog where %s', async (name, env) => {
  const manager = await ManagerStandIn.at(join(directory, name));
  try {
    const ours = found({ NOTIFY_SOCKET: manager.address, ...env });
    ours.alive(() => 'one');
    ours.alive(() => 'within ten seconds of one');
    ours.stopping();
    await manager.says(/^STOPPING=1$/);
    expect(manager.messages).toEqual(['STATUS=one', 'STOPPING=1\nSTATUS=stopping']);
  } finally {
    await manager.end();
  }
});

test.each([undefined, ''])('there is no manager where NOTIFY_SOCKET is %j', (NOTIFY_SOCKET) => {
  const env = { NOTIFY_SOCKET, WATCHDOG_USEC: '1' };
  expect(ServiceManager.fromEnvironment(notice, env)).toBeUndefined();
  expect(env).toEqual({});
  expect(notices.splice(0)).toEqual([]);
});

test.each(['vsock:2:1234', 'notify', '@', '/', `/${'x'.repeat(107)}`])('%s is told to be none', (NOTIFY_SOCKET) => {
  expect(ServiceManager.fromEnvironment(notice, { NOTIFY_SOCKET })).toBeUndefined();
  expect(notices.splice(0)).toEqual([expect.stringContaining(`NOTIFY_SOCKET ${NOTIFY_SOCKET}: expected a path`)]);
});

test('a manager that is away is told when it is back, and a capture goes on meanwhile', async () => {
  const address = join(directory, 'restarted');
  const ours = found({ NOTIFY_SOCKET: address, WATCHDOG_USEC: '1' });
  ours.ready('not heard');
  ours.alive(() => 'not heard');
  expect(notices.splice(0)).toEqual(['NOTIFY_SOCKET: sendto: ENOENT']);
  const first = await ManagerStandIn.at(address);
  await first.end();
  ours.alive(() => 'not heard');
  expect(notices.splice(0)).toEqual(['NOTIFY_SOCKET: sendto: ECONNREFUSED']);
  rmSync(address);
  const second = await ManagerStandIn.at(address);
  try {
    ours.alive(() => 'not heard');
    await second.says(/^STATUS/);
    expect(second.messages).toEqual(['READY=1\nWATCHDOG=1\nSTATUS=not heard']);
    expect(notices).toEqual([]);
  } finally {
    await second.end();
  }
});

test('a manager that reads nothing holds nothing up', async () => {
  const manager = await ManagerStandIn.at(join(directory, 'deaf'), false);
  try {
    const ours = found({ NOTIFY_SOCKET: manager.address, WATCHDOG_USEC: '1' });
    for (let n = 0; n < 10_000 && notices.length === 0; n++) ours.alive(() => 'x'.repeat(n));
    expect(notices.splice(0)).toEqual([expect.stringMatching(/sendto: (EAGAIN|EWOULDBLOCK)$/)]);
  } finally {
    await manager.end();
  }
});
