// A virtual machine with the program inside, from power on to power off. Its disk is a file with an ext4 file system.
//
// cache=writethrough: a write is in the file before the guest is told so, and the guest knows of no cache in the disk. So
// what is killed with qemu is the guest's memory, its page cache included, and no more: a power cut, with a disk that
// keeps its word. TCG, because not every machine can lend its processor; the guest is some ten times slower than this one.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GuestEvent } from './guest-event.ts';
import type { GuestRoot } from './guest-root.ts';
import { type Order, writeOrder } from './order.ts';

/** A guest that is silent for so long hangs. */
const PATIENCE_MS = 120_000;
const MEMORY = '1G';

type Of<Type extends GuestEvent['type']> = Extract<GuestEvent, { readonly type: Type }>;

export class Machine {
  readonly #events: GuestEvent[] = [];
  readonly #process: ChildProcess;
  readonly #consolePath: string;
  readonly #closed: Promise<unknown>;

  private constructor(qemu: ChildProcess, consolePath: string) {
    this.#process = qemu;
    this.#consolePath = consolePath;
    this.#closed = once(qemu, 'close');
    this.#closed.catch(() => {}); // `event` says it
    qemu.stderr?.pipe(createWriteStream(`${consolePath}.qemu`));
    if (qemu.stdout === null) throw new Error('unreachable: stdout is a pipe');
    let rest = '';
    qemu.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? ''; // half a line, when the power is cut while it talks
      for (const line of lines) this.#events.push(parse(line));
    });
  }

  /** Switches it on. What its kernel says goes to the file `consolePath`. `kill` it, whatever happens. */
  static boot(root: GuestRoot, disk: string, order: Order, consolePath: string): Machine {
    const words = `console=ttyS0 quiet panic=-1 ipv6.disable=1 CHAOS=${writeOrder(order)}`;
    const kernel = ['-kernel', root.kernel, '-initrd', root.initramfs, '-append', words];
    const hardware = ['-accel', 'tcg', '-cpu', 'max', '-m', MEMORY, '-nic', 'none', '-display', 'none', '-no-reboot'];
    const drive = ['-drive', `file=${disk},format=raw,if=virtio,cache=writethrough`];
    const lines = ['-monitor', 'none', '-serial', `file:${consolePath}`, '-serial', 'stdio'];
    const qemu = spawn('qemu-system-x86_64', ['-nodefaults', ...hardware, ...kernel, ...drive, ...lines], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return new Machine(qemu, consolePath);
  }

  get #off(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  /** Those of the type that it has told so far, in their order. */
  all<Type extends GuestEvent['type']>(type: Type): Of<Type>[] {
    return this.#events.filter((event) => event.type === type) as Of<Type>[];
  }

  /** The first event of the type, as soon as there is one. */
  async event<Type extends GuestEvent['type']>(type: Type, signal: AbortSignal): Promise<Of<Type>> {
    let deadline = performance.now() + PATIENCE_MS;
    for (let seen = 0; ; ) {
      for (; seen < this.#events.length; seen++) {
        const event = this.#events[seen];
        if (event?.type === 'failed') throw new Error(`the guest failed: ${event.reason}`);
        if (event?.type === type) return event as Of<Type>;
        deadline = performance.now() + PATIENCE_MS;
      }
      signal.throwIfAborted();
      if (this.#off) throw new Error(`the guest went off while it should have told ${type}${this.#said()}`);
      if (performance.now() > deadline) throw new Error(`the guest does not tell ${type}${this.#said()}`);
      await sleep(10);
    }
  }

  /** Cuts its power; also when it is off already. */
  async kill(): Promise<void> {
    if (!this.#off) this.#process.kill('SIGKILL');
    await this.#closed;
  }

  /** Resolves when it has switched itself off. */
  async off(signal: AbortSignal): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    while (!this.#off) {
      signal.throwIfAborted();
      if (performance.now() > deadline) throw new Error(`the guest does not switch itself off${this.#said()}`);
      await sleep(10);
    }
    await this.#closed;
  }

  #said(): string {
    const console = readFileSync(this.#consolePath, 'latin1').split('\n').slice(-20).join('\n');
    return `; ${this.#events.length} events so far; the end of its console:\n${console}`;
  }
}

function parse(line: string): GuestEvent {
  try {
    return JSON.parse(line);
  } catch {
    return { type: 'failed', reason: `it says ${line}` };
  }
}
