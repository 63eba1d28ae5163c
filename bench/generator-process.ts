// A generator that stays in a lab between offers: to start one takes longer than most offers do. It ends with this process,
// with its lab, or when an offer of its fails. Used by offer.ts.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { Lab } from './lab.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Those that have nothing to do at present. */
const idle = new WeakMap<Lab, Generator[]>();

export class Generator {
  readonly #lab: Lab;
  readonly #cpu: number | undefined;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #complaint: Promise<string>;

  private constructor(lab: Lab, cpu: number | undefined) {
    this.#lab = lab;
    this.#cpu = cpu;
    const bound = cpu === undefined ? [] : ['taskset', '-c', String(cpu)];
    const [program, ...args] = lab.command([...bound, process.execPath, '--import', 'tsx', 'bench/generator.ts']);
    const child = spawn(program, args, { cwd: ROOT, stdio: 'pipe' });
    this.#child = child;
    this.#lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    this.#complaint = text(child.stderr);
    child.stdin.on('error', () => {}); // it has ended: no answer comes, and that says it
    lab.atEnd(() => child.kill('SIGKILL'));
  }

  /** One that has nothing to do. `cpu`: what it is bound to. */
  static of(lab: Lab, cpu: number | undefined): Generator {
    const free = idle.get(lab) ?? [];
    const index = free.findIndex((each) => each.#cpu === cpu);
    return free.splice(index, index === -1 ? 0 : 1)[0] ?? new Generator(lab, cpu);
  }

  /** Resolves to the number of packets offered. */
  async run(words: readonly string[], signal: AbortSignal | undefined): Promise<number> {
    const child = this.#child;
    const kill = (): void => void child.kill();
    signal?.addEventListener('abort', kill);
    this.#hold(true);
    try {
      child.stdin?.write(`${JSON.stringify(words)}\n`);
      const { value, done } = await this.#lines.next();
      if (done === true) {
        if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
        throw new Error(`generator ${words.join(' ')}: ${child.signalCode ?? (await this.#complaint)}`);
      }
      const free = idle.get(this.#lab) ?? [];
      idle.set(this.#lab, [...free, this]);
      return JSON.parse(value).offered;
    } finally {
      signal?.removeEventListener('abort', kill);
      this.#hold(false);
    }
  }

  /** Whether this process waits for it. */
  #hold(wanted: boolean): void {
    const { stdin, stdout, stderr } = this.#child;
    for (const each of [this.#child, stdin as Socket, stdout as Socket, stderr as Socket]) {
      if (wanted) each.ref();
      else each.unref();
    }
  }
}
