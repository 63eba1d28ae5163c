// How much of one day of one host is read, and what it is said to be when something in it is broken. All of it comes from
// qubes that face the network.
import { CaptureError } from '../../errors.ts';
import { harmless } from '../harmless.ts';

export interface Bounds {
  /** Of one bundle and of what it unpacks to, and of all that a day unpacks to. */
  readonly bundleBytes: number;
  readonly dayBytes: number;
  /** Of the archive of a day, which has bundles and manifests. */
  readonly dayEntries: number;
  /** Of a bundle, of a directory with all below it, and of the savefiles of a day. */
  readonly entries: number;
  readonly manifestBytes: number;
}

/** dom0 takes 2 GiB of one source a night, and four bundles a day. */
export const DEFAULT_BOUNDS: Bounds = {
  bundleBytes: 8 * 2 ** 30,
  dayBytes: 16 * 2 ** 30,
  dayEntries: 200,
  entries: 10_000,
  manifestBytes: 64 * 1024,
};

/** More comes out of a compressed file than its bytes times this, and this much besides, only when it was made for that. */
export const MOST_RATIO = 250;
export const FREE_BYTES: number = 64 * 2 ** 20;

/** Something from a source is broken or is not what it may be; the rest can be read. */
export class DamageError extends CaptureError {
  /** `name` and `text` may be hostile. */
  constructor(name: string, text: string, options?: ErrorOptions) {
    super('ERR_DAMAGE', harmless(`${name}: ${text}`), options);
  }
}
