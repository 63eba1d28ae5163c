// What a capture can be told: its options and their defaults. Everything is checked here, and what it is written into in
// output-options.ts, before any descriptor is opened; an error names the option, the value and what is allowed. The command
// line's texts become values in values.ts.
import { OptionError } from '../errors.ts';
import { FILTER_DEFAULTS, type FilterOptions } from '../filter/compile.ts';
import { checkWhole, type Given, withDefaults } from '../filter/given.ts';
import type { Packet } from '../savefile/packets.ts';
import type { EngineOptions } from './engine.ts';
import type { OutputOptions } from './output-options.ts';
import { MAX_RING_MEMORY, MIN_RING_MEMORY } from './values.ts';

/** A capture: which packets and how much of each (FilterOptions), from where (EngineOptions), for how long, into what. */
export interface CaptureOptions extends FilterOptions, EngineOptions {
  readonly monitor: boolean;
  /** Hand over every packet as soon as it is there, instead of many at a time up to half a second later. Default false. */
  readonly immediate: boolean;
  /** End when the interface is removed, instead of waiting for the next one of its name. Default false. */
  readonly exitOnDown: boolean;
  /** Where the packets go. It has no default. */
  readonly output: OutputOptions | PacketConsumer;
  /**
   * Name of the user that the process becomes once packets can come, for good: no capability is left, no_new_privs is set for
   * all threads, and a seccomp filter, which allows everything. Ignored where the process is not root's. Default none.
   */
  readonly user: string | undefined;
  /** Stop after so many packets. Default Infinity, never. */
  readonly count: number;
  /** Stop after so many milliseconds. Default Infinity, never. */
  readonly durationMs: number;
}

/** A capture as it is asked for: only the output has no default. */
export type CaptureRequest = Given<Omit<CaptureOptions, 'output'>> & Pick<CaptureOptions, 'output'>;

/** What holds for options that are left out. */
export const CAPTURE_DEFAULTS: Omit<CaptureOptions, 'output'> = {
  ...FILTER_DEFAULTS,
  engine: undefined,
  promiscuous: true,
  monitor: false,
  immediate: false,
  timestampType: undefined,
  exitOnDown: false,
  ringMemory: 16 * 2 ** 20,
  precision: 'micro',
  user: undefined,
  count: Number.POSITIVE_INFINITY,
  durationMs: Number.POSITIVE_INFINITY,
};

/** What is not said gets its default. @throws OptionError for a number out of bounds */
export function completeOptions(request: CaptureRequest): CaptureOptions {
  const options = { ...withDefaults(CAPTURE_DEFAULTS, request), output: request.output };
  const { ringMemory, count, durationMs } = options;
  checkWhole('ringMemory', ringMemory, MIN_RING_MEMORY, MAX_RING_MEMORY);
  if (count !== Number.POSITIVE_INFINITY) checkWhole('count', count, 1, Number.MAX_SAFE_INTEGER);
  if (!(durationMs >= 0)) throw new OptionError('durationMs', String(durationMs), 'expected milliseconds, or Infinity');
  return options;
}

/** No file: a function of the caller's gets each packet, in the order in which the kernel gave them. */
export interface PacketConsumer {
  readonly kind: 'packets';
  /** Called for each packet; its `data` is valid until this returns. What it throws ends the capture. */
  readonly each: (packet: Packet) => void;
}
