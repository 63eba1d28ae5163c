// The packages of netlogs, which need no network and no compiler: its program, DuckDB's two libraries and no other binary, the
// manual. A tarball that runs where it is unpacked, and a Debian package.
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Architecture, type Build, fillIn, gzipped } from './build.ts';
import { packDeb } from './deb.ts';
import { filesOf, pack, settle } from './tree.ts';

/** Installed as they are; on the left from the checkout on, on the right from the prefix on. */
const COPIED = {
  'deploy/completions/netlogs.bash': 'share/bash-completion/completions/netlogs',
  'deploy/completions/_netlogs': 'share/zsh/site-functions/_netlogs',
};
const LIBRARIES = ['duckdb.node', 'libduckdb.so'];
const PROGRAM = 'lib/netlogs/netlogs.cjs';
/** Of gzip: more takes three times as long, for a fiftieth of DuckDB. */
const QUICK = 6;

/** Makes netlogs-VERSION-linux-ARCHITECTURE.tar.gz in `output`; `scratch` is an empty directory. */
export function makeNetlogsTarball(build: Build, architecture: Architecture, scratch: string, output: string): void {
  const name = `netlogs-${build.version}-linux-${architecture.node}`;
  lay(build, architecture, join(scratch, name), '/usr/bin/env node');
  fillIn(join(build.root, 'deploy/package/netlogs/INSTALL'), join(scratch, name, 'INSTALL'), { NAME: name });
  settle(join(scratch, name), build.epoch, ['netlogs.cjs']);
  pack(scratch, name, output, build.epoch, QUICK);
}

/** Makes netlogs_VERSION_ARCHITECTURE.deb in `output`; `scratch` is an empty directory. */
export function makeNetlogsDeb(build: Build, architecture: Architecture, scratch: string, output: string): void {
  lay(build, architecture, join(scratch, 'usr'), '/usr/bin/node');
  // xz would take a minute for what it saves of DuckDB.
  packDeb(build, architecture, scratch, output, {
    name: 'netlogs',
    control: 'netlogs/control',
    scripts: [],
    compression: 'gzip',
    level: QUICK,
  });
}

/** From `directory` on: bin/, lib/, share/. */
function lay(build: Build, { node }: Architecture, directory: string, interpreter: string): void {
  const at = (path: string): string => {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    return join(directory, path);
  };
  const text = (path: string): string => readFileSync(path, 'utf8');
  for (const name of filesOf(build, 'netlogs')) copyFileSync(join(build.program, name), at(`lib/netlogs/${name}`));
  for (const name of LIBRARIES) copyFileSync(join(build.duckdb(node), name), at(`lib/netlogs/${name}`));
  writeFileSync(at(PROGRAM), text(at(PROGRAM)).replace(/^#!.*/, `#!${interpreter}`));
  symlinkSync(`../${PROGRAM}`, at('bin/netlogs'));
  for (const [path, target] of Object.entries(COPIED)) copyFileSync(join(build.root, path), at(target));
  writeFileSync(at('share/man/man1/netlogs.1.gz'), gzipped(text(join(build.root, 'man/netlogs.1'))));
  writeFileSync(at('share/doc/netlogs/changelog.gz'), gzipped(text(join(build.root, 'CHANGELOG.md'))));
  writeFileSync(at('share/doc/netlogs/copyright'), build.copyright.netlogs);
}
