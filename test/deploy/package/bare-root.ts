// A root directory with nothing in it but one Node, /usr/bin/env, the libraries that these load, and what a test puts there: no
// npm, no shell, no node_modules. Files of this machine are mounted into it, in a namespace of the program's own, so that nothing
// has to be cleared away but the directory. Needs root.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';

const ENV = '/usr/bin/env';
/** Of the system itself; and the part of Debian's Node that is JavaScript in files. */
const PLACES = ['/proc', '/sys', '/dev', '/usr/share/nodejs'];
const ENTER = `root=$1; shift
while [ "$1" != -- ]; do
  mkdir -p "$root$(dirname "$1")"
  if [ -d "$1" ]; then mkdir -p "$root$1"; else : >> "$root$1"; fi
  mount --rbind "$1" "$root$1"
  shift
done
shift
exec chroot "$root" "$@"`;

/** A command line that runs `argv`, paths from `root` on, where `libraries` are the only others than Node's. */
export function inBareRoot(
  root: string,
  node: string,
  libraries: readonly string[],
  argv: readonly string[],
): [string, ...string[]] {
  const files = [ENV, node, ...libraries];
  const needed = new Set([...files, ...files.flatMap(loaded), ...PLACES.filter((path) => existsSync(path))]);
  const bare = [ENV, '-i', `PATH=${dirname(node)}`];
  return ['unshare', '--mount', 'sh', '-ec', ENTER, 'sh', root, ...needed, '--', ...bare, ...argv];
}

/** What the dynamic loader takes for a program or library, itself included. */
function loaded(path: string): string[] {
  const printed = execFileSync('ldd', [path], { encoding: 'utf8' });
  return [...printed.matchAll(/^\s+(?:\S+ => )?(\/\S+) \(/gm)].map(([, library = '']) => library);
}

/** The system's libpcap, under the name by which the program asks for it. */
export function libpcap(): string {
  const listed = execFileSync('/sbin/ldconfig', ['-p'], { encoding: 'utf8' });
  const path = /libpcap\.so\.0\.8 .*=> (\S+)/.exec(listed)?.[1];
  if (path === undefined) throw new Error('ldconfig knows no libpcap.so.0.8');
  return path;
}
