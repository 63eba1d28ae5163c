// The packages of netlogs: what is in them, and that the tarball runs where there is a Node and nothing else, without a network.
// Needs root and the Nodes that scripts/test installs.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildFrame } from '../../../bench/frames.ts';
import { PcapWriter } from '../../../src/savefile/writer.ts';
import { NODES } from '../../nodes.ts';
import { Program } from '../../program.ts';
import { inBareRoot } from './bare-root.ts';
import { Packages, VERSION } from './packages.ts';

const MACHINES = { x64: 'Advanced Micro Devices X86-64', arm64: 'AArch64' } as const;
const DEBIAN = { x64: 'amd64', arm64: 'arm64' } as const;
const FILES = [
  'bin/netlogs',
  'lib/netlogs/duckdb.node',
  'lib/netlogs/libduckdb.so',
  'lib/netlogs/netlogs-page.html',
  'lib/netlogs/netlogs.cjs',
  'share/bash-completion/completions/netlogs',
  'share/doc/netlogs/changelog.gz',
  'share/doc/netlogs/copyright',
  'share/man/man1/netlogs.1.gz',
  'share/zsh/site-functions/_netlogs',
];

let packages: Packages;

beforeAll(() => {
  packages = new Packages('netlogs');
});

afterAll(() => {
  packages?.remove();
});

/** Files and links below `directory`, but for chunks of the program. */
function filesIn(directory: string): string[] {
  const list = execFileSync('find', ['.', '!', '-type', 'd', '-printf', '%P\\n'], { cwd: directory, encoding: 'utf8' });
  return list
    .trimEnd()
    .split('\n')
    .filter((name) => !/\/netlogs-.+\.cjs$/.test(name))
    .sort();
}

test.each(['x64', 'arm64'] as const)('%s: the program, two libraries of DuckDB, and no other binary', (node) => {
  const deb = `netlogs_${VERSION}-1_${DEBIAN[node]}.deb`;
  const unpacked = packages.unpack(deb);
  expect(filesIn(unpacked)).toEqual(
    [...FILES, 'share/doc/netlogs/changelog.Debian.gz'].map((name) => `usr/${name}`).sort(),
  );
  for (const library of ['duckdb.node', 'libduckdb.so']) {
    const header = execFileSync('readelf', ['-h', join(unpacked, 'usr/lib/netlogs', library)], { encoding: 'utf8' });
    expect(/Machine: +(.*)/.exec(header)?.[1]).toBe(MACHINES[node]);
  }
  const field = (name: string): string =>
    execFileSync('dpkg-deb', ['-f', packages.path(deb), name], { encoding: 'utf8' }).trim();
  expect(field('Depends')).toContain('nodejs (>= 20)');
  // What the binaries ask of the C library is what the package asks for.
  const versions = execFileSync('readelf', ['-V', join(unpacked, 'usr/lib/netlogs/libduckdb.so')], {
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  const needed = [...versions.matchAll(/GLIBC_2\.(\d+)/g)].map(([, minor]) => Number(minor));
  expect(Math.max(...needed)).toBeLessThanOrEqual(Number(/libc6 \(>= 2\.(\d+)\)/.exec(field('Depends'))?.[1]));
});

test('the licences of what is bundled are in it', () => {
  const unpacked = packages.unpack(`netlogs-${VERSION}-linux-arm64.tar.gz`);
  expect(filesIn(unpacked)).toEqual(['INSTALL', ...FILES].sort());
  const copyright = readFileSync(join(unpacked, 'share/doc/netlogs/copyright'), 'utf8');
  const names = execFileSync('sh', ['-c', 'cat "$0"/*.cjs', join(unpacked, 'lib/netlogs')], { maxBuffer: 64 << 20 })
    .toString('utf8')
    .matchAll(/^\s*\/\/#? ?(?:region )?node_modules\/((?:@[^/]+\/)?[^/]+)/gm);
  const bundled = [...new Set([...names].map(([, name = '']) => name))];
  expect(bundled).toContain('@duckdb/node-api');
  for (const name of [...bundled, 'uplot']) expect(copyright).toContain(`\n${name}\n\n`);
});

test.each(NODES)('it runs with Node %s, and nothing else', async (major, node) => {
  const root = packages.unpack(`netlogs-${VERSION}-linux-${process.arch}.tar.gz`, `netlogs-${major}`);
  for (const place of ['home/day', 'tmp']) mkdirSync(join(root, place), { recursive: true });
  const file = join(root, 'home/day/pcap-20261128000000.pcap');
  const writer = PcapWriter.create(file, { linktype: 1, snaplen: 96, precision: 'micro' });
  for (let n = 0; n < 20; n++) writer.writePacket(1_795_860_000 + n, 0, buildFrame('udp4', 90, n));
  writer.close();
  // The root is the same for duckdb.node and what it loads.
  const library = join(root, 'lib/netlogs/duckdb.node');
  const netlogs = (...args: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }> =>
    Program.run(undefined, [
      'unshare',
      '--net',
      ...inBareRoot(
        root,
        node,
        ['libm.so.6', 'libstdc++.so.6', 'libgcc_s.so.1'].map((name) => loadedBy(library, name)),
        ['/bin/netlogs', ...args],
      ),
    ]);
  const version = await netlogs('--version');
  expect([version.code, version.stdout]).toEqual([0, expect.stringMatching(`^netlogs ${VERSION}, Node ${major}\\.`)]);
  const flows = await netlogs('flows', '-d', '/home/day', '--host', 'sys-dns', '--json');
  expect([flows.code, flows.stderr]).toEqual([0, '']);
  expect(JSON.parse(flows.stdout)).toMatchObject({ packets_forward: 20, host: 'sys-dns' });
});

/** The path of a library that `path` needs. */
function loadedBy(path: string, name: string): string {
  const printed = execFileSync('ldd', [path], { encoding: 'utf8' });
  const found = printed.split('\n').find((line) => line.trim().startsWith(`${name} =>`));
  return /=> (\/\S+)/.exec(found ?? '')?.[1] ?? '';
}
