// What a failure ends the program with. Called by main.ts, and for --check.
import type { CaptureError } from '../errors.ts';

/** It may go better the next time. */
export const EXIT_FAILED = 1;
/** The call is wrong (option or filter), and will be the next time. */
export const EXIT_USAGE = 2;

export function exitCodeOf({ code }: CaptureError): number {
  return code === 'ERR_OPTION' || code === 'ERR_FILTER' ? EXIT_USAGE : EXIT_FAILED;
}
