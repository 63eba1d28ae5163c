// `npm run package`: every package there is, into packages/, which is emptied first, or into the directory that is named, and then
// `tsnetpcap` or `netlogs` behind it makes those of one program alone. The programs must be built. Same commit, same tools, same bytes: times are the commit's (or SOURCE_DATE_EPOCH), names are sorted,
// owners root.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ARCHITECTURES, build } from './build.ts';
import { makeDeb } from './deb.ts';
import { makeNetlogsDeb, makeNetlogsTarball } from './netlogs.ts';
import { makeNpm } from './npm.ts';
import { makeQubes } from './qubes.ts';
import { makeRpm } from './rpm.ts';
import { makeTarball } from './tarball.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

function epoch(): number {
  const given = process.env['SOURCE_DATE_EPOCH'];
  return Number(given ?? execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: ROOT, encoding: 'utf8' }));
}

// Archives carry the modes of what is made from here on.
process.umask(0o022);
const [named, only] = process.argv.slice(2);
const output = resolve(named ?? join(ROOT, 'packages'));
if (named === undefined) rmSync(output, { recursive: true, force: true });
mkdirSync(output, { recursive: true });
const home = mkdtempSync(join(tmpdir(), 'tsnetpcap-package-'));
try {
  const made = build(ROOT, home, epoch());
  const scratch = (): string => mkdtempSync(join(home, 'scratch-'));
  if (only !== 'netlogs') {
    makeNpm(made, scratch(), output);
    for (const architecture of ARCHITECTURES)
      for (const make of [makeTarball, makeDeb, makeRpm]) make(made, architecture, scratch(), output);
    makeQubes(made, scratch(), output);
  }
  if (only !== 'tsnetpcap')
    for (const architecture of ARCHITECTURES)
      for (const make of [makeNetlogsTarball, makeNetlogsDeb]) make(made, architecture, scratch(), output);
  const names = readdirSync(output).sort();
  writeFileSync(join(output, 'SHA256SUMS'), execFileSync('sha256sum', names, { cwd: output }));
  console.log(execFileSync('ls', ['-l', output], { encoding: 'utf8' }));
} finally {
  rmSync(home, { recursive: true });
}
