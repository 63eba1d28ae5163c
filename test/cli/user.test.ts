// -Z: whose the process, its threads and its files are, and that a directory that is not the user's is told at the start.
// Live, in a lab; needs root, and fails without it.
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Lab } from '../../bench/lab.ts';
import { offer } from '../../bench/offer.ts';
import { getpwnam } from '../../src/native/passwd.ts';
import { PROGRAM, Program } from '../program.ts';
import { expectReadable, savefilesIn } from '../savefile.ts';

const USER = 'nobody';
const { pw_uid: uid = 0, pw_gid: gid = 0 } = getpwnam(USER) ?? {};

let lab: Lab;
let root: string;
/** The user's own directory, and root's. */
let own: string;
let foreign: string;

beforeAll(() => {
  lab = Lab.create();
  root = mkdtempSync(join(tmpdir(), 'tsnetpcap-user-'));
  chmodSync(root, 0o755);
});

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
  const program = await Program.capture(lab, ['-i', 'cap0', '-Z', USER, '-w', path(), ...options]);
  try {
    const tasks = `/proc/${program.process.pid}/task`;
    for (const task of readdirSync(tasks)) {
      const status = readFileSync(join(tasks, task, 'status'), 'latin1');
      expect(status).toMatch(new RegExp(`^Uid:(\\t${uid}){4}\\nGid:(\\t${gid}){4}$`, 'm'));
      expect(status).toMatch(new RegExp(`^Groups:\\t${gid} $`, 'm'));
      expect(status).toMatch(/^CapEff:\t0+$/m);
    }
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

test('the user needs no privilege for an interface that was removed and comes again', async () => {
  const path = join(own, 'one.pcap');
  const program = await Program.capture(lab, ['-i', 'cap0', '-Z', USER, '-w', path]);
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
  const ended = await Program.run(lab, [process.execPath, PROGRAM, ...args]);
  expect(ended).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(/^tsnetpcap: open .*EACCES.*\n$/) });
});

test("where the first of tcpdump's files is the user's and the directory is not, the same", async () => {
  const file = join(foreign, 'f');
  writeFileSync(file, '');
  chownSync(file, uid, gid);
  const ended = await Program.run(lab, [process.execPath, PROGRAM, '-i', 'cap0', '-Z', USER, '-w', file, '-G', '60']);
  expect(ended).toMatchObject({ code: 1, stderr: expect.stringMatching(/^tsnetpcap: access .*foreign: EACCES/) });
});

test("a user who does not exist, in tcpdump's words", async () => {
  const args = ['-i', 'cap0', '-Z', 'nosuchuser', '-w', join(own, 'f')];
  const ours = await Program.run(lab, [process.execPath, PROGRAM, ...args]);
  const theirs = await Program.run(lab, ['tcpdump', ...args]);
  expect(ours).toEqual({ code: 1, stdout: '', stderr: "tsnetpcap: Couldn't find user 'nosuchuser'\n" });
  expect(theirs.stderr).toBe(ours.stderr.replace('tsnetpcap', 'tcpdump'));
});
