// `-F`: a filter expression from a file.
import { readFileSync } from 'node:fs';
import { CaptureError, SyscallError } from '../errors.ts';

/** As tcpdump reads it: from `#` to the end of a line is a comment. @throws CaptureError, in tcpdump's words */
export function readExpression(path: string): string {
  try {
    const text = readFileSync(path, 'utf8');
    return text.replace(/#.*/g, ' ').replace(/\s+/g, ' ').trim();
  } catch (cause) {
    const error = SyscallError.from(cause, path);
    if (!(error instanceof SyscallError) || error.syscall !== 'open') throw error;
    throw new CaptureError(error.code, `can't open ${error.message}`, { cause: error });
  }
}
