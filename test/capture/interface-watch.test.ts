// The interface watch where the kernel refuses what it is asked, at instants that no live test can choose. What it does to
// a capture when interfaces really come and go is in test/capture/absence.test.ts.
import { setTimeout } from 'node:timers/promises';
import { beforeEach, expect, test, vi } from 'vitest';
import { InterfaceWatch } from '../../src/capture/interface-watch.ts';
import { SyscallError } from '../../src/errors.ts';
import type { NetDevice } from '../../src/native/netdevice.ts';

const kernel = vi.hoisted(() => ({
  interface: undefined as NetDevice | undefined,
  /** What the next look, or binding, fails with. */
  lookError: undefined as SyscallError | undefined,
  bindError: undefined as SyscallError | undefined,
}));
vi.mock('../../src/native/netdevice.ts', () => ({
  readNetDevice: () => {
    if (kernel.lookError !== undefined) throw kernel.lookError;
    return kernel.interface;
  },
}));

const ARPHRD_ETHER = 1;
const ARPHRD_NONE = 65534;
const FIRST: NetDevice = { ifindex: 5, up: true, hatype: ARPHRD_ETHER };
const NEXT: NetDevice = { ...FIRST, ifindex: 6 };
const ENETDOWN = new SyscallError('ENETDOWN', 100, 'poll');
const BACK: unknown = expect.stringMatching(/^cap0: back after \d+\.\d s$/);

class Socket {
  hatype = ARPHRD_ETHER;
  /** Of what binds from now on. */
  nextHatype = ARPHRD_ETHER;
  ifindex = FIRST.ifindex;
  binds = 0;
  log: string[] = [];

  boundTo(): { ifindex: number; hatype: number } {
    return { ifindex: this.ifindex, hatype: this.hatype };
  }

  bind(ifindex: number): void {
    this.binds++;
    if (kernel.bindError !== undefined) throw kernel.bindError;
    this.ifindex = ifindex;
    this.hatype = this.nextHatype;
    this.log.push(`bind ${ifindex}`);
  }

  admit(): void {
    this.log.push('admit');
  }

  release(): void {
    this.log.push('release');
  }
}

let said: string[];
let socket: Socket;
let watch: InterfaceWatch;

beforeEach(() => {
  Object.assign(kernel, { interface: FIRST, lookError: undefined, bindError: undefined });
  said = [];
  socket = new Socket();
  watch = new InterfaceWatch({ device: 'cap0', exitOnDown: false, notice: (text) => said.push(text) }, socket);
});

/** Looks whenever it is due, until it holds. */
async function until(holds: () => boolean): Promise<void> {
  const endMs = performance.now() + 10_000;
  while (!holds()) {
    if (performance.now() > endMs) throw new Error(`nothing happened: ${said.join(', ')}`);
    await setTimeout(Math.min(watch.dueInMs, 20));
    watch.look();
  }
}

async function remove(): Promise<void> {
  kernel.interface = undefined;
  socket.ifindex = -1;
  watch.failed(ENETDOWN);
  await until(() => said.length > 0);
  expect(said).toEqual(['cap0: the interface disappeared, waiting for it']);
}

test('while the interface is there, nothing is due', () => {
  expect(watch.dueInMs).toBe(Number.POSITIVE_INFINITY);
  expect(watch.look()).toBe(false);
  expect(watch.away).toBeUndefined();
});

test('down and up again between two looks is said, and ends', async () => {
  watch.failed(ENETDOWN);
  const { away } = watch;
  watch.failed(ENETDOWN);
  expect(watch.away).toBe(away);
  await until(() => watch.away === undefined);
  expect(said).toEqual(['cap0: the interface went down', BACK]);
  expect(socket.log).toEqual([]);
});

test('nothing is let in between one interface and the next, and the next is bound to before', async () => {
  await remove();
  kernel.interface = NEXT;
  await until(() => watch.away === undefined);
  expect(socket.log).toEqual(['release', 'bind 6', 'admit']);
});

test('what keeps it from the next one is said once, as long as it is the same', async () => {
  await remove();
  kernel.interface = NEXT;
  kernel.bindError = new SyscallError('ENETDOWN', 100, 'bind'); // it went down again in between: nothing to tell
  await until(() => socket.binds === 3);
  kernel.bindError = new SyscallError('ENOMEM', 12, 'bind');
  await until(() => socket.binds === 6);
  kernel.lookError = new SyscallError('EMFILE', 24, 'socket');
  await until(() => said.length === 3);
  expect(watch.away).toMatchObject({ device: 'cap0', reason: 'removed' });
  Object.assign(kernel, { bindError: undefined, lookError: undefined });
  await until(() => watch.away === undefined);
  expect(said.slice(1)).toEqual([
    'cap0: bind: ENOMEM (ask for less with --ring-memory), still waiting for the interface',
    'cap0: socket: EMFILE, still waiting for the interface',
    BACK,
  ]);
});

test('exchanged for one of another link type between look and binding: not let in', async () => {
  await remove();
  kernel.interface = NEXT;
  socket.nextHatype = ARPHRD_NONE;
  await until(() => socket.binds === 2);
  expect(watch.away).toBeDefined();
  expect(socket.log).not.toContain('admit');
  kernel.interface = { ...NEXT, hatype: ARPHRD_NONE };
  await until(() => said.length === 2);
  expect(said[1]).toBe(
    'cap0: the interface has another link type (ARPHRD 65534 instead of 1), waiting for one as before',
  );
});

test('once the capture ends, the ring is left as it is', async () => {
  await remove();
  watch.end();
  kernel.interface = NEXT;
  expect(watch.dueInMs).toBe(Number.POSITIVE_INFINITY);
  await setTimeout(150);
  expect([watch.look(), socket.binds]).toEqual([false, 0]);
});

test('another error than that of an interface gone down is not for it, and any never goes', () => {
  expect(() => watch.failed(new SyscallError('EIO', 5, 'poll'))).toThrow('poll: EIO');
  const any = new InterfaceWatch({ device: 'any', exitOnDown: false, notice: (text) => said.push(text) }, socket);
  expect(() => any.failed(ENETDOWN)).toThrow('poll: ENETDOWN');
});
