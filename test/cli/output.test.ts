// Where the records go: stdout, a FIFO, a device, a file of one's own, directories that are missing; and what -d prints.
// Live, in a lab; needs root, and fails without it. Series are in test/capture/rotation.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  constants,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readSequence } from '../../bench/frames.ts';
import { Lab } from '../../bench/lab.ts';
import { offer } from '../../bench/offer.ts';
import { libc, syscallError } from '../../src/native/libc.ts';
import { PROGRAM, Program } from '../program.ts';
import { expectReadable, readSavefile, savefilesIn } from '../savefile.ts';

/** What a pipe of Linux holds, unless it is told otherwise. */
const PIPE_SIZE = 65536;
const RECORD = 16 + 128;

let lab: Lab;
let root: string;
/** Of the test. */
let home: string;

beforeAll(() => {
  lab = Lab.create();
  root = mkdtempSync(join(tmpdir(), 'tsnetpcap-output-'));
});

afterAll(() => {
  lab?.remove();
  if (root !== undefined) rmSync(root, { recursive: true });
});

beforeEach(() => {
  home = mkdtempSync(join(root, 'home-'));
});

function expectNumbered(path: string, count: number): void {
  const numbers = readSavefile(path).records.map(({ packet }) => readSequence('udp4', packet));
  expect(numbers.length).toBe(count);
  expect(numbers.findIndex((number, index) => number !== index)).toBe(-1);
  expectReadable(path, count);
}

function makeFifo(): string {
  const path = join(home, 'fifo');
  execFileSync('mkfifo', [path]);
  return path;
}

/** A pipe as a shell makes them: Node's own are sockets. */
function makePipe(): { readonly readFd: number; readonly writeFd: number } {
  const path = makeFifo();
  const both = openSync(path, 'r+'); // opening one end waits for the other
  try {
    return { readFd: openSync(path, 'r'), writeFd: openSync(path, 'w') };
  } finally {
    closeSync(both);
  }
}

const F_SETFL = 4;
const fcntl = libc.func('int fcntl(int fd, int command, int flags)');

/** For all who share the open file. */
function setNonblocking(fd: number): void {
  if (fcntl(fd, F_SETFL, constants.O_NONBLOCK) < 0) throw syscallError('fcntl');
}

/** The other end of a pipe: a program with `readFd`, which it takes over, as its stdin and `path` as its stdout. */
class Reader {
  readonly #process: ChildProcess;
  readonly #closed: Promise<unknown>;

  constructor(program: string, args: readonly string[], readFd: number, path: string) {
    const writeFd = openSync(path, 'w');
    this.#process = spawn(program, args, { stdio: [readFd, writeFd, 'ignore'] });
    this.#closed = once(this.#process, 'close');
    closeSync(readFd);
    closeSync(writeFd);
  }

  async exit(): Promise<number | null> {
    await this.#closed;
    return this.#process.exitCode;
  }

  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#closed;
  }
}

describe('-w -', () => {
  test('into a socket', async () => {
    const program = await Program.capture(lab, ['-i', 'cap0', '-w', '-']);
    try {
      expect(await offer(lab, { count: 2000, send: true })).toBe(2000);
      expect(await program.stop()).toEqual({ captured: 2000, received: 2000, dropped: 0 });
      const copy = join(home, 'copy.pcap');
      writeFileSync(copy, program.stdout, 'latin1');
      expectNumbered(copy, 2000);
    } finally {
      await program.kill();
    }
  });

  test('into a pipe to tcpdump -r -', async () => {
    const { readFd, writeFd } = makePipe();
    const copy = join(home, 'copy.pcap');
    const reader = new Reader('tcpdump', ['-Z', 'root', '-r', '-', '-w', copy], readFd, join(home, 'stdout'));
    const program = await Program.capture(lab, ['-i', 'cap0', '-w', '-'], { stdout: writeFd });
    closeSync(writeFd);
    try {
      expect(await offer(lab, { count: 2000, send: true })).toBe(2000);
      expect(await program.stop()).toEqual({ captured: 2000, received: 2000, dropped: 0 });
      expect(await reader.exit()).toBe(0);
      expectNumbered(copy, 2000);
    } finally {
      await program.kill();
      await reader.kill();
    }
  });

  test('to a reader that goes away: it ends, with exit code 0', async () => {
    const { readFd, writeFd } = makePipe();
    const head = join(home, 'head.pcap');
    const reader = new Reader('head', ['-c', '1000'], readFd, head);
    const program = await Program.capture(lab, ['-i', 'cap0', '-w', '-'], { stdout: writeFd });
    closeSync(writeFd);
    try {
      await offer(lab, { count: 2000, send: true });
      expect(await reader.exit()).toBe(0);
      if (!program.ended) await offer(lab, { count: 1, send: true });
      expect(await program.exit()).toBe(0);
      expect(statSync(head).size).toBe(1000);
      expect(program.stderr).toMatch(/^tsnetpcap: listening on .*\n\d+ packets captured\n/);
    } finally {
      await program.kill();
      await reader.kill();
    }
  });

  test.each([
    ['a pipe', () => makePipe()],
    ['a socket', () => undefined],
  ])('to a reader that is gone before the first byte, %s: exit code 0', async (_, open) => {
    const pipe = open();
    if (pipe !== undefined) closeSync(pipe.readFd);
    const options = pipe === undefined ? {} : { stdout: pipe.writeFd };
    const program = new Program(lab, [process.execPath, PROGRAM, '-i', 'cap0', '--duration', '5s', '-w', '-'], options);
    program.process.stdout?.destroy();
    if (pipe !== undefined) closeSync(pipe.writeFd);
    try {
      expect(await program.exit()).toBe(0);
      expect(program.stderr).not.toContain('bug');
    } finally {
      await program.kill();
    }
  });

  test('a socket whose reader goes away with bytes unread: exit code 0', async () => {
    const program = await Program.capture(lab, ['-i', 'cap0', '-w', '-']);
    try {
      program.process.stdout?.pause();
      await offer(lab, { count: 2000, send: true });
      program.process.stdout?.destroy();
      if (!program.ended) await offer(lab, { count: 1000, send: true });
      expect(await program.exit()).toBe(0);
    } finally {
      await program.kill();
    }
  });

  // A descriptor that does not block comes from whoever shares it, an event loop at the other end for instance.
  test.each([
    ['the reader comes later', false],
    ['the reader comes as the capture is stopped', true],
  ])('a full pipe that does not block: nothing is lost, %s', async (_, stopFirst) => {
    const count = 1000; // at once, so that they are one span of records
    const { readFd, writeFd } = makePipe();
    const copy = join(home, 'copy.pcap');
    const program = await Program.capture(lab, ['-i', 'cap0', '-w', '-'], { stdout: writeFd });
    let reader: Reader | undefined;
    try {
      setNonblocking(writeFd); // not before: Node gives its children descriptors that block
      closeSync(writeFd);
      expect(await offer(lab, { count })).toBe(count);
      expect(24 + count * RECORD).toBeGreaterThan(PIPE_SIZE);
      await setTimeout(300); // for the last block to be handed over; the order of what follows is what counts
      if (stopFirst) program.signal('SIGTERM');
      reader = new Reader('cat', [], readFd, copy);
      if (!stopFirst) await program.until(() => statSync(copy).size === 24 + count * RECORD);
      expect(await program.stop()).toEqual({ captured: count, received: count, dropped: 0 });
      expect(await reader.exit()).toBe(0);
      expectReadable(copy, count);
    } finally {
      await program.kill();
      if (reader === undefined) closeSync(readFd);
      else await reader.kill();
    }
  });
});

test('a FIFO is written as it is, and stays one', async () => {
  const fifo = makeFifo();
  const copy = join(home, 'copy.pcap');
  const program = new Program(lab, [process.execPath, PROGRAM, '-i', 'cap0', '-w', fifo]);
  let reader: Reader | undefined;
  try {
    reader = new Reader('cat', [], openSync(fifo, 'r'), copy); // opening it waits for the program
    await program.says(/listening on/);
    expect(await offer(lab, { count: 1000, send: true })).toBe(1000);
    expect(await program.stop()).toEqual({ captured: 1000, received: 1000, dropped: 0 });
    expect(await reader.exit()).toBe(0);
    expect(lstatSync(fifo).isFIFO()).toBe(true);
    expect(readdirSync(home).sort()).toEqual(['copy.pcap', 'fifo']);
    expectNumbered(copy, 1000);
  } finally {
    await program.kill();
    await reader?.kill();
  }
});

test('/dev/null is written as it is, and stays a device', async () => {
  const before = statSync('/dev/null');
  const program = await Program.capture(lab, ['-i', 'cap0', '-w', '/dev/null']);
  try {
    expect(await offer(lab, { count: 1000 })).toBe(1000);
    expect(await program.stop()).toEqual({ captured: 1000, received: 1000, dropped: 0 });
    const { ino, mode, rdev } = statSync('/dev/null');
    expect({ ino, mode, rdev }).toEqual({ ino: before.ino, mode: before.mode, rdev: before.rdev });
  } finally {
    await program.kill();
  }
});

test('a single file is emptied like by tcpdump, or refused with --no-clobber', async () => {
  const file = join(home, 'one.pcap');
  writeFileSync(file, 'precious');
  const refused = await Program.run(lab, [process.execPath, PROGRAM, '-i', 'cap0', '--no-clobber', '-w', file]);
  expect(refused).toEqual({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(/^tsnetpcap: .*one\.pcap: File exists\n$/),
  });
  expect(readFileSync(file, 'latin1')).toBe('precious');
  const program = await Program.capture(lab, ['-i', 'cap0', '-w', file]);
  try {
    await program.stop();
    expectReadable(file, 0);
    expect(readdirSync(home)).toEqual(['one.pcap']);
  } finally {
    await program.kill();
  }
});

test('missing directories are made for owner and group, and so is a file of a series', async () => {
  const script = ['sh', '-c', 'umask 022; exec "$@"', 'sh'];
  const options = ['-i', 'cap0', '--ring', '2', '-w', join(home, 'a/b/c/p-%s.pcap')];
  const [first = '', ...rest] = [...script, process.execPath, PROGRAM, ...options];
  const program = new Program(lab, [first, ...rest]);
  try {
    await program.says(/listening on/);
    await program.stop();
    const mode = (path: string): string => (statSync(join(home, path)).mode & 0o777).toString(8);
    expect(['a', 'a/b', 'a/b/c'].map(mode)).toEqual(['750', '750', '750']);
    const [only = '', ...others] = savefilesIn(join(home, 'a/b/c'));
    expect(others).toEqual([]);
    expect(mode(join('a/b/c', only))).toBe('640');
  } finally {
    await program.kill();
  }
});

describe('the filter program', () => {
  const print = async (program: readonly [string, ...string[]], args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await Program.run(lab, [...program, '-i', 'cap0', ...args]);
    expect({ code, args, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, args, stderr: '' });
    return stdout;
  };
  const ours = (...args: string[]): Promise<string> => print([process.execPath, PROGRAM], args);
  const theirs = (...args: string[]): Promise<string> => print(['tcpdump'], args);

  test.each([
    ['-d', ''],
    ['-d', 'udp and port 40001'],
    ['-d', 'ip6 or arp'],
    ['-d', 'tcp[tcpflags] & (tcp-syn|tcp-fin) != 0 and not net 10.0.0.0/8'],
    ['-dd', 'host 10.77.0.1'],
    ['-ddd', 'ip proto 17 and greater 100'],
  ])("%s '%s' is what tcpdump prints", async (option, expression) => {
    const printed = await ours(option, expression);
    expect(printed).not.toBe('');
    expect(printed).toBe(await theirs(option, expression));
  });

  test('-F reads the expression from a file, comments and line ends left out', async () => {
    const file = join(home, 'filter');
    writeFileSync(file, '# Queries and answers\nudp   # and nothing else\n\n  and port\t40001\n');
    expect(await ours('-d', '-F', file)).toBe(await theirs('-d', 'udp and port 40001'));
    expect(await ours('-d', '-F', file)).toBe(await theirs('-d', '-F', file));
  });
});
