// How much of what comes from a source is read. Everything of it may be made to fill a disk or to take for ever; more than
// a bound is refused with one line that says which.
import { CaptureError } from '../errors.ts';
import { harmless } from './harmless.ts';

/** Something has more of `what` than it may. */
export class BoundError extends CaptureError {
  /** `name` may be hostile. */
  constructor(name: string, what: string, most: number) {
    super('ERR_BOUND', `${harmless(name)}: more than ${most} ${what}`);
  }
}
