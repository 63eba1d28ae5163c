// A stranger's project with this package in it, for tests of what is published: put there as npm would, with dependencies from
// this checkout, so that nothing is fetched; or by npm itself.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import packageJson from '../package.json' with { type: 'json' };

export const ROOT: string = fileURLToPath(new URL('..', import.meta.url));
const TSC = join(ROOT, 'node_modules/.bin/tsc');
/** Everything that a project can be strict about, the declarations of packages included. */
const STRICT = '--strict --exactOptionalPropertyTypes --noUncheckedIndexedAccess --skipLibCheck false --target es2022';
const RESOLUTIONS = {
  nodenext: ['--module', 'nodenext'],
  bundler: ['--module', 'esnext', '--moduleResolution', 'bundler'],
} as const;

export class Consumer {
  readonly directory: string;
  /** Where npm would have put the package. */
  readonly installed: string;
  /** The contents of the tarball, without the directory that npm puts around them. */
  readonly contents: readonly string[];
  readonly #home: string;

  /** `packages`: what of this checkout's node_modules is there besides, or npm to install all. To be removed by `remove`. */
  constructor(packages: readonly string[] | 'npm') {
    this.#home = mkdtempSync(join(tmpdir(), 'tsnetpcap-package-'));
    const pack = ['pack', '--ignore-scripts', '--pack-destination', this.#home];
    execFileSync('npm', pack, { cwd: ROOT, stdio: 'pipe' });
    const tarball = join(this.#home, `tsnetpcap-${packageJson.version}.tgz`);
    const names = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' }).trimEnd().split('\n');
    this.contents = names.map((name) => name.replace(/^package\//, ''));
    this.directory = join(this.#home, 'consumer');
    this.installed = join(this.directory, 'node_modules/tsnetpcap');
    mkdirSync(this.directory);
    this.write('package.json', '{ "type": "module", "private": true }\n');
    if (packages === 'npm') {
      const install = ['install', '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund', tarball];
      execFileSync('npm', install, { cwd: this.directory, stdio: 'pipe' });
      return;
    }
    mkdirSync(this.installed, { recursive: true });
    execFileSync('tar', ['-xzf', tarball, '-C', this.installed, '--strip-components=1']);
    for (const name of packages) {
      const link = join(this.directory, 'node_modules', name);
      mkdirSync(dirname(link), { recursive: true });
      symlinkSync(join(ROOT, 'node_modules', name), link);
    }
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.directory, name), text);
  }

  /** Runs a module of this text; throws with its stderr when it fails. `around`: a command line to put before Node's. */
  run(source: string, around: readonly string[] = []): string {
    this.write('consumer.js', source);
    const [program, ...args] = [...around, process.execPath, 'consumer.js'];
    return execFileSync(program ?? '', args, { cwd: this.directory, encoding: 'utf8', stdio: 'pipe' });
  }

  /** What the compiler says to the files; `types` are packages with declarations of the whole environment. */
  check(files: readonly string[], resolution: keyof typeof RESOLUTIONS, types: readonly string[]): string {
    return this.#compile(['--noEmit', ...RESOLUTIONS[resolution], '--types', types.join(), ...files]);
  }

  /** NAME.js beside NAME.ts; throws with what the compiler says. */
  build(files: readonly string[]): void {
    const said = this.#compile([...RESOLUTIONS.nodenext, '--types', 'node', ...files]);
    if (said !== '') throw new Error(said);
  }

  remove(): void {
    rmSync(this.#home, { recursive: true });
  }

  #compile(args: readonly string[]): string {
    const { stdout, stderr } = spawnSync(TSC, [...STRICT.split(' '), ...args], {
      cwd: this.directory,
      encoding: 'utf8',
    });
    return stdout + stderr;
  }
}
