// What the kernel says of a running process' rights, read from /proc: whose it is, what it could do, what it could write.
// For tests of the service and of -Z. The process may be in namespaces of its own; its number is that in ours.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

export interface ThreadConfinement {
  /** Real, effective, saved, file system. */
  readonly uids: readonly number[];
  readonly gids: readonly number[];
  readonly groups: readonly number[];
  /** Capabilities by their bits in <linux/capability.h>; 13 is CAP_NET_RAW. */
  readonly permitted: readonly number[];
  readonly effective: readonly number[];
  readonly inheritable: readonly number[];
  readonly ambient: readonly number[];
  readonly bounding: readonly number[];
  readonly noNewPrivileges: boolean;
  readonly seccomp: 'none' | 'strict' | 'filter';
}

export interface Confinement {
  readonly main: ThreadConfinement;
  /** All threads, the main one too. */
  readonly threads: readonly ThreadConfinement[];
}

export const CAP_NET_RAW = 13;
const SECCOMP = ['none', 'strict', 'filter'] as const;

export function confinement(pid: number): Confinement {
  const read = (thread: string): ThreadConfinement =>
    threadConfinement(readFileSync(`/proc/${pid}/task/${thread}/status`, 'latin1'));
  return { main: read(String(pid)), threads: readdirSync(`/proc/${pid}/task`).map(read) };
}

/** From the text of a `status` file, proc(5). */
export function threadConfinement(status: string): ThreadConfinement {
  const field = (name: string): string => {
    const found = new RegExp(`^${name}:(.*)$`, 'm').exec(status)?.[1];
    if (found === undefined) throw new Error(`no ${name} in ${status}`);
    return found.trim();
  };
  const numbers = (name: string): number[] => field(name).split(/\s+/).filter(Boolean).map(Number);
  return {
    uids: numbers('Uid'),
    gids: numbers('Gid'),
    groups: numbers('Groups'),
    permitted: bits(field('CapPrm')),
    effective: bits(field('CapEff')),
    inheritable: bits(field('CapInh')),
    ambient: bits(field('CapAmb')),
    bounding: bits(field('CapBnd')),
    noNewPrivileges: field('NoNewPrivs') === '1',
    seccomp: SECCOMP[Number(field('Seccomp'))] ?? 'none',
  };
}

function bits(hexadecimal: string): number[] {
  const set = BigInt(`0x${hexadecimal}`);
  return Array.from({ length: 64 }, (_, bit) => bit).filter((bit) => ((set >> BigInt(bit)) & 1n) === 1n);
}

/** Devices that everyone may write to, and that keep nothing. */
const HARMLESS = /^\/dev\/(null|zero|full|random|urandom|tty|pts\/ptmx)$/;

/**
 * Directories, and files outside them, that the process could write to: of all that it sees, by access(2) as its user without a
 * capability, so modes, owners and mounts count. Files beneath such a directory are left out, and so are sockets, which are
 * written to by messages, and /proc and /sys, where what is one's own can be written.
 */
export function writablePaths(pid: number): string[] {
  const { uids, gids, groups } = confinement(pid).main;
  const as = ['--reuid', String(uids[1]), '--regid', String(gids[1]), '--groups', groups.join(',')];
  const find = ['find', '/', '(', '-path', '/proc', '-o', '-path', '/sys', ')', '-prune', '-o'];
  const writable = ['-writable', '!', '-type', 'l', '!', '-type', 's', '-print', '-prune'];
  const argv = ['--target', String(pid), '--mount', '--root', '--', 'setpriv', ...as, '--bounding-set=-all', ...find];
  const { stdout, stderr, error } = spawnSync('nsenter', [...argv, ...writable], { encoding: 'utf8' });
  // find(1) fails for directories that the user may not look into; what it could not run at all has no output.
  if (error !== undefined || stdout === '') throw new Error(`nsenter: ${stderr}`, { cause: error });
  return stdout
    .split('\n')
    .filter((path) => path !== '' && !HARMLESS.test(path))
    .sort();
}
