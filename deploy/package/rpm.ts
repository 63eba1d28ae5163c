// The RPM package: the tree in /usr and tsnetpcap.spec, packed by rpmbuild, on Debian too. Installed, it starts and enables
// nothing; removed, it leaves the savefiles and, as is the custom there, the user.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Architecture, type Build, fillIn } from './build.ts';
import { layConfiguration, layTree, settle } from './tree.ts';

/** Makes tsnetpcap-VERSION-1.ARCHITECTURE.rpm in `output`; `scratch` is an empty directory. */
export function makeRpm(build: Build, architecture: Architecture, scratch: string, output: string): void {
  const tree = join(scratch, 'tree');
  mkdirSync(tree);
  layTree(build, architecture, {
    directory: tree,
    inside: 'usr/',
    prefix: '/usr',
    interpreter: '/usr/bin/node',
    zshCompletions: 'share/zsh/site-functions',
  });
  layConfiguration(build, tree);
  settle(tree, build.epoch, ['tsnetpcap.cjs']);
  const spec = join(scratch, 'tsnetpcap.spec');
  fillIn(join(build.root, 'deploy/package/tsnetpcap.spec'), spec, { VERSION: build.version, TREE: tree });
  const options = ['-bb', '--quiet', '--target', `${architecture.rpm}-linux`, '--define', `_topdir ${scratch}`];
  execFileSync('rpmbuild', [...options, spec], {
    env: { ...process.env, SOURCE_DATE_EPOCH: `${build.epoch}`, LC_ALL: 'C' },
    stdio: 'pipe',
  });
  const made = join(scratch, 'RPMS', architecture.rpm);
  for (const name of readdirSync(made)) copyFileSync(join(made, name), join(output, name));
}
