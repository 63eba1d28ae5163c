// A machine of one's own for tests of what runs as a service: a real systemd, booted by systemd-nspawn on an overlay of
// this machine's root (start.sh). All files of this machine are there, none of its services is, and what is written is
// gone with it. A keeper (keep.sh) clears everything away: after `remove`, and just the same when the tests are killed.
// Any number can run at a time. Needs root and the Debian package systemd-container.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Ended, Program, type RunOptions } from '../program.ts';

/** On a disk, which /tmp need not be: pages of a tmpfs would be charged to a service that writes its files there. */
const DISK = '/var/tmp';
const START = fileURLToPath(new URL('start.sh', import.meta.url));
const KEEP = fileURLToPath(new URL('keep.sh', import.meta.url));
/** It boots in a second. */
const PATIENCE_MS = 45_000;
const ASK_MS = 20;
/** What nspawn exits with when the container wants to be booted again. */
const REBOOT = 133;
/** Enters groups up to `--`; the words behind it are the command. */
const ENTER = 'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs"; shift; done; shift; exec "$@"';

export interface ContainerOptions {
  /** Its host name. */
  readonly name: string;
  /** A network namespace, by its name for `ip netns`; it is removed with the container. Default: one with `lo` alone. */
  readonly network?: string;
  /** Further arguments of systemd-nspawn: `--bind=/dev/kmsg`. */
  readonly nspawn?: readonly string[];
  /** A directory in it, `/rw`: what is written elsewhere is gone at the next boot. Default: all stays. */
  readonly kept?: string;
}

export class Container {
  readonly name: string;
  readonly #command: readonly [string, ...string[]];
  readonly #keeper: ChildProcess;
  #nspawn: Program | undefined;
  #init = 0;

  private constructor({ name, network, nspawn = [], kept }: ContainerOptions) {
    this.name = name;
    const directory = mkdtempSync(join(DISK, `tsnetpcap-${name}-`));
    for (const part of ['upper', 'work', 'root']) mkdirSync(join(directory, part));
    const stays = join(directory, 'kept');
    if (kept !== undefined) mkdirSync(stays);
    const group = `tsnetpcap-${name}-${randomBytes(3).toString('hex')}`;
    const groups = hierarchies().map((hierarchy) => join(hierarchy, group));
    for (const path of groups) mkdirSync(path);
    this.#keeper = spawn('sh', [KEEP, directory, network ?? '', ...groups], {
      detached: true,
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    const wire = network === undefined ? '--private-network' : `--network-namespace-path=/run/netns/${network}`;
    const enter = ['sh', '-ec', ENTER, 'sh', ...groups, '--'] as const;
    const apart = ['unshare', '--mount', '--propagation', 'private', '--pid', '--fork', '--mount-proc', '--kill-child'];
    const binds = kept === undefined ? [] : [`--bind=${stays}:${kept}`];
    this.#command = [...enter, ...apart, 'sh', START, name, directory, wire, ...binds, ...nspawn];
  }

  /** Boots one. Whoever has it must `remove` it. Rejects with all it said when it has not come up. */
  static async boot(options: ContainerOptions): Promise<Container> {
    const container = new Container(options);
    try {
      await container.boot();
    } catch (cause) {
      await container.remove();
      throw cause;
    }
    return container;
  }

  /** Once more, after `powerOff` or `cutPower`. */
  async boot(): Promise<void> {
    this.#nspawn = new Program(undefined, this.#command);
    await this.#up();
  }

  /** What came to its console since it was last booted; the start of the text is the start of that. */
  get console(): string {
    return `${this.#nspawn?.stdout ?? ''}${this.#nspawn?.stderr ?? ''}`;
  }

  /** Host path of a path inside, as long as it runs. */
  path(inside: string): string {
    return `/proc/${this.#init}/root${inside}`;
  }

  /** A command line that runs `argv` inside, as root: for `Program`, which gives access to the process itself. */
  command(argv: readonly string[]): [string, ...string[]] {
    return ['nsenter', '--target', String(this.#init), '--all', '--', ...argv];
  }

  /** Runs `argv` inside to its end. */
  run(argv: readonly string[], options: RunOptions = {}): Promise<Ended> {
    return Program.run(undefined, this.command(argv), options);
  }

  /** Runs `argv` inside and resolves to its stdout; rejects with what it said where its exit code is not 0. */
  async exec(argv: readonly string[], options: RunOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.run(argv, options);
    if (code !== 0) throw new Error(`${this.name}: ${argv.join(' ')}: exit code ${code}: ${stdout}${stderr}`.trim());
    return stdout;
  }

  /** The way a person does it: services are stopped first. Resolves when it is up again. */
  async reboot(): Promise<void> {
    await this.#end('reboot', REBOOT);
    await this.boot();
  }

  async powerOff(): Promise<void> {
    await this.#end('poweroff', 0);
  }

  /** Ends all processes at once; what they wrote is there at the next boot. */
  async cutPower(): Promise<void> {
    await this.#nspawn?.kill();
  }

  /** A second call does nothing. Rejects where something is left of it. */
  async remove(): Promise<void> {
    if (this.#keeper.exitCode !== null) return;
    this.#keeper.stdin?.end();
    const [code] = await once(this.#keeper, 'close');
    if (code !== 0) throw new Error(`${this.name}: its processes or control groups could not be removed`);
  }

  async #up(): Promise<void> {
    const nspawn = this.#nspawn?.process.pid ?? 0;
    await this.#until(() => {
      this.#init = findInit(nspawn);
      return this.#init !== 0 && existsSync(this.path('/run/systemd/private'));
    });
    const { code, stdout, stderr } = await this.run(['systemctl', 'is-system-running', '--wait']);
    // Degraded: a unit of the distribution's does not start in here; whatever a test is about, it looks at itself.
    if (code !== 0 && stdout !== 'degraded\n') throw this.#failure(`${stdout}${stderr}`.trim());
  }

  async #end(how: 'poweroff' | 'reboot', expected: number): Promise<void> {
    await this.run(['systemctl', how]); // whatever its own end is: it is killed with the rest
    const code = await this.#nspawn?.exit();
    if (code !== expected) throw new Error(`${this.name}: ${how}: exit code ${code}; its console:\n${this.console}`);
  }

  async #until(holds: () => boolean): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    while (!holds()) {
      if (this.#nspawn?.ended !== false) throw this.#failure('ended early');
      if (performance.now() > deadline) throw this.#failure('nothing happened');
      await sleep(ASK_MS);
    }
  }

  #failure(reason: string): Error {
    return new Error(`${this.name} has not booted: ${reason}; its console:\n${this.console}`);
  }
}

/** Where systemd keeps its units' groups: one, or two where cgroups are of versions 1 and 2. */
function hierarchies(): string[] {
  const mounts = readFileSync('/proc/self/mounts', 'latin1').split('\n');
  return mounts.flatMap((line) => {
    const [, path = '', type, options = ''] = line.split(' ');
    return type === 'cgroup2' || (type === 'cgroup' && options.split(',').includes('name=systemd')) ? [path] : [];
  });
}

/** The first process of the innermost process namespace below `pid`, 0 when there is none yet. */
function findInit(pid: number): number {
  const parents = new Map<number, number>();
  const firsts: number[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    let status: string;
    try {
      status = readFileSync(`/proc/${name}/status`, 'latin1');
    } catch {
      continue; // it has ended meanwhile
    }
    parents.set(Number(name), Number(/^PPid:\t(\d+)/m.exec(status)?.[1]));
    if (/^NSpid:(\t\d+){2,}\t1$/m.test(status)) firsts.push(Number(name));
  }
  const above = (process: number): boolean => process === pid || (process > 1 && above(parents.get(process) ?? 0));
  return firsts.find(above) ?? 0;
}
