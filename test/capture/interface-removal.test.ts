// What becomes of a packet socket when its interface goes down, comes up, and is removed: the facts that interface-watch.ts
// rests on (native-notes/interface-removal.md). Needs root, and fails without it.
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { RingSocket } from '../../src/capture/ring/socket.ts';
import { POLLERR, Poll } from '../../src/native/libc.ts';
import { Namespace } from '../filter/namespace.ts';

const ARPHRD_ETHER = 1;
const IFINDEX = 77;
const KEEP = Uint8Array.of(6, 0, 0, 0, 96, 0, 0, 0);

let namespace: Namespace;
beforeEach(() => {
  namespace = new Namespace();
});
afterEach(() => namespace.close());

function connect(): void {
  namespace.ip(`link add cap0 index ${IFINDEX} type veth peer name gen0`);
  for (const end of ['cap0', 'gen0']) namespace.ip(`link set ${end} up`);
}

function openSocket(): RingSocket {
  const options = { cooked: false, promiscuous: true, filter: KEEP, blockSize: 256 * 1024, blockCount: 2 };
  const socket = namespace.run(() => RingSocket.open({ ...options, ifindex: IFINDEX, blockRetireMs: 100 }));
  onTestFinished(() => socket.close());
  return socket;
}

/** Whether poll(2) reports an error, and which. */
function error(socket: RingSocket): [events: number, code: string | undefined] {
  const events = new Poll(socket.fd, 0, -1).wait(0);
  return [events, socket.takeError('poll')?.code];
}

const promiscuity = (name: string): string | undefined =>
  /promiscuity (\d+)/.exec(namespace.exec('ip', '-d', 'link', 'show', name))?.[1];

/** With no capability. */
function asNobody(action: () => void): void {
  process.seteuid?.(65534);
  try {
    action();
  } finally {
    process.seteuid?.(0);
  }
}

/** Whether frames that arrive on the interface now reach the socket. */
function receives(socket: RingSocket): boolean {
  const before = socket.readCounters().received;
  const generator = ['--import', 'tsx', 'bench/generator.ts', '--interface', 'cap0', '--count', '10'];
  namespace.exec(process.execPath, ...generator);
  return socket.readCounters().received - before >= 10;
}

test('down: one ENETDOWN; up: the kernel binds again; removed: nobody says so, bound to -1, and nothing more comes', () => {
  connect();
  const socket = openSocket();
  expect(receives(socket)).toBe(true);
  namespace.ip('link set cap0 down');
  expect(error(socket)).toEqual([POLLERR, 'ENETDOWN']);
  expect(error(socket)).toEqual([0, undefined]);
  namespace.ip('link set cap0 up');
  expect(error(socket)).toEqual([0, undefined]);
  expect(receives(socket)).toBe(true);
  namespace.ip('link set cap0 down');
  expect(error(socket)).toEqual([POLLERR, 'ENETDOWN']);
  expect(socket.boundTo()).toEqual({ ifindex: IFINDEX, hatype: ARPHRD_ETHER });
  namespace.ip('link delete cap0');
  expect(error(socket)).toEqual([0, undefined]);
  expect(socket.boundTo()).toEqual({ ifindex: -1, hatype: 0 });
  connect(); // even under the same number
  expect(receives(socket)).toBe(false);
  expect(socket.boundTo()).toEqual({ ifindex: -1, hatype: 0 });
});

test('removed while up: one ENETDOWN; bound again: the same ring goes on, without privileges', () => {
  connect();
  const socket = openSocket();
  expect(receives(socket)).toBe(true);
  namespace.ip('link delete cap0');
  expect(error(socket)).toEqual([POLLERR, 'ENETDOWN']);
  expect(socket.boundTo().ifindex).toBe(-1);
  socket.release();
  connect();
  asNobody(() => socket.bind(IFINDEX));
  expect(socket.boundTo()).toEqual({ ifindex: IFINDEX, hatype: ARPHRD_ETHER });
  expect(promiscuity('cap0')).toBe('0');
  expect(receives(socket)).toBe(false); // not yet
  asNobody(() => socket.admit());
  expect(promiscuity('cap0')).toBe('1');
  const before = socket.readCounters().received;
  expect(receives(socket)).toBe(true);
  expect(before).toBeGreaterThanOrEqual(10); // those of the first interface are still counted
});

test('renamed: bound as before, under another name, which is left as it was', () => {
  connect();
  const socket = openSocket();
  expect(promiscuity('cap0')).toBe('1');
  namespace.ip('link set cap0 down');
  namespace.ip('link set cap0 name other0');
  namespace.ip('link set other0 up');
  expect(error(socket)).toEqual([POLLERR, 'ENETDOWN']);
  expect(socket.boundTo()).toEqual({ ifindex: IFINDEX, hatype: ARPHRD_ETHER });
  socket.release();
  expect(promiscuity('other0')).toBe('0');
});

test('bound to an interface that is not up, or not there: an error', () => {
  connect();
  const socket = openSocket();
  namespace.ip('link delete cap0');
  expect(error(socket)).toEqual([POLLERR, 'ENETDOWN']);
  expect(() => socket.bind(IFINDEX)).toThrow('bind: ENODEV');
  namespace.ip(`link add cap0 index ${IFINDEX} type veth peer name gen0`);
  expect(() => socket.bind(IFINDEX)).toThrow('bind: ENETDOWN');
});
