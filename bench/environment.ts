// What a figure depends on besides the sources of the two programs; main.ts prints it with every benchmark. Starts
// programs only to ask for their version.
import { spawnSync } from 'node:child_process';
import { cpus, release } from 'node:os';

export interface Environment {
  readonly kernel: string;
  readonly cpu: string;
  readonly node: string;
  readonly tcpdump: string;
  readonly libpcap: string;
  readonly fileSystem: string;
}

/** `directory`: where the savefiles go. */
export function describeEnvironment(directory: string): Environment {
  const version = output(['tcpdump', '--version']);
  const [cpu] = cpus();
  return {
    kernel: release(),
    cpu: `${cpus().length} x ${cpu?.model ?? 'unknown'}`,
    node: process.versions.node,
    tcpdump: /tcpdump version (\S+)/.exec(version)?.[1] ?? 'unknown',
    libpcap: /libpcap version (\S+)/.exec(version)?.[1] ?? 'unknown',
    fileSystem: output(['df', '--output=fstype', directory]).trim().split('\n')[1] ?? 'unknown',
  };
}

function output([program, ...args]: [string, ...string[]]): string {
  const { stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  if (error !== undefined) throw error;
  return stdout + stderr;
}
