// Whether there is anything under a path, also a link that leads nowhere: existsSync follows links, and takes every failure
// for a no.
import { lstatSync } from 'node:fs';

/** Throws as `lstatSync`. */
export function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
