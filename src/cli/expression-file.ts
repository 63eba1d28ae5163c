// `-F`: a filter expression from a file.
import { readFileSync } from 'node:fs';
import { systemErrors } from '../errors.ts';

/** As tcpdump reads it: from `#` to the end of a line is a comment. @throws SyscallError */
export function readExpression(path: string): string {
  const text = systemErrors(() => readFileSync(path, 'utf8'));
  return text.replace(/#.*/g, ' ').replace(/\s+/g, ' ').trim();
}
