// --stats-interval and --stats-file: lines and metrics that add up. Live, in a lab; needs root, and fails without it.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Lab } from '../../bench/lab.ts';
import { offer } from '../../bench/offer.ts';
import { reportLine } from '../../src/cli/statistics.ts';
import { readExposition } from '../exposition.ts';
import { PROGRAM, Program } from '../program.ts';

const WORDS = [
  'received',
  'written',
  'dropped',
  'no space',
  'filtered',
  'unread',
  'late',
  'dropped by interface',
  'queue freezes',
];

let lab: Lab;
let root: string;
/** Of the test. */
let home: string;

beforeAll(() => {
  lab = Lab.create();
  root = mkdtempSync(join(tmpdir(), 'tsnetpcap-reports-'));
});

afterAll(() => {
  lab?.remove();
  if (root !== undefined) rmSync(root, { recursive: true });
});

beforeEach(() => {
  home = mkdtempSync(join(root, 'home-'));
});

interface Report {
  readonly seconds: number;
  readonly interval: readonly number[];
  readonly total: readonly number[];
}

/** The lines of --stats-interval, each with all its terms in their order. */
function reportsIn(text: string): Report[] {
  const terms = WORDS.map((word) => `(-?\\d+) ${word}`).join(', ');
  const line = new RegExp(`^(?:tsnetpcap: )?(\\d+(?:\\.\\d)?)s: ${terms}; total: ${terms}$`, 'gm');
  return [...text.matchAll(line)].map(([, ...numbers]) => {
    const [seconds = Number.NaN, ...counts] = numbers.map(Number);
    return { seconds, interval: counts.slice(0, WORDS.length), total: counts.slice(WORDS.length) };
  });
}

/** What is left of received when everything that became of it is taken away. */
const difference = ([
  received = 0,
  written = 0,
  dropped = 0,
  noSpace = 0,
  filtered = 0,
  unread = 0,
]: readonly number[]) => received - written - dropped - noSpace - filtered - unread;

const metricsIn = (path: string): Map<string, number> =>
  new Map(readExposition(readFileSync(path, 'utf8')).map(({ name, value }) => [name.replace('tsnetpcap_', ''), value]));

test('a line has every term of the balance, zeros too, of the interval and of the whole', () => {
  const statistics = {
    received: 100,
    written: 50,
    dropped: 5,
    noSpace: 4,
    filtered: 3,
    unread: 38,
    late: 2,
    ifDropped: 7,
    queueFreezes: 1,
  };
  const first = `100 received, 50 written, 5 dropped, 4 no space, 3 filtered, 38 unread, 2 late, 7 dropped by interface, 1 queue freezes`;
  expect(reportLine(statistics, undefined, 10)).toBe(`10s: ${first}; total: ${first}`);
  const later = { ...statistics, received: 110, written: 98, unread: 0 };
  const total = `110 received, 98 written, 5 dropped, 4 no space, 3 filtered, 0 unread, 2 late, 7 dropped by interface, 1 queue freezes`;
  expect(reportLine(later, statistics, 10.26)).toBe(
    `10.3s: 10 received, 48 written, 0 dropped, 0 no space, 0 filtered, -38 unread, 0 late, 0 dropped by interface, 0 queue freezes; total: ${total}`,
  );
});

test('each second a line, whose numbers add up; the same in the file for Prometheus', async () => {
  const [file, stats] = [join(home, 'a.pcap'), join(home, 'a.prom')];
  const options = ['-w', file, '--stats-interval', '1s', '--stats-file', stats];
  const startSec = Date.now() / 1000;
  const program = await Program.capture(lab, ['-i', 'cap0', ...options]);
  try {
    await program.until(() => existsSync(stats));
    expect(metricsIn(stats).get('packets_received_total')).toBe(0);
    expect(await offer(lab, { count: 30_000, send: true, rate: 10_000 })).toBe(30_000);
    await program.until(() => metricsIn(stats).get('packets_written_total') === 30_000);
    const lines = reportsIn(program.stderr).length;
    // Also without a packet.
    await program.until(() => reportsIn(program.stderr).length >= lines + 2);
    expect(await offer(lab, { count: 500, send: true })).toBe(500);
    expect(await program.stop()).toEqual({ captured: 30_500, received: 30_500, dropped: 0 });
  } finally {
    await program.kill();
  }
  const reports = reportsIn(program.stderr);
  expect(reports.length).toBeGreaterThanOrEqual(5);
  const sum = WORDS.map(() => 0);
  for (const { seconds, interval, total } of reports) {
    expect(seconds).toBeGreaterThanOrEqual(0);
    interval.forEach((term, index) => {
      sum[index] = (sum[index] ?? 0) + term;
    });
    expect([difference(interval), difference(total)]).toEqual([0, 0]);
    expect(total).toEqual(sum);
  }
  expect(sum.slice(0, 6)).toEqual([30_500, 30_500, 0, 0, 0, 0]);
  // Among the last lines, before tcpdump's three.
  expect(program.stderr.trimEnd().split('\n').at(-4)).toMatch(/^tsnetpcap: .*; total: 30500 received, 30500 written/);

  const metrics = metricsIn(stats);
  expect(metrics.get('packets_received_total')).toBe(30_500);
  expect(metrics.get('packets_written_total')).toBe(30_500);
  for (const name of ['dropped_total', 'no_space_total', 'filtered_total', 'unread', 'late_total'])
    expect([name, metrics.get(`packets_${name}`)]).toEqual([name, 0]);
  for (const name of ['start_time_seconds', 'last_update_time_seconds'])
    expect(metrics.get(name)).toBeGreaterThanOrEqual(startSec);
  for (const { labels } of readExposition(readFileSync(stats, 'utf8')))
    expect(labels).toEqual({ device: 'cap0', output: file });
});

test('what -c leaves unread is in the last line, and in the file', async () => {
  const stats = join(home, 'a.prom');
  const options = ['-w', '/dev/null', '-c', '100', '--stats-interval', '1d', '--stats-file', stats];
  const program = await Program.capture(lab, ['-i', 'cap0', ...options]);
  try {
    expect(await offer(lab, { count: 5000, send: true })).toBe(5000);
    expect(await program.exit()).toBe(0);
  } finally {
    await program.kill();
  }
  const [last, ...others] = reportsIn(program.stderr);
  expect(others).toEqual([]);
  const [received = 0, written, , , , unread = 0] = last?.total ?? [];
  expect([written, unread]).toEqual([100, received - 100]);
  expect(unread).toBeGreaterThan(0);
  const metrics = metricsIn(stats);
  expect(metrics.get('packets_written_total')).toBe(100);
  expect(metrics.get('packets_unread')).toBe(unread);
});

test('a file that cannot be written is said once, and once when it can again; the capture goes on', async () => {
  const away = join(home, 'away');
  const stats = join(away, 'a.prom');
  const options = ['-w', join(home, 'a.pcap'), '--stats-interval', '1', '--stats-file', stats];
  const program = await Program.capture(lab, ['-i', 'cap0', ...options]);
  try {
    const lines = (): number => reportsIn(program.stderr).length;
    await program.until(() => lines() >= 3);
    mkdirSync(away);
    await program.until(() => existsSync(stats));
    await program.says(/is written again/);
    const before = lines();
    await program.until(() => lines() >= before + 2);
    expect(await offer(lab, { count: 10, send: true })).toBe(10);
    rmSync(away, { recursive: true, maxRetries: 5 });
    expect(await program.stop()).toEqual({ captured: 10, received: 10, dropped: 0 });
  } finally {
    await program.kill();
  }
  const said = program.stderr.split('\n').filter((line) => line.includes('--stats-file'));
  const written = `tsnetpcap: --stats-file: ${stats} is written again`;
  expect(said).toEqual([
    `tsnetpcap: --stats-file: ${stats}.tmp: No such file or directory`,
    written,
    expect.stringMatching(/: No such file or directory$/),
  ]);
});

test('--stats-file alone prints no line', async () => {
  const stats = join(home, 'a.prom');
  const program = await Program.capture(lab, ['-i', 'cap0', '-w', join(home, 'a.pcap'), '--stats-file', stats]);
  try {
    await program.until(() => existsSync(stats));
    await program.stop();
  } finally {
    await program.kill();
  }
  expect(program.stderr).not.toContain('total');
});

test.each([
  ['--stats-interval', '0', 'expected a time from 1s to 86400s, such as 3600, 30s, 15m, 1h or 7d'],
  ['--stats-interval', '2d', 'expected a time from 1s to 86400s, such as 3600, 30s, 15m, 1h or 7d'],
  ['--stats-file', '/', 'expected the name of a file, which is replaced; not a directory, device or link'],
])('%s %s is refused', async (name, value, reason) => {
  const { code, stderr } = await Program.run(lab, [process.execPath, PROGRAM, '-i', 'cap0', name, value]);
  expect([code, stderr]).toEqual([2, `tsnetpcap: ${name} ${value}: ${reason}\n`]);
});
