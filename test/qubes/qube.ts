// One qube of the lab (lab.ts): a booted systemd whose root is as new at each start, but for /rw, as an app qube's. What
// Qubes itself does at a qube's start is in guest/: services, bind-dirs, the firewall's user script, rc.local.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Container } from '../boot/container.ts';
import { type Ended, Program, type RunOptions } from '../program.ts';

const GUEST = fileURLToPath(new URL('guest/', import.meta.url));
const PROJECT = fileURLToPath(new URL('../../', import.meta.url)).replace(/\/$/, '');
const HOME: Readonly<Record<string, string>> = { root: '/root' };
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** As qrexec does it: no environment of the caller's, the user's own home, which may be missing. */
const LOGIN = 'cd "$HOME" 2>/dev/null; exec "$@"';

export interface QubeOptions {
  readonly name: string;
  /** Its services: /run/qubes-service/NAME at the next start. A net qube has `qubes-firewall`. */
  readonly services?: readonly string[];
  /** What `qubesdb-read` gives: `/vm-config/netlog-prefix` -> `SYSFW`. */
  readonly database?: Readonly<Record<string, string>>;
  /** A network namespace by its name; it stays over the qube's end and is removed with the lab. */
  readonly network?: string;
  /** As `qvm-ls` has it; that a DispVM keeps nothing is not done here. */
  readonly klass?: 'AppVM' | 'DispVM';
  /** Not started with the lab. */
  readonly halted?: boolean;
  /** Further arguments of systemd-nspawn. */
  readonly nspawn?: readonly string[];
}

export class Qube {
  readonly name: string;
  readonly #options: QubeOptions;
  /** Of the host, seen in the qube as /run/qubesdb. */
  readonly #database: string;
  #container: Container | undefined;
  #running = false;
  /** Starts and ends come one after the other. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: QubeOptions, directory: string) {
    this.name = options.name;
    this.#options = options;
    this.#database = join(directory, options.name);
    mkdirSync(this.#database);
    for (const service of options.services ?? []) this.set(`/qubes-service/${service}`, '1');
    for (const [path, value] of Object.entries(options.database ?? {})) this.set(path, value);
  }

  get klass(): string {
    return this.#options.klass ?? 'AppVM';
  }

  get running(): boolean {
    return this.#running;
  }

  /** An entry of its QubesDB. */
  set(path: string, value: string): void {
    const file = join(this.#database, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, value);
  }

  /** What `set` has set. */
  get(path: string): string | undefined {
    const file = join(this.#database, path);
    return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
  }

  unset(path: string): void {
    rmSync(join(this.#database, path), { force: true });
  }

  /** Nothing when it runs. */
  start(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#running) return;
      const { name, network, nspawn = [] } = this.#options;
      if (this.#container !== undefined) await this.#container.boot();
      else {
        this.#container = await Container.boot({
          name,
          ...(network !== undefined && { network }),
          kept: '/rw',
          nspawn: [
            '--bind=/dev/kmsg',
            '--capability=CAP_SYSLOG',
            `--bind-ro=${GUEST}units:/etc/systemd/system.control`,
            `--bind-ro=${GUEST}init:/usr/lib/qubes/init`,
            `--bind-ro=${GUEST}qubesdb-read:/usr/bin/qubesdb-read`,
            `--bind-ro=${this.#database}:/run/qubesdb`,
            `--bind-ro=${PROJECT}:${PROJECT}`, // which may lie below /tmp, and that is another one inside
            ...nspawn,
          ],
        });
      }
      this.#running = true;
    });
  }

  /** As `qvm-shutdown --wait`. */
  shutdown(): Promise<void> {
    return this.#inTurn(async () => {
      if (!this.#running) return;
      this.#running = false;
      await this.#container?.powerOff();
    });
  }

  /** As `qvm-kill`. */
  kill(): Promise<void> {
    return this.#inTurn(async () => {
      this.#running = false;
      await this.#container?.cutPower();
    });
  }

  async remove(): Promise<void> {
    this.#running = false;
    await this.#container?.remove();
  }

  /** Host path of a path inside, as long as it runs. */
  path(inside: string): string {
    return this.#up.path(inside);
  }

  /** A command line for the host that runs `argv` inside as qrexec would. */
  command(argv: readonly string[], user = 'user'): [string, ...string[]] {
    const environment = [`HOME=${HOME[user] ?? `/home/${user}`}`, `USER=${user}`, 'LANG=C.UTF-8', `PATH=${PATH}`];
    const become = ['setpriv', '--reuid', user, '--regid', user, '--init-groups', 'env', '-i', ...environment];
    return this.#up.command([...become, 'sh', '-c', LOGIN, 'sh', ...argv]);
  }

  /** Runs `argv` inside to its end. */
  run(argv: readonly string[], { user = 'root', ...options }: RunOptions & { user?: string } = {}): Promise<Ended> {
    return Program.run(undefined, this.command(argv, user), options);
  }

  /** The stdout of `argv`, run inside as root or `user`; rejects where its exit code is not 0. */
  async exec(argv: readonly string[], user = 'root'): Promise<string> {
    const { code, stdout, stderr } = await this.run(argv, { user });
    if (code !== 0) throw new Error(`${this.name}: ${argv.join(' ')}: exit code ${code}: ${stdout}${stderr}`.trim());
    return stdout;
  }

  get #up(): Container {
    if (this.#container === undefined || !this.#running) throw new Error(`${this.name} is not running`);
    return this.#container;
  }

  #inTurn(act: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(act);
    this.#turn = turn.catch(() => {}); // whoever asked for it is told
    return turn;
  }
}
