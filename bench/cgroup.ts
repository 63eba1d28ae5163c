// A control group of one's own with a CPU quota, version 2 (cpu.max) or 1 (cpu.cfs_quota_us) of cgroups, wherever the CPU
// controller is. Called by quota.ts. Needs root; where the groups are not ours to make (a container), `create` says so.
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** In which a quota may be used up: the kernel's own default, which containers have. */
export const PERIOD_US = 100_000;
/** The kernel takes no less. */
export const LEAST_QUOTA_US = 1000;
/** A group is busy until the kernel has seen to the end of its last process. */
const REMOVAL_TRIES = 50;
const REMOVAL_WAIT_MS = 20;

interface Hierarchy {
  readonly path: string;
  readonly version: 1 | 2;
}

export class CpuGroup {
  readonly version: 1 | 2;
  readonly #path: string;

  private constructor(path: string, version: 1 | 2) {
    this.#path = path;
    this.version = version;
  }

  /** It must be removed, it outlives the process otherwise. @throws where no group with a quota can be made */
  static create(name: string, mounts: string = readFileSync('/proc/self/mounts', 'latin1')): CpuGroup {
    const hierarchy = findHierarchy(mounts);
    if (hierarchy === undefined) throw new Error('no cgroup hierarchy with the CPU controller is mounted');
    const { path, version } = hierarchy;
    if (version === 2) writeFileSync(join(path, 'cgroup.subtree_control'), '+cpu');
    const group = new CpuGroup(join(path, name), version);
    mkdirSync(group.#path);
    return group;
  }

  /** The process with all its threads. */
  add(pid: number): void {
    writeFileSync(join(this.#path, 'cgroup.procs'), String(pid));
  }

  /** Of one CPU, in percent; undefined for as much as there is. */
  limit(percent: number | undefined): void {
    const quotaUs =
      percent === undefined ? undefined : Math.max(LEAST_QUOTA_US, Math.round((percent / 100) * PERIOD_US));
    if (this.version === 2) writeFileSync(join(this.#path, 'cpu.max'), `${quotaUs ?? 'max'} ${PERIOD_US}`);
    else {
      writeFileSync(join(this.#path, 'cpu.cfs_period_us'), String(PERIOD_US));
      writeFileSync(join(this.#path, 'cpu.cfs_quota_us'), String(quotaUs ?? -1));
    }
  }

  /** Its processes must have ended. */
  async remove(): Promise<void> {
    for (let tries = REMOVAL_TRIES; ; tries--) {
      try {
        rmdirSync(this.#path);
        return;
      } catch (cause) {
        if (!existsSync(this.#path)) return;
        if (tries === 1) throw cause;
        await sleep(REMOVAL_WAIT_MS);
      }
    }
  }
}

/** Where the CPU controller is, by the lines of /proc/self/mounts. */
function findHierarchy(mounts: string): Hierarchy | undefined {
  for (const line of mounts.split('\n')) {
    const [, path = '', type, options = ''] = line.split(' ');
    if (type === 'cgroup' && options.split(',').includes('cpu')) return { path, version: 1 };
    if (type === 'cgroup2' && controllers(path).includes('cpu')) return { path, version: 2 };
  }
  return undefined;
}

function controllers(path: string): string[] {
  const file = join(path, 'cgroup.controllers');
  return existsSync(file) ? readFileSync(file, 'latin1').trim().split(' ') : [];
}
