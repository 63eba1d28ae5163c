// One measured capture: started in a lab, fed by the generator, stopped when it has read everything, and its CPU time,
// memory and counts taken from the operating system and from the savefile. Called by main.ts, one at a time.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Lab } from './lab.ts';
import { offer } from './offer.ts';

const execute = promisify(execFile);

export interface Settings {
  readonly packets: number;
  /** Bytes of ring between kernel and program. */
  readonly ringMemory: number;
  readonly snaplen: number;
  /** The capture on CPU 1, the generator on CPU 0. */
  readonly pin: boolean;
}

export interface Contestant {
  readonly name: string;
  argv(file: string, settings: Settings): string[];
}

export interface Run {
  readonly program: string;
  readonly offered: number;
  readonly received: number;
  /** As capinfos counts them in the savefile; with /dev/null as the program itself says. */
  readonly written: number;
  readonly dropped: number;
  readonly userSec: number;
  readonly systemSec: number;
  readonly maxRssKib: number;
  /** User and system time up to the stop signal: start and capture, without what is done with a complete file. */
  readonly captureSec: number;
  /** Why this run says nothing, undefined when its balance is right. */
  readonly flaw: string | undefined;
}

export const DISCARD = '/dev/null';

/** The second after which libpcap's ring hands out a block that is not full, and some more. */
const QUIET_MS = 1500;
const POLL_MS = 50;
/** USER_HZ of Linux, on every architecture that we run on. */
const TICKS_A_SECOND = 100;
const CPU_OF_CAPTURE = '1';
const CPU_OF_GENERATOR = 0;

/** Runs `contestant` with `file` as its savefile, which is deleted afterwards unless it is `DISCARD`. */
export async function measure(
  lab: Lab,
  contestant: Contestant,
  file: string,
  settings: Settings,
  signal: AbortSignal,
): Promise<Run> {
  const { packets, pin } = settings;
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(120_000 + packets / 50)]);
  await execute('sync', [], { signal: bounded }); // nobody pays for the dirty pages of the run before
  const usageFile = join(tmpdir(), `${lab.name}.usage`);
  try {
    const capture = startCapture(lab, contestant.argv(file, settings), usageFile, pin);
    try {
      await capture.listening(bounded);
      const cpu = pin ? { cpu: CPU_OF_GENERATOR } : {};
      const offered = packets === 0 ? 0 : await offer(lab, { count: packets, ...cpu }, bounded);
      await capture.quiet(bounded);
      const captureSec = capture.cpuSec();
      const said = await capture.stop(bounded);
      const run = await judge(contestant.name, offered, said, file, readFileSync(usageFile, 'utf8'), bounded);
      return { ...run, captureSec };
    } finally {
      await capture.kill();
    }
  } finally {
    rmSync(usageFile, { force: true });
    if (file !== DISCARD) rmSync(file, { force: true });
  }
}

interface RunningCapture {
  listening(signal: AbortSignal): Promise<void>;
  /** Resolves when the program has written nothing for a while. */
  quiet(signal: AbortSignal): Promise<void>;
  /** User and system time so far. */
  cpuSec(): number;
  /** By SIGTERM; resolves to what it said on stderr. */
  stop(signal: AbortSignal): Promise<string>;
  /** Does nothing when it has ended. */
  kill(): Promise<void>;
}

function startCapture(lab: Lab, argv: readonly string[], usageFile: string, pin: boolean): RunningCapture {
  // The shell says its process id and becomes the capture, so that signals don't go to `time`.
  const timed = ['/usr/bin/time', '-o', usageFile, '-f', '%U %S %M', 'sh', '-c', 'echo $$; exec "$@"', 'sh', ...argv];
  const [program, ...args] = lab.command(pin ? ['taskset', '-c', CPU_OF_CAPTURE, ...timed] : timed);
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const closed = once(child, 'close');
  closed.catch(() => {}); // seen by whoever waits for it
  let pid = '';
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    pid += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const ended = (): boolean => child.exitCode !== null || child.signalCode !== null || child.pid === undefined;
  const bytesWritten = (): string => readFileSync(`/proc/${pid.trim()}/io`, 'utf8').split('\n')[1] ?? ''; // wchar
  return {
    async listening(signal) {
      while (!said.includes('listening on')) {
        if (ended()) throw new Error(`${argv.join(' ')}: ended at once: ${said.trim()}`);
        await sleep(POLL_MS, undefined, { signal });
      }
    },
    async quiet(signal) {
      let last = '';
      for (let quietMs = 0; quietMs < QUIET_MS; quietMs += POLL_MS) {
        if (ended()) throw new Error(`${argv.join(' ')}: ended too early: ${said.trim()}`);
        const now = bytesWritten();
        if (now !== last) quietMs = 0;
        last = now;
        await sleep(POLL_MS, undefined, { signal });
      }
    },
    cpuSec() {
      // proc_pid_stat(5): utime and stime are fields 14 and 15; the second, in parentheses, may hold spaces.
      const fields = readFileSync(`/proc/${pid.trim()}/stat`, 'latin1')
        .replace(/^.*\) /, '')
        .split(' ');
      return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
    },
    async stop(signal) {
      process.kill(Number(pid), 'SIGTERM');
      while (!ended()) await sleep(POLL_MS, undefined, { signal });
      await closed;
      if (child.exitCode !== 0) throw new Error(`${argv.join(' ')}: exit code ${child.exitCode}: ${said.trim()}`);
      return said;
    },
    async kill() {
      if (!ended()) process.kill(-Number(child.pid), 'SIGKILL'); // with `time`: a process group of their own
      await closed;
    },
  };
}

async function judge(
  program: string,
  offered: number,
  said: string,
  file: string,
  usage: string,
  signal: AbortSignal,
): Promise<Omit<Run, 'captureSec'>> {
  const count = (what: string): number => Number(new RegExp(`(\\d+) packets? ${what}`).exec(said)?.[1]);
  const captured = count('captured');
  const received = count('received by filter');
  const dropped = count('dropped by kernel');
  const written = file === DISCARD ? captured : await countPackets(file, signal);
  const [userSec = Number.NaN, systemSec = Number.NaN, maxRssKib = Number.NaN] = usage.trim().split(' ').map(Number);
  const flaw =
    received !== offered
      ? `received ${received} of ${offered}`
      : written + dropped !== offered
        ? `${written} written and ${dropped} dropped of ${offered}`
        : captured !== written
          ? `says ${captured}, the file has ${written}`
          : undefined;
  return { program, offered, received, written, dropped, userSec, systemSec, maxRssKib, flaw };
}

async function countPackets(file: string, signal: AbortSignal): Promise<number> {
  const { stdout } = await execute('capinfos', ['-T', '-r', '-M', '-c', file], { signal });
  return Number(stdout.trim().split('\t')[1]);
}
