// The file for Prometheus: by a strict reading of the format's grammar, and by node_exporter, which scripts/test unpacks.
import { execFileSync } from 'node:child_process';
import {
  existsSync,
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
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { OptionError, SyscallError } from '../../src/errors.ts';
import { type Counters, parseStatsFile, StatsFile } from '../../src/service/stats-file.ts';
import { readExposition } from '../exposition.ts';
import { Program } from '../program.ts';

const EXPORTER = fileURLToPath(
  new URL('../../node_modules/.cache/node-exporter/usr/bin/prometheus-node-exporter', import.meta.url),
);
const START_MS = Date.parse('2026-01-01T00:00:00.250Z');

const root = mkdtempSync(join(tmpdir(), 'stats-file-'));
afterAll(() => rmSync(root, { recursive: true }));

let dir = '';
let path = '';
beforeEach(() => {
  dir = mkdtempSync(join(root, 'dir-'));
  path = join(dir, 'tsnetpcap.prom');
});

const COUNTERS: Counters = {
  received: 2 ** 40 + 1,
  written: 2 ** 40 - 99,
  dropped: 40,
  noSpace: 30,
  filtered: 20,
  unread: 10,
  late: 5,
  ifDropped: 4,
  queueFreezes: 3,
  savefilesComplete: 48,
};

const EXPECTED: readonly (readonly [name: string, type: string, value: number])[] = [
  ['packets_received_total', 'counter', COUNTERS.received],
  ['packets_written_total', 'counter', COUNTERS.written],
  ['packets_dropped_total', 'counter', 40],
  ['packets_no_space_total', 'counter', 30],
  ['packets_filtered_total', 'counter', 20],
  ['packets_unread', 'gauge', 10],
  ['packets_late_total', 'counter', 5],
  ['interface_dropped_total', 'counter', 4],
  ['queue_freezes_total', 'counter', 3],
  ['savefiles_complete', 'gauge', 48],
  ['start_time_seconds', 'gauge', START_MS / 1000],
];

const statsFile = (device = 'any', output = '/var/log/p.pcap', file = path): StatsFile =>
  new StatsFile(file, { device, output }, START_MS);
const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'nothing',
    (cause: unknown) => cause,
  );

/** What node_exporter serves of the files in `dir`. */
async function served(): Promise<string> {
  const program = new Program(undefined, [
    EXPORTER,
    '--web.listen-address=127.0.0.1:0',
    '--web.disable-exporter-metrics',
    '--collector.disable-defaults',
    '--collector.textfile',
    `--collector.textfile.directory=${dir}`,
  ]);
  try {
    await program.says(/address=127\.0\.0\.1:\d+/);
    const [, address] = /address=(127\.0\.0\.1:\d+)/.exec(program.stderr) ?? [];
    const response = await fetch(`http://${address}/metrics`);
    return `${response.ok ? '' : `${response.status}: `}${await response.text()}`;
  } finally {
    await program.kill();
  }
}

test('every counter, by the grammar', async () => {
  const before = Date.now();
  await statsFile('any', '/var/log/netpcap/pcap-%Y%m%d%H%M%S.pcap').write(COUNTERS);
  const metrics = readExposition(readFileSync(path, 'utf8'));
  const labels = { device: 'any', output: '/var/log/netpcap/pcap-%Y%m%d%H%M%S.pcap' };
  const expected = EXPECTED.map(([name, type, value]) => ({ name: `tsnetpcap_${name}`, type, labels, value }));
  expect(metrics.slice(0, -1).map(({ help: _, ...rest }) => rest)).toEqual(expected);
  expect(metrics.at(-1)).toMatchObject({ name: 'tsnetpcap_last_update_time_seconds', type: 'gauge', labels });
  expect(metrics.at(-1)?.value).toBeGreaterThanOrEqual(before / 1000);
  expect(metrics.at(-1)?.value).toBeLessThanOrEqual(Date.now() / 1000);
  for (const { help } of metrics) expect(help).toMatch(/^[A-Z].*\.$/);
  expect(readdirSync(dir)).toEqual(['tsnetpcap.prom']);
  expect(statSync(path).mode).toBe(0o100644 & ~process.umask());
});

test('no metric for savefiles where there is no series', async () => {
  await statsFile().write({ ...COUNTERS, savefilesComplete: undefined });
  expect(readExposition(readFileSync(path, 'utf8')).map(({ name }) => name)).not.toContain(
    'tsnetpcap_savefiles_complete',
  );
});

const AWKWARD = ['back\\slash', 'quo"te', 'new\nline', '\\n', '\\', '"', 'ümläut {a="b"} # HELP', ''];

test('labels of any content come back as they were', async () => {
  for (const text of AWKWARD) {
    await statsFile(text, `${text}${text}`).write(COUNTERS);
    for (const { labels } of readExposition(readFileSync(path, 'utf8')))
      expect(labels).toEqual({ device: text, output: `${text}${text}` });
  }
});

test('node_exporter serves the counters, of several captures', async () => {
  const captures = AWKWARD.map((output, n) => ({ output, file: join(dir, `capture-${n}.prom`) }));
  for (const { output, file } of captures) await statsFile('any', output, file).write(COUNTERS);
  writeFileSync(join(dir, 'capture-0.prom.tmp'), 'half a fi');
  const metrics = readExposition(await served());
  expect(metrics.find(({ name }) => name === 'node_textfile_scrape_error')?.value).toBe(0);
  for (const [name, type, value] of EXPECTED) {
    const found = metrics.filter((metric) => metric.name === `tsnetpcap_${name}`);
    expect(found.map(({ labels }) => labels['output']).sort()).toEqual([...AWKWARD].sort());
    for (const each of found) expect(each).toMatchObject({ type, value, labels: { device: 'any' } });
  }
});

test('a reader never sees half a file, and a write never overlaps another', async () => {
  const file = statsFile('any', 'x'.repeat(100_000)); // a megabyte
  await file.write({ ...COUNTERS, received: 0 });
  const length = statSync(path).size;
  let over = false;
  const first = file.write({ ...COUNTERS, received: 1 });
  await new Promise((next) => setImmediate(next)); // it is under way when all others come: of them the last one counts
  const writes = Array.from({ length: 49 }, (_, n) => file.write({ ...COUNTERS, received: n + 2 }));
  const written = Promise.all([first, ...writes]).then(() => {
    over = true;
  });
  const seen = new Set<number | undefined>();
  while (!over) {
    const text = readFileSync(path, 'utf8');
    expect(Math.abs(text.length - length)).toBeLessThan(20); // the digits of a time
    seen.add(readExposition(text)[0]?.value);
    expect(readdirSync(dir).filter((name) => !['tsnetpcap.prom', 'tsnetpcap.prom.tmp'].includes(name))).toEqual([]);
    await new Promise((next) => setImmediate(next));
  }
  await written;
  expect([...seen].filter((value) => ![0, 1, 50].includes(value ?? -1))).toEqual([]);
  expect(readExposition(readFileSync(path, 'utf8'))[0]?.value).toBe(50);
  expect(readdirSync(dir)).toEqual(['tsnetpcap.prom']);
});

test('a full disk: the file before stays, nothing else does, and later it succeeds', async () => {
  const disk = join(dir, 'disk');
  mkdirSync(disk);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tsnetpcap-test', disk]);
  try {
    const file = new StatsFile(join(disk, 'a.prom'), {}, START_MS);
    await file.write(COUNTERS);
    const before = readFileSync(join(disk, 'a.prom'));
    try {
      writeFileSync(join(disk, 'filling'), Buffer.alloc(2 ** 20));
    } catch {
      // It is full now.
    }
    const failure = await failureOf(file.write({ ...COUNTERS, received: 7 }));
    expect(failure).toBeInstanceOf(SyscallError);
    expect(failure).toMatchObject({ code: 'ENOSPC', path: join(disk, 'a.prom.tmp') });
    expect(readdirSync(disk).sort()).toEqual(['a.prom', 'filling']);
    expect(readFileSync(join(disk, 'a.prom')).equals(before)).toBe(true);
    rmSync(join(disk, 'filling'));
    await file.write({ ...COUNTERS, received: 8 });
    expect(readExposition(readFileSync(join(disk, 'a.prom'), 'utf8'))[0]).toMatchObject({ value: 8, labels: {} });
  } finally {
    execFileSync('umount', [disk]);
  }
});

test('whoever waits for a write is told when it is done, also when there is always a next one', async () => {
  const file = statsFile('any', 'x', join(dir, 'missing', 'a.prom'));
  const failures: unknown[] = [];
  while (failures.length === 0) {
    void failureOf(file.write(COUNTERS)).then((failure) => failures.push(failure));
    await new Promise((next) => setImmediate(next));
  }
  expect(failures[0]).toMatchObject({ code: 'ENOENT' });
  mkdirSync(join(dir, 'missing'));
  await file.write(COUNTERS);
});

test('a directory that is missing, or comes back; a link in the way is not followed', async () => {
  const home = join(dir, 'home');
  const file = statsFile('any', 'x', join(home, 'a.prom'));
  expect(await failureOf(file.write(COUNTERS))).toMatchObject({ code: 'ENOENT', path: join(home, 'a.prom.tmp') });
  mkdirSync(home);
  await file.write(COUNTERS);
  symlinkSync(join(dir, 'outside'), join(home, 'a.prom.tmp'));
  expect(await failureOf(file.write(COUNTERS))).toMatchObject({ code: 'ELOOP' });
  expect(existsSync(join(dir, 'outside'))).toBe(false);
  await file.write(COUNTERS);
  expect(readdirSync(home)).toEqual(['a.prom']);
});

test('the option: a file or nothing yet, since it is replaced', () => {
  writeFileSync(join(dir, 'file'), '');
  symlinkSync('file', join(dir, 'link'));
  for (const text of [join(dir, 'file'), join(dir, 'new'), 'new', join(dir, 'missing', 'new.prom')])
    expect(parseStatsFile('--stats-file', text)).toBe(text);
  for (const text of ['', dir, '.', `${dir}/new/`, '/dev/null', join(dir, 'link')])
    expect(() => parseStatsFile('--stats-file', text)).toThrow(OptionError);
  expect(() => parseStatsFile('--stats-file', join(dir, 'file', 'x'))).toThrow(SyscallError);
});
