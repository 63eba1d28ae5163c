// The formats that complete savefiles can be compressed to, as `--compress` takes them. Apart from compression.ts, so that
// reading the command line does not load what only compressing needs.
import { OptionError } from '../errors.ts';

/** Of complete savefiles: NAME becomes NAME.gz or NAME.zst. */
export type CompressionFormat = 'gzip' | 'zstd';

/** @throws OptionError for anything else, and for zstd where this Node has none. */
export function parseCompression(option: string, text: string): CompressionFormat {
  if (text === 'zstd' && process.versions['zstd'] === undefined)
    throw new OptionError(option, text, `needs Node 22.15 or newer, this is ${process.versions.node}`);
  if (text === 'gzip' || text === 'zstd') return text;
  throw new OptionError(option, text, 'expected gzip or zstd');
}
