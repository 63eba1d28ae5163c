// A network of one's own for benchmarks and live tests: a namespace with the veth pair gen0 <-> cap0. What is sent on
// gen0 is received on cap0, where the capture runs. Nothing in it speaks unasked: no IPv6, no ARP, no multicast, no
// address, lo is down. So every packet seen was put there, and counts can be compared exactly. Needs root.
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';

/** The end where frames are sent. */
export const GENERATOR = { name: 'gen0', mac: '02:00:00:00:00:01' } as const;
/** The end where frames arrive. */
export const CAPTURE = { name: 'cap0', mac: '02:00:00:00:00:02' } as const;

export class Lab {
  /** Of the namespace, for `ip netns`. */
  readonly name: string;
  readonly #ends: (() => void)[] = [];

  private constructor(name: string) {
    this.name = name;
  }

  /** Several labs can exist at a time; each must be removed by `remove`, it outlives the process otherwise. */
  static create(): Lab {
    const lab = new Lab(`tsnp${process.pid}-${randomBytes(3).toString('hex')}`);
    run(['ip', 'netns', 'add', lab.name]);
    try {
      lab.#furnish();
    } catch (cause) {
      lab.remove();
      throw cause;
    }
    return lab;
  }

  #furnish(): void {
    // Before the interfaces exist: they take over `default` when they are made.
    const noIpv6 = 'for f in all default; do echo 1 > /proc/sys/net/ipv6/conf/$f/disable_ipv6; done';
    if (existsSync('/proc/sys/net/ipv6')) this.exec(['sh', '-ec', noIpv6]);
    this.connect();
  }

  /** Makes the pair and sets it up; `create` has done so, but after `disconnect` it is wanted again. */
  connect(): void {
    const [near, far] = [GENERATOR, CAPTURE];
    this.link('add', near.name, 'address', near.mac, 'type', 'veth', 'peer', 'name', far.name, 'address', far.mac);
    for (const { name } of [near, far]) this.link('set', name, 'arp', 'off', 'multicast', 'off', 'up');
  }

  /** Removes the pair. */
  disconnect(): void {
    this.link('delete', GENERATOR.name);
  }

  /** `ip link` with these words, inside. */
  link(...words: string[]): void {
    run(['ip', '-n', this.name, 'link', ...words]);
  }

  /**
   * A command line, program first, that runs `argv` inside: `const [program, ...args] = lab.command(argv)`. The program
   * replaces `ip`, so the process id of what is spawned is that of `argv` itself.
   */
  command(argv: readonly string[]): [string, ...string[]] {
    return ['ip', 'netns', 'exec', this.name, ...argv];
  }

  /** Runs `argv` inside to its end and returns its stdout; throws with its stderr when it fails. */
  exec(argv: readonly string[]): string {
    return run(this.command(argv));
  }

  /** `end` is called by `remove`, for what stays inside as long as there is a lab. */
  atEnd(end: () => void): void {
    this.#ends.push(end);
  }

  /** Stop what runs inside first: a process keeps its nameless namespace alive. A second call does nothing. */
  remove(): void {
    for (const end of this.#ends.splice(0)) end();
    if (existsSync(`/run/netns/${this.name}`)) run(['ip', 'netns', 'delete', this.name]);
  }
}

function run([program, ...args]: [string, ...string[]]): string {
  const { status, signal, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (status === 0) return stdout;
  const reason = error?.message ?? `${signal ?? `exit code ${status}`}: ${stderr.trim()}`;
  throw new Error(`${[program, ...args].join(' ')}: ${reason}`, { cause: error });
}
