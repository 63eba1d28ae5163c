// The examples of the library, each compiled and run in a stranger's project, against the package as npm would install it,
// and judged by tcpdump, tshark and capinfos. Needs root.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildFrame, type FrameKind } from '../bench/frames.ts';
import { GENERATOR, Lab } from '../bench/lab.ts';
import { offer } from '../bench/offer.ts';
import packageJson from '../package.json' with { type: 'json' };
import { Consumer, ROOT } from './consumer.ts';
import { PROGRAM, Program } from './program.ts';
import { expectReadable, savefilesIn } from './savefile.ts';

const EXAMPLES = ['capture.ts', 'filter.ts', 'read.ts', 'split.ts'];
/** 2026-03-01T12:00:30Z, in the middle of a minute. */
const START = 1_772_366_430;

let consumer: Consumer;
/** A savefile with a packet every ten seconds, of each kind in turn, of 60 packets. */
let savefile: string;

beforeAll(async () => {
  consumer = new Consumer([...Object.keys(packageJson.dependencies), '@types/node', 'undici-types']);
  for (const name of EXAMPLES) consumer.write(name, readFileSync(join(ROOT, 'test/examples', name), 'utf8'));
  consumer.build(EXAMPLES);
  savefile = join(consumer.directory, 'made.pcap');
  const source = `
    import { PcapWriter } from 'tsnetpcap/pcap-writer';
    const writer = PcapWriter.create('made.pcap', { precision: 'nano', snaplen: 96, linktype: 1 });
    for (const [n, frame] of ${JSON.stringify(frames().map((frame) => Buffer.from(frame).toString('hex')))}.entries())
      writer.writePacket(${START} + 10 * n, 123_456_789, Buffer.from(frame, 'hex'));
    writer.close();
  `;
  consumer.run(source);
  expectReadable(savefile, 60);
});

afterAll(() => {
  consumer?.remove();
});

function frames(): Uint8Array[] {
  const kinds: readonly FrameKind[] = ['udp4', 'udp6', 'arp', 'vlan'];
  return Array.from({ length: 60 }, (_, n) => buildFrame(kinds[n % kinds.length] ?? 'udp4', 100 + n, n));
}

/** Runs an example to its end. */
function run(args: readonly string[], input = ''): { code: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...args], {
    cwd: consumer.directory,
    encoding: 'utf8',
    input,
  });
  return { code: status, stdout, stderr };
}

function print(program: string, ...args: readonly string[]): string {
  return execFileSync(program, args, { encoding: 'utf8', stdio: 'pipe' });
}

test('they are four, under 40 lines each; the README links them and shows the shortest', () => {
  expect(readdirSync(join(ROOT, 'test/examples')).sort()).toEqual(EXAMPLES);
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const texts = EXAMPLES.map((name) => readFileSync(join(ROOT, 'test/examples', name), 'utf8'));
  expect(texts.filter((text) => text.split('\n').length >= 40)).toEqual([]);
  expect(EXAMPLES.filter((name) => !readme.includes(`(test/examples/${name})`))).toEqual([]);
  const [shortest = ''] = texts.map((text) => text.replace(/^(\/\/.*\n)+/, '')).sort((a, b) => a.length - b.length);
  expect(readme.includes(`\`\`\`ts\n${shortest}\`\`\``)).toBe(true);
});

test.each(['nodenext', 'bundler'] as const)('they compile, strict, for the module resolution %s', (resolution) => {
  expect(consumer.check(EXAMPLES, resolution, ['node'])).toBe('');
});

test('capture: every packet that matches is in the series, which is verified, and the statistics say so', async () => {
  const lab = Lab.create();
  const directory = join(consumer.directory, 'captured');
  const argv = [process.execPath, 'capture.js', 'cap0', directory, '600', 'udp port 40001'] as const;
  const program = new Program(lab, argv, { cwd: consumer.directory });
  try {
    await program.says(/listening on cap0, link-type EN10MB .*\n/);
    await offer(lab, { count: 700, send: true, frame: 'arp' });
    await offer(lab, { count: 5000, send: true });
    program.signal('SIGTERM');
    expect(await program.exit()).toBe(0);
  } finally {
    await program.kill();
    lab.remove();
  }
  expect(program.stdout).toBe('{"received":5000,"written":5000,"dropped":0}\n');
  const files = savefilesIn(directory).map((name) => join(directory, name));
  expect(files.every((name) => /\/c-\d{14}\.pcap$/.test(name))).toBe(true);
  const lines = files.flatMap((file) => print('tcpdump', '-n', '-r', file, 'udp port 40001').trim().split('\n'));
  expect(lines).toHaveLength(5000);
  expect(print(process.execPath, PROGRAM, 'verify', directory)).toContain(
    `${files.length} of ${files.length} complete`,
  );
});

test('read: what it counts is what tshark counts, in a compressed pcapng file', () => {
  const pcapng = join(consumer.directory, 'made.pcapng');
  print('editcap', '-F', 'pcapng', savefile, pcapng);
  writeFileSync(`${pcapng}.gz`, execFileSync('gzip', ['-c', pcapng]));
  const lengths = print('tshark', '-r', savefile, '-Y', 'ipv6', '-T', 'fields', '-e', 'frame.len').trim().split('\n');
  const bytes = lengths.reduce((sum, length) => sum + Number(length), 0);
  expect(run(['read.js', `${pcapng}.gz`, 'ip6'])).toEqual({
    code: 0,
    stdout: `${GENERATOR.mac.replaceAll(':', '')} ${lengths.length} ${bytes}\n`,
    stderr: '',
  });
  expect(run(['read.js', savefile]).stdout).toMatch(/^020000000001 60 \d+\n$/);
});

test('read: what lies before a damage is counted, then the damage named', () => {
  const torn = join(consumer.directory, 'torn.pcap');
  writeFileSync(torn, readFileSync(savefile).subarray(0, -3));
  const { code, stdout, stderr } = run(['read.js', torn]);
  expect(stdout).toMatch(/^020000000001 59 \d+\n$/);
  expect(stderr).toMatch(/torn\.pcap: truncated dump file; .*\n$/);
  expect(code).toBe(1);
});

test('split: a file for each minute of the packets, the last ten kept, no packet of these lost or changed', () => {
  const directory = join(consumer.directory, 'minutes');
  mkdirSync(directory);
  expect(run(['split.js', savefile, directory])).toEqual({ code: 0, stdout: '60 packets\n', stderr: '' });
  const files = savefilesIn(directory);
  // 12:00:30 to 12:10:20 are eleven minutes.
  expect(files).toEqual(Array.from({ length: 10 }, (_, n) => `m-202603011${200 + n + 1}00.pcap`));
  const kept = join(consumer.directory, 'kept.pcap');
  print('mergecap', '-F', 'nsecpcap', '-a', '-w', kept, ...files.map((name) => join(directory, name)));
  const from = 'frame.time_epoch >= 1772366460';
  const packets = (path: string): string => print('tshark', '-r', path, '-Y', from, '-t', 'e', '-x');
  expect(packets(kept)).toBe(packets(savefile));
  expect(print('capinfos', '-T', '-r', '-M', '-c', kept).trim().split('\t')).toEqual([kept, '57']);
  expect(print(process.execPath, PROGRAM, 'verify', directory)).toContain('10 of 10 complete');
});

test('filter: bytes match where tcpdump shows them', () => {
  const lines = frames().map((frame) => Buffer.from(frame).toString('hex'));
  const expression = 'ip6 or arp';
  const { code, stdout } = run(['filter.js', expression], lines.join('\n'));
  expect(code).toBe(0);
  const answers = stdout.trim().split('\n');
  expect(answers).toHaveLength(60);
  const times = print('tcpdump', '-n', '-tt', '-r', savefile, expression).trim().split('\n');
  const shown = times.map((line) => (Math.floor(Number(line.split(' ')[0])) - START) / 10);
  expect(answers.flatMap((answer, n) => (answer === 'yes' ? [n] : []))).toEqual(shown);
});

test('filter -d: the instructions are those that tcpdump has for an interface', () => {
  const lab = Lab.create();
  try {
    const [node, ...rest] = lab.command([process.execPath, 'filter.js', '-d', 'cap0', 'ip6 and tcp']);
    const { stdout, stderr } = spawnSync(node, rest, { cwd: consumer.directory, encoding: 'utf8' });
    expect(stderr).toBe('link type EN10MB\n');
    const theirs = lab.exec(['tcpdump', '-ddd', '-s', '96', '-i', 'cap0', 'ip6 and tcp']);
    const [count, ...instructions] = theirs.trim().split('\n');
    expect(stdout.trim().split('\n')).toEqual(instructions);
    expect(instructions).toHaveLength(Number(count));
  } finally {
    lab.remove();
  }
});
