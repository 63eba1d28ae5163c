// `tsnetpcap -r X -w Y` in tcpdump's place: its bytes, its stderr and its success or failure, for files that editcap,
// text2pcap, mergecap and tcprewrite made, of many link types and with many kinds of damage.
import { execFile } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Ended, PROGRAM, Program } from '../program.ts';
import { scratch } from '../savefile/reading/judge.ts';
import { MICRO, makeSavefile, NANO } from '../savefile/reading/make-savefile.ts';

const root = scratch();
/** Of the inputs. */
const directory = join(root, 'inputs');
mkdirSync(directory);
const path = (name: string): string => join(directory, name);

const HEADER = { littleEndian: true, magic: MICRO, version: [2, 4] as const, snaplen: 96, linktype: 1 };

interface Made extends Ended {
  /** All that it has made, with their bytes. */
  readonly files: Readonly<Record<string, string>>;
}

/** In a directory of its own, where every input has its name. `stdin`: one of them. */
async function run(program: readonly [string, ...string[]], args: readonly string[], stdin?: string): Promise<Made> {
  const home = mkdtempSync(join(root, 'run-'));
  for (const name of readdirSync(directory)) symlinkSync(path(name), join(home, name));
  const input = stdin === undefined ? undefined : openSync(path(stdin), 'r');
  const options = { cwd: home, ...(input !== undefined && { stdin: input }) };
  const ended = await Program.run(undefined, [...program, ...args], options);
  if (input !== undefined) closeSync(input);
  const made = readdirSync(home, { withFileTypes: true }).filter((entry) => !entry.isSymbolicLink());
  const files = made.map(({ name }) => [name, readFileSync(join(home, name), 'hex')]);
  rmSync(home, { recursive: true });
  return { ...ended, files: Object.fromEntries(files) };
}

const ours = (args: readonly string[], stdin?: string): Promise<Made> => run([process.execPath, PROGRAM], args, stdin);
const tcpdump = (args: readonly string[], stdin?: string): Promise<Made> => run(['tcpdump', '-Z', 'root'], args, stdin);

/** Where tcpdump says 1 of usage and filters, we say 2; it says `pcap_loop:` at times, we the file and the offset. */
async function expectSame(args: readonly string[], stdin?: string): Promise<Made> {
  const [mine, theirs] = await Promise.all([ours(args, stdin), tcpdump(args, stdin)]);
  expect(mine.files).toEqual(theirs.files);
  expect(mine.stdout).toBe(theirs.stdout);
  expect(mine.code === 0).toBe(theirs.code === 0);
  const reading = (stderr: string): string[] => stderr.split('\n').filter((line) => line.startsWith('reading from'));
  expect(reading(mine.stderr)).toEqual(reading(theirs.stderr));
  if (theirs.code === 0) expect(mine.stderr).toBe(theirs.stderr);
  else {
    const words = (theirs.stderr.trim().split('\n').at(-1) ?? '').replace(/^tcpdump: (pcap_loop: )?/, '');
    expect(mine.stderr.trim().split('\n').at(-1)).toContain(words.replace(/^\S+: /, ''));
  }
  return mine;
}

/** UDP, TCP, ICMP and ARP over Ethernet, two with VLAN tags, of 5 to 1,400 bytes. */
beforeAll(async () => {
  const hex = (line: string): Buffer => Buffer.from(line.replaceAll(' ', ''), 'hex');
  const ip = (protocol: string, rest: string): string =>
    `02000000000102000000000208004500003c000140004${protocol}0a8900010a000001${rest}`;
  const frames = [
    hex(ip('0110000', 'c0000035001c0000').replace('40004011', '40004011')),
    hex(
      '0200000000010200000000020800450000280001400040060000' +
        '0a0000010a890002' +
        '01bb0400000000010000000050180200' +
        '00000000',
    ),
    hex('ffffffffffff0200000000020806000108000604000102000000000' + '20a000002000000000000' + '0a000001' + '00'),
    hex('02000000000102000000000281000064080045000028000140004011' + '0000' + '0a0000010a890002' + '0035003500140000'),
    hex(`02000000000102000000000286dd6000000000083a40${'20010db8'.repeat(8)}8000000000010001`),
    hex('0102030405'),
    Buffer.concat([
      hex('02000000000102000000000208004500057800014000' + '40110000' + '0a8905050a000001' + '0035c00005640000'),
      Buffer.alloc(1380, 7),
    ]),
  ];
  const lines = frames.flatMap((frame, n) => {
    const bytes = [...frame].map((byte) => byte.toString(16).padStart(2, '0'));
    return [`2026-01-01T12:00:0${n}.00012${n}Z`, `000000 ${bytes.join(' ')}`];
  });
  writeFileSync(path('frames.txt'), `${lines.join('\n')}\n`);
  await tool('text2pcap', '-q', '-F', 'pcap', '-t', 'ISO', 'frames.txt', 'ether.pcap');
  await tool('editcap', '-F', 'pcap', 'ether.pcap', 'whole.pcap');
  await tool('editcap', '-F', 'pcapng', 'whole.pcap', 'whole.pcapng');
  const many = Array.from({ length: 30_000 }, (_, n) => ({ sec: n, fraction: n, caplen: 100, len: 100 }));
  writeFileSync(path('many.pcap'), makeSavefile({ ...HEADER, records: many }));
  mkdirSync(path('folder'));
  symlinkSync('loop', path('loop'));
  writeFileSync(path('locked'), readFileSync(path('whole.pcap')), { mode: 0 });
});

async function tool(command: string, ...args: readonly string[]): Promise<string> {
  const { stderr } = await promisify(execFile)(command, args, { cwd: directory });
  return stderr;
}

const EXPRESSIONS = [
  [],
  ['udp'],
  ['not', 'net', '10.137.0.0/16'],
  ['vlan', 'and', 'udp port 53'],
  ['greater', '100', 'or', 'arp'],
  ['ether broadcast'],
  ['tcp[tcpflags] & tcp-push != 0'],
];

test.concurrent.each(EXPRESSIONS.map((expression) => [expression.join(' '), expression] as const))(
  'Ethernet: %s',
  async (_, expression) => {
    const { code } = await expectSame(['-r', 'whole.pcap', '-w', 'out', ...expression]);
    expect(code).toBe(0);
  },
);

test.concurrent.each([
  ['-c 3', ['-c', '3']],
  ['-s', ['-s', '20']],
  ['--nano', ['--nano']],
  ['--micro', ['--time-stamp-precision=micro']],
  ['--count', ['--count', 'udp']],
  ['-i, -Q', ['-i', 'nosuch', '-Q', 'in']],
  ['printing', ['-nnvve', '-X']],
])('with %s', async (_, options) => {
  const { code } = await expectSame(['-r', 'whole.pcap', '-w', 'out', ...options]);
  expect(code).toBe(0);
});

test.concurrent('--count alone', async () => {
  const { stdout } = await expectSame(['-r', 'whole.pcap', '--count', '-c', '1']);
  expect(stdout).toBe('1 packet\n');
});

test.concurrent.each([
  ['cap', '-C', '1'],
  ['cap', '-C', '1', '-W', '1'],
  ['cap', '-C', '1', '-W', '2'],
  ['cap', '-C', '1', '-W', '100', '-c', '20000'],
  ['cap-%s', '-C', '1'],
  ['cap', '-C', '1', '-G', '0'],
  ['cap', '-G', '86400'],
  ['cap', '-G', '86400', '-C', '1'],
  ['cap', '-G', '86400', '-C', '1', '-W', '2'],
  ['cap', '-W', '2'],
])('-w %s %s %s %s %s %s %s', async (...args) => {
  const { code, files } = await expectSame(['-r', 'many.pcap', '-w', ...args.filter((arg) => arg !== undefined)]);
  expect(code).toBe(0);
  expect(Object.keys(files).length).toBeGreaterThan(0);
});

test.concurrent('-G: by the packets themselves, from the first on', async () => {
  const records = [0, 9, 10, 25].map((sec) => ({ sec: 1_000_000_000 + sec, fraction: 0, caplen: 60, len: 60 }));
  const bytes = makeSavefile({ ...HEADER, records });
  writeFileSync(path('periods.pcap'), bytes);
  const part = (from: number, to: number): string =>
    bytes.toString('hex', 0, 24) + bytes.toString('hex', 24 + from * 76, 24 + to * 76);
  const { files } = await ours(['-r', 'periods.pcap', '-w', 'g-%s', '-G', '10']);
  expect(files).toEqual({ 'g-1000000000': part(0, 2), 'g-1000000010': part(2, 3), 'g-1000000020': part(3, 4) });
});

test.concurrent('-F', async () => {
  writeFileSync(path('filter'), 'udp # and more\n  port 53');
  const { code } = await expectSame(['-r', 'whole.pcap', '-w', 'out', '-F', 'filter']);
  expect(code).toBe(0);
});

test.concurrent('-V', async () => {
  await tool('editcap', '-F', 'nsecpcap', '-t', '100', 'whole.pcap', 'later.pcap');
  writeFileSync(path('short.pcap'), readFileSync(path('whole.pcap')).subarray(0, 400));
  const list = (...names: readonly string[]): string => {
    writeFileSync(path('list'), names.map((name) => `${name}\n`).join(''));
    return 'list';
  };
  const codeOf = async (...args: readonly string[]): Promise<number | null> => (await expectSame(args)).code;
  expect(await codeOf('-V', list('whole.pcap', 'later.pcap'), '-w', 'out', 'udp')).toBe(0);
  expect(await codeOf('-V', list('whole.pcap', 'short.pcap'), '-w', 'out')).toBe(1);
  expect(await codeOf('-V', list('whole.pcap', 'nowhere'), '-w', 'out')).toBe(1);
  // tcpdump goes on as well, and then goes by the last file.
  const args = ['-V', list('whole.pcap', 'short.pcap', 'later.pcap'), '-w', 'out'];
  const [mine, theirs] = [await ours(args), await tcpdump(args)];
  expect([mine.files, mine.code, theirs.code]).toEqual([theirs.files, 1, 0]);
});

test.concurrent.each(['tcp prot 80', 'ip and arp'])('a wrong filter makes no file: %s', async (expression) => {
  const { code, files } = await expectSame(['-r', 'whole.pcap', '-w', 'out', expression]);
  expect([code, files]).toEqual([2, {}]);
});

// By editcap's and text2pcap's numbers: those of wiretap, and LINKTYPE_ values.
test.concurrent.each([
  ...[
    'fddi',
    'ppp',
    'slip',
    'arcnet',
    'ieee-802-11',
    'ieee-802-11-radiotap',
    'linux-sll',
    'linux-sll2',
    'rawip',
    'null',
  ],
  ...['loop', 'nflog', 'usb-linux', 'usb-linux-mmap', 'wpan', 'bluetooth-h4-linux', 'mtp2', 'mtp3', 'sccp', 'docsis'],
  ...['chdlc', 'frelay', 'ipnet', 'can20b', 'user0', 'user15', 'netanalyzer', 'dvbci'],
])('editcap -T %s', async (type) => {
  const file = `typed-${type}.pcap`;
  expect(await tool('editcap', '-F', 'pcap', '-T', type, 'whole.pcap', file)).toBe('');
  await expectSame(['-r', file, '-w', 'out']);
  await expectSame(['-r', file, '-w', 'out', 'udp or len < 50']);
});

test.concurrent.each([0, 9, 10, 12, 99, 113, 147, 189, 220, 228, 239, 276, 288])(
  'text2pcap -l %d',
  async (linktype) => {
    const file = `typed-${linktype}.pcap`;
    await tool('text2pcap', '-q', '-F', 'pcap', '-l', String(linktype), '-t', 'ISO', 'frames.txt', file);
    await expectSame(['-r', file, '-w', 'out']);
    await expectSame(['-r', file, '-w', 'out', 'ip']);
  },
);

test.concurrent.each([
  ['tcprewrite --dlt=hdlc', ['tcprewrite', '--dlt=hdlc', '--hdlc-control=0', '--hdlc-address=0x0f']],
  [
    'tcprewrite --enet-vlan=add',
    ['tcprewrite', '--enet-vlan=add', '--enet-vlan-tag=7', '--enet-vlan-cfi=0', '--enet-vlan-pri=1'],
  ],
  ['tcprewrite --fixlen=pad', ['tcprewrite', '--fixlen=pad']],
  ['tcprewrite --mtu-trunc', ['tcprewrite', '--mtu-trunc', '--mtu=60']],
  ['tcprewrite --pnat', ['tcprewrite', '--pnat=10.137.0.0/16:192.0.2.0/24']],
])('%s', async (name, [command = '', ...args]) => {
  const file = `${name.replace(/\W/g, '')}.pcap`;
  await tool(command, ...args, '--infile=ether.pcap', `--outfile=${file}`);
  for (const expression of EXPRESSIONS) await expectSame(['-r', file, '-w', 'out', ...expression]);
});

test.concurrent.each([
  ['pcapng', ['editcap', '-F', 'pcapng', 'whole.pcap']],
  ['nanoseconds', ['editcap', '-F', 'nsecpcap', 'whole.pcap']],
  ['modified', ['editcap', '-F', 'modpcap', 'whole.pcap']],
  ['cut packets', ['editcap', '-F', 'pcap', '-s', '33', 'whole.pcap']],
  ['errors in packets', ['editcap', '-F', 'pcap', '-E', '0.3', '--seed', '7', 'whole.pcap']],
  ['times of 1970', ['editcap', '-F', 'pcap', '-t', '-1767268790', 'whole.pcap']],
  ['all twice, of mergecap', ['mergecap', '-F', 'pcap', 'whole.pcap', 'whole.pcap', '-w']],
  ['all twice, of mergecap, as pcapng', ['mergecap', '-F', 'pcapng', '-I', 'all', 'whole.pcap', 'whole.pcap', '-w']],
])('%s', async (name, [command = '', ...args]) => {
  const file = `${name.replace(/\W/g, '')}.pcap`;
  await tool(command, ...args, file);
  for (const expression of EXPRESSIONS.slice(0, 4)) {
    await expectSame(['-r', file, '-w', 'out', ...expression]);
    await expectSame(['-r', file, '-w', 'out', '--nano', ...expression]);
  }
});

// At every byte: test/savefile/reading.
test.concurrent.each(['whole.pcap', 'whole.pcapng'])(
  'cut off, from a file and from standard input: %s',
  async (name) => {
    const bytes = readFileSync(path(name));
    for (const length of [0, 3, 10, 30, 150, 400, bytes.length - 1]) {
      const file = `cut-${length}-${name}`;
      writeFileSync(path(file), bytes.subarray(0, length));
      await expectSame(['-r', file, '-w', 'out', 'udp']);
      await expectSame(['-r', '-', '-w', 'out', 'udp'], file);
    }
  },
);

describe('what can not be opened or read, in the words of libc', () => {
  /** Root without its right to open everything. */
  const mortal = (...program: readonly string[]): [string, ...string[]] => [
    'setpriv',
    '--bounding-set=-dac_override,-dac_read_search',
    '--inh-caps=-dac_override,-dac_read_search',
    ...program,
  ];
  const impossible = ['nowhere/f', 'folder', 'loop', 'whole.pcap/f', 'locked'];
  const sources = ['nowhere', ...impossible];
  test.concurrent.each(
    [
      ...sources.map((name) => ['-r', name, '-w', 'out']),
      ...impossible.map((name) => ['-r', 'whole.pcap', '-w', name]),
      ...impossible.map((name) => ['-r', 'whole.pcap', '-w', name, '-C', '1']),
      ...sources.map((name) => ['-r', 'whole.pcap', '-w', 'out', '-F', name]),
      ...sources.filter((name) => name !== 'folder').map((name) => ['-V', name, '-w', 'out']),
    ].map((args) => [args.join(' '), args] as const),
  )('%s', async (_, args) => {
    const theirs = await run(mortal('tcpdump', '-Z', 'root'), args);
    const mine = await run(mortal(process.execPath, PROGRAM), args);
    const last = ({ stderr }: Ended): string | undefined => stderr.trimEnd().split('\n').at(-1);
    // libpcap does not name a file that it opened and could not read, tcpdump not the list of files.
    const said = last(theirs)
      ?.replace('tcpdump: error reading dump file', `tcpdump: read ${args[1]}`)
      .replace('tcpdump: Unable to open file', `tcpdump: ${args[1]}`);
    expect([mine.code, mine.files, last(mine)]).toEqual([1, theirs.files, said?.replace(/^tcpdump/, 'tsnetpcap')]);
  });
});

test.concurrent('a file that is none', async () => {
  writeFileSync(path('text'), 'hello, world, this is no savefile');
  const { code } = await expectSame(['-r', 'text', '-w', 'out']);
  expect(code).toBe(1);
});

test.concurrent('nanoseconds of the other byte order', async () => {
  const records = [1, 2, 3].map((sec) => ({ sec, fraction: 999_999_999, caplen: 60, len: 60 }));
  const header = { ...HEADER, littleEndian: false, magic: NANO, snaplen: 65535 };
  writeFileSync(path('big.pcap'), makeSavefile({ ...header, records }));
  const { code } = await expectSame(['-r', 'big.pcap', '-w', 'out', 'ether[0] = 2']);
  expect(code).toBe(0);
});

test.concurrent.each([
  ['--exclude', '10.0.0.0/8'],
  ['--sample-flows', '1/2'],
  ['--engine', 'libpcap'],
  ['--ring-memory', '1MiB'],
  ['--duration', '5s'],
  ['--stats-file', 'stats.prom'],
  ['--wait-for-interface'],
  ['--exit-on-down'],
])('what can only be done while capturing is refused: %s', async (...option) => {
  const given = option.filter((word) => word !== undefined);
  const { code, stderr, files } = await ours(['-r', 'whole.pcap', '-w', 'out', ...given]);
  expect([code, stderr]).toEqual([2, `tsnetpcap: ${option[0]} with -r: it is for captures only\n`]);
  expect(files).toEqual({});
});

test.concurrent.each(['1', '3', '1000'])(
  '-V -c %s: for each of the files, and for what the filter wants of it',
  async (count) => {
    writeFileSync(path(`twice-${count}`), 'whole.pcap\nwhole.pcap\n');
    for (const expression of EXPRESSIONS.slice(0, 4)) {
      await expectSame(['-V', `twice-${count}`, '-c', count, '-w', 'out', ...expression]);
      await expectSame(['-V', `twice-${count}`, '-c', count, '--count', ...expression]);
    }
  },
);
