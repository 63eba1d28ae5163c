// Runs the generator inside a lab and says how many packets it has really put there. Called by the benchmark and by
// live tests.
import type { FrameKind } from './frames.ts';
import { Generator } from './generator-process.ts';
import { CAPTURE, GENERATOR, type Lab } from './lab.ts';

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
  /** Injects frames of the lengths of `MIX`, drawn at random, UDP over IPv4, instead of one kind and length. */
  readonly mix?: boolean;
  /** Packets a second; default as fast as it goes. */
  readonly rate?: number;
  /** CPU the generator is bound to; default none. */
  readonly cpu?: number;
}

/**
 * Resolves to the number of packets offered, when all have been. Rejects where it can't be done, the interface gone say, or
 * when `signal` has ended the generator.
 */
export async function offer(lab: Lab, offered: Offer, signal?: AbortSignal): Promise<number> {
  const { count, frame = 'udp4', length = DEFAULT_LENGTH, rate, cpu } = offered;
  const { send = false, numbered = false, mix = false } = offered;
  const words = ['--interface', send ? GENERATOR.name : CAPTURE.name, '--count', String(count)];
  words.push('--frame', frame, '--length', String(length));
  if (send) words.push('--send');
  if (numbered) words.push('--numbered');
  if (mix) words.push('--mix');
  if (rate !== undefined) words.push('--rate', String(rate));
  signal?.throwIfAborted();
  return Generator.of(lab, cpu).run(words, signal);
}
