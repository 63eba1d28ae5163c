// A program that captures in a lab, held before its start so that nothing but itself is accounted to it, and stopped so that
// the account is whole. Used by every cell with a live capture; one at a time, or several.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuSecOf, endedCpuSec, peakRssOf } from './account.ts';
import type { Lab } from './lab.ts';

export interface Usage {
  /** User and system time of the whole process, from its exec to its end. */
  readonly cpuSec: number;
  /** The same up to the stop signal: without what is done with a complete file, or at exit. */
  readonly captureSec: number;
  readonly peakRss: number;
}

/** The second after which libpcap's ring hands out a block that is not full, and some more. */
const QUIET_MS = 1500;
const POLL_MS = 50;
const END_POLL_MS = 2;
/** For what a program does after its stop signal: hashing a file of a gigabyte is seconds. */
const END_BOUND_MS = 60_000;
/** Its process id is that of the program; a line on its stdin lets it go on, and stdin is what follows. */
const HELD = 'echo held; read -r go; exec "$@"';

export class CaptureProcess {
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown>;
  readonly #command: string;
  #said = '';
  #beforeExecSec = 0;

  private constructor(lab: Lab, argv: readonly string[]) {
    const [program, ...args] = lab.command(['sh', '-c', HELD, 'sh', ...argv]);
    this.#command = argv.join(' ');
    this.#child = spawn(program, args, { stdio: 'pipe', detached: true });
    this.#closed = once(this.#child, 'close');
    this.#closed.catch(() => {}); // seen by whoever waits for it
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#said += text;
      });
    }
    this.#child.stdin?.on('error', () => {}); // it has ended: seen by whoever waits for what it says
  }

  /** `argv` inside `lab`, but not yet: until `release` its process exists and waits. */
  static async hold(lab: Lab, argv: readonly string[], signal: AbortSignal): Promise<CaptureProcess> {
    const capture = new CaptureProcess(lab, argv);
    try {
      await capture.says(/^held$/m, signal);
      capture.#beforeExecSec = cpuSecOf(capture.pid);
      return capture;
    } catch (cause) {
      await capture.kill();
      throw cause;
    }
  }

  get pid(): number {
    return Number(this.#child.pid);
  }

  /** On stdout and stderr so far. */
  get said(): string {
    return this.#said;
  }

  get #ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null || this.#child.pid === undefined;
  }

  /** Its exec; `stdin` is all that it can read there. */
  release(stdin = ''): void {
    this.#child.stdin?.end(`\n${stdin}`);
  }

  /** Resolves when it has said this; rejects when it ends before. */
  async says(pattern: RegExp, signal: AbortSignal): Promise<void> {
    while (!pattern.test(this.#said)) {
      if (this.#ended) throw new Error(`${this.#command}: ended at once: ${this.#said.replace('held\n', '').trim()}`);
      await sleep(POLL_MS, undefined, { signal });
    }
  }

  /** Resolves when it has written nothing for a while: what was accepted for it is in its file. */
  async quiet(signal: AbortSignal): Promise<void> {
    let last = '';
    for (let quietMs = 0; quietMs < QUIET_MS; quietMs += POLL_MS) {
      if (this.#ended) throw new Error(`${this.#command}: ended too early: ${this.#said.trim()}`);
      const now = readFileSync(`/proc/${this.pid}/io`, 'utf8').split('\n')[1] ?? ''; // wchar
      if (now !== last) quietMs = 0;
      last = now;
      await sleep(POLL_MS, undefined, { signal });
    }
  }

  /** User and system time since its exec. */
  cpuSec(): number {
    return cpuSecOf(this.pid) - this.#beforeExecSec;
  }

  /** By SIGTERM, to its end. Rejects when it ends otherwise than with exit code 0. */
  async stop(): Promise<Usage> {
    if (this.#ended) throw new Error(`${this.#command}: ended too early: ${this.#said.trim()}`);
    const captureSec = this.cpuSec();
    process.kill(this.pid, 'SIGTERM');
    const { cpuSec, peakRss } = this.#awaitEnd();
    await this.#closed;
    const { exitCode, signalCode } = this.#child;
    if (exitCode !== 0)
      throw new Error(`${this.#command}: ${signalCode ?? `exit code ${exitCode}`}: ${this.#said.trim()}`);
    return { cpuSec: cpuSec - this.#beforeExecSec, captureSec, peakRss };
  }

  /** Holds up the event loop, which would reap the child, and with it its account. */
  #awaitEnd(): { cpuSec: number; peakRss: number } {
    const sleeper = new Int32Array(new SharedArrayBuffer(4));
    let peakRss = 0;
    for (let waitedMs = 0; waitedMs < END_BOUND_MS; waitedMs += END_POLL_MS) {
      const cpuSec = endedCpuSec(this.pid);
      if (cpuSec !== undefined) return { cpuSec, peakRss };
      peakRss = peakRssOf(this.pid) || peakRss;
      Atomics.wait(sleeper, 0, 0, END_POLL_MS);
    }
    throw new Error(`${this.#command}: still there ${END_BOUND_MS / 1000} s after SIGTERM`);
  }

  /** Does nothing when it has ended. */
  async kill(): Promise<void> {
    if (!this.#ended) process.kill(-this.pid, 'SIGKILL');
    await this.#closed.catch(() => {});
  }
}
