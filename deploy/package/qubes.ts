// What goes to /srv/salt/qubes/monitor/ in a Qubes OS machine's dom0: the state files with their guide, and below files/ what
// they bring to qubes, the program as it is and as packages for templates. Qubes OS is for x64.
import { copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Build } from './build.ts';
import { filesOf, pack, settle } from './tree.ts';

const COPIED = [
  'full-netlog.sls',
  'full-netlog.top',
  'full-netlog-remove.sls',
  'pillar.example',
  'README.md',
  'PROTOCOL.md',
];
const PACKAGES = { deb: '_amd64.deb', rpm: '.x86_64.rpm' };

/** Makes tsnetpcap-qubes-VERSION.tar.gz in `output`, where the packages are by now; `scratch` is an empty directory. */
export function makeQubes(build: Build, scratch: string, output: string): void {
  const name = `tsnetpcap-qubes-${build.version}`;
  const directory = join(scratch, name);
  const files = join(directory, 'files');
  mkdirSync(files, { recursive: true });
  for (const name of COPIED) copyFileSync(join(build.root, 'deploy/qubes', name), join(directory, name));
  mkdirSync(join(files, 'tsnetpcap'));
  for (const name of filesOf(build, 'tsnetpcap'))
    copyFileSync(join(build.program, name), join(files, 'tsnetpcap', name));
  copyFileSync(build.koffi.x64, join(files, 'tsnetpcap/koffi.node'));
  const packages = readdirSync(output);
  for (const [kind, end] of Object.entries(PACKAGES)) {
    const found = packages.find((each) => each.startsWith('tsnetpcap') && each.endsWith(end)) ?? '';
    copyFileSync(join(output, found), join(files, `tsnetpcap.${kind}`));
  }
  settle(directory, build.epoch, []);
  pack(scratch, name, output, build.epoch);
}
