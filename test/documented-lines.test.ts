// The command lines of the README and of the manual page, each run as it stands there, in a network that has its interface
// and with directories of its own behind /var/log and /srv. Needs root, and fails without it.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildFrame } from '../bench/frames.ts';
import { Lab } from '../bench/lab.ts';
import packageJson from '../package.json' with { type: 'json' };
import { CAPTURE_FLAGS } from '../src/cli/capture-flags.ts';
import { spellings } from '../src/cli/flag.ts';
import { PcapWriter } from '../src/pcap-writer.ts';
import { PROGRAM, Program } from './program.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const README = readFileSync(join(ROOT, 'README.md'), 'utf8');
const MANUAL = readFileSync(join(ROOT, 'man/tsnetpcap.8'), 'utf8');
const EXAMPLES = MANUAL.slice(MANUAL.indexOf('.Sh EXAMPLES'), MANUAL.indexOf('.Sh SEE ALSO'));

/** Lines of their own, as they are or behind a prompt, and those between backquotes that are whole. */
const LINES = [
  ...new Set([
    ...[...`${README}\n${EXAMPLES}`.matchAll(/^(?:# )?(tsnetpcap (?:-|read).*)$/gm)].map(([, line = '']) => line),
    ...[...README.matchAll(/`(tsnetpcap [^`]*)`/g)].map(([, line = '']) => line),
  ]),
];
/** In the zone of the tests; the examples of `read` ask for what comes from noon on. */
const HALF_PAST_ELEVEN = new Date(2026, 0, 31, 11, 30).getTime() / 1000;

let lab: Lab;
let root: string;
/** Where the lines are run. */
let home: string;

beforeAll(() => {
  lab = Lab.create();
  lab.link('add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0peer');
  for (const name of ['eth0', 'eth0peer', 'lo']) lab.link('set', name, 'up');
  root = mkdtempSync(join(tmpdir(), 'tsnetpcap-documented-'));
  home = join(root, 'home');
  for (const name of ['home', 'bin', 'log', 'log/netpcap', 'srv']) mkdirSync(join(root, name));
  const program = join(root, 'bin/tsnetpcap');
  writeFileSync(program, `#!/bin/sh\nexec '${process.execPath}' '${PROGRAM}' "$@"\n`);
  chmodSync(program, 0o755);
  for (const path of ['log/netpcap/pcap-20260131113000.pcap', 'home/a.pcap']) {
    const writer = PcapWriter.create(join(root, path), { precision: 'micro', snaplen: 96, linktype: 1 });
    for (let n = 0; n < 60; n++) writer.writePacket(HALF_PAST_ELEVEN + 60 * n, n, query(n));
    writer.close();
  }
  const pcapng = join(home, 'b.pcapng');
  execFileSync('editcap', ['-F', 'pcapng', join(home, 'a.pcap'), pcapng], { stdio: 'pipe' });
  execFileSync('gzip', [pcapng]);
});

afterAll(() => {
  lab?.remove();
  if (root !== undefined) rmSync(root, { recursive: true });
});

/** From 10.0.0.1 to port 53. */
function query(n: number): Uint8Array {
  const frame = buildFrame('udp4', 90, n);
  frame.set([10, 0, 0, 1], 14 + 12);
  frame.set([0, 53], 14 + 20 + 2);
  return frame;
}

function start(line: string): Program {
  const script = `mount --bind "$0/log" /var/log && mount --bind "$0/srv" /srv && ${line}`;
  const env = { PATH: `${join(root, 'bin')}:${process.env['PATH']}` };
  return new Program(lab, ['unshare', '-m', 'sh', '-c', script, root], { cwd: home, env });
}

const isCapture = (line: string): boolean => line.startsWith('tsnetpcap -') && !line.includes('|');

test('there are some of each kind', () => {
  expect(LINES.filter(isCapture).length).toBeGreaterThanOrEqual(3);
  expect(LINES.filter((line) => line.includes('|')).length).toBe(1);
  expect(LINES.filter((line) => line.startsWith('tsnetpcap read ')).length).toBeGreaterThanOrEqual(3);
});

describe('captures', () => {
  test.each(LINES.filter(isCapture))('%s', async (line) => {
    const program = start(`exec ${line}`);
    try {
      await program.says(/listening on (any|eth0), link-type .*, snapshot length \d+ bytes\n/);
      await program.stop();
      const shown = /# (tsnetpcap -.*)\n(tsnetpcap: listening .*)\n/.exec(README);
      if (shown?.[1] === line) expect(program.stderr).toContain(`${shown[2]}\n`);
    } finally {
      await program.kill();
    }
  });

  test('they have made files where they should', () => {
    expect(
      readdirSync(join(root, 'log/netpcap')).filter((name) => /^pcap-\d{14}(-\d+)?\.pcap$/.test(name)).length,
    ).toBe(3);
    expect(readdirSync(join(root, 'srv/cap')).filter((name) => /^\d{8}-\d{4}\.pcap$/.test(name)).length).toBe(1);
  });

  test.each(LINES.filter((line) => line.includes('|')))('%s', async (line) => {
    const program = start(line);
    try {
      await program.says(/listening on any/);
      const send = `const s = require('node:dgram').createSocket('udp4'); let n = 0;
        const next = () => n++ < 100 ? s.send('packet', 53, '127.0.0.1', next) : s.close(); next();`;
      lab.exec([process.execPath, '-e', send]);
      expect(await program.exit()).toBe(0);
      expect(program.stderr).toContain('\n100 packets captured\n');
      expect(program.stdout.trimEnd().split('\n').length).toBe(100);
    } finally {
      await program.kill();
    }
  });
});

test('read', async () => {
  const counts: Record<string, number> = {};
  for (const line of LINES.filter((each) => each.startsWith('tsnetpcap read '))) {
    const program = start(`exec ${line}`);
    const output = /-w (\S+)/.exec(line)?.[1] ?? '';
    try {
      expect([line, await program.exit(), program.stderr]).toEqual([line, 0, '']);
    } finally {
      await program.kill();
    }
    const count = execFileSync('capinfos', ['-T', '-r', '-M', '-c', join(home, output)], { encoding: 'utf8' });
    counts[output] = Number(count.trim().split('\t')[1]);
  }
  expect(counts).toEqual({ 'part.pcap': 30, 'five.pcap': 5, 'both.pcap': 120 });
});

test('verify and release, and what they are given', async () => {
  const directory = '/var/log/netpcap';
  const names = LINES.filter((line) => /^tsnetpcap (verify|release) /.test(line));
  expect(names).toEqual(['tsnetpcap verify DIR', 'tsnetpcap release DIR NAME...']);
  const [complete = ''] = readdirSync(join(root, 'log/netpcap'))
    .filter((name) => /^pcap-2\d{13}\.pcap$/.test(name))
    .slice(-1);
  for (const line of names) {
    const program = start(`exec ${line.replace('DIR', directory).replace('NAME...', complete)}`);
    try {
      expect([await program.exit(), program.stderr]).toEqual([0, '']);
    } finally {
      await program.kill();
    }
  }
  expect(existsSync(join(root, 'log/netpcap', complete))).toBe(false);
});

test('what the README runs by npm, or links to, is there', () => {
  const scripts: readonly string[] = Object.keys(packageJson.scripts);
  const named = [...README.matchAll(/npm run ([a-z:-]+)|`(bench:[a-z-]+)`/g)].map(([, a, b]) => a ?? b ?? '');
  expect(named.length).toBeGreaterThan(5);
  expect(named.filter((name) => !scripts.includes(name))).toEqual([]);
  const links = [...README.matchAll(/\]\(([^):]+)\)/g)].map(([, path = '']) => path);
  expect(links.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
});

test('the options of the README are there, and have the defaults that it says', async () => {
  const table = README.slice(README.indexOf('## Options'), README.indexOf('## What is counted'));
  const rows = [...table.matchAll(/^\| (.*?(?<!\\)) \| (.*?) \| .* \|$/gm)].flatMap(([, names = '', told = '']) =>
    [...names.matchAll(/`(--?[\w-]+)/g)].map(([, name = '']) => [name, told] as const),
  );
  expect(rows.length).toBeGreaterThan(25);
  const flagOf = (name: string): (typeof CAPTURE_FLAGS)[number] | undefined =>
    CAPTURE_FLAGS.find((flag) => spellings(flag).includes(name));
  expect(rows.filter(([name]) => flagOf(name) === undefined)).toEqual([]);
  const argv = [process.execPath, PROGRAM, '--print-config', '-w', 'x-%s'] as const;
  const { stdout } = await Program.run(undefined, [...argv]);
  const held = new Map(stdout.split('\n').map((line) => [line.split(' ')[0] ?? '', line.split(' ')[1] ?? '']));
  const unset = ['', 'no', 'none', 'all', 'never'];
  for (const [name, told] of rows) {
    const flag = flagOf(name);
    const value = spellings(flag ?? {})
      .map((each) => held.get(each))
      .find((each) => each !== undefined);
    const parse = (text: string): unknown => flag?.parse?.(name, text) ?? text;
    if (unset.includes(told)) expect([name, name === '-w' ? undefined : value]).toEqual([name, undefined]);
    else expect([name, value === undefined ? value : parse(value)]).toEqual([name, parse(told.replaceAll('`', ''))]);
  }
});
