// `tsnetpcap -r X -w Y` in tcpdump's place: its bytes, its stderr and its success or failure, for files that editcap,
// text2pcap, mergecap and tcprewrite made, of many link types and with many kinds of damage.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { PROGRAM } from '../program.ts';
import { scratch } from '../savefile/reading/judge.ts';
import { MICRO, makeSavefile, NANO } from '../savefile/reading/make-savefile.ts';

const directory = scratch();
const path = (name: string): string => join(directory, name);

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly files: Readonly<Record<string, string | undefined>>;
}

function run(program: readonly [string, ...string[]], args: readonly string[], outputs: readonly string[]): Ended {
  for (const name of outputs) rmSync(path(name), { force: true });
  const [command, ...first] = program;
  const { status, stdout, stderr } = spawnSync(command, [...first, ...args], { encoding: 'utf8', cwd: directory });
  const found = outputs.map((name) => [name, existsSync(path(name)) ? readFileSync(path(name), 'hex') : undefined]);
  return { status, stdout, stderr, files: Object.fromEntries(found) };
}

/** Where tcpdump says 1 of usage and filters, we say 2; it says `pcap_loop:` at times, we the file and the offset. */
function expectSame(args: readonly string[], outputs: readonly string[] = ['out']): Ended {
  const theirs = run(['tcpdump', '-Z', 'root'], args, outputs);
  const ours = run([process.execPath, PROGRAM], args, outputs);
  expect(ours.files).toEqual(theirs.files);
  expect(ours.stdout).toBe(theirs.stdout);
  expect(ours.status === 0).toBe(theirs.status === 0);
  const reading = (stderr: string): string[] => stderr.split('\n').filter((line) => line.startsWith('reading from'));
  expect(reading(ours.stderr)).toEqual(reading(theirs.stderr));
  if (theirs.status === 0) expect(ours.stderr).toBe(theirs.stderr);
  else {
    const words = (theirs.stderr.trim().split('\n').at(-1) ?? '').replace(/^tcpdump: (pcap_loop: )?/, '');
    expect(ours.stderr.trim().split('\n').at(-1)).toContain(words.replace(/^\S+: /, ''));
  }
  return ours;
}

/** UDP, TCP, ICMP and ARP over Ethernet, two with VLAN tags, of 5 to 1,400 bytes. */
beforeAll(() => {
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
  tool('text2pcap', '-q', '-F', 'pcap', '-t', 'ISO', 'frames.txt', 'ether.pcap');
  tool('editcap', '-F', 'pcap', 'ether.pcap', 'whole.pcap');
});

function tool(command: string, ...args: readonly string[]): void {
  execFileSync(command, args, { cwd: directory, stdio: 'pipe' });
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

test.each(EXPRESSIONS.map((expression) => [expression.join(' '), expression]))('Ethernet: %s', (_, expression) => {
  expect(expectSame(['-r', 'whole.pcap', '-w', 'out', ...expression]).status).toBe(0);
});

test.each([
  ['-c 3', ['-c', '3']],
  ['-s', ['-s', '20']],
  ['--nano', ['--nano']],
  ['--micro', ['--time-stamp-precision=micro']],
  ['--count', ['--count', 'udp']],
  ['-i, -Q', ['-i', 'nosuch', '-Q', 'in']],
  ['printing', ['-nnvve', '-X']],
])('with %s', (_, options) => {
  expect(expectSame(['-r', 'whole.pcap', '-w', 'out', ...options]).status).toBe(0);
});

test('--count alone', () => {
  expect(expectSame(['-r', 'whole.pcap', '--count', '-c', '1'], []).stdout).toBe('1 packet\n');
});

test('-C, and with it -W and -G', () => {
  const many = Array.from({ length: 30_000 }, (_, n) => ({ sec: n, fraction: n, caplen: 100, len: 100 }));
  const header = { littleEndian: true, magic: MICRO, version: [2, 4] as const, snaplen: 96, linktype: 1 };
  writeFileSync(path('many.pcap'), makeSavefile({ ...header, records: many }));
  const numbers = ['', '0', '1', '2', '3', '4', '00', '01', '02', '03', '04', '000'];
  const outputs = [...numbers.map((number) => `cap${number}`), 'cap-%s', 'cap-%s1', 'cap-%s2', 'cap-%s3'];
  for (const [name, ...options] of [
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
  ]) {
    const { status, files } = expectSame(['-r', 'many.pcap', '-w', name ?? '', ...options], outputs);
    expect(status).toBe(0);
    expect(Object.values(files).some((bytes) => bytes !== undefined)).toBe(true);
  }
});

test('-G: by the packets themselves, from the first on', () => {
  const records = [0, 9, 10, 25].map((sec) => ({ sec: 1_000_000_000 + sec, fraction: 0, caplen: 60, len: 60 }));
  const header = { littleEndian: true, magic: MICRO, version: [2, 4] as const, snaplen: 96, linktype: 1 };
  const bytes = makeSavefile({ ...header, records });
  writeFileSync(path('periods.pcap'), bytes);
  const part = (from: number, to: number): string =>
    bytes.toString('hex', 0, 24) + bytes.toString('hex', 24 + from * 76, 24 + to * 76);
  const outputs = ['g-1000000000', 'g-1000000010', 'g-1000000020'];
  const ours = run([process.execPath, PROGRAM], ['-r', 'periods.pcap', '-w', 'g-%s', '-G', '10'], outputs);
  expect(Object.values(ours.files)).toEqual([part(0, 2), part(2, 3), part(3, 4)]);
});

test('-F', () => {
  writeFileSync(path('filter'), 'udp # and more\n  port 53');
  expect(expectSame(['-r', 'whole.pcap', '-w', 'out', '-F', 'filter']).status).toBe(0);
});

test('-V', () => {
  tool('editcap', '-F', 'nsecpcap', '-t', '100', 'whole.pcap', 'later.pcap');
  writeFileSync(path('list'), 'whole.pcap\nlater.pcap\n');
  expect(expectSame(['-V', 'list', '-w', 'out', 'udp']).status).toBe(0);
  writeFileSync(path('cut.pcap'), readFileSync(path('whole.pcap')).subarray(0, 400));
  writeFileSync(path('list'), 'whole.pcap\ncut.pcap\n');
  expect(expectSame(['-V', 'list', '-w', 'out']).status).toBe(1);
  // tcpdump goes on as well, and then goes by the last file.
  writeFileSync(path('list'), 'whole.pcap\ncut.pcap\nlater.pcap\n');
  const theirs = run(['tcpdump', '-Z', 'root'], ['-V', 'list', '-w', 'out'], ['out']);
  const ours = run([process.execPath, PROGRAM], ['-V', 'list', '-w', 'out'], ['out']);
  expect([ours.files, ours.status, theirs.status]).toEqual([theirs.files, 1, 0]);
  writeFileSync(path('list'), 'whole.pcap\nnowhere\n');
  expect(expectSame(['-V', 'list', '-w', 'out']).status).toBe(1);
});

test('a wrong filter makes no file', () => {
  expect(expectSame(['-r', 'whole.pcap', '-w', 'out', 'tcp prot 80']).status).toBe(2);
  expect(expectSame(['-r', 'whole.pcap', '-w', 'out', 'ip and arp']).status).not.toBe(1);
});

// By editcap's and text2pcap's numbers: those of wiretap, and LINKTYPE_ values.
test.each([
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
])('editcap -T %s', (type) => {
  const { status, stderr } = spawnSync('editcap', ['-F', 'pcap', '-T', type, 'whole.pcap', 'typed.pcap'], {
    cwd: directory,
    encoding: 'utf8',
  });
  expect([status, stderr]).toEqual([0, '']);
  expectSame(['-r', 'typed.pcap', '-w', 'out']);
  expectSame(['-r', 'typed.pcap', '-w', 'out', 'greater', '60']);
  expectSame(['-r', 'typed.pcap', '-w', 'out', 'udp or len < 50']);
});

test.each([0, 9, 10, 12, 99, 113, 147, 189, 220, 228, 239, 276, 288])('text2pcap -l %d', (linktype) => {
  tool('text2pcap', '-q', '-F', 'pcap', '-l', String(linktype), '-t', 'ISO', 'frames.txt', 'typed.pcap');
  expectSame(['-r', 'typed.pcap', '-w', 'out']);
  expectSame(['-r', 'typed.pcap', '-w', 'out', 'ip']);
});

test.each([
  ['tcprewrite --dlt=hdlc', ['tcprewrite', '--dlt=hdlc', '--hdlc-control=0', '--hdlc-address=0x0f']],
  [
    'tcprewrite --enet-vlan=add',
    ['tcprewrite', '--enet-vlan=add', '--enet-vlan-tag=7', '--enet-vlan-cfi=0', '--enet-vlan-pri=1'],
  ],
  ['tcprewrite --fixlen=pad', ['tcprewrite', '--fixlen=pad']],
  ['tcprewrite --mtu-trunc', ['tcprewrite', '--mtu-trunc', '--mtu=60']],
  ['tcprewrite --pnat', ['tcprewrite', '--pnat=10.137.0.0/16:192.0.2.0/24']],
])('%s', (_, [command = '', ...args]) => {
  tool(command, ...args, '--infile=ether.pcap', '--outfile=rewritten.pcap');
  for (const expression of EXPRESSIONS) expectSame(['-r', 'rewritten.pcap', '-w', 'out', ...expression]);
});

test.each([
  ['pcapng', ['editcap', '-F', 'pcapng', 'whole.pcap']],
  ['nanoseconds', ['editcap', '-F', 'nsecpcap', 'whole.pcap']],
  ['modified', ['editcap', '-F', 'modpcap', 'whole.pcap']],
  ['cut packets', ['editcap', '-F', 'pcap', '-s', '33', 'whole.pcap']],
  ['errors in packets', ['editcap', '-F', 'pcap', '-E', '0.3', '--seed', '7', 'whole.pcap']],
  ['times of 1970', ['editcap', '-F', 'pcap', '-t', '-1767268790', 'whole.pcap']],
  ['all twice, of mergecap', ['mergecap', '-F', 'pcap', 'whole.pcap', 'whole.pcap', '-w']],
  ['all twice, of mergecap, as pcapng', ['mergecap', '-F', 'pcapng', '-I', 'all', 'whole.pcap', 'whole.pcap', '-w']],
])('%s', (_, [command = '', ...args]) => {
  tool(command, ...args, 'made.pcap');
  for (const expression of EXPRESSIONS.slice(0, 4)) {
    expectSame(['-r', 'made.pcap', '-w', 'out', ...expression]);
    expectSame(['-r', 'made.pcap', '-w', 'out', '--nano', ...expression]);
  }
});

test('cut off at many places, and from standard input', () => {
  tool('editcap', '-F', 'pcapng', 'whole.pcap', 'whole.pcapng');
  for (const name of ['whole.pcap', 'whole.pcapng']) {
    const bytes = readFileSync(path(name));
    for (let length = 0; length < bytes.length; length += 53) {
      writeFileSync(path('cut.pcap'), bytes.subarray(0, length));
      expectSame(['-r', 'cut.pcap', '-w', 'out', 'udp']);
    }
  }
});

describe('what can not be opened or read, in the words of libc', () => {
  /** Root without its right to open everything. */
  const MORTAL = ['--bounding-set=-dac_override,-dac_read_search', '--inh-caps=-dac_override,-dac_read_search'];

  beforeAll(() => {
    mkdirSync(path('folder'));
    symlinkSync('loop', path('loop'));
    writeFileSync(path('locked'), readFileSync(path('whole.pcap')), { mode: 0 });
  });

  const impossible = ['nowhere/f', 'folder', 'loop', 'whole.pcap/f', 'locked'];
  const sources = ['nowhere', ...impossible];
  test.each(
    [
      ...sources.map((name) => ['-r', name, '-w', 'out']),
      ...impossible.map((name) => ['-r', 'whole.pcap', '-w', name]),
      ...impossible.map((name) => ['-r', 'whole.pcap', '-w', name, '-C', '1']),
      ...sources.map((name) => ['-r', 'whole.pcap', '-w', 'out', '-F', name]),
      ...sources.filter((name) => name !== 'folder').map((name) => ['-V', name, '-w', 'out']),
    ].map((args) => [args.join(' '), args] as const),
  )('%s', (_, args) => {
    const theirs = run(['setpriv', ...MORTAL, 'tcpdump', '-Z', 'root'], args, ['out']);
    const ours = run(['setpriv', ...MORTAL, process.execPath, PROGRAM], args, ['out']);
    const last = ({ stderr }: Ended): string | undefined => stderr.trimEnd().split('\n').at(-1);
    // libpcap does not name a file that it opened and could not read, tcpdump not the list of files.
    const said = last(theirs)
      ?.replace('tcpdump: error reading dump file', `tcpdump: read ${args[1]}`)
      .replace('tcpdump: Unable to open file', `tcpdump: ${args[1]}`);
    expect([ours.status, ours.files, last(ours)]).toEqual([1, theirs.files, said?.replace(/^tcpdump/, 'tsnetpcap')]);
  });
});

test('a file that is none', () => {
  writeFileSync(path('text'), 'hello, world, this is no savefile');
  expect(expectSame(['-r', 'text', '-w', 'out']).status).toBe(1);
});

test('nanoseconds of the other byte order', () => {
  const records = [1, 2, 3].map((sec) => ({ sec, fraction: 999_999_999, caplen: 60, len: 60 }));
  const header = { littleEndian: false, magic: NANO, version: [2, 4] as const, snaplen: 65535, linktype: 1 };
  writeFileSync(path('big.pcap'), makeSavefile({ ...header, records }));
  expect(expectSame(['-r', 'big.pcap', '-w', 'out', 'ether[0] = 2']).status).toBe(0);
});

test.each([
  ['--exclude', '10.0.0.0/8'],
  ['--sample-flows', '1/2'],
  ['--engine', 'libpcap'],
  ['--ring-memory', '1MiB'],
  ['--duration', '5s'],
  ['--stats-file', 'stats.prom'],
  ['--wait-for-interface'],
  ['--exit-on-down'],
])('what can only be done while capturing is refused: %s', (...option) => {
  const args = ['-r', 'whole.pcap', '-w', 'out', ...option];
  const { status, stderr, files } = run([process.execPath, PROGRAM], args, ['out']);
  expect([status, stderr]).toEqual([2, `tsnetpcap: ${option[0]} with -r: it is for captures only\n`]);
  expect(files).toEqual({});
});

test('-V: -c is for each of the files, and for what the filter wants of it', () => {
  writeFileSync(path('list'), 'whole.pcap\nwhole.pcap\n');
  for (const count of ['1', '3', '1000'])
    for (const expression of EXPRESSIONS.slice(0, 4)) {
      expectSame(['-V', 'list', '-c', count, '-w', 'out', ...expression]);
      expectSame(['-V', 'list', '-c', count, '--count', ...expression]);
    }
});
