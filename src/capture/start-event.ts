// The first thing that a capture tells the ledger: everything that decides what is in its savefiles.
import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import type { CompiledFilter } from '../filter/compile.ts';
import { nameBytes } from '../filter/kept-bytes.ts';
import type { Program } from '../filter/program.ts';
import { if_nametoindex } from '../native/libc.ts';
import { pcap_findalldevs } from '../native/libpcap.ts';
import type { LedgerEvent } from '../rotation/ledger-entry.ts';
import type { FileHeader } from '../savefile/header.ts';
import { VERSION } from '../version.ts';
import type { CaptureOptions } from './options.ts';
import type { SeriesOutput } from './series-options.ts';

type Start = LedgerEvent & { readonly type: 'start' };
type EveryStart = 'type' | 'version' | 'node' | 'host' | 'pid' | 'zoneOffset' | 'pattern';

export function startEvent(
  options: CaptureOptions,
  output: SeriesOutput,
  header: FileHeader,
  filter: CompiledFilter,
): LedgerEvent {
  const { exclusions, expression } = filter.userSpace ?? {};
  const userSpace = [exclusions, expression].filter((program) => program !== undefined);
  return {
    ...ofEverySeries(output),
    device: filter.device,
    interfaces: interfaces(filter.device),
    ...header,
    filter: options.expression,
    exclude: options.exclude,
    ...kept(options),
    program: hashOf(filter.program),
    ...(userSpace.length > 0 && { userSpace: hashOf(...userSpace) }),
  };
}

/** Of a series whose packets a program brings itself. */
export function startWithoutDevice(output: SeriesOutput, header: FileHeader): LedgerEvent {
  return { ...ofEverySeries(output), device: '', interfaces: [], ...header, filter: '', exclude: [], program: '' };
}

function ofEverySeries({ zone, name }: SeriesOutput): Pick<Start, EveryStart> {
  return {
    type: 'start',
    version: VERSION,
    node: process.versions.node,
    host: hostname(),
    pid: process.pid,
    zoneOffset: zone.offsetAt(Math.floor(Date.now() / 1000)),
    pattern: name.pattern,
  };
}

function kept(options: CaptureOptions): Pick<Start, 'kept'> {
  const { snaplen, snaplenFor = [], keepNames = false, headersOnly = false, sampleFlows = 1 } = options;
  if (snaplenFor.length === 0 && !keepNames && !headersOnly && sampleFlows === 1) return {};
  const names = keepNames ? nameBytes(options) : null;
  return { kept: { snaplen, classes: snaplenFor, names, headersOnly, sampleFlows } };
}

function hashOf(...programs: readonly Program[]): string {
  const hash = createHash('sha256');
  for (const { bytes } of programs) hash.update(bytes);
  return hash.digest('hex');
}

/** A cooked savefile has the number of a packet's interface, and numbers change. */
function interfaces(device: string): { name: string; ifindex: number }[] {
  const names = device === 'any' ? pcap_findalldevs().map(({ name }) => name) : [device];
  return names.flatMap((name) => {
    const ifindex = if_nametoindex(name);
    return ifindex === undefined ? [] : [{ name, ifindex }];
  });
}
