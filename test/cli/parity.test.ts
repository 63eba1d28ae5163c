// Every option that tcpdump has, by one run of both programs with the same command line: exit code, stderr and what is
// written must be the same, but for what RUNS says of it; and every option of ours is none of tcpdump's. A row of the table
// without its run fails. Live, in a lab; needs root, tcpdump, and fails without them.
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildFrame } from '../../bench/frames.ts';
import { Lab } from '../../bench/lab.ts';
import { type Offer, offer } from '../../bench/offer.ts';
import { CAPTURE_FLAGS } from '../../src/cli/capture-flags.ts';
import { spellings } from '../../src/cli/flag.ts';
import * as libc from '../../src/native/libc.ts';
import { PcapWriter } from '../../src/savefile/writer.ts';
import { type Ended, PROGRAM, Program } from '../program.ts';

const PACKETS = 5;
const CAPTURE = ['-i', 'cap0', '-c', String(PACKETS)];

interface Run {
  /** The option and what else it takes to see it work; `FILE` is a name of each program's own. */
  readonly args: readonly string[];
  /** It captures PACKETS packets, by default from cap0. Otherwise it ends by itself at once. */
  readonly captures?: true;
  /** It is all there is to the command line. */
  readonly alone?: true;
  /** Only the exit code is to be the same: what is said is each program's own. */
  readonly own?: true;
  /** Values that are refused. */
  readonly bad?: readonly string[];
}

const captures = true;
const own = true;
const alone = true;

/** By the option's first name. */
const RUNS: Readonly<Record<string, Run>> = {
  '-i': { captures, args: ['--interface', 'cap0'], bad: ['nosuch0'] },
  '-s': { captures, args: ['--snapshot-length=0x40'], bad: ['-1', '262145', '96b', ''] },
  '-p': { captures, args: ['--no-promiscuous-mode'] },
  '-I': { args: ['--monitor-mode', '-w', 'FILE', '-c', '1', '-i', 'cap0'] },
  '-j': { captures, args: ['--time-stamp-type', 'host'], bad: ['nosuch', ''] },
  '-Q': { captures, args: ['--direction=in'], bad: ['both', ''] },
  '-y': { captures, args: ['--linktype', 'EN10MB'], bad: ['NO_SUCH', 'LINUX_SLL2'] },
  '-F': { captures, args: ['-F', 'FILTER'], bad: ['/nosuch'] },
  '-c': { captures, args: ['-c', String(PACKETS)], bad: ['0', '-1', 'x'] },
  '-w': { captures, args: ['-w', 'FILE'], bad: ['/nosuch/file'] },
  '-C': { captures, args: ['-C', '1'], bad: ['0', '-1', 'x', '1x'] },
  '-G': { captures, args: ['-G', '3600', '-w', 'FILE-%Y%%'], bad: ['-1'] },
  '-W': { captures, args: ['-C1', '-W', '101'], bad: ['0', '-1', 'x'] },
  '-z': { captures, args: ['-z', 'true', '-C', '1'] },
  '-Z': { captures, args: ['--relinquish-privileges', 'nobody'], bad: ['nosuchuser'] },
  '--time-stamp-precision': { captures, args: ['--time-stamp-precision=nano'], bad: ['pico', ''] },
  '--nano': { captures, args: ['--nano'] },
  '--micro': { captures, args: ['--micro', '--time-stamp-prec', 'micro'] },
  '-U': { captures, args: ['--packet-buffered'] },
  '--immediate-mode': { captures, args: ['--immediate-mode'] },
  '-B': { captures, args: ['--buffer-size', '4096'], bad: ['0', '-1', 'x'] },
  '-r': { args: ['-r', 'SAVED', '-w', 'FILE', 'udp'], alone, bad: ['/nosuch'] },
  '-V': { args: ['-V', 'LIST', '-w', 'FILE', 'udp'], alone, bad: ['/nosuch'] },
  '-d': { args: ['-ddd', '-i', 'cap0', 'port', '53'] },
  '-D': { args: ['--list-interfaces'], alone },
  '-L': { args: ['--list-data-link-types', '-i', 'cap0'], alone },
  '-J': { args: ['--list-time-stamp-types', '-i', 'cap0'], alone },
  '-q': { captures, args: ['-q'] },
  '-v': { captures, args: ['-vvv'] },
  '--version': { args: ['--version'], alone, own },
  '-h': { args: ['--help'], alone, own },
  ...Object.fromEntries([...'aAbeHlnNtuxX'].map((letter) => [`-${letter}`, { captures, args: [`-${letter}`] }])),
  '-f': { captures, args: ['-f'], own }, // theirs looks for an address to tell what is foreign, and warns when there is none
  '-K': { captures, args: ['--dont-verify-checksums'] },
  '-O': { captures, args: ['--no-optimize'] },
  '-S': { captures, args: ['--absolute-tcp-sequence-numbers'] },
  '-#': { captures, args: ['--number'] },
  '--print': { captures, args: ['--print'] },
  '--count': { args: ['--count', '-w', 'FILE', '-r', 'SAVED'] },
  '-E': { captures, args: ['-E', 'des-cbc:secret'] },
  '-m': { captures, args: ['-m', 'module'], own },
  '-M': { captures, args: ['-M', 'secret'] },
  '-T': { captures, args: ['-T', 'vat'] },
};

/** Command lines as they are found in scripts and services. */
const LINES: readonly (readonly string[])[] = [
  ['-nnvvs96'],
  ['-pUns', '96', '-C1', '-W', '1'],
  ['-nn', 'udp', '-s96', 'and', 'not', 'port', '22', '-B1024'],
  ['-i', 'any', '-y', 'LINUX_SLL', '--direction', 'in', '-s', '10'],
  ['-i', 'any', '-Q', 'in', '-ns96', '--', 'udp', 'or', 'arp'],
  ['--count', '-nn'],
];

let lab: Lab;
let root: string;
let stamper: number;

beforeAll(() => {
  lab = Lab.create();
  root = mkdtempSync(join(tmpdir(), 'tsnetpcap-parity-'));
  chmodSync(root, 0o777); // tcpdump gives up root, where it is not told otherwise
  const saved = PcapWriter.create(join(root, 'saved'), { precision: 'micro', snaplen: 96, linktype: 1 });
  for (let sec = 1; sec <= 7; sec++) saved.writePacket(sec, sec, buildFrame('udp4', 90 + sec, sec));
  saved.close();
  writeFileSync(join(root, 'list'), `${join(root, 'saved')}\n${join(root, 'saved')}\n`);
  writeFileSync(join(root, 'filter'), 'udp # and nothing else\n or arp\n');
  stamper = libc.socket(2, libc.SOCK_DGRAM, 0);
  libc.setsockopt(stamper, libc.SOL_SOCKET, 35, Uint8Array.of(1, 0, 0, 0), 'SO_TIMESTAMPNS');
});

afterAll(() => {
  if (stamper !== undefined) libc.close(stamper);
  lab?.remove();
  if (root !== undefined) rmSync(root, { recursive: true });
});

const tcpdumps = CAPTURE_FLAGS.filter(({ tcpdump }) => tcpdump === true);
const nameOf = (flag: (typeof CAPTURE_FLAGS)[number]): string => spellings(flag)[0] ?? '';

test('every row of the table that tcpdump has has its run, and no other', () => {
  expect(Object.keys(RUNS).sort()).toEqual(tcpdumps.map(nameOf).sort());
});

/** Both programs, ours first, on the same command line, with a directory of its own each. */
interface Pair {
  readonly args: readonly string[];
  readonly directories: readonly [ours: string, theirs: string];
}

function pairOf(args: readonly string[]): Pair {
  const directories: [string, string] = [mkdtempSync(join(root, 'ours-')), mkdtempSync(join(root, 'theirs-'))];
  for (const directory of directories) chmodSync(directory, 0o777);
  return { args, directories };
}

function commandLines({ args, directories }: Pair): [[string, ...string[]], [string, ...string[]]] {
  const [ours, theirs] = directories.map((directory) =>
    args.map((arg) => arg.replace('FILE', join(directory, 'f')).replace(/^(FILTER|SAVED|LIST)$/, inRoot)),
  );
  return [
    [process.execPath, PROGRAM, ...(ours ?? [])],
    ['tcpdump', ...(theirs ?? [])],
  ];
}

function inRoot(name: string): string {
  return join(root, name.toLowerCase());
}

/** Both, to their ends. */
async function runBoth(pair: Pair): Promise<[ours: Ended, theirs: Ended]> {
  const [ours, theirs] = commandLines(pair);
  return Promise.all([Program.run(lab, ours), Program.run(lab, theirs)]);
}

/** A remark of tcpdump's in its lists. */
const NOT_PRINTED = / \(printing not supported\)$/m;

/** What both say alike: without names, counts that libpcap makes otherwise, and what only one of them says. */
function said({ stderr }: Pick<Ended, 'stderr'>): string[] {
  const lines = stderr
    .replace(/Got \d+\r/g, '')
    .replace(/^\S+\/(ours|theirs)-\S+\/f/gm, 'FILE')
    .replace(/^tcpdump: WARNING: .*promiscuous mode\n\(Promiscuous mode .*\)\n/m, '') // of any, since libpcap 1.10.5
    .split('\n');
  return (
    lines
      .map((line) => line.replace(/^(tsnetpcap|tcpdump): /, 'P: ').replace(NOT_PRINTED, ''))
      // tcpdump says the link type of any without -y up to 4.99.4, as we do.
      .filter((line) => !line.includes('received by filter') && line !== 'P: data link type LINUX_SLL2' && line !== '')
  );
}

/** The files of a directory, and their bytes. */
function written(directory: string): [string, string][] {
  return readdirSync(directory)
    .sort()
    .map((name) => [name, readFileSync(join(directory, name), 'hex')]);
}

/** Runs pairs beside each other, over the same packets, and compares what they have written and said. */
async function compare(cases: readonly { readonly args: readonly string[]; readonly own?: boolean }[], packets: Offer) {
  const pairs = cases.map(({ args }) => pairOf(args));
  const running: [Program, Program][] = [];
  try {
    for (const pair of pairs) {
      const [ours, theirs] = commandLines(pair);
      running.push([new Program(lab, ours), new Program(lab, theirs)]);
    }
    for (const program of running.flat()) await program.says(/listening on .*\n/);
    expect(await offer(lab, packets)).toBe(packets.count);
    for (const [index, programs] of running.entries()) {
      const { args = [], own = false } = cases[index] ?? {};
      const [a, b] = [await programs[0].exit(), await programs[1].exit()];
      expect({ args, code: a }).toEqual({ args, code: b });
      expect({ args, stdout: programs[0].stdout }).toEqual({
        args,
        stdout: args.includes('--print') ? '' : programs[1].stdout,
      });
      if (!own) expect({ args, said: said(programs[0]) }).toEqual({ args, said: said(programs[1]) });
      const [ours, theirs] = (pairs[index]?.directories ?? []).map(written);
      expect({ args, files: ours?.length }).not.toEqual({ args, files: 0 });
      expect({ args, written: ours }).toEqual({ args, written: theirs });
    }
  } finally {
    for (const program of running.flat()) await program.kill();
  }
}

const withFile = (args: readonly string[]): string[] => [
  ...CAPTURE,
  ...(args.includes('-w') ? [] : ['-w', 'FILE']),
  ...args,
];

/** So many pairs at a time: each of ours is a Node. */
const BATCH = 7;
const capturing = Object.entries(RUNS).filter(([, run]) => run.captures === true);

describe('what they capture is the same, and what they say of it', () => {
  const batches = Array.from({ length: Math.ceil(capturing.length / BATCH) }, (_, batch) =>
    capturing.slice(batch * BATCH, (batch + 1) * BATCH),
  );
  test.each(batches.map((batch): [string, typeof capturing] => [batch.map(([name]) => name).join(' '), batch]))(
    '%s',
    async (_, batch) => {
      const cases = batch.map(([, { args, own = false }]) => ({ args: withFile(args), own }));
      await compare(cases, { count: PACKETS, send: true });
    },
  );

  test('command lines as they are used', async () => {
    await compare(
      LINES.map((args) => ({ args: withFile(args) })),
      { count: PACKETS, send: true },
    );
  });

  test('files of -C, with thousands of packets', async () => {
    const count = 30_000;
    const lines = [
      ['-C', '1'],
      ['-C', '1', '-W', '3'],
      ['-C1', '-W11', '-s', '96'],
      ['-C', '1', '-G', '3600', '-W', '2'],
    ];
    const cases = lines.map((line) => ({
      args: ['-i', 'cap0', '-B', '16384', '-c', `${count}`, '-w', 'FILE', ...line],
    }));
    await compare(cases, { count, send: true, rate: 15_000 });
  });

  test('-Q out, where packets go out', async () => {
    const args = ['-i', 'gen0', '-c', String(PACKETS), '-w', 'FILE', '-Q', 'out'];
    await compare([{ args }], { count: PACKETS, send: true });
  });

  test('-v says how many, every second', async () => {
    const args = ['-i', 'cap0', '-c', '10', '-w', 'FILE', '-v'];
    const [ours, theirs] = commandLines(pairOf(args));
    const programs = [new Program(lab, ours), new Program(lab, theirs)];
    try {
      for (const program of programs) await program.says(/listening on .*\n/);
      expect(await offer(lab, { count: 10, send: true, rate: 4 })).toBe(10);
      for (const program of programs) {
        expect(await program.exit()).toBe(0);
        expect(program.stderr).toMatch(/bytes\n(Got \d+\r)+10 packets captured\n/);
      }
    } finally {
      for (const program of programs) await program.kill();
    }
  });
});

describe('-G', () => {
  test('-W ends both after so many files, with one line; ours says what to use for a ring', async () => {
    const [ours, theirs] = commandLines(pairOf(['-i', 'cap0', '-w', 'FILE-%s', '-G', '1', '-W', '2']));
    const programs = [new Program(lab, ours), new Program(lab, theirs)];
    try {
      for (const program of programs) await program.says(/listening on .*\n/);
      await offer(lab, { count: 40, send: true, rate: 10 });
      const lines = [];
      for (const program of programs) {
        expect(await program.exit()).toBe(0);
        lines.push(said(program).filter((line) => !/captured$/.test(line)));
      }
      const [hint, ...rest] = lines[0] ?? [];
      expect(hint).toBe('P: -W with -G stops after 2 files; --ring 2 keeps the last 2');
      expect(rest.filter((line) => !line.endsWith('not read'))).toEqual(lines[1]);
      expect(rest).toContain('Maximum file limit reached: 2');
    } finally {
      for (const program of programs) await program.kill();
    }
  });

  test('without a packet ours goes on to the next file on time, and ends', async () => {
    const pair = pairOf(['-i', 'cap0', '-w', 'FILE-%s', '-G', '1', '-W', '3']);
    const ended = await Program.run(lab, commandLines(pair)[0]);
    expect(ended.code).toBe(0);
    const names = readdirSync(pair.directories[0]).sort();
    const first = Number(names[0]?.slice(2));
    expect(names).toEqual([0, 1, 2].map((sec) => `f-${first + sec}`));
  });
});

test('a packet is in the file while the capture goes on, -U or not', async () => {
  for (const options of [[], ['-U']]) {
    const pair = pairOf(['-i', 'cap0', '-w', 'FILE', ...options]);
    const program = new Program(lab, commandLines(pair)[0]);
    try {
      await program.says(/listening on .*\n/);
      expect(await offer(lab, { count: 1, send: true })).toBe(1);
      await program.until(() => statSync(join(pair.directories[0], 'f')).size > 24 + 16);
      expect(program.ended).toBe(false);
      await program.stop();
    } finally {
      await program.kill();
    }
  }
});

test('SIGHUP ends the files of -C and -G, as it does there; SIGUSR2 ends neither', async () => {
  const [ours, theirs] = commandLines(pairOf(['-i', 'cap0', '-w', 'FILE', '-C', '1']));
  for (const argv of [ours, theirs]) {
    const program = new Program(lab, argv);
    try {
      await program.says(/listening on .*\n/);
      program.signal('SIGUSR2');
      program.signal('SIGUSR1');
      await program.says(/received by filter/);
      program.signal('SIGHUP');
      expect(await program.exit()).toBe(0);
    } finally {
      await program.kill();
    }
  }
});

test('without anything to write to there is one line that says what to do', async () => {
  for (const args of [[], ['-nn', 'port', '53'], ['-i', 'cap0', '-G', '60']]) {
    const { code, stdout, stderr } = await Program.run(lab, [process.execPath, PROGRAM, ...args]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(
      /^tsnetpcap: packets are not printed here, give -w FILE.*--ring 48.*tcpdump\(8\).*tshark\(1\).*\n$/,
    );
  }
});

/** tcpdump prints them to stderr up to 4.99.4, later to stdout. */
const LISTS = /-L|-J|--list-(data|time)/;

function list(theirs: Ended): string {
  return theirs.stdout === '' ? `${said(theirs).join('\n')}\n` : theirs.stdout.replace(NOT_PRINTED, '');
}

describe('what ends by itself', () => {
  const more: readonly [string, Run][] = [
    ['-d of a savefile', { args: ['-r', 'SAVED', '-dd', 'udp', 'or', 'vlan', '5'] }],
    ['-d of Ethernet', { args: ['-d', 'port', '53'] }],
    ['-d of -y', { args: ['-y', 'RAW', '-ddd', 'ip6'] }],
    ['-d of -F', { args: ['-F', 'FILTER', '-d', '-s', '70'] }],
    ['-d with a direction', { args: ['-d', '-i', 'cap0', '-Q', 'inout', 'port', '53'] }],
    ['-j that the device does not have', { args: ['-j', 'adapter', '-d', '-i', 'cap0'], own }],
    ['-D wins', { args: ['-D', '-w', 'FILE', '-r', '/nosuch'] }],
    ['-L of any', { args: ['-L', '-i', 'any'] }],
    ['-J of any', { args: ['-J', '-i', 'any'] }],
    ['-i is a number', { args: ['-d', '-i', '1', 'ip6'] }],
  ];
  const instant = [...Object.entries(RUNS).filter(([, run]) => run.captures !== true), ...more];
  test.concurrent.each(instant)('%s', async (_, { args, own = false }) => {
    const pair = pairOf(args);
    const [ours, theirs] = await runBoth(pair);
    expect(ours.code).toBe(theirs.code);
    if (own) return;
    expect(written(pair.directories[0])).toEqual(written(pair.directories[1]));
    if (LISTS.test(args.join(' '))) return expect(`${said(ours).join('\n')}${ours.stdout}`).toBe(list(theirs));
    expect(said(ours)).toEqual(said(theirs));
    expect(ours.stdout).toBe(theirs.stdout);
  });
});

describe('what both refuse: exit code 1 there, 2 here where the call is wrong', () => {
  const bad = Object.entries(RUNS).flatMap(([name, run]) =>
    (run.bad ?? []).map((value): [string, string] => [name, value]),
  );
  /** Known only when it is tried: as for tcpdump. */
  const LATE = ['-i nosuch0', '-w /nosuch/file', '-F /nosuch', '-Z nosuchuser', '-r /nosuch', '-V /nosuch'];
  test.concurrent.each(bad)('%s %j', async (name, value) => {
    const [ours, theirs] = await runBoth(pairOf([...withFile([]), name, value]));
    expect({ ours: ours.code, theirs: theirs.code }).toEqual({
      ours: LATE.includes(`${name} ${value}`) ? 1 : 2,
      theirs: 1,
    });
    expect(ours.stderr).toMatch(/^tsnetpcap: .*\n$/);
  });

  test.concurrent.each([[['--no-such']], [['-%']], [['-w']], [['udp and']], [['host', 'nosuch.invalid']]])(
    '%j',
    async (args) => {
      const [ours, theirs] = await runBoth(pairOf([...withFile([]), ...args]));
      expect({ ours: ours.code, theirs: theirs.code }).toEqual({ ours: 2, theirs: 1 });
    },
  );
});

describe("what is ours is nobody else's", () => {
  const names = CAPTURE_FLAGS.filter(({ tcpdump }) => tcpdump !== true).map(nameOf);
  test.concurrent.each(names)('%s', async (name) => {
    const theirs = await Program.run(lab, ['tcpdump', '-d', name]);
    expect(theirs).toMatchObject({ code: 1, stderr: expect.stringContaining(`unrecognized option '${name}'`) });
  });
});
