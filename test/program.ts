// Runs a capture program, ours or tcpdump, in a lab and waits for what it says. Live tests use it; whoever starts a
// program must end it before the lab goes.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Lab } from '../bench/lab.ts';

/** The program as `npm run build` made it. */
export const PROGRAM: string = fileURLToPath(new URL('../dist/tsnetpcap.cjs', import.meta.url));

/** libpcap hands out a block that is not full after a second; tcpdump loses it when it is stopped before that. */
const TCPDUMP_RETIRE_MS = 1300;
const ASK_MS = 100;

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The Node to run ours with, default the one of the tests. */
  readonly node?: string;
  /** A descriptor to become its stdin, which is empty otherwise. */
  readonly stdin?: number;
  /** A descriptor to become its stdout, which is a socket otherwise. */
  readonly stdout?: number;
}

/** A program that says or does nothing for so long has failed its test, and must not outlive it. */
const PATIENCE_MS = 45_000;

export interface Statistics {
  readonly captured: number;
  readonly received: number;
  readonly dropped: number;
}

/** What is left of a program that has ended. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Program {
  readonly process: ChildProcess;
  stdout = '';
  stderr = '';
  readonly #name: string;
  readonly #closed: Promise<unknown>;

  /** Inside `lab`, or in the network of the tests without one. */
  constructor(lab: Lab | undefined, argv: readonly [string, ...string[]], options: RunOptions = {}) {
    const [program, ...args] = lab?.command(argv) ?? argv;
    const env = { ...process.env, ...options.env };
    this.#name = argv.join(' ');
    this.process = spawn(program, args, {
      stdio: [options.stdin ?? 'ignore', options.stdout ?? 'pipe', 'pipe'],
      env,
      ...(options.cwd !== undefined && { cwd: options.cwd }),
    });
    this.#closed = once(this.process, 'close');
    this.process.stdout?.setEncoding('latin1').on('data', (text: string) => {
      this.stdout += text;
    });
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
  }

  /** Ours, with its first file open and its ring receiving. */
  static async capture(lab: Lab | undefined, args: readonly string[], options: RunOptions = {}): Promise<Program> {
    const program = new Program(lab, [options.node ?? process.execPath, PROGRAM, ...args], options);
    await program.says(/listening on .*\n/);
    return program;
  }

  /** Any program that ends by itself; `argv` as for the constructor. */
  static async run(
    lab: Lab | undefined,
    argv: readonly [string, ...string[]],
    options: RunOptions = {},
  ): Promise<Ended> {
    const program = new Program(lab, argv, options);
    try {
      const code = await program.exit();
      return { code, stdout: program.stdout, stderr: program.stderr };
    } finally {
      await program.kill();
    }
  }

  static async tcpdump(lab: Lab, args: readonly string[]): Promise<Program> {
    const program = new Program(lab, ['tcpdump', '-Z', 'root', '-n', ...args]);
    await program.says(/listening on .*\n/);
    return program;
  }

  get ended(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null;
  }

  /** Resolves when stderr matches. */
  async says(pattern: RegExp): Promise<void> {
    await this.until(() => pattern.test(this.stderr));
  }

  /** Resolves when `holds` does; rejects with what the program said when it ends before that. */
  async until(holds: () => boolean): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    while (!holds()) {
      if (performance.now() > deadline) throw new Error(`${this.#name}: nothing happened: ${this.stderr.trim()}`);
      if (this.ended) {
        await this.#closed;
        if (holds()) return;
        throw new Error(`${this.#name}: ended early, exit code ${this.process.exitCode}: ${this.stderr.trim()}`);
      }
      await sleep(5);
    }
  }

  /** tcpdump has taken all that the kernel has accepted, and a little later still has; or it would have by now. */
  async caughtUp(): Promise<void> {
    const deadline = performance.now() + TCPDUMP_RETIRE_MS;
    for (let agreed = 0; agreed < 2 && performance.now() < deadline; ) {
      this.signal('SIGUSR1');
      await sleep(ASK_MS);
      const { captured, received } = this.statistics();
      agreed = captured > 0 && captured === received ? agreed + 1 : 0;
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }

  /** Resolves to the exit code when the program has ended by itself and all its output is here. */
  async exit(): Promise<number | null> {
    const patience = new AbortController();
    const impatient = sleep(PATIENCE_MS, undefined, { signal: patience.signal }).then(() => {
      throw new Error(`${this.#name}: does not end: ${this.stderr.trim()}`);
    });
    try {
      await Promise.race([this.#closed, impatient]);
    } finally {
      patience.abort();
      impatient.catch(() => {}); // nobody waits for it any more
    }
    return this.process.exitCode;
  }

  /** Ends it by SIGTERM and expects exit code 0. */
  async stop(): Promise<Statistics> {
    if (!this.ended) this.signal('SIGTERM');
    const code = await this.exit();
    if (code !== 0) throw new Error(`${this.#name}: exit code ${code}: ${this.stderr.trim()}`);
    return this.statistics();
  }

  /** The numbers of the last statistics on stderr. */
  statistics(): Statistics {
    const count = (what: string): number =>
      Number([...this.stderr.matchAll(new RegExp(`(\\d+) packets? ${what}`, 'g'))].at(-1)?.[1]);
    return {
      captured: count('captured'),
      received: count('received by filter'),
      dropped: count('dropped by kernel'),
    };
  }

  /** For a test's end, however it ended. */
  async kill(): Promise<void> {
    if (!this.ended) this.signal('SIGKILL');
    await this.#closed.catch(() => {});
  }
}
