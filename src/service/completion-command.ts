// `-z CMD`: runs a program for each savefile that has become complete, as tcpdump does. The capture comes first: the lowest
// priority, few at a time, and whatever goes wrong with one is said and never thrown.
import { spawn } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { basename, delimiter, join } from 'node:path';
import { CaptureError } from '../errors.ts';

/** More would compete with the capture for processors and disk. */
const MAX_RUNNING = 2;
/** Our stdout may be a stream of packets; what the programs print belongs to what we say. */
const STDERR = 2;
/** What nice(1) ends with when it could not start the program; it has said why. */
const NICE_FAILURES: Readonly<Record<number, string>> = { 126: "can't be started", 127: 'not found' };

export class CompletionCommand {
  readonly #command: string;
  readonly #notice: (text: string) => void;
  readonly #queue: string[] = [];
  #running = 0;
  #waiting: (() => void)[] = [];

  /**
   * `command`: a program's name, looked up in PATH, or its path; it gets no arguments besides the savefile.
   * `notice`: called with one line for each run that failed.
   */
  constructor(command: string, notice: (text: string) => void) {
    this.#command = command;
    this.#notice = notice;
  }

  /** How many savefiles are not done with: their program is running, or has yet to begin. */
  get pending(): number {
    return this.#running + this.#queue.length;
  }

  /** Runs the program with `path` as its argument, in the order of the calls, as soon as fewer than two are running. */
  run(path: string): void {
    this.#queue.push(path);
    this.#next();
  }

  /** Resolves when nothing is pending any more, also when that is so already. */
  async settled(): Promise<void> {
    if (this.pending > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #next(): void {
    while (this.#running < MAX_RUNNING) {
      const path = this.#queue.shift();
      if (path === undefined) break;
      this.#running++;
      this.#start(path);
    }
    if (this.pending > 0) return;
    for (const resolve of this.#waiting) resolve();
    this.#waiting = [];
  }

  #start(path: string): void {
    const ended = (failure?: string): void => {
      if (failure !== undefined) this.#notice(`-z ${this.#command}: ${basename(path)}: ${failure}`);
      this.#running--;
      this.#next();
    };
    try {
      // Without a shell: a savefile's name is no command. Node opens everything else close-on-exec.
      // nice(1) becomes the program. Lowering the priority of one that runs already would come too late for what it starts.
      const argv = ['-n', '19', '--', this.#command, path];
      const child = spawn('nice', argv, { stdio: ['ignore', STDERR, STDERR] });
      child.once('error', (cause) => {
        if (child.pid === undefined) ended(reasonOf(cause)); // else it is running, and exits
      });
      child.once('exit', (code, signal) => {
        if (code === 0) ended();
        else ended(code === null ? `ended by ${signal}` : (NICE_FAILURES[code] ?? `exit code ${code}`));
      });
    } catch (cause) {
      // Some failures come this way, ENOMEM for one. Not within run(), which may be called while a file is published.
      setImmediate(() => ended(reasonOf(cause)));
    }
  }
}

/** Whether the program can be found and started by who we are now. @throws CaptureError ERR_COMMAND */
export function checkCommand(command: string): void {
  const { PATH = '' } = process.env;
  const paths = command.includes('/') ? [command] : PATH.split(delimiter).map((directory) => join(directory, command));
  if (!paths.some(executable)) throw new CaptureError('ERR_COMMAND', `-z ${command}: no such program`);
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false; // for whatever reason, it can't be started
  }
}

function reasonOf(cause: unknown): string {
  const { code, message } = cause as NodeJS.ErrnoException;
  return `can't be started: ${code ?? message}`;
}
