// open-netlogs.sh in a booted work qube. What the document's own script does wrong is shown first with its text (document/),
// then that ours does not; then bundles that do all they can to harm. tshark, mergecap and age are real; Wireshark, which
// needs a screen, notes what it was to open.
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Ended, Program } from '../program.ts';
import { QubesLab } from './lab.ts';
import type { Qube } from './qube.ts';

const VIEWER = fileURLToPath(new URL('../../deploy/qubes/files/work/open-netlogs.sh', import.meta.url));
const DOCUMENT = fileURLToPath(new URL('document/open-netlogs.sh', import.meta.url));
const HOME = '/home/user';
const DAY = '2026-11-24';
const WIRESHARK = '#!/bin/sh\necho "$*" >> ~/opened\n';
const NONE = `[*] Available pcaps for ${DAY}:\n  (none found)\n`;

let lab: QubesLab;
let qube: Qube;

beforeAll(async () => {
  lab = await QubesLab.create([{ name: 'work' }]);
  qube = lab.qube('work');
  await shell('mkdir -p bin');
  put(`${HOME}/bin/open-netlogs.sh`, readFileSync(VIEWER, 'utf8'));
  put(`${HOME}/bin/document.sh`, readFileSync(DOCUMENT, 'utf8'));
  put('/usr/local/bin/wireshark', WIRESHARK);
  put('/usr/local/bin/make-bundle', MAKE);
  put('/usr/local/bin/hostile-tar', HOSTILE_TAR);
});

afterAll(() => lab?.remove());

beforeEach(() => shell('rm -rf NetLogs opened made'));

function put(path: string, text: string): void {
  mkdirSync(dirname(qube.path(path)), { recursive: true });
  writeFileSync(qube.path(path), text);
  chmodSync(qube.path(path), 0o755);
}

const shell = (script: string): Promise<string> => qube.exec(['bash', '-ec', script], 'user');
const ended = (script: string): Promise<Ended> => qube.run(['bash', '-c', script], { user: 'user' });
const ours = (args: string, input = ''): Promise<Ended> => ended(`printf '${input}' | bin/open-netlogs.sh ${args}`);
const document = (input = ''): Promise<Ended> => ended(`printf '${input}' | bin/document.sh ${DAY}`);

/**
 * Runs the script with which a source's bundle is made, in the directory that becomes the tar, and brings it as the pull helper
 * does: with manifests as the backup writes them, unless the script has made them.
 */
const MAKE = `#!/bin/bash
set -eu
DAY=${DAY}
savefile() { # of the same bytes each time
  printf 'T2026-11-24 03:00:00\\n0000 61\\n' |
    text2pcap -q -t 'T%Y-%m-%d %H:%M:%S' -F pcap -u 1,2 -4 192.0.2.1,192.0.2.$2 - "$1" 2> /dev/null
}
pcaps() { # NAME.tgz, N...: one savefile each
  mkdir -p in/netpcap; for n in "\${@:2}"; do savefile in/netpcap/pcap-2026112403000$n.pcap $n; done
  tar -C in --no-recursion -czf $DAY/$1 $(cd in && ls netpcap/*) ; rm -rf in
}
rm -rf ~/made; mkdir -p ~/made/$DAY ~/NetLogs/$DAY; cd ~/made
eval "$2"
number=1
for bundle in $DAY/pcaps-* $DAY/nft-*; do
  manifest=$DAY/manifest-$((number++)).json
  [ -e "$bundle" ] && [ ! -e "$manifest" ] || continue
  sum=$(sha256sum < "$bundle")
  printf '{\\n  "version": 1,\\n  "file": "%s", "bytes": %s, "sha256": "%s",\\n  "facts": {\\n\\n  }\\n}\\n' \\
    "\${bundle##*/}" "$(stat -c %s "$bundle")" "\${sum%% *}" > "$manifest"
done
tar -czf ~/NetLogs/$DAY/$1.tgz $DAY
`;
const bring = (source: string, script: string): Promise<string> => qube.exec(['make-bundle', source, script], 'user');
const PCAPS = `pcaps pcaps-${DAY}.tgz`;
const saved = (source: string, n: number): string =>
  `${HOME}/NetLogs/${DAY}/${source}/netpcap/pcap-2026112403000${n}.pcap`;
const listed = (...paths: readonly string[]): string =>
  `[*] Available pcaps for ${DAY}:\n${paths.map((path, index) => `  [0${index}] ${path}\n`).join('')}`;
/** What Wireshark was to open, some time after it was started. */
const opens = (...paths: readonly string[]): Promise<void> =>
  expect
    .poll(() => shell('touch opened; sort opened'), { timeout: 20_000 })
    .toBe(paths.map((path) => `${path}\n`).join(''));

test('shellcheck finds nothing', async () => {
  expect(await Program.run(undefined, ['shellcheck', VIEWER])).toEqual({ code: 0, stdout: '', stderr: '' });
});

describe('what the document does, and ours', () => {
  test('fault 1: it goes on after the first savefile', async () => {
    await shell(`mkdir -p NetLogs/${DAY}/sys-dns; cd NetLogs/${DAY}/sys-dns; touch a.pcap b.pcap`);
    const first = listed(`${HOME}/NetLogs/${DAY}/sys-dns/a.pcap`);
    expect(await document('a\\n')).toEqual({ code: 1, stdout: first, stderr: '' });

    await shell('rm -r NetLogs');
    await bring('sys-dns', `${PCAPS} 1 2`);
    const { code, stdout, stderr } = await ours(DAY, 'a\\n');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(listed(saved('sys-dns', 1), saved('sys-dns', 2)));
    await opens(saved('sys-dns', 1), saved('sys-dns', 2));
  });

  test('fault 2: both levels are unpacked', async () => {
    await bring('sys-dns', `${PCAPS} 1`);
    expect(await document()).toEqual({ code: 0, stdout: NONE, stderr: '' });
    expect(await ours(`${DAY} --list`)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(listed(saved('sys-dns', 1))),
    });
  });

  test('fault 4: an empty archive is said, stops nothing, and is tried again', async () => {
    await shell(`mkdir -p NetLogs/${DAY}; : > NetLogs/${DAY}/sys-dns.tgz`);
    expect(await document()).toMatchObject({ code: 2 });
    // Nor is it tried again: with what would do for it.
    await shell(`mkdir x; touch x/a.pcap; tar -czf NetLogs/${DAY}/sys-dns.tgz x; rm -r x`);
    expect(await document()).toEqual({ code: 0, stdout: NONE, stderr: '' });

    await shell(`rm -r NetLogs`);
    await bring('sys-vpn', `${PCAPS} 1`);
    await shell(`: > NetLogs/${DAY}/sys-dns.tgz`);
    for (let run = 0; run < 2; run++) {
      const { code, stdout, stderr } = await ours(`${DAY} --list`);
      expect({ code, stderr }).toEqual({ code: 1, stderr: '  sys-dns.tgz: it is empty\n' });
      expect(stdout).toContain(listed(saved('sys-vpn', 1)));
    }
    await bring('sys-dns', `${PCAPS} 2`);
    const both = listed(saved('sys-dns', 2), saved('sys-vpn', 1));
    expect(await ours(`${DAY} --list`)).toMatchObject({ code: 0, stdout: expect.stringContaining(both), stderr: '' });
  });

  test('fault 5: a directory is no savefile', async () => {
    await shell(`mkdir -p NetLogs/${DAY}/sys-dns/a.pcapng`);
    expect((await document()).stdout).toContain('[00]');

    await bring('sys-dns', `${PCAPS} 1`);
    await ours(`${DAY} --list`);
    await shell(`mkdir NetLogs/${DAY}/sys-dns/a.pcapng`);
    expect((await ours(`${DAY} --list`)).stdout).toContain(`${listed(saved('sys-dns', 1))}\n[*] nft`);
  });

  test('fault 14: a log can neither write to the terminal what it likes nor as much as it likes', async () => {
    const log = `{ seq 1000; printf 'SYSNET:new \\033]0;owned\\007\\033[2J\\302\\233 x\\r\\n'; } | gzip > $DAY/nft-$DAY.log.gz`;
    await bring('sys-net', log);
    await bring('sys-firewall', 'head -c 100M /dev/zero | gzip > $DAY/nft-$DAY.log.gz');
    // Its last line; what is before it never lets it come so far.
    const tail = `export BASE=$PWD/unpacked DAY=.; mkdir unpacked
      for name in net firewall; do tar -C unpacked -xzf NetLogs/${DAY}/sys-$name.tgz --transform s/nft-/nft-$name-/; done
      tail -n 1 bin/document.sh | bash > said; grep -c "$(printf '\\033')" said; stat -c %s said; rm -r unpacked said`;
    const [escapes, bytes] = (await shell(tail)).split('\n');
    expect(Number(escapes)).toBeGreaterThan(0);
    expect(Number(bytes)).toBeGreaterThan(100_000_000);

    const { code, stdout, stderr } = await ours(`${DAY} --list`);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^ {2}sys-firewall: nft-2026-11-24\.log\.gz: it unpacks to more than \d+ bytes\n$/);
    expect(stdout).toBe(
      `${NONE}\n[*] nft logs (if any):\n${HOME}/NetLogs/${DAY}/sys-net/nft-${DAY}.log.gz\n-----\n` +
        `${Array.from({ length: 39 }, (_, index) => `${index + 962}\n`).join('')}SYSNET:new ?]0;owned??[2J?? x?\n`,
    );
  });
});

describe('what is opened', () => {
  beforeEach(async () => {
    await bring('sys-dns', `${PCAPS} 1 2; pcaps pcaps-$DAY-2.tgz 2 3`);
    await bring('sys-vpn', `${PCAPS} 8`);
    await bring('sys-net', 'echo "SYSNET:new a line" | gzip > $DAY/nft-$DAY.log.gz');
  });
  const all = [saved('sys-dns', 1), saved('sys-dns', 2), saved('sys-dns', 3), saved('sys-vpn', 8)];

  test('one or all, by an answer or by --open, and the last lines are shown in any case', async () => {
    for (const [args, input, paths] of [
      ['', '0\\n', [saved('sys-dns', 1)]],
      ['', '08\\n', undefined],
      ['', 'x[$(touch /tmp/owned)]\\n', undefined],
      ['', '\\n', []],
      ['', '', []],
      ['--list', 'a\\n', []],
      ['--open 03', '', [saved('sys-vpn', 8)]],
      ['--open all', '', all],
    ] as const) {
      const { code, stdout, stderr } = await ours(args, input);
      expect(stdout).toContain(listed(...all));
      expect({ code, stderr }).toEqual(
        paths === undefined ? { code: 1, stderr: 'Invalid choice\n' } : { code: 0, stderr: '' },
      );
      if (paths === undefined) continue;
      expect(stdout).toContain('-----\nSYSNET:new a line\n');
      await opens(...paths);
      await shell('rm opened');
    }
    expect(await ended('test -e /tmp/owned')).toMatchObject({ code: 1 });
  });

  test('headless by tshark, and merged into one', async () => {
    const one = await ours('--tshark --open 3');
    expect(one).toMatchObject({ code: 0, stdout: expect.stringContaining(`[*] ${saved('sys-vpn', 8)}\n`) });
    expect(one.stdout).toMatch(/192\.0\.2\.1 -> 192\.0\.2\.8/);
    expect(one.stdout).not.toContain('192.0.2.3');
    const merged = await ours('--tshark --merge');
    expect(merged.stdout.match(/192\.0\.2\.1 -> 192\.0\.2\.\d/g)?.sort()).toEqual(
      [1, 2, 3, 8].map((n) => `192.0.2.1 -> 192.0.2.${n}`),
    );
    expect(await ours('--merge')).toMatchObject({ code: 0, stdout: expect.stringContaining(listed(...all)) });
    await opens(`${HOME}/NetLogs/${DAY}/merged.pcapng`);
  });

  test('the latest day is the default, and netlogs is told of where it is', async () => {
    await shell('mkdir NetLogs/2026-11-25 NetLogs/2026-01-01; cp NetLogs/2026-11-24/sys-vpn.tgz NetLogs/2026-01-01');
    expect(await ours('--list')).toMatchObject({ stdout: expect.stringContaining(`pcaps for ${DAY}:`) });
    put('/usr/local/bin/netlogs', '#!/bin/sh\n');
    expect((await ours('--list')).stdout).toContain(`[*] More about it: netlogs report ${DAY}\n`);
    await qube.exec(['rm', '/usr/local/bin/netlogs']);
    expect(await ours('2026-11-25 --list')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^nothing of 2026-11-25 in/),
    });
    for (const wrong of ['../x', '--x', '--open', `${DAY} ${DAY}`])
      expect(await ours(wrong)).toMatchObject({ code: 2 });
    expect(await ours('--help')).toMatchObject({ code: 0, stdout: expect.stringContaining('usage: ') });
  });

  test('what comes later takes the place of what was there', async () => {
    expect(await ours('--list')).toMatchObject({ code: 0 });
    const inode = (): Promise<string> => shell(`stat -c %i NetLogs/${DAY}/sys-*/`);
    const before = await inode();
    expect(await ours('--list')).toMatchObject({ code: 0 });
    expect(await inode()).toBe(before);
    await bring('sys-dns', `${PCAPS} 4`);
    expect((await ours('--list')).stdout).toContain(listed(saved('sys-dns', 4), saved('sys-vpn', 8)));
    await shell(`head -c 100 /dev/urandom > NetLogs/${DAY}/sys-dns.tgz`);
    const garbage = await ours('--list');
    expect(garbage).toMatchObject({ code: 1, stderr: '  sys-dns.tgz: it is not whole\n' });
    expect(garbage.stdout).toContain(listed(saved('sys-dns', 4), saved('sys-vpn', 8)));
    expect(await shell(`ls -A NetLogs/${DAY}`)).toBe(
      'sys-dns\nsys-dns.tgz\nsys-net\nsys-net.tgz\nsys-vpn\nsys-vpn.tgz\n',
    );
  });
});

test('a bundle with another checksum than its manifest is not opened, the others are', async () => {
  await bring(
    'sys-dns',
    `${PCAPS} 1; pcaps pcaps-$DAY-2.tgz 2
    sum=$(echo | sha256sum); printf '  "file": "pcaps-%s-2.tgz", "bytes": 1, "sha256": "%s",\\n' $DAY "\${sum%% *}" > $DAY/manifest-1.json`,
  );
  const { code, stdout, stderr } = await ours(`${DAY} --list`);
  expect(stderr).toContain(`  sys-dns: pcaps-${DAY}-2.tgz: its SHA-256 is not that of its manifest\n`);
  expect(code).toBe(1);
  expect(stdout).toContain(`${listed(saved('sys-dns', 1))}\n`);
});

test('encrypted bundles are opened with the identity, and told of without it', async () => {
  await shell('rm -f key; age-keygen -o key 2> /dev/null');
  await bring(
    'sys-dns',
    `${PCAPS} 1; age -r $(age-keygen -y ~/key) -o $DAY/pcaps-$DAY.tgz.age $DAY/pcaps-$DAY.tgz; rm $DAY/*.tgz`,
  );
  await bring('sys-net', `echo 'a line' | gzip | age -r $(age-keygen -y ~/key) > $DAY/nft-$DAY.log.gz.age`);
  const encrypted = (name: string): string => `  ${name}.age: it is encrypted; --identity FILE opens it\n`;
  expect(await ours(`${DAY} --list`)).toEqual({
    code: 1,
    stdout: `${NONE}\n[*] nft logs (if any):\n`,
    stderr: encrypted(`sys-dns: pcaps-${DAY}.tgz`) + encrypted(`sys-net: nft-${DAY}.log.gz`),
  });
  await shell('age-keygen -o other 2> /dev/null');
  const other = await ours(`${DAY} --list --identity other`);
  expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining(`.tgz.age: age can't open it\n`) });
  for (const args of ['--identity key', '']) {
    const { code, stdout, stderr } = await ours(`${DAY} --list ${args}`);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(listed(saved('sys-dns', 1)));
    expect(stdout).toContain('-----\na line\n');
  }
  await shell('rm key other');
});

/** `hostile-tar PREFIX NAME FILE`: a tar with FILE as PREFIX/NAME, between all that does not belong there. */
const HOSTILE_TAR = `#!/usr/bin/python3
import io, sys, tarfile
prefix, name, file = sys.argv[1:]
out = tarfile.open(fileobj=sys.stdout.buffer, mode='w|')
def add(name, type=tarfile.REGTYPE, data=b'', link=''):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = type, len(data), link
    out.addfile(info, io.BytesIO(data))
for bad in ('../../x', '/home/user/NetLogs/x', '/tmp/x', '-x', *(f'{prefix}/{n}' for n in (
        '../x', 'a/b.pcap', '.x.pcap', 'a\\nb.pcap', '\\x1b]0;owned\\x07.pcap', 'x' * 300 + '.pcap', '$(touch x).pcap'))):
    add(bad, data=b'owned' * 20000)
for type in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE):
    for link in ('link.pcap', 'pcaps-${DAY}-7.tgz', name):
        add(f'{prefix}/{link}', type, link='/home/user/NetLogs/x')
add(f'{prefix}/down', tarfile.SYMTYPE, link='/home/user')
add(f'{prefix}/down/x', data=b'owned')
add(prefix, tarfile.SYMTYPE, link='/home/user')
with open(file, 'rb') as good: add(f'{prefix}/{name}', data=good.read())
add(f'{prefix}/{name}', data=b'another')
add(f'{prefix}/{name}', tarfile.SYMTYPE, link='/etc/passwd')
out.close()
`;
/** A tar's header, so many times; with its checksum. */
const MANY = (type: string): string => `python3 -c "
import sys, tarfile
info = tarfile.TarInfo('netpcap/x.pcap'); info.type = tarfile.${type}; info.linkname = 'a'
sys.stdout.buffer.write(info.tobuf() * 200000)"`;

/** [what it is, how pcaps-DAY.tgz of sys-dns is made, what is said of it, with these variables]; a good savefile 1 is in some. */
const HOSTILE: readonly (readonly [string, string, RegExp, boolean, string])[] = [
  [
    'names, links and devices',
    'savefile good 1; hostile-tar netpcap pcap-20261124030001.pcap good | gzip > $DAY/pcaps-$DAY.tgz',
    /what does not belong there is left out \(entries: 31\)/,
    true,
    '',
  ],
  ['garbage', 'head -c 100000 /dev/urandom > $DAY/pcaps-$DAY.tgz', /it is not whole/, false, ''],
  ['garbage in gzip', 'head -c 100000 /dev/urandom | gzip > $DAY/pcaps-$DAY.tgz', /its tar is not whole/, false, ''],
  ['nothing', ': > $DAY/pcaps-$DAY.tgz', /it is empty/, false, ''],
  [
    'half of a tar',
    `savefile good 1; head -c 300000 /dev/urandom > big; mkdir netpcap; cp good netpcap/pcap-20261124030001.pcap; mv big netpcap/z.pcap
      tar -cz netpcap | head -c 200000 > $DAY/pcaps-$DAY.tgz; rm -r netpcap good`,
    /it is not whole/,
    true,
    '',
  ],
  [
    'zeros',
    'mkdir netpcap; head -c 100M /dev/zero > netpcap/a.pcap; tar -cz netpcap > $DAY/pcaps-$DAY.tgz; rm -r netpcap',
    /it unpacks to more than \d+ bytes/,
    false,
    '',
  ],
  [
    'more than it may unpack to',
    'mkdir netpcap; head -c 20000 /dev/urandom > b; for i in $(seq 150); do cat b; done > netpcap/a.pcap; tar -cz netpcap > $DAY/pcaps-$DAY.tgz; rm -r netpcap',
    /it unpacks to more than 1000000 bytes/,
    false,
    'NETLOGS_MAX_BYTES=1000000',
  ],
  ['endless links', `${MANY('SYMTYPE')} | gzip -1 > $DAY/pcaps-$DAY.tgz`, /it has more than 3000 entries/, false, ''],
];

test.each(HOSTILE)(
  'a bundle of %s does no harm, and the others are shown',
  async (_what, make, said, good, variables) => {
    await bring('sys-dns', `${make}; rm -f good`);
    await bring('sys-vpn', `${PCAPS} 1`);
    await shell('touch before; sleep 0.01');
    for (let run = 0; run < 2; run++) {
      const { code, stdout, stderr } = await ended(`${variables} bin/open-netlogs.sh ${DAY} --list`);
      expect(code).toBe(1);
      expect(stderr).toMatch(new RegExp(`^ {2}sys-dns: pcaps-${DAY}\\.tgz: ${said.source}.*\n$`));
      expect(stdout).toContain(`${listed(...(good ? [saved('sys-dns', 1)] : []), saved('sys-vpn', 1))}\n`);
    }
    expect(await harmed()).toEqual([]);
  },
);

/** What there is besides what belongs there. */
async function harmed(): Promise<string[]> {
  const places = '/home /etc /tmp /rw /usr/local';
  const all = await qube.exec(['sh', '-c', `find ${places} -newer ${HOME}/before ! -type d; find ${HOME}/NetLogs`]);
  const known = new RegExp(
    `^(/rw)?${HOME}/NetLogs(/${DAY}(/sys-(dns|vpn)(\\.tgz|(/(\\.whole|manifest-1\\.json|netpcap(/pcap-20261124030001\\.pcap)?))?)?)?)?$`,
  );
  return all.split('\n').filter((path) => path !== '' && !known.test(path));
}

test('an archive of names, links and devices around bundles does no harm', async () => {
  await bring('sys-vpn', `${PCAPS} 1`);
  await bring('sys-dns', `${PCAPS} 1`);
  await shell(
    `cd made; hostile-tar ${DAY} pcaps-${DAY}.tgz ${DAY}/pcaps-${DAY}.tgz | gzip > ../NetLogs/${DAY}/sys-dns.tgz`,
  );
  await shell('touch before; sleep 0.01');
  const { code, stdout, stderr } = await ours(`${DAY} --list`);
  expect(code).toBe(1);
  expect(stderr).toContain('  sys-dns.tgz: what does not belong there is left out (entries: ');
  expect(stdout).toContain(`${listed(saved('sys-dns', 1), saved('sys-vpn', 1))}\n`);
  expect(await harmed()).toEqual([]);
});

test('a full disk is said, and what has room is shown', async () => {
  const big = 'mkdir netpcap; head -c 400000 /dev/urandom > netpcap/a.pcap; tar -cz netpcap > $DAY/pcaps-$DAY.tgz';
  await bring('sys-dns', big);
  await bring('sys-vpn', `${PCAPS} 1`);
  await shell('mv NetLogs brought; mkdir NetLogs');
  const mount = ['mount', '-t', 'tmpfs', '-o', 'size=1M,mode=777', 'tmpfs', `${HOME}/NetLogs`];
  await qube.exec(mount);
  await shell('mv brought/* NetLogs; rmdir brought');
  const { code, stdout, stderr } = await ours(`${DAY} --list`);
  await qube.exec(['umount', `${HOME}/NetLogs`]);
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: `  sys-dns: pcaps-${DAY}.tgz: its tar is not whole, or there is no room for it\n`,
  });
  expect(stdout).toContain(`${listed(saved('sys-vpn', 1))}\n`);
});

test('names of archives are not trusted either', async () => {
  await bring('sys-vpn', `${PCAPS} 1`);
  await shell(`cp NetLogs/${DAY}/sys-vpn.tgz "NetLogs/${DAY}/$(printf 'a\\n\\033[2J').tgz"`);
  const { code, stdout, stderr } = await ours(`${DAY} --list`);
  expect({ code, stderr }).toEqual({ code: 1, stderr: "  not opened: $'a\\n\\E[2J.tgz'\n" });
  expect(stdout).toContain(`${listed(saved('sys-vpn', 1))}\n`);
});
