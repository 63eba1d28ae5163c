// What a user gets who asks for what can't be: one line on stderr, an exit code (1 the capture failed, 2 the call is
// wrong), and nothing on disk. Live, in a lab; needs root, and fails without it.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Lab } from '../../bench/lab.ts';
import { PROGRAM, Program } from '../program.ts';

let lab: Lab;
let root: string;
/** The working directory of what runs; it must stay empty. */
let home: string;

beforeAll(() => {
  lab = Lab.create();
  root = mkdtempSync(join(tmpdir(), 'tsnetpcap-errors-'));
  writeFileSync(join(root, 'file'), '');
});

beforeEach(() => {
  home = mkdtempSync(join(root, 'home-'));
});

afterEach(() => {
  expect(readdirSync(home)).toEqual([]);
});

afterAll(() => {
  lab?.remove();
  if (root !== undefined) rmSync(root, { recursive: true });
});

/** Runs ours behind `prefix` to its end; it must have said one line. Returns the line without the program's name. */
async function fails(code: number, args: readonly string[], ...prefix: string[]): Promise<string> {
  const [first = '', ...rest] = [...prefix, process.execPath, PROGRAM, ...args];
  const ended = await Program.run(lab, [first, ...rest], { cwd: home });
  expect(ended).toEqual({ code, stdout: '', stderr: expect.stringMatching(/^tsnetpcap: .+\n$/) });
  return ended.stderr.trimEnd().replace('tsnetpcap: ', '');
}

describe('the call is wrong: exit code 2, with option, value and what is allowed', () => {
  test.each([
    [['--ring', '0'], /^--ring 0: .*from 1 to \d+$/],
    [['--ring', 'all'], /^--ring all: .*from 1 to \d+$/],
    [['--snaplen', '300000'], /^--snaplen 300000: .*to 262144$/],
    [['-s', '-1'], /-1: .*from 0 to 262144$/],
    [['--rotate', '7x'], /^--rotate 7x: expected a time.* 15m/],
    [['--rotate', '0'], /^--rotate 0: expected a time from 1s/],
    [['--rotate', '367d'], /^--rotate 367d: .*to 31622400s/],
    [['--duration', 'soon'], /^--duration soon: expected a time/],
    [['--snaplen-for', 'port 53'], /^--snaplen-for port 53: expected EXPRESSION=BYTES.* 1 to 262144$/],
    [['--snaplen-for', '=5'], /^--snaplen-for =5: expected EXPRESSION=BYTES/],
    [['--sample-flows', '2/3'], /^--sample-flows 2\/3: expected 1\/N.* 1 to 1000000$/],
    [['-B', '0'], /^-B 0: .*from 1 to \d+$/],
    [['--ring-memory', '64MB'], /^--ring-memory 64MB: .*1KiB to 4GiB/],
    [['-B', '4096', '--ring-memory', '4MiB'], /-B.*--ring-memory/],
    [['-c', '0'], /^-c 0: .*from 1 to \d+$/],
    [['-c', ''], /^-c '': .*from 1 to \d+$/],
    [['--time-stamp-precision', 'pico'], /^--time-stamp-precision pico: .*micro or nano$/],
    [['--no-clobber', '--ring', '3'], /^--no-clobber .*a series never overwrites/],
    [['-w', ''], /^-w '': /],
    [['-w', '-', '--ring', '3'], /^-w -: .*--ring$/],
    [['-w', '-', '--rotate', '1h'], /^-w -: .*--rotate$/],
    [['-w', '%Y/x.pcap'], /^-w %Y\/x\.pcap: /],
    [['-w', 'x-%c.pcap'], /^-w x-%c\.pcap: %c /],
    [['--ring'], /--ring.*argument missing$/],
    [['--unknown'], /unknown option '--unknown'$/],
    [['--rings', '3'], /unknown option '--rings'/],
    [['-y', 'NO_SUCH_TYPE'], /^-y NO_SUCH_TYPE: cap0 offers .*EN10MB/],
    [['-y', 'LINUX_SLL2'], /^-y LINUX_SLL2: cap0 offers .*EN10MB/],
    [['-i', '99'], /^-i 99: .*from 1 to \d+, as in -D$/],
    [['--exclude', ''], /^--exclude '': /],
    [['--exclude', '10.0.0.0/33'], /^--exclude 10\.0\.0\.0\/33: /],
    [['--exclude', 'no such primitive'], /^--exclude no such primitive: /],
  ])('%j', async (args, message) => {
    expect(await fails(2, ['-i', 'cap0', '-w', 'x-%s.pcap', ...args])).toMatch(message);
  });

  test.each(['port', 'host 1.2.3.4.5', 'udp and (', 'port 99999', 'foo bar'])(
    "the filter '%s', in libpcap's words",
    async (expression) => {
      const line = await fails(2, ['-i', 'cap0', '-w', 'x-%s.pcap', expression]);
      const theirs = await Program.run(lab, ['tcpdump', '-i', 'cap0', '-d', expression]);
      expect(theirs.stderr).toContain(`tcpdump: ${line}\n`);
    },
  );
});

describe('the capture failed: exit code 1', () => {
  test('an unknown interface', async () => {
    expect(await fails(1, ['-i', 'absent0', '-w', 'x-%s.pcap'])).toMatch(/^absent0: .*[Nn]o such device/);
  });

  test('an interface that is down', async () => {
    lab.exec(['ip', 'link', 'set', 'cap0', 'down']);
    try {
      expect(await fails(1, ['-i', 'cap0', '-w', 'x-%s.pcap'])).toMatch(/\bcap0\b.*not up|not up.*\bcap0\b/);
    } finally {
      lab.exec(['ip', 'link', 'set', 'cap0', 'up']);
    }
  });

  test('no permission', async () => {
    const dropped = '-net_raw,-net_admin,-sys_admin';
    const prefix = ['setpriv', `--bounding-set=${dropped}`, `--inh-caps=${dropped}`];
    expect(await fails(1, ['-i', 'cap0', '-w', 'x-%s.pcap'], ...prefix)).toContain('CAP_NET_RAW');
  });

  test.each([
    ['of a series', 'x-%s.pcap'],
    ['of a single file', 'x.pcap'],
  ])('the directory %s is a file', async (_, name) => {
    const path = join(root, 'file', name);
    expect(await fails(1, ['-i', 'cap0', '-w', path])).toMatch(/(: Not a directory|EEXIST|ENOTDIR)/);
  });

  test.each([
    ['a series', 'x-%s.pcap'],
    ['a single file', 'x.pcap'],
  ])('a file system that is read-only, for %s', async (_, name) => {
    const mounted = 'mount -t tmpfs -o ro none "$0" && cd "$0" && exec "$@"';
    const prefix = ['unshare', '-m', 'sh', '-c', mounted, home];
    expect(await fails(1, ['-i', 'cap0', '-w', join(home, name)], ...prefix)).toMatch(/: Read-only file system$/);
  });

  test('a missing directory of a single file', async () => {
    expect(await fails(1, ['-i', 'cap0', '-w', 'absent/x.pcap'])).toMatch(
      /^absent\/x\.pcap: No such file or directory$/,
    );
  });

  test('a filter file that is missing', async () => {
    expect(await fails(1, ['-i', 'cap0', '-w', 'x-%s.pcap', '-F', 'absent'])).toMatch(
      /^can't open absent: No such file or directory$/,
    );
  });

  test('no libpcap', async () => {
    // In a mount namespace of its own, where every libpcap that the loader knows is empty.
    const hide = `for f in $(/sbin/ldconfig -p | sed -n 's/.*libpcap\\.so.* => //p'); do mount --bind /dev/null "$f"; done`;
    const prefix = ['unshare', '-m', 'sh', '-ec', `${hide}; exec "$@"`, 'sh'];
    const line = await fails(1, ['-i', 'cap0', '-w', 'x-%s.pcap'], ...prefix);
    expect(line).toBe('libpcap not found: apt install libpcap0.8, or dnf install libpcap');
  });
});

test.each([
  ['--version', /^tsnetpcap \d+\.\d+\.\d+, Node \d+/],
  ['--help', /^Usage: tsnetpcap \[capture\] \[options\] \[expression\]\n/],
])('%s is no error', async (option, text) => {
  const ended = await Program.run(lab, [process.execPath, PROGRAM, option], { cwd: home });
  expect(ended).toEqual({ code: 0, stdout: expect.stringMatching(text), stderr: '' });
});

test('capture as the first word is the command, not a filter', async () => {
  expect(await fails(2, ['capture', '-i', 'cap0', '--ring', '0'])).toMatch(/^--ring 0: /);
});
