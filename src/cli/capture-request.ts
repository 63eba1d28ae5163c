// From the flags of a command line to what capture/ takes. Called by live-capture.ts, and for --check and --print-config.
import { CAP_COOKED } from '../capture/engine.ts';
import { CAPTURE_DEFAULTS, type CaptureRequest } from '../capture/options.ts';
import type { FilterOptions } from '../filter/compile.ts';
import type { CaptureFlags } from './capture-flags.ts';

export function filterOptionsOf(flags: CaptureFlags, expression: string): FilterOptions {
  const device = flags.interface ?? CAPTURE_DEFAULTS.device;
  return {
    device,
    snaplen: flags.snaplen,
    // `cap` takes the first that libpcap offers.
    linktype: flags.y ?? (flags.engine === 'cap' && device === 'any' ? CAP_COOKED : undefined),
    direction: flags.Q,
    expression,
    exclude: flags.exclude ?? [],
    snaplenFor: flags.snaplenFor,
    keepNames: flags.keepNames,
    headersOnly: flags.headersOnly,
    sampleFlows: flags.sampleFlows,
  };
}

/** All but the output and what devices must be asked for: the type of timestamps. */
export function captureOptionsOf(
  flags: CaptureFlags,
  filterOptions: FilterOptions,
): Omit<CaptureRequest, 'output' | 'timestampType'> {
  return {
    ...filterOptions,
    engine: flags.engine,
    promiscuous: flags.p,
    monitor: flags.I,
    immediate: flags.immediateMode,
    exitOnDown: flags.exitOnDown,
    ringMemory: flags.B ?? flags.ringMemory,
    precision: flags.timeStampPrecision,
    user: flags.Z,
    count: flags.c,
    durationMs: flags.duration === undefined ? undefined : flags.duration * 1000,
  };
}
