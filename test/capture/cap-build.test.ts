// The npm package cap on three machines: where it can be built, without a compiler, without libpcap's headers. What is
// missing is really missing: it is mounted over, in a mount namespace of the build's own. Needs root and scripts/test.
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Lab } from '../../bench/lab.ts';
import { offer } from '../../bench/offer.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { type Ended, Program } from '../program.ts';
import { readSavefile } from '../savefile.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const NO_COMPILER =
  'for name in c++ g++ gcc cc clang clang++; do at=$(command -v $name) && mount --bind /dev/null $(realpath $at); done';
const NO_HEADERS = 'mkdir $HOME/none; mount --bind $HOME/none /usr/include/pcap';

let lab: Lab;
let directory: string;
beforeAll(() => {
  lab = Lab.create();
  directory = mkdtempSync(join(tmpdir(), 'tsnetpcap-cap-'));
});
afterAll(() => {
  lab?.remove();
  if (directory !== undefined) rmSync(directory, { recursive: true });
});

/** An installation of the built program, with cap as npm has unpacked it, and what `npm rebuild cap` there comes to. */
async function install(name: string, hide: string): Promise<{ readonly main: string; readonly build: Ended }> {
  const home = join(directory, name);
  const modules = join(home, 'node_modules');
  mkdirSync(modules, { recursive: true });
  cpSync(join(ROOT, 'dist'), join(home, 'dist'), { recursive: true });
  const { optionalDependencies, allowScripts } = packageJson;
  writeFileSync(
    join(home, 'package.json'),
    JSON.stringify({ type: 'module', version: '0', optionalDependencies, allowScripts }),
  );
  for (const each of Object.keys(packageJson.dependencies))
    symlinkSync(realpathSync(join(ROOT, 'node_modules', each)), join(modules, each));
  const unbuilt = (source: string): boolean => source !== join(ROOT, 'node_modules/cap/build');
  for (const each of ['cap', 'nan'])
    cpSync(join(ROOT, 'node_modules', each), join(modules, each), { recursive: true, filter: unbuilt });
  const env = { HOME: home, npm_config_nodedir: resolve(process.execPath, '../..') };
  const script = `set -e; cd ${home}; ${hide}; exec npm rebuild cap`;
  const build = await Program.run(undefined, ['unshare', '--mount', 'sh', '-c', script], { env });
  return { main: join(home, 'dist/tsnetpcap.cjs'), build };
}

test('it can be built: packets come from it', async () => {
  const { main, build } = await install('built', ':');
  expect([build.code, build.code === 0 ? '' : build.stderr]).toEqual([0, '']);
  const file = join(directory, 'built.pcap');
  const program = new Program(lab, [process.execPath, main, '--engine', 'cap', '-i', 'cap0', '-c', '10', '-w', file]);
  try {
    await program.says(/listening on cap0/);
    expect(await offer(lab, { count: 10 })).toBe(10);
    expect(await program.exit()).toBe(0);
    expect(program.stderr).toMatch(/^tsnetpcap: --engine cap: timestamps of when a packet is read.*\n/m);
    expect(readSavefile(file).records.length).toBe(10);
  } finally {
    await program.kill();
  }
});

test.each([
  ['no-compiler', NO_COMPILER, /(Permission denied|not found)/],
  ['no-headers', NO_HEADERS, /pcap\/pcap\.h: No such file or directory/],
])('%s: one line that says what to install, and the other engines work', async (name, hide, why) => {
  const { main, build } = await install(name, hide);
  expect(build.code).not.toBe(0);
  expect(build.stderr + build.stdout).toMatch(why);
  const run = (engine: string): Promise<Ended> => {
    const file = join(directory, `${name}.pcap`);
    const argv = [process.execPath, main, '--engine', engine, '-i', 'cap0', '--duration', '1s', '-w', file] as const;
    return Program.run(lab, argv);
  };
  expect(await run('cap')).toMatchObject({
    code: 1,
    stderr:
      'tsnetpcap: --engine cap: the npm package cap is not built: apt-get install libpcap-dev g++ make python3 && npm rebuild cap\n',
  });
  for (const engine of ['ring', 'libpcap']) expect((await run(engine)).code).toBe(0);
});

test('no other npm package may run a script when it is installed', () => {
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'));
  const scripted = Object.entries<{ hasInstallScript?: boolean; optional?: boolean; os?: string[] }>(packages)
    .filter(([, { hasInstallScript, os = ['linux'] }]) => hasInstallScript === true && os.includes('linux'))
    .map(([path]) => path.replace(/^.*node_modules\//, ''));
  const allowed: Readonly<Record<string, boolean>> = packageJson.allowScripts;
  expect(scripted.sort()).toEqual(Object.keys(allowed).sort());
  expect(Object.keys(allowed).filter((name) => allowed[name])).toEqual(['cap']);
});
