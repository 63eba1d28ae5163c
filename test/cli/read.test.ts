// `tsnetpcap read` as a user runs it: tcpdump's bytes for every link type and filter, merged as asked, cut as asked, and
// damaged inputs said and survived.
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { PROGRAM } from '../program.ts';
import { scratch } from '../savefile/reading/judge.ts';
import { type MadeSavefile, MICRO, makeSavefile, NANO } from '../savefile/reading/make-savefile.ts';
import { readSavefile, savefilesIn } from '../savefile.ts';

const directory = scratch();
const path = (name: string): string => join(directory, name);

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env, input?: Buffer): Ended {
  const options = { encoding: 'latin1' as const, cwd: directory, env, maxBuffer: 2 ** 28, ...(input && { input }) };
  const { status, stdout, stderr } = spawnSync(command, args, options);
  return { status, stdout, stderr };
}

function read(...args: readonly string[]): Ended {
  return run(process.execPath, [PROGRAM, 'read', ...args]);
}

const HEADER = { littleEndian: true, magic: MICRO, version: [2, 4] as const, snaplen: 262144, linktype: 1 };
/** The first of January 2026, 12:00 UTC. */
const NOON = 1767268800;

/** One packet of 60 bytes every `step` seconds; `len` tells them apart. */
function write(name: string, count: number, made: Partial<MadeSavefile> = {}, from = NOON, step = 1): string {
  const records = Array.from({ length: count }, (_, n) => ({
    sec: from + n * step,
    fraction: n,
    caplen: 60,
    len: 1000 + n,
  }));
  writeFileSync(path(name), makeSavefile({ ...HEADER, records, ...made }));
  return name;
}

function packetsIn(name: string): number {
  return readSavefile(path(name)).records.length;
}

test.each([
  'udp',
  'not net 10.137.0.0/16',
  'ether host 02:00:00:00:00:01',
  'ip broadcast or less 61',
  'greater 1050 and udp port 53',
])('the same packets as tcpdump: %s', (expression) => {
  write('filtered.pcap', 100);
  const theirs = run('tcpdump', ['-r', 'filtered.pcap', '-w', 'theirs', ...expression.split(' ')]);
  expect(theirs.status).toBe(0);
  for (const words of [[expression], expression.split(' ')]) {
    expect(read('filtered.pcap', '-w', 'ours', ...words)).toMatchObject({ status: 0, stdout: '', stderr: '' });
    expect(readFileSync(path('ours')).equals(readFileSync(path('theirs')))).toBe(true);
  }
});

test('a wrong filter: exit code 2, and no file', () => {
  write('whole.pcap', 3);
  const { status, stderr } = read('whole.pcap', '-w', 'none', 'tcp', 'prot', '80');
  expect(status).toBe(2);
  expect(stderr).toMatch(/^tsnetpcap: .*syntax error/);
  expect(existsSync(path('none'))).toBe(false);
});

test('packets are not printed', () => {
  write('whole.pcap', 3);
  const { status, stderr } = read('whole.pcap');
  expect(status).toBe(2);
  expect(stderr).toMatch(/packets are not printed: .*tcpdump.*tshark/);
});

test('--count counts what is wanted', () => {
  write('whole.pcap', 9);
  expect(read('whole.pcap', '--count')).toMatchObject({ status: 0, stdout: '9 packets\n', stderr: '' });
  expect(read('whole.pcap', '--count', '-c', '1').stdout).toBe('1 packet\n');
  expect(read('whole.pcap', '--count', 'greater', '1004').stdout).toBe('5 packets\n');
  expect(read('--count', '-w', 'nine', 'whole.pcap').stdout).toBe('9 packets\n');
  expect(packetsIn('nine')).toBe(9);
});

test('which words are files', () => {
  write('one.pcap', 1);
  write('udp', 2);
  const count = (...words: readonly string[]): string => read('--count', ...words).stdout;
  expect(count('one.pcap', 'udp')).toBe('3 packets\n');
  expect(count('one.pcap', '--', 'udp', 'and', 'len', '>', '5000')).toBe('0 packets\n');
  expect(count('udp', '--', 'udp')).not.toBe('');
  rmSync(path('udp'));
  for (const words of [['nowhere.pcap'], ['one.pcap', 'nowhere.pcap.gz'], ['one.pcap', './nowhere'], ['tcp'], []]) {
    const { status, stderr } = read('--count', ...words);
    expect(status).toBe(2);
    expect(stderr).toMatch(
      words.length === 0 ? /expected a file or a directory/ : new RegExp(`${words.at(-1)}: no such`),
    );
  }
});

test('--from, --to, -c and -s', () => {
  write('times.pcap', 20, {}, NOON, 60);
  const lens = (...args: readonly string[]): number[] => {
    expect(read('times.pcap', '-w', 'part', ...args)).toMatchObject({ status: 0, stderr: '' });
    return readSavefile(path('part')).records.map(({ len }) => len - 1000);
  };
  expect(lens('--from', '2026-01-01T12:05:00Z', '--to', '2026-01-01T12:08Z')).toEqual([5, 6, 7]);
  expect(lens('--from', '2026-01-01 13:05:00.000005+01:00', '--to', String(NOON + 7 * 60))).toEqual([5, 6]);
  expect(lens('--from', '2026-01-01T12:05:00.000006Z', '-c', '2')).toEqual([6, 7]);
  expect(lens('--from', '2026-01-02')).toEqual([]);
  const { status, stderr } = read('times.pcap', '--count', '--from', '2026-02-30');
  expect([status, stderr]).toEqual([2, expect.stringMatching(/--from 2026-02-30: expected a time such as/)]);
  expect(lens('-s', '33')).toHaveLength(20);
  const { header, records } = readSavefile(path('part'));
  expect(header.readUInt32LE(16)).toBe(33);
  const whole = readSavefile(path('times.pcap')).records;
  for (const [n, { packet, len }] of records.entries()) {
    expect(packet.equals(whole[n]?.packet.subarray(0, 33) ?? Buffer.alloc(0))).toBe(true);
    expect(len).toBe(1000 + n);
  }
});

test('times before the local midnight are local', () => {
  write('times.pcap', 20, {}, NOON, 60);
  const args = [PROGRAM, 'read', 'times.pcap', '--count', '--from', '2026-01-01T17:35'];
  expect(run(process.execPath, args, { ...process.env, TZ: 'Asia/Kolkata' }).stdout).toBe('15 packets\n');
});

test('micro- and nanoseconds as in the files, or as asked', () => {
  write('nano.pcap', 3, { magic: NANO });
  write('micro.pcap', 3);
  const magic = (...args: readonly string[]): number => {
    expect(read(...args, '-w', 'times').status).toBe(0);
    return readSavefile(path('times')).header.readUInt32LE(0);
  };
  expect(magic('nano.pcap')).toBe(NANO);
  expect(magic('micro.pcap')).toBe(MICRO);
  expect(magic('micro.pcap', 'nano.pcap')).toBe(NANO);
  expect(magic('nano.pcap', '--micro')).toBe(MICRO);
  expect(magic('micro.pcap', '--nano')).toBe(NANO);
  expect(magic('micro.pcap', '--time-stamp-precision', 'nano')).toBe(NANO);
});

test('several files are merged; a damaged one is said, and the rest delivered', () => {
  write('a.pcap', 5, {}, NOON, 10);
  write('b.pcap', 5, {}, NOON + 5, 10);
  expect(read('a.pcap', 'b.pcap', '-w', 'merged')).toMatchObject({ status: 0, stderr: '' });
  const secs = readSavefile(path('merged')).records.map(({ sec }) => sec - NOON);
  expect(secs).toEqual([0, 5, 10, 15, 20, 25, 30, 35, 40, 45]);
  writeFileSync(path('b.pcap'), readFileSync(path('b.pcap')).subarray(0, 24 + 2 * 76 + 20));
  writeFileSync(path('text.pcap'), 'hello, world\n');
  const { status, stderr } = read('text.pcap', 'a.pcap', 'b.pcap', '-w', 'merged');
  expect(status).toBe(1);
  expect(stderr).toBe(
    [
      'tsnetpcap: text.pcap: unknown file format (at offset 0)',
      'tsnetpcap: b.pcap: truncated dump file; tried to read 60 captured bytes, only got 4 (at offset 176)\n',
    ].join('\n'),
  );
  expect(readSavefile(path('merged')).records.map(({ sec }) => sec - NOON)).toEqual([0, 5, 10, 15, 20, 30, 40]);
});

test('different link types in one file: refused before anything is written', () => {
  write('ether.pcap', 1);
  write('sll.pcap', 1, { linktype: 113 });
  rmSync(path('merged'), { force: true });
  const { status, stderr } = read('ether.pcap', 'sll.pcap', '-w', 'merged');
  expect([status, stderr]).toEqual([
    1,
    expect.stringMatching(/^tsnetpcap: sll\.pcap: link type 113, but ether\.pcap has 1/),
  ]);
  expect(existsSync(path('merged'))).toBe(false);
});

test('LINUX_SLL2 becomes LINUX_SLL, and nothing else does', () => {
  const sll2 = Buffer.from('0800' + '0000' + '00000007' + '0001' + '04' + '06' + '0200000000010000', 'hex');
  const bytes = makeSavefile({
    ...HEADER,
    linktype: 276,
    records: [30, 20, 12].map((caplen, n) => ({ sec: NOON, fraction: n, caplen, len: 90 })),
  });
  for (const at of [24 + 16, 24 + 16 + 30 + 16]) sll2.copy(bytes, at);
  writeFileSync(path('sll2.pcap'), bytes);
  expect(read('sll2.pcap', '-y', 'LINUX_SLL', '-w', 'sll.pcap')).toMatchObject({ status: 0, stderr: '' });
  const { linktype, records } = readSavefile(path('sll.pcap'));
  expect(linktype).toBe(113);
  expect(records.map(({ packet, len }) => [packet.length, len])).toEqual([
    [26, 86],
    [16, 86],
    [0, 86],
  ]);
  const fields = ['sll.pkttype', 'sll.hatype', 'sll.halen', 'sll.src.eth', 'sll.etype'].flatMap((name) => ['-e', name]);
  const { stdout } = run('tshark', ['-n', '-r', 'sll.pcap', '-c', '1', '-T', 'fields', ...fields]);
  expect(stdout.trim().split('\t')).toEqual([
    '4',
    '1',
    '6',
    '02:00:00:00:00:01',
    expect.stringMatching(/0?x?0800|2048/),
  ]);
  write('ether.pcap', 1);
  const { status, stderr } = read('ether.pcap', '-y', 'LINUX_SLL', '-w', 'none');
  expect([status, stderr]).toEqual([
    2,
    expect.stringMatching(/-y LINUX_SLL: ether\.pcap has link type 1; only LINUX_SLL2/),
  ]);
});

test('a series is cut by the time of the packets, its size and their number', () => {
  write('day.pcap', 100, {}, NOON, 100);
  const env = { ...process.env, TZ: 'UTC' };
  const series = (name: string, ...args: readonly string[]): [string, number][] => {
    mkdirSync(path(name));
    const out = join(path(name), 'x-%H%M%S.pcap');
    const ended = run(process.execPath, [PROGRAM, 'read', 'day.pcap', '-w', out, ...args], env);
    expect(ended).toMatchObject({ status: 0, stderr: '' });
    return savefilesIn(path(name)).map((file) => [file, readSavefile(join(path(name), file)).records.length]);
  };
  expect(series('hours')).toEqual([
    ['x-120000.pcap', 36],
    ['x-130000.pcap', 36],
    ['x-140000.pcap', 28],
  ]);
  expect(series('late', 'greater', '1037')).toEqual([
    ['x-130140.pcap', 35],
    ['x-140000.pcap', 28],
  ]);
  expect(series('packets', '--rotate-packets', '30', '--rotate', '1d').map(([, count]) => count)).toEqual([
    30, 30, 30, 10,
  ]);
  expect(series('sizes', '--rotate-size', '300000', '--rotate', '1d').map(([, count]) => count)).toEqual([100]);
  expect(series('nothing', 'greater', '9999')).toEqual([]);
});

test('a packet that is larger than a file may be has one of its own', () => {
  const records = [100, 9000, 100, 100].map((caplen, n) => ({ sec: NOON + n, fraction: 0, caplen, len: caplen }));
  writeFileSync(path('large.pcap'), makeSavefile({ ...HEADER, records }));
  mkdirSync(path('own'));
  const out = join(path('own'), 'x-%s.pcap');
  expect(read('large.pcap', '-w', out, '--rotate-size', '300')).toMatchObject({ status: 0, stderr: '' });
  expect(savefilesIn(path('own')).map((file) => readSavefile(join(path('own'), file)).records.length)).toEqual([
    1, 1, 2,
  ]);
});

test('a directory of a series is read in order, and merges as one input', () => {
  const series = path('series');
  mkdirSync(series);
  write('series/s-12.pcap', 3, {}, NOON, 10);
  write('series/s-13.pcap', 3, {}, NOON + 100, 10);
  write('series/s-13-1.pcap', 2, {}, NOON + 50, 10);
  write('series/s-14.pcap.part', 3, {}, NOON + 200, 10);
  const live = readFileSync(join(series, 's-14.pcap.part'));
  writeFileSync(join(series, 's-14.pcap.part'), live.subarray(0, live.length - 7));
  writeFileSync(join(series, 's-12.pcap.gz'), gzipSync(readFileSync(join(series, 's-12.pcap'))));
  rmSync(join(series, 's-12.pcap'));
  writeFileSync(join(series, 's-15.pcap.part'), '');
  writeFileSync(join(series, 's.ledger.jsonl'), '{"type":"start"}\n');
  writeFileSync(join(series, 's.lock'), '');
  expect(read('series', '-w', 'all')).toMatchObject({ status: 0, stderr: '' });
  const secs = (): number[] => readSavefile(path('all')).records.map(({ sec }) => sec - NOON);
  expect(secs()).toEqual([0, 10, 20, 50, 60, 100, 110, 120, 200, 210]);
  write('beside.pcap', 2, {}, NOON + 55, 100);
  expect(read('beside.pcap', 'series', '-w', 'all')).toMatchObject({ status: 0, stderr: '' });
  expect(secs()).toEqual([0, 10, 20, 50, 55, 60, 100, 110, 120, 155, 200, 210]);
  expect(readdirSync(series)).toHaveLength(7);
});

test('the header says the largest snaplen of the files of a directory', () => {
  mkdirSync(path('grown'));
  write('grown/s-12.pcap', 2, { snaplen: 60 });
  const records = [{ sec: NOON + 9, fraction: 0, caplen: 300, len: 300 }];
  write('grown/s-13.pcap', 1, { snaplen: 500, records });
  expect(read('grown', '-w', 'all')).toMatchObject({ status: 0, stderr: '' });
  const { header, records: all } = readSavefile(path('all'));
  expect([header.readUInt32LE(16), ...all.map(({ packet }) => packet.length)]).toEqual([500, 60, 60, 300]);
});

test('standard input and output', () => {
  write('whole.pcap', 4);
  const bytes = readFileSync(path('whole.pcap'));
  const { status, stdout } = run(
    process.execPath,
    [PROGRAM, 'read', '-', '-w', '-', 'udp'],
    process.env,
    gzipSync(bytes),
  );
  const theirs = run('tcpdump', ['-r', '-', '-w', '-', 'udp'], process.env, bytes);
  expect(status).toBe(0);
  expect(stdout).toBe(theirs.stdout);
});

test('a reader of standard output that has gone is no failure', () => {
  write('much.pcap', 50_000);
  const { status, stdout } = run('bash', [
    '-c',
    `set -o pipefail; ${process.execPath} ${PROGRAM} read much.pcap -w - | head -c 24 | wc -c`,
  ]);
  expect([status, stdout.trim()]).toEqual([0, '24']);
});

test('what is read is not written', () => {
  write('large.pcap', 50_000); // of a small one all is read before the output is opened
  const before = readFileSync(path('large.pcap'));
  linkSync(path('large.pcap'), path('linked'));
  symlinkSync('large.pcap', path('symbolic'));
  mkdirSync(path('series-of-one'));
  linkSync(path('large.pcap'), path('series-of-one/x.pcap'));
  writeFileSync(path('list'), 'whole.pcap\nlarge.pcap\n');
  write('whole.pcap', 1);
  for (const args of [
    ['read', 'large.pcap', '-w', 'large.pcap'],
    ['read', 'whole.pcap', 'large.pcap', '-w', './symbolic'],
    ['read', 'linked', '-w', 'large.pcap'],
    ['read', 'series-of-one', '-w', 'large.pcap'],
    ['-r', 'large.pcap', '-w', 'symbolic'],
    ['-V', 'list', '-w', 'large.pcap'],
    ['-V', 'list', '-w', 'list'],
    ['-r', 'large.pcap', '-C', '1', '-w', 'large.pcap'],
    ['-r', 'large.pcap', '-G', '60', '-w', 'large.pcap'],
  ]) {
    const { status, stderr } = run(process.execPath, [PROGRAM, ...args]);
    expect([args, status, stderr]).toEqual([
      args,
      2,
      expect.stringMatching(/tsnetpcap: -w \S+: that is \S+, which is read\n$/),
    ]);
  }
  const shell = (command: string): Ended =>
    run('sh', ['-c', command.replace('tsnetpcap', `${process.execPath} ${PROGRAM}`)]);
  expect(shell('tsnetpcap read - -w large.pcap < large.pcap').status).toBe(2);
  expect(shell('tsnetpcap read large.pcap -w - >> large.pcap').status).toBe(2);
  expect(readFileSync(path('large.pcap')).equals(before)).toBe(true);
  // The second file of -C is the one that is read.
  renameSync(path('large.pcap'), path('out1'));
  const { status } = run(process.execPath, [PROGRAM, '-r', 'out1', '-C', '1', '-w', 'out']);
  expect(status).toBe(2);
  expect(readFileSync(path('out1')).equals(before)).toBe(true);
  expect(read('/dev/null', '-w', '/dev/null').stderr).toMatch(/truncated dump file/);
});

test('a standard output that takes nothing', () => {
  write('whole.pcap', 3);
  const shell = (command: string): Ended =>
    run('bash', ['-c', `set -o pipefail; ${command.replace('tsnetpcap', `${process.execPath} ${PROGRAM}`)}`]);
  for (const args of ['read whole.pcap --count', 'read --help', '-D', '-r whole.pcap -w -', 'read whole.pcap -w -']) {
    const full = shell(`tsnetpcap ${args} > /dev/full`);
    expect([args, full.status]).toEqual([args, 1]);
    expect(full.stderr.replace(/^reading from .*\n/, '')).toBe('tsnetpcap: write: ENOSPC (no space left on device)\n');
    const gone = shell(`tsnetpcap ${args} | exec 0<&-`);
    expect([args, gone.status, gone.stderr.replace(/^reading from .*\n/, '')]).toEqual([args, 0, '']);
  }
  expect(read('whole.pcap', '-w', '-', '--count')).toMatchObject({ status: 2, stdout: '' });
});

test('memory does not grow with the files', () => {
  const record = makeSavefile({
    ...HEADER,
    records: Array.from({ length: 1000 }, (_, n) => ({ sec: NOON + n, fraction: n, caplen: 1000, len: 1000 })),
  });
  const rssMib = (copies: number): number => {
    const bytes = Buffer.concat([record.subarray(0, 24), ...Array(copies).fill(record.subarray(24))]);
    writeFileSync(path('large.pcap'), bytes);
    const usage = ['-o', path('usage'), '-f', '%M', process.execPath, PROGRAM, 'read'];
    const { status } = run('/usr/bin/time', [...usage, 'large.pcap', 'large.pcap', 'large.pcap', '-w', 'out', 'udp']);
    expect(status).toBe(0);
    return Number(readFileSync(path('usage'), 'utf8')) / 1024;
  };
  const [small, large] = [rssMib(20), rssMib(200)];
  expect(large).toBeLessThan(150);
  expect(large - small).toBeLessThan(25);
});
