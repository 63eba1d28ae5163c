// Puts the program into a container, with the Node that runs the tests. Not where it lies outside: /tmp is another one inside,
// and a service does not see home directories.
import { chmodSync, cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PROGRAM } from '../program.ts';

const PROJECT = join(dirname(PROGRAM), '..');

/**
 * `prefix`: `/usr`, or `/usr/local`, which a qube keeps; `at`: outside, of a path inside. The program must be built; inside
 * `tsnetpcap` runs it.
 */
export function putProgram(prefix: string, at: (inside: string) => string): void {
  const home = `${prefix}/lib/tsnetpcap-test`;
  const command = `${prefix}/bin/tsnetpcap`;
  mkdirSync(at(home), { recursive: true });
  for (const name of ['dist', 'package.json']) cpSync(join(PROJECT, name), at(`${home}/${name}`), { recursive: true });
  for (const name of ['commander', 'koffi', 'rotating-file-stream', '@koromix'])
    cpSync(join(PROJECT, 'node_modules', name), at(`${home}/node_modules/${name}`), { recursive: true });
  cpSync(process.execPath, at(`${home}/node`));
  writeFileSync(at(command), `#!/bin/sh\nexec ${home}/node ${home}/dist/tsnetpcap.cjs "$@"\n`);
  chmodSync(at(command), 0o755);
}
