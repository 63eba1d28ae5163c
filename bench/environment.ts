// What a figure depends on besides benchmark and settings; it stands in the results beside every cell. Starts programs only
// to ask for their version.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join } from 'node:path';

export interface Environment {
  readonly kernel: string;
  readonly cpu: string;
  readonly node: string;
  /** Of the programs beside ours that are installed. */
  readonly versions: Readonly<Record<string, string>>;
  /** Of the directory where the savefiles go. */
  readonly fileSystem: string;
  /** `unknown` outside a checkout; behind a `+` when files were changed. */
  readonly commit: string;
  /** Of src/, by its contents. */
  readonly source: string;
  /** UTC. */
  readonly date: string;
}

const VERSIONS: readonly (readonly [name: string, argv: readonly [string, ...string[]], version: RegExp])[] = [
  ['tcpdump', ['tcpdump', '--version'], /tcpdump version (\S+)/],
  ['libpcap', ['tcpdump', '--version'], /libpcap version (\S+)/],
  ['dumpcap', ['dumpcap', '--version'], /(\d+\.\d+\.\d+)/],
  ['netsniff-ng', ['netsniff-ng', '--version'], /netsniff-ng (\S+)/],
];

/** `root`: of the checkout. `directory`: where the savefiles go. */
export function describeEnvironment(root: string, directory: string): Environment {
  const found = VERSIONS.flatMap(([name, argv, version]) => {
    const number = version.exec(output(argv))?.[1];
    return number === undefined ? [] : [[name, number] as const];
  });
  const [cpu] = cpus();
  const commit = output(['git', '-C', root, 'rev-parse', '--short=12', 'HEAD']).trim();
  const changed = output(['git', '-C', root, 'status', '--porcelain', 'src']).startsWith(' ');
  return {
    kernel: release(),
    cpu: `${cpus().length} x ${cpu?.model ?? 'unknown'}`,
    node: process.versions.node,
    versions: Object.fromEntries(found),
    fileSystem: output(['df', '--output=fstype', directory]).trim().split('\n')[1] ?? 'unknown',
    commit: /^[0-9a-f]+$/.test(commit) ? `${commit}${changed ? '+' : ''}` : 'unknown',
    source: hashSources(join(root, 'src')),
    date: new Date().toISOString().slice(0, 10),
  };
}

/** Stdout and stderr, empty when there is no such program. */
function output([program, ...args]: readonly [string, ...string[]]): string {
  const { stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  return `${stdout ?? ''}${stderr ?? ''}`;
}

/** Of all files of the program's sources and their names: equal when what was measured is. */
export function hashSources(directory: string): string {
  const hash = createHash('sha256');
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  for (const path of entries.map((entry) => join(entry.parentPath, entry.name)).sort()) {
    hash
      .update(`${path.slice(directory.length)}\0`)
      .update(readFileSync(path))
      .update('\0');
  }
  return hash.digest('hex').slice(0, 16);
}
