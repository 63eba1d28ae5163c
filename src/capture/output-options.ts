// What a capture, or a selection of savefiles, is written into, as the options have it: a single file, the files of -C and
// -G, or a series, and the rules between the options that decide it. Checked before anything is opened.
import { CaptureError, OptionError } from '../errors.ts';
import { localZone, type Zone } from '../native/time.ts';
import type { CompressionFormat } from '../rotation/compression-format.ts';
import type { FreeSpace } from '../rotation/retention.ts';
import { FILE_HEADER_LENGTH, RECORD_HEADER_LENGTH } from '../savefile/header.ts';
import { planSeries, type SeriesOutput, type SyncPolicy } from './series-options.ts';

export const DEFAULT_SERIES = '/var/log/netpcap/pcap-%Y%m%d%H%M%S.pcap';
const LONGEST_HEADERS: number = FILE_HEADER_LENGTH + RECORD_HEADER_LENGTH;

/** `file`: one savefile, emptied first unless `noClobber`, `-` for stdout; `neverBlock` as savefile/single-file.ts has it. */
export type OutputOptions =
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly noClobber?: boolean | undefined;
      readonly neverBlock?: boolean | undefined;
    }
  | TcpdumpOutput
  | SeriesOutput;

/** `-C`, `-G` and `-W`, as savefile/tcpdump-files.ts has them. */
export interface TcpdumpOutput {
  readonly kind: 'tcpdump';
  readonly pattern: string;
  readonly zone: Zone;
  readonly fullAt: number;
  readonly durationSec: number;
  readonly files: number | undefined;
  readonly command: string | undefined;
}

/** The options that decide between a single file and a series, as the user gave them. */
export interface OutputRequest {
  readonly w?: string | undefined;
  readonly C?: number | undefined;
  readonly G?: number | undefined;
  readonly W?: number | undefined;
  readonly rotate?: number | undefined;
  readonly rotateSize?: number | undefined;
  readonly rotatePackets?: number | undefined;
  readonly ring?: number | undefined;
  readonly maxAge?: number | undefined;
  readonly maxBytes?: number | undefined;
  readonly minFree?: FreeSpace | undefined;
  readonly utc?: boolean | undefined;
  readonly clobber?: boolean | undefined;
  readonly fileMode?: number | undefined;
  readonly part?: boolean | undefined;
  readonly sync?: SyncPolicy | undefined;
  readonly compress?: CompressionFormat | undefined;
  readonly z?: string | undefined;
  readonly ledger?: boolean | undefined;
}

/** Give any of these and it is a series. */
const MAKE_A_SERIES = {
  rotate: '--rotate',
  rotateSize: '--rotate-size',
  rotatePackets: '--rotate-packets',
  ring: '--ring',
  maxAge: '--max-age',
  maxBytes: '--max-bytes',
  minFree: '--min-free',
  utc: '--utc',
} as const;
/** These need one. */
const NEED_A_SERIES = {
  fileMode: '--file-mode',
  sync: '--sync',
  compress: '--compress',
  z: '-z',
} as const;
/** Given by being false. */
const NEGATIVE = { clobber: '--no-clobber', part: '--no-part', ledger: '--no-ledger' } as const;

/**
 * `-C` and `-G` make files as tcpdump does. A `%` in the name, a rotation or a limit make a series; a name alone is one file. `snaplen`: a file of a series must have
 * room for one packet. @throws CaptureError ERR_OPTION, also when there is nothing to write to
 */
export function chooseOutput(request: OutputRequest, snaplen: number): OutputOptions {
  const { w, C, G = 0, W, rotate, clobber = true, part = true, ledger = true } = request;
  const given = optionGiven(request, MAKE_A_SERIES);
  if (w === undefined && given === undefined)
    throw new CaptureError(
      'ERR_OPTION',
      'packets are not printed here, give -w FILE, or for a series --ring 48; tcpdump(8) and tshark(1) print packets',
    );
  const lettered = C !== undefined || G > 0;
  if (lettered || W !== undefined) checkVocabulary(request, given, lettered);
  if (w === '') throw new OptionError('-w', w, 'expected a file name');
  if (w === '-' && given !== undefined)
    throw new OptionError('-w', '-', `a stream can't be rotated, leave out ${given}`);
  if (w !== undefined && lettered) {
    if (w === '-')
      throw new OptionError('-w', w, `a stream can't be rotated, leave out ${C === undefined ? '-G' : '-C'}`);
    const fullAt = C ?? Number.POSITIVE_INFINITY;
    const durationSec = G > 0 ? G : Number.POSITIVE_INFINITY;
    return { kind: 'tcpdump', pattern: w, zone: localZone(), fullAt, durationSec, files: W, command: request.z };
  }
  if (w !== undefined && !w.includes('%') && given === undefined) {
    const needy = optionGiven(request, NEED_A_SERIES) ?? (part ? (ledger ? undefined : '--no-ledger') : '--no-part');
    if (needy !== undefined) {
      const more = needy === '-z' ? '--rotate, --ring, -C or -G' : '--rotate or --ring';
      throw new OptionError('-w', w, `one file, and ${needy} needs a series: give ${more}`);
    }
    return { kind: 'file', path: w, noClobber: !clobber };
  }
  if (!clobber)
    throw new OptionError('--no-clobber', w ?? DEFAULT_SERIES, 'a series never overwrites a file, leave it out');
  const least = LONGEST_HEADERS + snaplen;
  if (request.rotateSize !== undefined && request.rotateSize < least)
    throw new OptionError('--rotate-size', String(request.rotateSize), `the largest packet kept needs ${least} bytes`);
  return planSeries({
    ...request,
    pattern: w ?? DEFAULT_SERIES,
    rotateSec: rotate,
    keep: request.ring,
    maxAgeSec: request.maxAge,
    command: request.z,
  });
}

/** `lettered`: -C or -G. Neither means what our own options do, so they are not mixed. @throws OptionError */
function checkVocabulary(request: OutputRequest, given: string | undefined, lettered: boolean): void {
  const { C, G, W, w = '' } = request;
  const { z: _, ...needy } = NEED_A_SERIES;
  const negative = Object.entries(NEGATIVE).find(([key]) => request[key as keyof typeof NEGATIVE] === false)?.[1];
  const series = lettered ? undefined : w.includes('%') ? `-w ${w}, a series` : undefined;
  const other = given ?? (lettered ? (optionGiven(request, needy) ?? negative) : series);
  if (other === undefined) return;
  const [name, value] = C !== undefined ? ['-C', C] : G !== undefined && G > 0 ? ['-G', G] : ['-W', W];
  const either = "either tcpdump's -C, -G and -W, or --rotate-size, --rotate and --ring";
  throw new OptionError(name, String(value), `not with ${other}: ${either}`);
}

/** The first of the named options that was given. */
function optionGiven(
  request: OutputRequest,
  names: Readonly<Partial<Record<keyof OutputRequest, string>>>,
): string | undefined {
  for (const [key, name] of Object.entries(names)) {
    const value = request[key as keyof OutputRequest];
    if (value !== undefined && value !== false) return name;
  }
  return undefined;
}
