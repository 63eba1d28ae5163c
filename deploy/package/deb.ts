// The Debian package: the tree in /usr and the control files of debian/, packed by dpkg-deb. Installed, it starts and enables
// nothing; removed, it leaves the savefiles.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Architecture, type Build, fillIn, gzipped } from './build.ts';
import { layConfiguration, layTree, settle } from './tree.ts';

const MAINTAINER = 'The tsnetpcap authors <tsnetpcap@localhost>';
const SCRIPTS = ['postinst', 'prerm', 'postrm'];
/** Counts packages of the same version of the program. */
const REVISION = 1;

/** Makes tsnetpcap_VERSION_ARCHITECTURE.deb in `output`; `scratch` is an empty directory. */
export function makeDeb(build: Build, architecture: Architecture, scratch: string, output: string): void {
  layTree(build, architecture, {
    directory: scratch,
    inside: 'usr/',
    prefix: '/usr',
    interpreter: '/usr/bin/node',
    zshCompletions: 'share/zsh/vendor-completions',
  });
  layConfiguration(build, scratch);
  const version = `${build.version}-${REVISION}`;
  const changelog = `tsnetpcap (${version}) unstable; urgency=medium

  * What is new is in changelog.gz.

 -- ${MAINTAINER}  ${new Date(build.epoch * 1000).toUTCString().replace('GMT', '+0000')}
`;
  writeFileSync(join(scratch, 'usr/share/doc/tsnetpcap/changelog.Debian.gz'), gzipped(changelog));

  const listed = execFileSync('find', ['-type', 'f', '-printf', '%P\n'], { cwd: scratch, encoding: 'utf8' });
  const files = listed.trimEnd().split('\n').sort();
  const md5sums = execFileSync('md5sum', files, { cwd: scratch });
  const conffiles = files.filter((name) => name.startsWith('etc/')).map((name) => `/${name}\n`);
  // As dpkg-gencontrol counts it, but for directories: theirs depends on the file system.
  const kibibytes = files.reduce((sum, name) => sum + Math.ceil(statSync(join(scratch, name)).size / 1024), 0);
  const control = join(scratch, 'DEBIAN');
  const templates = join(build.root, 'deploy/package/debian');
  mkdirSync(control);
  writeFileSync(join(control, 'md5sums'), md5sums);
  fillIn(join(templates, 'control'), join(control, 'control'), {
    VERSION: version,
    ARCHITECTURE: architecture.debian,
    MAINTAINER,
    KIBIBYTES: `${kibibytes}`,
  });
  writeFileSync(join(control, 'conffiles'), conffiles.join(''));
  for (const name of SCRIPTS) copyFileSync(join(templates, name), join(control, name));
  settle(scratch, build.epoch, ['tsnetpcap.cjs', ...SCRIPTS]);

  const deb = join(output, `tsnetpcap_${version}_${architecture.debian}.deb`);
  // One thread: how many there are shows in what xz writes. And xz, which every dpkg reads.
  const options = ['--root-owner-group', '--threads-max=1', '-Zxz', '--build', scratch, deb];
  const env = { ...process.env, SOURCE_DATE_EPOCH: `${build.epoch}` };
  execFileSync('dpkg-deb', options, { env, stdio: ['ignore', 'ignore', 'inherit'] });
}
