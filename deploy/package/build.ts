// What all packages are made of, made once by main.ts: the bundled programs, the native binaries for each architecture as
// package-lock.json has them, and the texts that only packages need. Everything lies in one directory that main.ts removes.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Architecture {
  /** Node's and npm's name. */
  readonly node: 'x64' | 'arm64';
  readonly debian: string;
  readonly rpm: string;
}

export const ARCHITECTURES: readonly Architecture[] = [
  { node: 'x64', debian: 'amd64', rpm: 'x86_64' },
  { node: 'arm64', debian: 'arm64', rpm: 'aarch64' },
];

export interface Build {
  /** The checkout. */
  readonly root: string;
  readonly version: string;
  /** Seconds since 1970: the time of everything in packages. */
  readonly epoch: number;
  /** Directory of the programs' .cjs files and of netlogs' page. */
  readonly program: string;
  /** Paths of koffi's binaries by `Architecture.node`. */
  readonly koffi: Readonly<Record<Architecture['node'], string>>;
  /** Directory with DuckDB's, 70 MB, which are fetched by this call. */
  readonly duckdb: (node: Architecture['node']) => string;
  /** The licence, and those of what is bundled, for each program. */
  readonly copyright: Readonly<Record<'tsnetpcap' | 'netlogs', string>>;
}

/** The npm packages whose code is in a bundle or in a binary beside it, and where their licences are. */
const LICENCES: Readonly<Record<keyof Build['copyright'], readonly (readonly [name: string, file: string])[]>> = {
  tsnetpcap: [
    ['commander', 'commander/LICENSE'],
    ['koffi', 'koffi/LICENSE.txt'],
    ['node-addon-api', 'koffi/vendor/node-addon-api/LICENSE.md'],
    ['node-api-headers', 'koffi/vendor/node-api-headers/LICENSE'],
    ['rolldown', 'rolldown/LICENSE'],
    ['rotating-file-stream', 'rotating-file-stream/LICENSE'],
  ],
  netlogs: [
    ['@duckdb/node-api', '@duckdb/node-api/LICENSE'],
    ['@duckdb/node-bindings', '@duckdb/node-bindings/LICENSE'],
    ['commander', 'commander/LICENSE'],
    ['koffi', 'koffi/LICENSE.txt'],
    ['rolldown', 'rolldown/LICENSE'],
    ['rotating-file-stream', 'rotating-file-stream/LICENSE'],
    ['uplot', 'uplot/LICENSE'],
  ],
};

/** In `directory`, an empty one. */
export function build(root: string, directory: string, epoch: number): Build {
  const { version }: { version: string } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const program = join(directory, 'program');
  const config = ['--config', 'deploy/package/rolldown.mjs', '--logLevel', 'warn', '--dir', program];
  execFileSync(join(root, 'node_modules/.bin/rolldown'), config, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
  const koffi = (cpu: Architecture['node']): string =>
    join(fetched(root, directory, `@koromix/koffi-linux-${cpu}`), `linux_${cpu}`, 'koffi.node');
  const duckdb = (cpu: Architecture['node']): string => fetched(root, directory, `@duckdb/node-bindings-linux-${cpu}`);
  return {
    root,
    version,
    epoch,
    program,
    koffi: { x64: koffi('x64'), arm64: koffi('arm64') },
    duckdb,
    copyright: { tsnetpcap: copyright(root, 'tsnetpcap'), netlogs: copyright(root, 'netlogs') },
  };
}

/** The directory of an npm package, fetched by npm, whose cache has it the next time: `npm ci` installs this machine's only. */
function fetched(root: string, directory: string, name: string): string {
  const lock: {
    readonly packages: Readonly<Record<string, { readonly version: string; readonly integrity: string }>>;
  } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const locked = lock.packages[`node_modules/${name}`];
  if (locked === undefined) throw new Error(`${name} is not in package-lock.json`);
  const { version, integrity } = locked;
  const home = join(directory, name.replace('/', '-'));
  if (existsSync(home)) return join(home, 'package');
  mkdirSync(home);
  const pack = ['pack', '--silent', '--prefer-offline', '--ignore-scripts', '--pack-destination', home];
  execFileSync('npm', [...pack, `${name}@${version}`], { stdio: ['ignore', 'ignore', 'inherit'] });
  const [tarball = ''] = readdirSync(home);
  const bytes = readFileSync(join(home, tarball));
  const digest = `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
  if (digest !== integrity) throw new Error(`${name}@${version} is ${digest}, and ${integrity} in package-lock.json`);
  execFileSync('tar', ['-xzf', join(home, tarball), '-C', home]);
  return join(home, 'package');
}

function copyright(root: string, program: keyof Build['copyright']): string {
  const text = (path: string): string => readFileSync(join(root, path), 'utf8').trim();
  const bundled = LICENCES[program].map(([name, file]) => `${name}\n\n${text(join('node_modules', file))}\n`);
  const intro = 'The program of this package contains code of other projects, under these terms:';
  return [`tsnetpcap\n\n${text('LICENSE')}\n`, `${intro}\n`, ...bundled].join(`\n${'-'.repeat(78)}\n\n`);
}

/** gzip's own, without name and time: Node's zlib compresses otherwise from version to version. */
export function gzipped(text: string): Buffer {
  return execFileSync('gzip', ['-9n'], { input: text });
}

/** `from` with each @NAME@ replaced, to `to`. @throws Error for one that is not given */
export function fillIn(from: string, to: string, values: Readonly<Record<string, string>>): void {
  const filled = readFileSync(from, 'utf8').replace(/@([A-Z]+)@/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`${from}: no value for ${name}`);
    return value;
  });
  writeFileSync(to, filled);
}
