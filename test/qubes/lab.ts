// A Qubes machine for tests: dom0 and named qubes, each a booted systemd in its container, and dom0's qvm-run and so on
// that reach into the others with the stdio, quoting and exit codes of Qubes (qvm.ts, qrexecd.py). Needs root,
// systemd-container and python3. Whoever has a lab must `remove` it; when the tests are killed, nothing of it stays.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Container } from '../boot/container.ts';
import { Qube, type QubeOptions } from './qube.ts';
import { perform, QVM_COMMANDS } from './qvm.ts';

const QREXECD = fileURLToPath(new URL('qrexecd.py', import.meta.url));
const CLIENT = fileURLToPath(new URL('qvm-client.py', import.meta.url));

export interface LabOptions {
  /** Further arguments of systemd-nspawn for dom0: `--bind-ro=FILE:/usr/local/sbin/qubes-netlogs-backup`. */
  readonly dom0?: readonly string[];
}

export class QubesLab {
  /** Its root stays over a reboot. */
  readonly dom0: Container;
  /** Every call that dom0 made, its program first. */
  readonly calls: readonly (readonly string[])[];
  readonly #machine: Machine;

  private constructor(dom0: Container, machine: Machine) {
    this.dom0 = dom0;
    this.calls = machine.calls;
    this.#machine = machine;
  }

  /** Boots dom0 and all qubes but the halted ones. Rejects with what the first said that did not boot. */
  static async create(qubes: readonly QubeOptions[], { dom0 = [] }: LabOptions = {}): Promise<QubesLab> {
    const machine = new Machine(qubes);
    const commands = QVM_COMMANDS.map((command) => `--bind-ro=${CLIENT}:/usr/bin/${command}`);
    const nspawn = [`--bind=${machine.directory}/socket:/run/qrexec-lab`, ...commands, ...dom0];
    const started = [...machine.qubes.values()].map((qube, index) =>
      qubes[index]?.halted === true ? undefined : qube.start(),
    );
    const booted = await Promise.allSettled([Container.boot({ name: 'dom0', nspawn }), ...started]);
    const [own] = booted;
    const failed = booted.find((each) => each.status === 'rejected');
    if (own.status === 'fulfilled' && failed === undefined) return new QubesLab(own.value, machine);
    if (own.status === 'fulfilled') await own.value.remove();
    await machine.remove();
    throw failed?.reason;
  }

  qube(name: string): Qube {
    const qube = this.#machine.qubes.get(name);
    if (qube === undefined) throw new Error(`no qube ${name} in this lab`);
    return qube;
  }

  async remove(): Promise<void> {
    await this.dom0.remove();
    await this.#machine.remove();
  }
}

/** The qubes and the host's side of qrexec. */
class Machine {
  readonly qubes: ReadonlyMap<string, Qube>;
  readonly calls: (readonly string[])[] = [];
  /** With the socket and the qubes' databases; qrexecd removes it at its end. */
  readonly directory: string;
  readonly #qrexecd: ChildProcessWithoutNullStreams;

  constructor(qubes: readonly QubeOptions[]) {
    this.directory = mkdtempSync('/run/qrexec-lab-');
    mkdirSync(join(this.directory, 'socket'));
    this.qubes = new Map(qubes.map((options) => [options.name, new Qube(options, this.directory)]));
    this.#qrexecd = spawn('python3', [QREXECD, this.directory], { detached: true });
    this.#qrexecd.stderr.pipe(process.stderr);
    createInterface(this.#qrexecd.stdout).on('line', (line) => void this.#answer(line));
  }

  async remove(): Promise<void> {
    await Promise.all([...this.qubes.values()].map((qube) => qube.remove()));
    const ended = once(this.#qrexecd, 'close');
    this.#qrexecd.stdin.end();
    await ended;
  }

  async #answer(line: string): Promise<void> {
    const [number, words] = JSON.parse(line) as [number, string[]];
    this.calls.push(words);
    const call = await perform(words, this.qubes);
    this.#qrexecd.stdin.write(`${JSON.stringify([number, call])}\n`);
  }
}
