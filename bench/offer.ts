// Runs the generator inside a lab and says how many packets it has really put there. Called by the benchmark and by
// live tests.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { FrameKind } from './frames.ts';
import { CAPTURE, GENERATOR, type Lab } from './lab.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Bytes of a frame. */
export const DEFAULT_LENGTH = 128;

export interface Offer {
  readonly count: number;
  /** Default udp4. */
  readonly frame?: FrameKind;
  /** Bytes of the whole frame, default `DEFAULT_LENGTH`. */
  readonly length?: number;
  /** Sends numbered frames from gen0 through a socket, in order, instead of injecting copies of one into cap0. */
  readonly send?: boolean;
  /** Numbers the injected frames, too. */
  readonly numbered?: boolean;
  /** Packets a second; default as fast as it goes. */
  readonly rate?: number;
  /** CPU the generator is bound to; default none. */
  readonly cpu?: number;
}

/** Resolves to the number of packets offered, when all have been. */
export async function offer(lab: Lab, offered: Offer, signal?: AbortSignal): Promise<number> {
  const { count, frame = 'udp4', length = DEFAULT_LENGTH, send = false, numbered = false, rate, cpu } = offered;
  const argv = cpu === undefined ? [] : ['taskset', '-c', String(cpu)];
  argv.push(process.execPath, '--import', 'tsx', 'bench/generator.ts');
  argv.push('--interface', send ? GENERATOR.name : CAPTURE.name, '--count', String(count));
  argv.push('--frame', frame, '--length', String(length));
  if (send) argv.push('--send');
  if (numbered) argv.push('--numbered');
  if (rate !== undefined) argv.push('--rate', String(rate));
  const [program, ...args] = lab.command(argv);
  const { stdout } = await promisify(execFile)(program, args, { cwd: ROOT, ...(signal && { signal }) });
  return JSON.parse(stdout).offered;
}
