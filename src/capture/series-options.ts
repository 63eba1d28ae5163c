// How a series of savefiles is named, cut and kept: as it is asked for, and as the parts of a series take it. Called by
// options.ts for the command line, and by programs that use this package as a library.
import { OptionError } from '../errors.ts';
import { checkWhole } from '../filter/given.ts';
import { localZone, utcZone, type Zone } from '../native/time.ts';
import { IntervalClock } from '../rotation/clock.ts';
import { type CompressionFormat, parseCompression } from '../rotation/compression-format.ts';
import { MAX_ROTATE_SEC } from '../rotation/duration.ts';
import { SavefileName } from '../rotation/name.ts';
import type { Retention } from '../rotation/retention.ts';
import { OWNER_READ_WRITE } from './values.ts';

/** When savefiles are synced: never, at their end, or every so many seconds and at their end. */
export type SyncPolicy = 'none' | 'close' | number;

/** What holds for options that are left out. */
export const SERIES_DEFAULTS = { rotateSec: 3600, fileMode: 0o640, sync: 'close' } as const;

/** A series of savefiles, cut by the time of the packets. What may stay of it (`Retention`) is everything by default. */
export interface SeriesOptions extends Retention {
  /**
   * Path of the savefiles; its last component takes the conversions of strftime(3), and is filled in with the start of each
   * file: `/var/log/netpcap/pcap-%Y%m%d%H%M%S.pcap`. The directory is made if it is missing. A name that exists gets `-1`.
   */
  readonly pattern: string;
  /** A new file at each multiple of so many seconds of the wall clock. Default 3600. */
  readonly rotateSec?: number | undefined;
  /** Also a new file before one has more bytes than this; a packet that is larger has a file of its own. Default never. */
  readonly rotateSize?: number | undefined;
  /** Also a new file after so many packets. Default never. */
  readonly rotatePackets?: number | undefined;
  /** Names and boundaries in UTC. Default false: in the zone of TZ or /etc/localtime. */
  readonly utc?: boolean | undefined;
  /** Permissions of the files, less the umask; the owner must be able to read and write. Default 0o640. */
  readonly fileMode?: number | undefined;
  /** A file is called NAME.part until it is complete. Default true. */
  readonly part?: boolean | undefined;
  /** Default close. */
  readonly sync?: SyncPolicy | undefined;
  /** Compress complete files, zstd with Node 22.15 or newer. Default not. */
  readonly compress?: CompressionFormat | undefined;
  /**
   * A program to run for each complete savefile, with its path as the only argument, at the lowest priority; what it prints
   * goes to stderr. Default none.
   */
  readonly command?: string | undefined;
  /** Keep a ledger beside the files, for `tsnetpcap verify`. Default true. */
  readonly ledger?: boolean | undefined;
}

/** A series as its parts take it, made by `planSeries`. */
export interface SeriesOutput {
  readonly kind: 'series';
  readonly zone: Zone;
  readonly name: SavefileName;
  readonly clock: IntervalClock;
  /** At how many packets, and before how many bytes, a file is full; Infinity for never. */
  readonly rotatePackets: number;
  readonly rotateSize: number;
  readonly retention: Retention;
  readonly fileMode: number;
  readonly part: boolean;
  readonly sync: SyncPolicy;
  readonly compress: CompressionFormat | undefined;
  readonly command: string | undefined;
  readonly ledger: boolean;
}

/** Touches no file yet. @throws OptionError for a pattern or a value that can't be */
export function planSeries(options: SeriesOptions): SeriesOutput {
  const { rotateSec = SERIES_DEFAULTS.rotateSec, fileMode = SERIES_DEFAULTS.fileMode } = options;
  const { pattern, sync = SERIES_DEFAULTS.sync, compress } = options;
  const { rotatePackets = Number.POSITIVE_INFINITY, rotateSize = Number.POSITIVE_INFINITY } = options;
  const { keep, maxAgeSec, maxBytes, minFree, utc = false, part = true, command, ledger = true } = options;
  checkWhole('rotateSec', rotateSec, 1, MAX_ROTATE_SEC);
  for (const [name, count] of Object.entries({ rotatePackets, rotateSize, keep, maxAgeSec, maxBytes })) {
    if (count !== undefined && count !== Number.POSITIVE_INFINITY) checkWhole(name, count, 1, Number.MAX_SAFE_INTEGER);
  }
  if (typeof sync === 'number') checkWhole('sync', sync, 1, MAX_ROTATE_SEC);
  if (!(Number.isInteger(fileMode) && fileMode <= 0o777 && (fileMode & OWNER_READ_WRITE) === OWNER_READ_WRITE))
    throw new OptionError(
      'fileMode',
      `0o${fileMode.toString(8)}`,
      'expected 0o600 to 0o777, read and write for the owner',
    );
  if (compress !== undefined) parseCompression('compress', compress);
  const zone = utc ? utcZone() : localZone();
  return {
    kind: 'series',
    zone,
    name: new SavefileName(pattern, zone),
    clock: new IntervalClock(rotateSec, zone),
    rotatePackets,
    rotateSize,
    retention: { keep, maxAgeSec, maxBytes, minFree },
    fileMode,
    part,
    sync,
    compress,
    command,
    ledger,
  };
}
