// -Z: whose the process, its threads and its files are, and that a directory that is not the user's is told at the start.
// The program lies where the user may not go: what it loads late it must have before. Live, in a lab; needs root, and fails
// without it.
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Lab } from '../../bench/lab.ts';
import { offer } from '../../bench/offer.ts';
import { getpwnam } from '../../src/native/passwd.ts';
import { type Ended, PROGRAM, Program } from '../program.ts';
import { MICRO, makeSavefile } from '../savefile/reading/make-savefile.ts';
import { expectReadable, savefilesIn } from '../savefile.ts';
import { CAP_NET_RAW, confinement, threadConfinement } from '../service/confinement.ts';

const USER = 'nobody';
const { pw_uid: uid = 0, pw_gid: gid = 0 } = getpwnam(USER) ?? {};

let lab: Lab;
let root: string;
let ours: string;
/** The user's own directory, and root's. */
let own: string;
let foreign: string;

beforeAll(() => {
  lab = Lab.create();
  root = mkdtempSync(join(tmpdir(), 'tsnetpcap-user-'));
  chmodSync(root, 0o755);
  const [project, hidden] = [join(dirname(PROGRAM), '..'), join(root, 'hidden')];
  mkdirSync(hidden, { mode: 0o700 });
  for (const name of ['dist', 'package.json']) cpSync(join(project, name), join(hidden, name), { recursive: true });
  symlinkSync(join(project, 'node_modules'), join(hidden, 'node_modules'));
  ours = join(hidden, 'dist/tsnetpcap.cjs');
});

async function capture(args: readonly string[]): Promise<Program> {
  const running = new Program(lab, [process.execPath, ours, ...args]);
  await running.says(/listening on .*\n/);
  return running;
}

beforeEach(() => {
  const home = mkdtempSync(join(root, 'home-'));
  chmodSync(home, 0o755);
  [own, foreign] = [join(home, 'own'), join(home, 'foreign')];
  mkdirSync(own);
  chownSync(own, uid, gid);
  mkdirSync(foreign);
});

afterAll(() => {
  lab?.remove();
  if (root !== undefined) rmSync(root, { recursive: true });
});

test.each([
  ['a single file, also in a directory of others', () => join(foreign, 'one.pcap'), []],
  ['a series', () => join(own, 's-%s.pcap'), ['--ring', '3', '-z', 'true']],
  ["tcpdump's files", () => join(own, 'f'), ['-C', '1']],
])('%s', async (_, path, options) => {
  const program = await capture(['-i', 'cap0', '-Z', USER, '-w', path(), ...options]);
  try {
    const { threads, main } = confinement(program.process.pid ?? 0);
    expect(threads.length).toBeGreaterThan(5); // event loop, libuv's pool, V8's helpers
    for (const thread of threads) {
      expect(thread).toMatchObject({ uids: [uid, uid, uid, uid], gids: [gid, gid, gid, gid], groups: [gid] });
      const none = { permitted: [], effective: [], inheritable: [], ambient: [] };
      expect(thread).toMatchObject({ ...none, noNewPrivileges: true, seccomp: 'filter' });
    }
    expect(main.bounding).toEqual([]);
    expect(await offer(lab, { count: 100 })).toBe(100);
    expect(await program.stop()).toEqual({ captured: 100, received: 100, dropped: 0 });
    const directory = path().startsWith(own) ? own : foreign;
    const [name = '', ...others] = savefilesIn(directory);
    expect(others).toEqual([]);
    expectReadable(join(directory, name), 100);
    for (const file of readdirSync(directory)) expect(statSync(join(directory, file))).toMatchObject({ uid, gid });
  } finally {
    await program.kill();
  }
});

test('root stays root, as with tcpdump', async () => {
  const program = await capture(['-i', 'cap0', '-Z', 'root', '-w', join(own, 'f'), '-C', '1']);
  try {
    const { uids, effective, noNewPrivileges } = confinement(program.process.pid ?? 0).main;
    expect({ uids, noNewPrivileges }).toEqual({ uids: [0, 0, 0, 0], noNewPrivileges: false });
    expect(effective).toContain(CAP_NET_RAW);
    await program.stop();
  } finally {
    await program.kill();
  }
});

test('what -z runs is the user, and can get nothing back', async () => {
  const command = join(root, 'command');
  writeFileSync(command, '#!/bin/sh\ncat /proc/self/status > "$1.status"\n');
  chmodSync(command, 0o755);
  const program = await capture(['-i', 'cap0', '-Z', USER, '-w', join(own, 's-%Y.pcap'), '--ring', '3', '-z', command]);
  try {
    await program.stop();
    const [status = ''] = readdirSync(own).filter((name) => name.endsWith('.status'));
    expect(threadConfinement(readFileSync(join(own, status), 'latin1'))).toEqual({
      uids: [uid, uid, uid, uid],
      gids: [gid, gid, gid, gid],
      groups: [gid],
      permitted: [],
      effective: [],
      inheritable: [],
      ambient: [],
      bounding: [],
      noNewPrivileges: true,
      seccomp: 'filter',
    });
  } finally {
    await program.kill();
  }
});

test.each([
  [
    'capabilities survive the change of user',
    ['--securebits', '+no_setuid_fixup'],
    /thread \d+ has CapPrm [\da-f]+ instead/,
  ],
])('it ends where %s', async (_, setpriv, said) => {
  const args = [process.execPath, ours, '-i', 'cap0', '-Z', USER, '-w', join(own, 'one.pcap')];
  const ended = await Program.run(lab, ['setpriv', ...setpriv, '--', ...args]);
  expect(ended).toMatchObject({ code: 1, stderr: expect.stringMatching(said) });
});

test('the user needs no privilege for an interface that was removed and comes again', async () => {
  const path = join(own, 'one.pcap');
  const program = await capture(['-i', 'cap0', '-Z', USER, '-w', path]);
  try {
    lab.disconnect();
    await program.says(/disappeared/);
    lab.connect();
    await program.says(/back after/);
    expect(await offer(lab, { count: 10 })).toBe(10);
    expect(await program.stop()).toEqual({ captured: 10, received: 10, dropped: 0 });
  } finally {
    await program.kill();
  }
});

test.each([
  ['a series', 's-%s.pcap', []],
  ["tcpdump's files", 'f', ['-C', '1']],
])('where the user can make no second file of %s, there is no first one', async (_, name, options) => {
  const args = ['-i', 'cap0', '-Z', USER, '-w', join(foreign, name), ...options];
  const ended = await Program.run(lab, [process.execPath, ours, ...args]);
  expect(ended).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(/^tsnetpcap: .*: Permission denied\n$/) });
});

test("where the first of tcpdump's files is the user's and the directory is not, the same", async () => {
  const file = join(foreign, 'f');
  writeFileSync(file, '');
  chownSync(file, uid, gid);
  const ended = await Program.run(lab, [process.execPath, ours, '-i', 'cap0', '-Z', USER, '-w', file, '-G', '60']);
  expect(ended).toMatchObject({ code: 1, stderr: expect.stringMatching(/^tsnetpcap: access .*foreign: EACCES/) });
});

describe('what is read from a savefile', () => {
  const file = (): string => join(foreign, 'in.pcap');
  const run = (args: readonly string[]): Promise<Ended> =>
    Program.run(lab, [process.execPath, ours, '-r', file(), '-Z', USER, ...args]);

  beforeEach(() => {
    const header = { littleEndian: true, magic: MICRO, version: [2, 4] as const, snaplen: 262144, linktype: 1 };
    const records = Array.from({ length: 2000 }, (_, sec) => ({ sec, fraction: 0, caplen: 1000, len: 1000 }));
    writeFileSync(file(), makeSavefile({ ...header, records }));
    chmodSync(file(), 0o600); // which the user could not read
  });

  test.each([
    ['a single file, also in a directory of others', () => join(foreign, 'out'), ['-c', '5']],
    ["tcpdump's files", () => join(own, 'f'), ['-C', '1']],
    ['a series', () => join(own, 's-%s.pcap'), ['--rotate', '1h']],
  ])("is the user's: %s", async (_, path, options) => {
    expect(await run(['-w', path(), ...options])).toMatchObject({ code: 0 });
    const directory = path().startsWith(own) ? own : foreign;
    const names = readdirSync(directory).filter((name) => name !== 'in.pcap');
    expect(names.length).toBeGreaterThan(0);
    for (const name of names) expect(statSync(join(directory, name))).toMatchObject({ uid, gid });
  });

  test('goes where the user can go, as with tcpdump, and so does what is read after the first file', async () => {
    const args = ['-w', join(foreign, 'f'), '-C', '1'];
    expect(await run(args)).toMatchObject({ code: 1, stderr: expect.stringMatching(/foreign\/f: Permission denied/) });
    const theirs = await Program.run(lab, ['tcpdump', '-r', file(), '-Z', USER, ...args]);
    expect(theirs).toMatchObject({ code: 1, stderr: expect.stringMatching(/foreign\/f: Permission denied/) });
    const list = join(own, 'list');
    writeFileSync(list, `${file()}\n${file()}\n`);
    for (const program of [['tcpdump'], [process.execPath, ours]] as const) {
      const ended = await Program.run(lab, [...program, '-V', list, '-Z', USER, '-w', join(own, 'out')]);
      expect(ended).toMatchObject({ code: 1, stderr: expect.stringMatching(/in\.pcap: Permission denied/) });
      expectReadable(join(own, 'out'), 2000);
    }
  });

  test("is nobody else's where the user does not exist", async () => {
    const args = ['-r', file(), '-Z', 'nosuchuser', '-w', join(own, 'out')];
    const ended = await Program.run(lab, [process.execPath, ours, ...args]);
    const theirs = await Program.run(lab, ['tcpdump', ...args]);
    expect([ended.code, ended.stderr]).toEqual([theirs.code, theirs.stderr.replace('tcpdump:', 'tsnetpcap:')]);
  });
});

test("a user who does not exist, in tcpdump's words", async () => {
  const args = ['-i', 'cap0', '-Z', 'nosuchuser', '-w', join(own, 'f')];
  const ended = await Program.run(lab, [process.execPath, ours, ...args]);
  const theirs = await Program.run(lab, ['tcpdump', ...args]);
  expect(ended).toEqual({ code: 1, stdout: '', stderr: "tsnetpcap: Couldn't find user 'nosuchuser'\n" });
  expect(theirs.stderr).toBe(ended.stderr.replace('tsnetpcap', 'tcpdump'));
});

test('refused where files may be written with the rights of before, by an io_uring', async () => {
  const args = [process.execPath, ours, '-i', 'cap0', '-Z', USER, '-w', join(own, 'one.pcap')] as const;
  const { code, stderr } = await Program.run(lab, args, { env: { UV_USE_IO_URING: '1' } });
  expect(code).toBe(1);
  expect(stderr).toMatch(/tsnetpcap: -Z nobody: .*, start with UV_USE_IO_URING=0\n$/);
});
