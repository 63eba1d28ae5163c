// --check: what is said and with which exit code, that a capture of the same options fails for the same reason, and that
// nothing is left behind, also beside a running capture of the same series. Live, in a lab; needs root, and fails without it.
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Lab } from '../../bench/lab.ts';
import { offer } from '../../bench/offer.ts';
import { getpwnam } from '../../src/native/passwd.ts';
import { type Ended, PROGRAM, Program } from '../program.ts';

const USER = 'nobody';
const { pw_uid: uid = 0, pw_gid: gid = 0 } = getpwnam(USER) ?? {};

let lab: Lab;
let root: string;
/** The working directory of what runs; a check must leave it as it is. */
let home: string;

beforeAll(() => {
  lab = Lab.create();
  root = mkdtempSync(join(tmpdir(), 'tsnetpcap-check-'));
  chmodSync(root, 0o755);
  for (const name of ['own', 'foreign']) mkdirSync(join(root, name));
  chownSync(join(root, 'own'), uid, gid);
  writeFileSync(join(root, 'file'), '');
});

beforeEach(() => {
  home = mkdtempSync(join(root, 'home-'));
  chmodSync(home, 0o755);
});

afterEach(() => {
  for (const name of ['own', 'foreign']) expect(readdirSync(join(root, name))).toEqual([]);
  rmSync(home, { recursive: true });
});

afterAll(() => {
  lab?.remove();
  if (root !== undefined) rmSync(root, { recursive: true });
});

function ours(args: readonly string[], ...prefix: string[]): Promise<Ended> {
  const [first = '', ...rest] = [...prefix, process.execPath, PROGRAM, '-i', 'cap0', ...args];
  return Program.run(lab, [first, ...rest], { cwd: home });
}

/** `--check` in `home`, which must stay empty. */
async function check(args: readonly string[], ...prefix: string[]): Promise<Ended> {
  const ended = await ours(['--check', ...args], ...prefix);
  expect(readdirSync(home)).toEqual([]);
  return ended;
}

const READY = 'tsnetpcap: ready to capture on cap0, link-type EN10MB (Ethernet), snapshot length 96 bytes\n';

test.each([
  ['a series in a directory that would be made', ['-w', 'a/b/x-%s.pcap', '--ring', '3', '-z', 'true', 'udp']],
  ['a single file', ['-w', 'x.pcap']],
  ['stdout', ['-w', '-']],
  ["tcpdump's files", ['-w', 'x', '-C', '1', '-Z', 'root']],
  ['the libpcap engine', ['-w', 'x.pcap', '--engine', 'libpcap']],
  ["a directory of the user's", ['-w', '../own/x-%s.pcap', '-Z', USER, '--stats-file', '../own/x.prom']],
  ['a file that only root can make, which becomes the user’s', ['-w', '../foreign/x.pcap', '-Z', USER]],
])('ready: %s', async (_, args) => {
  expect(await check(['-s', '96', ...args])).toEqual({ code: 0, stdout: READY, stderr: '' });
});

describe('what ends a capture is said, by the same words and with the same exit code', () => {
  test.each([
    [2, ['-w', 'x-%s.pcap', '--ring', '0']],
    [2, ['--snaplen', '7']],
    [2, ['-w', 'x-%s.pcap', 'port']],
    [2, ['-w', 'x-%s.pcap', '--exclude', 'no such primitive']],
    [2, ['-w', 'x-%s.pcap', '-y', 'LINUX_SLL2']],
    [2, ['-w', 'x-%s.pcap', '-j', 'sundial']],
    [2, ['-w', 'x-%s.pcap', '--engine', 'cap', '-p']],
    [1, ['-w', 'x-%s.pcap', '-i', 'absent0']],
    [1, ['-w', 'x-%s.pcap', '-F', 'absent']],
    [1, ['-w', 'x.pcap', '-Z', 'no-such-user']],
    [1, ['-w', '../file', '--no-clobber']],
  ])('%i %j', async (code, args) => {
    const refused = await ours(args);
    expect(refused).toMatchObject({ code, stdout: '' });
    const checked = await check(args);
    expect({ ...checked, stderr: checked.stderr.split('\n') }).toEqual({
      code,
      stdout: '',
      stderr: expect.arrayContaining([refused.stderr.trimEnd()]),
    });
  });
});

test.each([
  [['-w', '../foreign/x-%s.pcap', '-Z', USER], '../foreign: Permission denied'],
  [['-w', '../foreign/a/b/x-%s.pcap', '-Z', USER], '../foreign: Permission denied'],
  [['-w', '../foreign/x', '-C', '1', '-Z', USER], '../foreign: Permission denied'],
  [['-w', '../file/x-%s.pcap'], '../file: Not a directory'],
  [['-w', '../file/x.pcap'], '../file: Not a directory'],
  [['-w', 'absent/x.pcap'], 'absent: No such file or directory'],
  [['-w', 'absent/x', '-C', '1'], 'absent: No such file or directory'],
  [['-w', 'x-%s.pcap', '-z', 'no-such-program'], '-z no-such-program: no such program'],
  [['-w', 'x-%s.pcap', '-z', '/etc/passwd'], '-z /etc/passwd: no such program'],
  [['-w', 'x-%s.pcap', '--stats-file', 'absent/x.prom'], 'absent: No such file or directory'],
])('%j', async (args, problem) => {
  expect(await check(args)).toEqual({ code: 1, stdout: '', stderr: `tsnetpcap: ${problem}\n` });
});

test('all that is wrong is said, a line each', async () => {
  const options = [
    '-s',
    'all',
    '--ring',
    '0',
    '--exclude',
    '10.0.0.0/33',
    '--exclude',
    'prot 5',
    '-z',
    'no-such-program',
  ];
  const { code, stderr } = await check([...options, '-w', '../file/x-%s.pcap', '-i', 'absent0', 'udp or (']);
  expect(code).toBe(2);
  const expected = [
    /^-s all: expected a whole number/,
    /^--ring 0: expected a whole number/,
    /^absent0: .*[Nn]o such device/,
    /^can't parse filter expression: syntax error$/,
    /^--exclude 10\.0\.0\.0\/33: /,
    /^--exclude prot 5: can't parse filter expression: syntax error$/,
    /^\.\.\/file: Not a directory$/,
    /^-z no-such-program: /,
  ];
  const lines = stderr.trimEnd().split('\n');
  expect(lines.map((line) => line.replace('tsnetpcap: ', ''))).toEqual(
    expected.map((each) => expect.stringMatching(each)),
  );
});

test('without the permission to capture the filter is judged all the same', async () => {
  const dropped = '-net_raw,-net_admin,-sys_admin';
  const prefix = ['setpriv', `--bounding-set=${dropped}`, `--inh-caps=${dropped}`];
  const alone = await check(['-w', 'x-%s.pcap', 'udp and inbound'], ...prefix);
  expect(alone).toMatchObject({ code: 1, stderr: expect.stringMatching(/^tsnetpcap: .*CAP_NET_RAW.*\n$/) });
  const both = await check(['-w', 'x-%s.pcap', 'udp and'], ...prefix);
  expect(both).toMatchObject({ code: 2, stderr: expect.stringMatching(/^.*CAP_NET_RAW.*\n.*syntax error\n$/) });
});

test('without libpcap all else is judged', async () => {
  const hide = `for f in $(/sbin/ldconfig -p | sed -n 's/.*libpcap\\.so.* => //p'); do mount --bind /dev/null "$f"; done`;
  const ended = await check(['-w', 'absent/x.pcap'], 'unshare', '-m', 'sh', '-ec', `${hide}; exec "$@"`, 'sh');
  const stderr = /^tsnetpcap: libpcap not found: .*\ntsnetpcap: absent: No such file or directory\n$/;
  expect(ended).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(stderr) });
});

test('a file system that is read-only', async () => {
  const prefix = ['unshare', '-m', 'sh', '-c', 'mount -t tmpfs -o ro none "$0" && cd "$0" && exec "$@"', home];
  expect(await check(['-w', 'x-%s.pcap'], ...prefix)).toMatchObject({
    code: 1,
    stderr: 'tsnetpcap: .: Read-only file system\n',
  });
});

test('an interface that is waited for may be absent, and the filter is judged all the same', async () => {
  const args = ['-i', 'later0', '--wait-for-interface', '-w', 'x-%s.pcap'];
  expect(await check(args)).toEqual({
    code: 0,
    stdout: 'tsnetpcap: ready to capture on later0\n',
    stderr: 'tsnetpcap: later0: not there or not up, the capture would wait for it\n',
  });
  expect(await check([...args, 'ether host 1.2.3'])).toMatchObject({ code: 2 });
  for (const expression of ['ether broadcast', 'ifindex 3', 'inbound', 'ip6'])
    expect(await check([...args, expression])).toMatchObject({ code: 0 });
});

test('beside a running capture of the same series nothing changes, and the lock is said', async () => {
  const args = ['-p', '-w', 'x-%s.pcap', '--ring', '3', '-s', '96'];
  const running = await Program.capture(lab, ['-i', 'cap0', ...args], { cwd: home });
  try {
    const state = (): unknown => ({
      files: readdirSync(home).map((name) => [name, statSync(join(home, name)).mtimeMs]),
      directory: statSync(home).mtimeMs,
      interface: lab.exec(['cat', '/proc/net/dev_mcast', '/proc/net/packet']).split('\n').length,
      promiscuity: /promiscuity (\d+)/.exec(lab.exec(['ip', '-d', 'link', 'show', 'cap0']))?.[1],
    });
    expect(await offer(lab, { count: 100 })).toBe(100);
    await running.until(
      () => statSync(join(home, readdirSync(home).find((name) => name.endsWith('.part')) ?? '')).size > 24,
    );
    const before = state();
    const checked = await ours(['--check', ...args]);
    const said = `tsnetpcap: x.lock: process ${running.process.pid} is writing this series now: a capture can begin when that has ended\n`;
    expect(checked).toEqual({ code: 0, stdout: READY, stderr: said });
    // As a service that is shown nothing of /proc but processes (ProcSubset=pid): then it can't be said.
    const hidden = ['unshare', '-m', 'sh', '-c', 'mount -t proc -o subset=pid proc /proc && exec "$@"', 'sh'];
    expect(await ours(['--check', ...args], ...hidden)).toEqual({ code: 0, stdout: READY, stderr: '' });
    expect(state()).toEqual(before);
    expect(await running.stop()).toEqual({ captured: 100, received: 100, dropped: 0 });
  } finally {
    await running.kill();
  }
  expect(await ours(['--check', ...args])).toEqual({ code: 0, stdout: READY, stderr: '' });
});

test('savefiles that the user can’t read are said', async () => {
  const directory = join(home, 'own');
  mkdirSync(directory);
  chownSync(directory, uid, gid);
  writeFileSync(join(directory, 'x-1.pcap'), '', { mode: 0o600 });
  expect(await ours(['--check', '-s', '96', '-w', 'own/x-%s.pcap', '-Z', USER])).toEqual({
    code: 0,
    stdout: READY,
    stderr: "tsnetpcap: own: files of the series that can't be read, and so are not counted: 1\n",
  });
  writeFileSync(join(directory, 'x.ledger.jsonl'), '', { mode: 0o600 });
  expect(await ours(['--check', '-w', 'own/x-%s.pcap', '-Z', USER])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('own/x.ledger.jsonl: EACCES'),
  });
});

test.each([['-r', 'x'], ['-V', 'x'], ['-D'], ['-L'], ['-d']])('not with %s', async (...words) => {
  expect(await check(words)).toMatchObject({ code: 2, stderr: expect.stringContaining('--check is about a capture') });
});
