// Net qubes one behind the other, wired as Qubes does it: a client, then each net qube with eth0 towards the next and vif5.0
// towards the one before, and the internet at the end. Each forwards and masquerades what comes from its vif. Needs root.
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';

/** Of the internet. */
export const INTERNET = ['192.0.2.1', '2001:db8::1'] as const;
const FORWARD = ['net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'];
const MASQUERADE =
  'table inet qubes { chain out { type nat hook postrouting priority srcnat; oifname "eth0" masquerade; }; }';

export class Chain {
  readonly #places: readonly string[];
  readonly #prefix = `tsnc${randomBytes(3).toString('hex')}-`;

  /** `qubes`: the net qubes, the client's first. `remove` must follow; it does nothing a second time. */
  constructor(qubes: readonly string[]) {
    this.#places = ['client', ...qubes, 'internet'];
    try {
      this.#furnish();
    } catch (cause) {
      this.remove();
      throw cause;
    }
  }

  /** The namespace of a net qube, of `client` or of `internet`. */
  namespace(place: string): string {
    return this.#prefix + place;
  }

  /** A command line that runs `argv` there. */
  command(place: string, argv: readonly string[]): [string, ...string[]] {
    return ['ip', 'netns', 'exec', this.namespace(place), ...argv];
  }

  remove(): void {
    for (const place of this.#places)
      if (existsSync(`/run/netns/${this.namespace(place)}`)) run(['ip', 'netns', 'delete', this.namespace(place)]);
  }

  #furnish(): void {
    for (const place of this.#places) {
      run(['ip', 'netns', 'add', this.namespace(place)]);
      this.#ip(place, 'link set lo up');
    }
    const last = this.#places.length - 2;
    this.#places.slice(0, -1).forEach((place, index) => {
      const next = this.#places[index + 1] ?? '';
      const [near, far] = [this.namespace(place), this.namespace(next)];
      const farName = index === last ? 'eth0' : 'vif5.0';
      run(['ip', 'link', 'add', 'eth0', 'netns', near, 'type', 'veth', 'peer', 'name', farName, 'netns', far]);
      for (const [end, name] of [
        [place, 'eth0'],
        [next, farName],
      ] as const)
        this.#ip(end, `link set ${name} up`);
      const own = [`10.137.0.${10 + index}`, `fd09:24ef:4179::a89:${10 + index}`] as const;
      const gateway =
        index === last ? INTERNET : ([`10.138.0.${10 + index}`, `fd09:24ef:4179::a8a:${10 + index}`] as const);
      this.#route(place, next, farName, own, gateway);
      if (index === 0) return;
      run(this.command(place, ['sysctl', '-qw', ...FORWARD]));
      run(this.command(place, ['nft', MASQUERADE]));
    });
  }

  #route(
    place: string,
    next: string,
    farName: string,
    own: readonly [string, string],
    gateway: readonly [string, string],
  ): void {
    const families = [
      ['-4', own[0], gateway[0], '32', ''],
      ['-6', own[1], gateway[1], '128', 'nodad'],
    ] as const;
    for (const [version, here, there, bits, once] of families) {
      this.#ip(place, `addr add ${here}/${bits} dev eth0 ${once}`);
      this.#ip(next, `addr add ${there}/${bits} dev ${farName} ${once}`);
      this.#ip(place, `${version} route add ${there} dev eth0`);
      this.#ip(place, `${version} route add default via ${there} dev eth0`);
      this.#ip(next, `${version} route add ${here} dev ${farName}`);
    }
  }

  #ip(place: string, words: string): void {
    run(['ip', '-n', this.namespace(place), ...words.split(' ').filter((word) => word !== '')]);
  }
}

function run([program, ...args]: readonly [string, ...string[]]): void {
  const { status, signal, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (status === 0) return;
  const reason = error?.message ?? `${signal ?? `exit code ${status}`}: ${stderr.trim()}`;
  throw new Error(`${[program, ...args].join(' ')}: ${reason}`, { cause: error });
}
