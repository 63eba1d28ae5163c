// Debian packages: a tree in /usr and control files, packed by dpkg-deb. tsnetpcap's is of what tree.ts lays and debian/; when
// it is installed it starts and enables nothing, and when it is removed it leaves the savefiles.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Architecture, type Build, fillIn, gzipped } from './build.ts';
import { layConfiguration, layTree, settle } from './tree.ts';

const MAINTAINER = 'The tsnetpcap authors <tsnetpcap@localhost>';
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
  packDeb(build, architecture, scratch, output, {
    name: 'tsnetpcap',
    control: 'debian/control',
    scripts: ['postinst', 'prerm', 'postrm'],
    compression: 'xz',
    level: 6,
  });
}

export interface Deb {
  readonly name: string;
  /** Beside this file. */
  readonly control: string;
  /** Of debian/. */
  readonly scripts: readonly string[];
  readonly compression: 'xz' | 'gzip';
  readonly level: number;
}

/** Makes NAME_VERSION_ARCHITECTURE.deb in `output` of the tree in `scratch`, whose program is NAME.cjs. */
export function packDeb(
  build: Build,
  architecture: Architecture,
  scratch: string,
  output: string,
  { name, control: template, scripts, compression, level }: Deb,
): void {
  const version = `${build.version}-${REVISION}`;
  const changelog = `${name} (${version}) unstable; urgency=medium

  * What is new is in changelog.gz.

 -- ${MAINTAINER}  ${new Date(build.epoch * 1000).toUTCString().replace('GMT', '+0000')}
`;
  writeFileSync(join(scratch, `usr/share/doc/${name}/changelog.Debian.gz`), gzipped(changelog));

  const listed = execFileSync('find', ['-type', 'f', '-printf', '%P\n'], { cwd: scratch, encoding: 'utf8' });
  const files = listed.trimEnd().split('\n').sort();
  const md5sums = execFileSync('md5sum', files, { cwd: scratch });
  const conffiles = files.filter((file) => file.startsWith('etc/')).map((file) => `/${file}\n`);
  // As dpkg-gencontrol counts it, but for directories: theirs depends on the file system.
  const kibibytes = files.reduce((sum, file) => sum + Math.ceil(statSync(join(scratch, file)).size / 1024), 0);
  const control = join(scratch, 'DEBIAN');
  const templates = join(build.root, 'deploy/package');
  mkdirSync(control);
  writeFileSync(join(control, 'md5sums'), md5sums);
  fillIn(join(templates, template), join(control, 'control'), {
    VERSION: version,
    ARCHITECTURE: architecture.debian,
    MAINTAINER,
    KIBIBYTES: `${kibibytes}`,
  });
  if (conffiles.length > 0) writeFileSync(join(control, 'conffiles'), conffiles.join(''));
  for (const script of scripts) copyFileSync(join(templates, 'debian', script), join(control, script));
  settle(scratch, build.epoch, [`${name}.cjs`, ...scripts]);

  const deb = join(output, `${name}_${version}_${architecture.debian}.deb`);
  // One thread: how many there are shows in what xz writes. And xz or gzip, which every dpkg reads.
  const options = ['--root-owner-group', '--threads-max=1', `-Z${compression}`, `-z${level}`, '--build', scratch, deb];
  const env = { ...process.env, SOURCE_DATE_EPOCH: `${build.epoch}` };
  execFileSync('dpkg-deb', options, { env, stdio: ['ignore', 'ignore', 'inherit'] });
}
