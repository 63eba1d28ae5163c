// `--print-config`: the options that hold for a capture, defaults included, one a line, in the order of their table and as a
// shell would take them; then, behind `#`, what follows from them. The same options give the same lines, wherever the values
// came from, so two outputs can be compared, and the lines that are no comment are a command line again. Takes no privilege.
import { chooseEngine } from '../capture/engine.ts';
import { CAPTURE_DEFAULTS } from '../capture/options.ts';
import { chooseOutput, DEFAULT_SERIES, type OutputOptions } from '../capture/output-options.ts';
import { ringGeometry } from '../capture/ring/geometry.ts';
import { SERIES_DEFAULTS } from '../capture/series-options.ts';
import { withDefaults } from '../filter/given.ts';
import { largestKept } from '../filter/kept-bytes.ts';
import { pcap_findalldevs } from '../native/libpcap.ts';
import { readNetDevice } from '../native/netdevice.ts';
import { CAPTURE_FLAGS, type CaptureFlags } from './capture-flags.ts';
import { captureOptionsOf, filterOptionsOf } from './capture-request.ts';
import { offeredTimestampType } from './devices.ts';
import { DEFAULT_STATS_INTERVAL_SEC } from './reports.ts';

/** Prints to stdout. @throws OptionError, CaptureError ERR_OPTION: what goes wrong before anything is opened */
export function printConfiguration(flags: CaptureFlags, expression: string): void {
  const output = chooseOutput(flags, largestKept(flags));
  const holding = inForce(flags, output);
  const words = expression === '' ? [] : [`-- ${quoted(expression)}`];
  const comments = derived(holding, output).map((line) => `# ${line}`);
  process.stdout.write(`${[...optionLines(holding), ...words, ...comments].join('\n')}\n`);
}

/** What is given by these is in other lines, or is not about a capture. */
const LEFT_OUT: readonly (keyof CaptureFlags)[] = ['B', 'F', 'check', 'printConfig', 'printing', 'count', 'U'];
/** What `any` has unless something else is asked for. */
const COOKED = 'LINUX_SLL2';

/** The flags with all that holds where they say nothing. */
function inForce(flags: CaptureFlags, output: OutputOptions): CaptureFlags {
  const options = withDefaults(CAPTURE_DEFAULTS, captureOptionsOf(flags, filterOptionsOf(flags, '')));
  const { device, linktype, ringMemory } = options;
  const cooked = linktype ?? (device === 'any' ? COOKED : undefined);
  const { rotateSec, fileMode, sync } = SERIES_DEFAULTS;
  const { j, ...others } = flags;
  const there = isThere(device);
  const timestampType = j === undefined || !there ? j : offeredTimestampType(nameOf(device), j);
  return {
    interface: device,
    Q: 'inout',
    ...(timestampType !== undefined && { j: timestampType }),
    ...(there && { engine: chooseEngine({ ...options, timestampType }, device, true, false) }),
    ...(cooked !== undefined && { y: cooked }),
    ...(output.kind === 'series' && { w: DEFAULT_SERIES, rotate: rotateSec, fileMode, sync }),
    ...(flags.statsFile !== undefined && { statsInterval: DEFAULT_STATS_INTERVAL_SEC }),
    ...others,
    ringMemory,
  };
}

/** What is no network interface may be another device of libpcap's, which tells when it is opened. */
function isThere(device: string): boolean {
  return device === 'any' || readNetDevice(nameOf(device)) !== undefined;
}

/** Of an interface that is given by its number in -D. */
function nameOf(device: string): string {
  if (!/^\d+$/.test(device) || readNetDevice(device) !== undefined) return device;
  return pcap_findalldevs()[Number(device) - 1]?.name ?? device;
}

function optionLines(holding: CaptureFlags): string[] {
  const told = new Set(LEFT_OUT);
  const texts = textsOf(holding);
  return CAPTURE_FLAGS.flatMap((flag) => {
    const value = holding[flag.name];
    if (told.has(flag.name) || value === undefined) return [];
    told.add(flag.name);
    const { letter, long = [] } = flag;
    const name = long.length > 0 ? `--${long[0]}` : `-${letter}`;
    if (flag.repeat === 'count') return Array<string>(Number(value)).fill(name);
    if (flag.value === undefined) return [name];
    return (texts[flag.name] ?? [value].flat()).map((text) => `${name} ${quoted(`${text}`)}`);
  });
}

/** How values are written that are not what was given. Of the others numbers are seconds and bytes. */
function textsOf(holding: CaptureFlags): Partial<Record<keyof CaptureFlags, readonly string[]>> {
  const { C, fileMode, minFree, sampleFlows, snaplenFor = [] } = holding;
  return {
    ...(C !== undefined && { C: [C % 1e6 === 0 ? `${C / 1e6}` : `${C / 1024}k`] }),
    ...(fileMode !== undefined && { fileMode: [fileMode.toString(8)] }),
    ...(minFree !== undefined && { minFree: ['bytes' in minFree ? `${minFree.bytes}` : percent(minFree.share)] }),
    ...(sampleFlows !== undefined && { sampleFlows: [`1/${sampleFlows}`] }),
    snaplenFor: snaplenFor.map(({ expression, bytes }) => `${expression}=${bytes}`),
  };
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(3))}%`;
}

/** As sh reads it as one word. */
function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function derived(holding: CaptureFlags, output: OutputOptions): string[] {
  const { interface: device = '', engine, ringMemory = 0 } = holding;
  const most = largestKept(holding);
  const { blockSize, blockCount } = ringGeometry(ringMemory, most);
  const name = nameOf(device);
  return [
    ...(name === device ? [] : [`interface ${device} is ${name}`]),
    ...(isThere(device) ? [] : [`no network interface is called ${device}`]),
    ...(most === holding.snaplen ? [] : [`of a packet at most ${most} bytes are kept`]),
    ...(engine === 'ring' ? [`kernel ring of ${blockSize * blockCount} bytes in ${blockCount} blocks`] : []),
    ...(output.kind === 'series' ? [`series ${output.name.series} in ${output.name.directory}`] : []),
  ];
}
