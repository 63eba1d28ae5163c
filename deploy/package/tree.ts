// The tree of files that a package installs, from a prefix on: one table for all kinds of packages, so that a file is in all
// of them or in none. Owners are root in every archive; modes and times are set here, whatever umask and checkout had.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { type Architecture, type Build, gzipped } from './build.ts';

export interface Destination {
  /** Where the files are put, an absolute path. */
  readonly directory: string;
  /** What of the directory becomes `prefix`, with a slash at its end, or ''. */
  readonly inside: '' | 'usr/';
  /** Where they will be installed; `bin/` and so on follow. */
  readonly prefix: '/usr' | '/usr/local';
  /** What Node is called in the program's first line. */
  readonly interpreter: '/usr/bin/node' | '/usr/bin/env node';
  /** Where zsh looks for completions. */
  readonly zshCompletions: 'share/zsh/site-functions' | 'share/zsh/vendor-completions';
}

/** Installed as they are; on the left from the checkout on, on the right from the prefix on. */
const COPIED = {
  'deploy/completions/tsnetpcap.bash': 'share/bash-completion/completions/tsnetpcap',
  'deploy/systemd/sysusers.conf': 'lib/sysusers.d/netpcap.conf',
  'deploy/systemd/tmpfiles.conf': 'lib/tmpfiles.d/netpcap.conf',
  'README.md': 'share/doc/tsnetpcap/README.md',
};
const UNITS = ['netpcap.service', 'netpcap@.service'];
const PROGRAM = 'lib/tsnetpcap/tsnetpcap.cjs';

export function layTree(build: Build, { node }: Architecture, to: Destination): void {
  const at = (path: string): string => {
    const target = join(to.directory, to.inside, path);
    mkdirSync(dirname(target), { recursive: true });
    return target;
  };
  const from = (path: string): string => join(build.root, path);
  const text = (path: string): string => readFileSync(path, 'utf8');

  for (const name of filesOf(build, 'tsnetpcap')) copyFileSync(join(build.program, name), at(`lib/tsnetpcap/${name}`));
  writeFileSync(at(PROGRAM), text(at(PROGRAM)).replace(/^#!.*/, `#!${to.interpreter}`));
  copyFileSync(build.koffi[node], at('lib/tsnetpcap/koffi.node'));
  symlinkSync(`../${PROGRAM}`, at('bin/tsnetpcap'));
  for (const name of UNITS) {
    const unit = text(from(`deploy/systemd/${name}`)).replaceAll('/usr/bin/tsnetpcap', `${to.prefix}/bin/tsnetpcap`);
    writeFileSync(at(`lib/systemd/system/${name}`), unit);
  }
  for (const [path, target] of Object.entries(COPIED)) copyFileSync(from(path), at(target));
  copyFileSync(from('deploy/completions/_tsnetpcap'), at(`${to.zshCompletions}/_tsnetpcap`));
  writeFileSync(at('share/man/man8/tsnetpcap.8.gz'), gzipped(text(from('man/tsnetpcap.8'))));
  writeFileSync(at('share/doc/tsnetpcap/changelog.gz'), gzipped(text(from('CHANGELOG.md'))));
  writeFileSync(at('share/doc/tsnetpcap/copyright'), build.copyright.tsnetpcap);
}

/** Names in `build.program` of one program. */
export function filesOf(build: Build, program: 'tsnetpcap' | 'netlogs'): string[] {
  return readdirSync(build.program).filter((name) => name.startsWith(program));
}

/** What distributions have outside the prefix, or look for in /usr alone. */
export function layConfiguration(build: Build, directory: string): void {
  for (const [path, target] of [
    ['deploy/systemd/netpcap.default', 'etc/default/netpcap'],
    ['deploy/qubes/50_netpcap.conf', 'usr/lib/qubes-bind-dirs.d/50_netpcap.conf'],
  ] as const) {
    mkdirSync(dirname(join(directory, target)), { recursive: true });
    copyFileSync(join(build.root, path), join(directory, target));
  }
}

/** Modes and times of everything in `directory` and of itself; `executable` are names. */
export function settle(directory: string, epoch: number, executable: readonly string[]): void {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) {
      settle(path, epoch, executable);
      continue;
    }
    if (entry.isFile()) chmodSync(path, executable.includes(entry.name) ? 0o755 : 0o644);
    lutimesSync(path, epoch, epoch);
  }
  chmodSync(directory, 0o755);
  lutimesSync(directory, epoch, epoch);
}

/** Makes NAME.tar.gz in `output` of the directory NAME in `scratch`. `level`: gzip's. */
export function pack(scratch: string, name: string, output: string, epoch: number, level = 9): void {
  const script = `tar --format=ustar --sort=name --mtime="@$2" --owner=0 --group=0 --numeric-owner -cf - "$0" | gzip -n -$3 > "$1"`;
  const args = [name, join(output, `${name}.tar.gz`), `${epoch}`, `${level}`];
  execFileSync('sh', ['-ec', script, ...args], { cwd: scratch, env: { ...process.env, LC_ALL: 'C' } });
}
