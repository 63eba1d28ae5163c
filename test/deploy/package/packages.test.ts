// What `npm run package` makes: the same bytes wherever and whenever it is run, the same files in every kind of package, and of
// the maintainer scripts and dependencies what can be seen without installing; life.test.ts installs the Debian package.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOT } from '../../consumer.ts';
import { Packages, VERSION } from './packages.ts';

const KINDS = [
  { machine: 'Advanced Micro Devices X86-64', node: 'x64', debian: 'amd64', rpm: 'x86_64' },
  { machine: 'AArch64', node: 'arm64', debian: 'arm64', rpm: 'aarch64' },
].map(({ machine, node, debian, rpm }) => ({
  machine,
  tarball: `tsnetpcap-${VERSION}-linux-${node}.tar.gz`,
  deb: `tsnetpcap_${VERSION}-1_${debian}.deb`,
  rpm: `tsnetpcap-${VERSION}-1.${rpm}.rpm`,
  netlogs: [`netlogs-${VERSION}-linux-${node}.tar.gz`, `netlogs_${VERSION}-1_${debian}.deb`],
  architectures: { debian, rpm },
}));
const QUBES = `tsnetpcap-qubes-${VERSION}.tar.gz`;
/** From the prefix on, but for the program's own .cjs files. */
const INSTALLED = [
  'bin/tsnetpcap',
  'lib/systemd/system/netpcap.service',
  'lib/systemd/system/netpcap@.service',
  'lib/sysusers.d/netpcap.conf',
  'lib/tmpfiles.d/netpcap.conf',
  'lib/tsnetpcap/koffi.node',
  'share/bash-completion/completions/tsnetpcap',
  'share/doc/tsnetpcap/README.md',
  'share/doc/tsnetpcap/changelog.gz',
  'share/doc/tsnetpcap/copyright',
  'share/man/man8/tsnetpcap.8.gz',
];
const CONFIGURATION = ['etc/default/netpcap', 'usr/lib/qubes-bind-dirs.d/50_netpcap.conf'];
const CHUNK = /lib\/tsnetpcap\/tsnetpcap(-.+)?\.cjs$/;
/** A service that nobody asked for; what runs may be begun anew. */
const STARTING = /(systemctl|invoke|helper) .*\b(start|restart|enable|preset)\b(?<!try-restart)/;

let packages: Packages;

beforeAll(() => {
  packages = new Packages();
}, 180_000);

afterAll(() => {
  packages?.remove();
});

/** Files and links below `directory`, sorted. */
function filesIn(directory: string): string[] {
  const printed = execFileSync('find', ['.', '!', '-type', 'd', '-printf', '%P\n'], {
    cwd: directory,
    encoding: 'utf8',
  });
  return printed.trimEnd().split('\n').sort();
}

function output(...[program, ...args]: [string, ...string[]]): string {
  return execFileSync(program, args, {
    encoding: 'utf8',
    cwd: packages.directory,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

test('every kind is there, for each architecture, and their digests', () => {
  const kinds = KINDS.flatMap(({ tarball, deb, rpm, netlogs }) => [tarball, deb, rpm, ...netlogs]);
  expect(packages.names).toEqual([...kinds, `tsnetpcap-${VERSION}.tgz`, QUBES, 'SHA256SUMS'].sort());
  expect(output('sha256sum', '--check', '--quiet', 'SHA256SUMS')).toBe('');
});

test('the tarball for dom0 has the states and their guide, the program, and packages for templates', () => {
  const unpacked = packages.unpack(QUBES);
  expect(filesIn(unpacked).filter((name) => !/\/tsnetpcap(-.+)?\.cjs$/.test(name))).toEqual([
    'PROTOCOL.md',
    'README.md',
    'files/tsnetpcap.deb',
    'files/tsnetpcap.rpm',
    'files/tsnetpcap/koffi.node',
    'full-netlog-remove.sls',
    'full-netlog.sls',
    'full-netlog.top',
    'pillar.example',
  ]);
  expect(output('dpkg-deb', '-f', join(unpacked, 'files/tsnetpcap.deb'), 'Architecture')).toBe('amd64\n');
  expect(output('node', join(unpacked, 'files/tsnetpcap/tsnetpcap.cjs'), '--version')).toContain(VERSION);
});

test('another time, in another directory, umask, locale and zone, from files with other modes: the same bytes', {
  timeout: 240_000,
}, () => {
  const home = mkdtempSync(join(tmpdir(), 'tsnetpcap-again-'));
  try {
    const again = join(home, 'a/longer/path');
    const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: ROOT });
    for (const name of listed.toString().split('\0').filter(Boolean)) {
      mkdirSync(dirname(join(again, name)), { recursive: true });
      cpSync(join(ROOT, name), join(again, name));
    }
    symlinkSync(join(ROOT, 'node_modules'), join(again, 'node_modules'));
    const epoch = output('git', '-C', ROOT, 'log', '-1', '--format=%ct').trim();
    execFileSync('sh', ['-ec', 'chmod -R go= . && umask 077 && exec npm run --silent package'], {
      cwd: again,
      env: { ...process.env, SOURCE_DATE_EPOCH: epoch, TZ: 'Asia/Kathmandu', LC_ALL: 'C.UTF-8' },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const sums = (directory: string): string => readFileSync(join(directory, 'SHA256SUMS'), 'utf8');
    expect(sums(join(again, 'packages'))).toBe(sums(packages.directory));
  } finally {
    rmSync(home, { recursive: true });
  }
});

describe.each(KINDS)('$machine', ({ machine, tarball, deb, rpm, architectures }) => {
  let unpacked: { readonly tarball: string; readonly deb: string; readonly rpm: string };

  beforeAll(() => {
    unpacked = { tarball: packages.unpack(tarball), deb: packages.unpack(deb), rpm: packages.unpack(rpm) };
  });

  test('the same is installed by all, each with what is its own', () => {
    const under = (prefix: string, ...own: string[]): string[] => [...INSTALLED.map((name) => prefix + name), ...own];
    const expected = {
      tarball: under('', 'INSTALL', 'share/doc/tsnetpcap/netpcap.default', 'share/zsh/site-functions/_tsnetpcap'),
      deb: under(
        'usr/',
        ...CONFIGURATION,
        'usr/share/doc/tsnetpcap/changelog.Debian.gz',
        'usr/share/zsh/vendor-completions/_tsnetpcap',
      ),
      rpm: under('usr/', ...CONFIGURATION, 'usr/share/zsh/site-functions/_tsnetpcap'),
    };
    for (const kind of ['tarball', 'deb', 'rpm'] as const) {
      const files = filesIn(unpacked[kind]);
      expect(files.filter((name) => !CHUNK.test(name))).toEqual(expected[kind].sort());
      expect(files.filter((name) => name.endsWith('/tsnetpcap.cjs'))).toHaveLength(1);
    }
    expect(output('rpm', '-qlp', rpm).trimEnd().split('\n').sort()).toEqual(
      [...filesIn(unpacked.rpm), 'usr/lib/tsnetpcap', 'usr/share/doc/tsnetpcap'].map((name) => `/${name}`).sort(),
    );
  });

  test("koffi's binary is the architecture's, and the only file that differs from the other's", () => {
    const header = output('readelf', '-h', join(unpacked.deb, 'usr/lib/tsnetpcap/koffi.node'));
    expect(/Machine: +(.*)/.exec(header)?.[1]).toBe(machine);
    const other = KINDS.find((kind) => kind.machine !== machine)?.deb ?? '';
    const digests = (name: string): string[] => output('dpkg-deb', '-I', name, 'md5sums').trimEnd().split('\n');
    const differing = digests(deb).filter((line) => !digests(other).includes(line));
    expect(differing.map((line) => line.split('  ')[1])).toEqual(['usr/lib/tsnetpcap/koffi.node']);
  });

  test('no file knows where it was made; all are older than the commit, and root has them', () => {
    for (const directory of Object.values(unpacked)) {
      expect(() => output('grep', '-rlF', '-e', ROOT, '-e', `${tmpdir()}/tsnetpcap`, directory)).toThrow();
    }
    const epoch = Number(output('git', '-C', ROOT, 'log', '-1', '--format=%ct'));
    const newer = output('find', ...Object.values(unpacked), '-type', 'f', '-newermt', `@${epoch}`);
    expect(newer).toBe('');
    for (const listing of [
      output('tar', '-tvzf', tarball),
      output('dpkg-deb', '-c', deb),
      output('rpm', '-qlvp', rpm),
    ]) {
      for (const line of listing.trimEnd().split('\n'))
        expect(line).toMatch(/^(-rw-r--r--|[-d]rwxr-xr-x|lrwxrwxrwx) .*(root[/ ]+root|0\/0) /);
    }
  });

  test('the licences of what is bundled are in it', () => {
    const copyright = readFileSync(join(unpacked.tarball, 'share/doc/tsnetpcap/copyright'), 'utf8');
    const program = readdirSync(join(unpacked.tarball, 'lib/tsnetpcap')).filter((name) => name.endsWith('.cjs'));
    const code = program.map((name) => readFileSync(join(unpacked.tarball, 'lib/tsnetpcap', name), 'utf8')).join('');
    const bundled = new Set([...code.matchAll(/^\s*\/\/ node_modules\/([^/]+)/gm)].map(([, name = '']) => name));
    expect([...bundled].sort()).toEqual(['commander', 'koffi', 'rotating-file-stream']);
    const parts = copyright.split(/^-+$/m).map((part) => part.trim());
    for (const name of ['tsnetpcap', 'node-addon-api', ...bundled]) {
      expect(parts.find((part) => part.startsWith(`${name}\n`))).toMatch(/Copyright \(c\).*Permission is hereby/is);
    }
  });

  test('the units start the program where it is installed', () => {
    const start = (file: string): string[] => readFileSync(file, 'utf8').match(/^Exec\w+=\S+/gm) ?? [];
    for (const name of ['netpcap.service', 'netpcap@.service']) {
      const unit = `lib/systemd/system/${name}`;
      expect(start(join(unpacked.tarball, unit))).toContain('ExecStart=/usr/local/bin/tsnetpcap');
      expect(start(join(unpacked.deb, 'usr', unit))).toContain('ExecStart=/usr/bin/tsnetpcap');
      expect(start(join(unpacked.rpm, 'usr', unit))).toContain('ExecStart=/usr/bin/tsnetpcap');
    }
  });

  test('the Debian package asks for what it needs, and starts nothing unasked', () => {
    const field = (name: string): string => output('dpkg-deb', '-f', deb, name).trim();
    expect([field('Version'), field('Architecture')]).toEqual([`${VERSION}-1`, architectures.debian]);
    expect(field('Depends')).toContain('nodejs (>= 20), libpcap0.8t64 | libpcap0.8,');
    expect(output('dpkg-deb', '-I', deb, 'conffiles')).toBe('/etc/default/netpcap\n');
    for (const script of ['postinst', 'prerm', 'postrm']) {
      const text = output('dpkg-deb', '-I', deb, script);
      execFileSync('sh', ['-n'], { input: text });
      expect(text.replace(/^ *#.*/gm, '')).not.toMatch(STARTING);
    }
  });

  test('the RPM package does so, too', () => {
    const query = (format: string): string => output('rpm', '-qp', '--qf', format, rpm);
    expect(query('%{VERSION}-%{RELEASE} %{ARCH} %{BUILDHOST}')).toBe(`${VERSION}-1 ${architectures.rpm} localhost`);
    const needed = output('rpm', '-qp', '--requires', rpm).split('\n');
    expect(needed).toEqual(expect.arrayContaining(['nodejs(engine) >= 20', '/usr/bin/node', 'libpcap', 'systemd']));
    expect(output('rpm', '-qp', '--configfiles', rpm)).toBe('/etc/default/netpcap\n');
    const scripts = output('rpm', '-qp', '--scripts', rpm);
    expect(scripts).toContain('systemd-sysusers netpcap.conf');
    expect(scripts).not.toMatch(STARTING);
    expect(output('rpm', '-K', '--nosignature', rpm)).toMatch(/digests OK/);
  });
});
