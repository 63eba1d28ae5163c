// What netlogs starts, loads and shows beside its rows: Wireshark, native code and DuckDB only where they are needed, a bar while
// it indexes, a live directory with its ledger, its page.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SeriesBuilder, STOP } from '../../rotation/series-builder.ts';
import { CLEAN, LEAKY, Logs } from './logs.ts';
import { NETLOGS, netlogs, onTerminal, rowsOf } from './run.ts';

const TSNETPCAP = fileURLToPath(new URL('../../../dist/tsnetpcap.cjs', import.meta.url));
let logs: Logs;
let scratch: string;
const at = (...args: readonly string[]): string[] => [...args, '-d', logs.root];

beforeAll(() => {
  logs = new Logs();
  scratch = mkdtempSync(join(tmpdir(), 'netlogs-program-'));
});

afterAll(() => {
  logs?.remove();
  if (scratch !== undefined) rmSync(scratch, { recursive: true });
});

test('on a terminal a bar shows how far the index is, and is gone before the table', () => {
  const seen = onTerminal(200, at('list'));
  const [bar = ''] = seen.split('DATE ');
  expect(bar).toMatch(/sys-dns 2026-11-26 \[ *#* *\] \d+% \d+ packets/);
  expect(bar.endsWith('\r\u001b[K')).toBe(true);
  expect(netlogs(at('list')).stderr).toBe('');
});

/** Ends a program that asks for `name`. */
function runWithout(name: string, program: string, args: readonly string[]): { code: number | null; stderr: string } {
  const trap = join(scratch, 'trap.cjs');
  writeFileSync(
    trap,
    `const Module = require('node:module');
    const load = Module._load;
    Module._load = function (request, ...rest) {
      if (request.startsWith(process.env.TRAPPED)) { console.error('loads ' + request); process.exit(99); }
      return load.call(this, request, ...rest);
    };`,
  );
  const env = { ...process.env, HOME: '/nonexistent', TZ: 'UTC', TRAPPED: name };
  const { status, stderr } = spawnSync(process.execPath, ['--require', trap, program, ...args], {
    env,
    encoding: 'utf8',
  });
  return { code: status, stderr };
}

test('native code is loaded for an expression, and for nothing else that it is asked', () => {
  const out = join(scratch, 'koffi.pcap');
  for (const args of [
    ['list'],
    ['show'],
    ['flows'],
    ['dns'],
    ['diff', CLEAN, LEAKY],
    ['sql', 'SELECT 1'],
    ['report', '-w', out],
    ['packets', '--port', '443', '-w', out],
  ])
    expect(runWithout('koffi', NETLOGS, at(...args)), args.join(' ')).toMatchObject({ code: 0 });
  expect(runWithout('koffi', NETLOGS, at('check', CLEAN))).toMatchObject({ code: 0 });
  expect(runWithout('koffi', NETLOGS, at('packets', '-w', out, 'port 443'))).toMatchObject({ code: 99 });
});

test('DuckDB is loaded by netlogs when it asks the index, and never by tsnetpcap', () => {
  const flow = join(scratch, 'flow.pcap');
  expect(netlogs(at('packets', '--port', '443', '-w', flow)).code).toBe(0);
  expect(runWithout('@duckdb', TSNETPCAP, ['read', flow, '--count'])).toMatchObject({ code: 0 });
  expect(runWithout('@duckdb', NETLOGS, ['--help'])).toMatchObject({ code: 0 });
  expect(runWithout('@duckdb', NETLOGS, at('flows'))).toMatchObject({ code: 99 });
});

test('packets opens Wireshark on a savefile that is there as long as it runs', () => {
  const program = join(scratch, 'wireshark');
  writeFileSync(
    program,
    `#!/bin/sh\nprintf '%s' "$1" > '${scratch}/opened'\ntshark -r "$1" -T fields -e ip.dst 2> /dev/null > '${scratch}/seen'\n`,
  );
  chmodSync(program, 0o755);
  const ran = netlogs(at('packets', '--addr', '203.0.113.66'), { PATH: `${scratch}:${process.env['PATH']}` });
  expect(ran).toMatchObject({ code: 0, stderr: 'netlogs: 2 packets\n' });
  expect(readFileSync(join(scratch, 'seen'), 'utf8')).toBe('203.0.113.66\n203.0.113.66\n');
  expect(existsSync(readFileSync(join(scratch, 'opened'), 'utf8'))).toBe(false);
  expect(netlogs(at('packets', '--addr', '203.0.113.66'), { PATH: '/nonexistent' })).toMatchObject({
    code: 1,
    stderr: 'netlogs: 2 packets\nnetlogs: wireshark can not be started; -w FILE writes the packets\n',
  });
});

test('a bundle that is broken is said each time, in one line that names it, and is a finding', () => {
  const broken = join(scratch, 'broken');
  mkdirSync(join(broken, CLEAN), { recursive: true });
  writeFileSync(join(broken, CLEAN, 'sys-dns.tgz'), 'no gzip');
  for (let time = 0; time < 2; time++)
    expect(netlogs(['list', '-d', broken])).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/^netlogs: sys-dns 2026-11-26: sys-dns\.tgz: .*\n$/),
    });
  expect(netlogs(['check', '-d', broken, '--only', 'capture'])).toMatchObject({
    code: 1,
    stdout: expect.stringContaining('a savefile or a bundle that is broken'),
  });
});

test('a live directory is of the qube that is named, and its ledger is checked', () => {
  const directory = join(scratch, 'live');
  const series = new SeriesBuilder(directory).start().savefile(0).savefile(1).entry(STOP);
  const live = (...args: readonly string[]): string[] => [...args, '-d', directory, '--host', 'sys-dns'];
  expect(rowsOf(netlogs(live('list', '--json')))).toEqual([
    expect.objectContaining({ host: 'sys-dns', date: '2026-01-01', files: 2, packets: 12 }),
  ]);
  expect(netlogs(live('check', '--only', 'ledger'))).toMatchObject({
    code: 0,
    stdout: 'passed   ledger  2 savefiles are as their ledger says\n',
  });
  rmSync(join(directory, series.name(1)));
  expect(netlogs(live('check', '--only', 'ledger'))).toMatchObject({
    code: 1,
    stdout: expect.stringContaining(`missing ${series.name(1)}`),
  });
});

test('report writes a page with the day in it, for nobody else to read', () => {
  const page = join(scratch, 'page.html');
  expect(netlogs(at('report', '-w', page))).toMatchObject({ code: 0, stdout: '', stderr: `netlogs: ${page}\n` });
  const html = readFileSync(page, 'utf8');
  expect(html).toContain('telemetry.vendor.test');
  expect(html).toContain('past the tunnel to 198.51.100.51:51820');
  expect(netlogs(at('report', '-w', '-')).stdout).toMatch(/^<!doctype html>/i);
});

test('help is there for all of it and for each command', () => {
  const { stdout } = netlogs(['help']);
  expect(stdout).toBe(netlogs([]).stdout);
  const commands = [...stdout.matchAll(/^ {2}(\w+) .{15,}$/gm)]
    .map(([, name = '']) => name)
    .filter((name) => name !== 'help' && name !== 'netlogs');
  expect(commands.length).toBe(10);
  for (const command of commands)
    expect(netlogs(['help', command]).stdout).toMatch(new RegExp(`^Usage: netlogs ${command} `));
  expect(netlogs(['--version']).stdout).toMatch(/^netlogs \d+\.\d+\.\d+, Node /);
});
