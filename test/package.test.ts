// What `npm publish` would send: its contents, its exports as publint sees them, and the pcap writer used by a stranger's
// project that has this package and nothing else.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildFrame } from '../bench/frames.ts';
import packageJson from '../package.json' with { type: 'json' };
import { expectReadable, readSavefile } from './savefile.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const TSC = join(ROOT, 'node_modules/.bin/tsc');

let directory: string;
/** The contents of the tarball, without the directory that npm puts around them. */
let contents: string[];
/** A stranger's project, and this package in it as npm would put it there, without its dependencies. */
let consumer: string;
let installed: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'tsnetpcap-package-'));
  const pack = ['pack', '--ignore-scripts', '--pack-destination', directory];
  execFileSync('npm', pack, { cwd: ROOT, stdio: 'pipe' });
  const tarball = join(directory, `tsnetpcap-${packageJson.version}.tgz`);
  const names = execFileSync('tar', ['-tzf', tarball], { encoding: 'utf8' }).trimEnd().split('\n');
  contents = names.map((name) => name.replace(/^package\//, ''));
  consumer = join(directory, 'consumer');
  installed = join(consumer, 'node_modules/tsnetpcap');
  mkdirSync(installed, { recursive: true });
  execFileSync('tar', ['-xzf', tarball, '-C', installed, '--strip-components=1']);
  writeFileSync(join(consumer, 'package.json'), '{ "type": "module", "private": true }\n');
});

afterAll(() => {
  if (directory !== undefined) rmSync(directory, { recursive: true });
});

/** Runs a module of the consumer's; throws with its stderr when it fails. */
function run(source: string): string {
  writeFileSync(join(consumer, 'consumer.js'), source);
  return execFileSync(process.execPath, ['consumer.js'], { cwd: consumer, encoding: 'utf8', stdio: 'pipe' });
}

test('it holds every built source, the notes, the manual and what describes it, and nothing else', () => {
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  const built = sources.flatMap((name) => ['js', 'd.ts'].map((ending) => `dist/${name.replace(/ts$/, ending)}`));
  const described = ['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json'];
  const expected = [...built, ...described];
  expect(expected.filter((name) => !contents.includes(name))).toEqual([]);
  const allowed =
    /^(dist\/[\w/-]+\.(js|d\.ts)|native-notes\/[\w-]+\.md|man\/tsnetpcap\.8|CHANGELOG\.md|LICENSE|README\.md|package\.json)$/;
  expect(contents.filter((name) => !allowed.test(name))).toEqual([]);
});

test('publint finds no error', async () => {
  const { messages } = await publint({ pkgDir: installed, pack: false, strict: true });
  const errors = messages.filter(({ type }) => type === 'error');
  expect(errors.map((message) => formatMessage(message, packageJson))).toEqual([]);
});

test('the pcap writer works without a dependency, and its files are read by all', () => {
  expect(readdirSync(join(consumer, 'node_modules'))).toEqual(['tsnetpcap']);
  run(`
    import { PcapWriter } from 'tsnetpcap/pcap-writer';
    const frame = Buffer.from('${Buffer.from(buildFrame('udp4', 69, 7)).toString('hex')}', 'hex');
    const writer = PcapWriter.create('made.pcap', { precision: 'nano', snaplen: 64, linktype: 1 });
    for (let n = 0; n < 10_000; n++) {
      if (!writer.writePacket(1_700_000_000 + n, n, frame)) throw new Error('full');
    }
    writer.close();
  `);
  const made = join(consumer, 'made.pcap');
  expectReadable(made, 10_000);
  expect(readSavefile(made).records.at(-1)).toMatchObject({ sec: 1_700_009_999, fraction: 9999, len: 69 });
});

test.each(['tsnetpcap', 'tsnetpcap/dist/cli/main.js', 'tsnetpcap/dist/savefile/writer.js'])(
  '%s can not be imported',
  (specifier) => {
    expect(() => run(`import '${specifier}';`)).toThrow('ERR_PACKAGE_PATH_NOT_EXPORTED');
  },
);

test('its version can be read', () => {
  const source = `
    import packageJson from 'tsnetpcap/package.json' with { type: 'json' };
    console.log(packageJson.version);
  `;
  expect(run(source).trim()).toBe(packageJson.version);
});

test('its types are found, strict, and without those of Node', () => {
  const source = `
    import { type FileHeader, MAXIMUM_SNAPLEN, PcapWriter, SyscallError } from 'tsnetpcap/pcap-writer';
    const header: FileHeader = { precision: 'micro', snaplen: MAXIMUM_SNAPLEN, linktype: 1 };
    const writer: PcapWriter = PcapWriter.create('typed.pcap', header);
    export const taken: boolean = writer.writePacket(1, 2, new Uint8Array(3));
    export const code = (error: SyscallError): string => error.code;
    // @ts-expect-error: a precision that does not exist
    PcapWriter.create('typed.pcap', { ...header, precision: 'milli' });
  `;
  writeFileSync(join(consumer, 'typed.ts'), source);
  const options = ['--strict', '--noEmit', '--skipLibCheck', 'false', '--target', 'es2022', '--types', ''];
  const check = (...resolution: string[]): unknown => {
    const { status, stdout } = spawnSync(TSC, [...options, ...resolution, 'typed.ts'], {
      cwd: consumer,
      encoding: 'utf8',
    });
    return { status, stdout };
  };
  expect(check('--module', 'nodenext')).toEqual({ status: 0, stdout: '' });
  expect(check('--module', 'esnext', '--moduleResolution', 'bundler')).toEqual({ status: 0, stdout: '' });
});
