// A network namespace of a test's own, in which this thread can run for a while: sockets, interfaces and what libpcap
// sees are then those of the namespace. Needs root. Used by the tests of filter/.
import { execFileSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { libc, syscallError } from '../../src/native/libc.ts';

const CLONE_NEWNET = 0x40000000;
const setns = libc.func('int setns(int fd, int nstype)');

let created = 0;

export class Namespace {
  readonly name: string = `tsnetpcap-${process.pid}-${created++}`;

  constructor() {
    execFileSync('ip', ['netns', 'add', this.name]);
    this.ip('link set lo up');
  }

  /** An iproute2 command in here. */
  ip(command: string): void {
    execFileSync('ip', ['-n', this.name, ...command.split(' ')]);
  }

  /** What a program prints in here to stdout. */
  exec(program: string, ...args: readonly string[]): string {
    return execFileSync('ip', ['netns', 'exec', this.name, program, ...args], { encoding: 'utf8', stdio: 'pipe' });
  }

  /** Runs `action`, which must not be asynchronous, with this thread in here. */
  run<T>(action: () => T): T {
    return runInNamespace(this.name, action);
  }

  close(): void {
    execFileSync('ip', ['netns', 'delete', this.name]);
  }
}

/** Runs `action`, which must not be asynchronous, with this thread in the namespace that `ip netns` knows by that name. */
export function runInNamespace<T>(name: string, action: () => T): T {
  const outside = openSync('/proc/thread-self/ns/net', 'r');
  try {
    enter(openSync(`/run/netns/${name}`, 'r'));
    return action();
  } finally {
    enter(outside);
  }
}

/** Moves this thread into the namespace that `fd` stands for, and closes it. */
function enter(fd: number): void {
  if (setns(fd, CLONE_NEWNET) < 0) throw syscallError('setns');
  closeSync(fd);
}
