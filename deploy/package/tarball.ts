// The program for machines without a package manager that knows it: Node and libpcap are all it needs. What is in bin/, lib/
// and share/ runs where it was unpacked, and as a service after it was copied to /usr/local.
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Architecture, type Build, fillIn } from './build.ts';
import { layTree, pack, settle } from './tree.ts';

/** Makes tsnetpcap-VERSION-linux-ARCHITECTURE.tar.gz in `output`; `scratch` is an empty directory. */
export function makeTarball(build: Build, architecture: Architecture, scratch: string, output: string): void {
  const name = `tsnetpcap-${build.version}-linux-${architecture.node}`;
  const directory = join(scratch, name);
  mkdirSync(directory);
  layTree(build, architecture, {
    directory,
    inside: '',
    prefix: '/usr/local',
    interpreter: '/usr/bin/env node',
    zshCompletions: 'share/zsh/site-functions',
  });
  const options = join(directory, 'share/doc/tsnetpcap/netpcap.default');
  copyFileSync(join(build.root, 'deploy/systemd/netpcap.default'), options);
  fillIn(join(build.root, 'deploy/package/INSTALL'), join(directory, 'INSTALL'), { NAME: name });
  settle(directory, build.epoch, ['tsnetpcap.cjs']);
  pack(scratch, name, output, build.epoch);
}
