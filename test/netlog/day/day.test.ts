// Two days of a Qubes machine, from real traffic to an answer: what clients and net qubes do (life.ts) is captured and logged
// by the netlog system as dom0's state installs it, backed up and pulled into work; then `netlogs` is asked. On the first day
// nothing is wrong. On the second there is one leak of each kind and a name that is new, and each is found; nothing else is.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CAPTURES, LOGS, NetQubes } from '../../qubes/net-qubes.ts';
import { Gateways } from './gateways.ts';
import { ELSEWHERE, ELSEWHERE_6, ENDPOINT, NAMES, WEB } from './internet.ts';
import { Life } from './life.ts';
import { PORT } from './tunnel.ts';

const NETLOGS = fileURLToPath(new URL('../../../dist/netlogs.cjs', import.meta.url));
const ORDER = ['sys-dns', 'sys-vpn', 'sys-firewall', 'sys-net'] as const;
const PREFIXES = { 'sys-firewall': 'SYSFW', 'sys-net': 'SYSNET' } as const;

let qubes: NetQubes;
let gateways: Gateways;
let life: Life;
let clean = '';
let leaky = '';
const home = mkdtempSync(join(tmpdir(), 'tsnetpcap-day-'));

beforeAll(async () => {
  // Enough for names, as its users have it.
  qubes = await NetQubes.create(ORDER, "netlog: { options: '--keep-names' }\n");
  gateways = await Gateways.open(qubes.chain, home);
  life = new Life(qubes.chain, gateways);
});

afterAll(async () => {
  life?.remove();
  await gateways?.remove();
  await qubes?.remove();
  rmSync(home, { recursive: true });
});

/** All that was captured since `begun` is in the vault; resolves to the day's label. */
async function night(begun: number, which: string): Promise<string> {
  await life.say(`end of ${which} day`);
  for (const name of CAPTURES) await qubes.complete(name, `end of ${which} day`);
  expect(await qubes.night()).toBe([...CAPTURES, ...LOGS].map((name) => `${name}: backed up\n`).join(''));
  const date = (await qubes.lab.dom0.exec(['date', '-I'])).trim();
  await qubes.qube('secrets-vault').start();
  // All qubes here have one kernel, and one log: each gets only what its own rules have written since then.
  for (const [name, prefix] of Object.entries(PREFIXES)) {
    const since = new Date(begun).toISOString().slice(0, 23);
    await vault(`cd NetLogs/${name}/${date}; file=nft-${date}.log.gz; old=$(sha256sum < $file)
      gzip -cd $file | awk '$1 >= "${since}" && / kernel: ${prefix}:/' | gzip -n > new; mv new $file
      new=$(sha256sum < $file); sed -i "s/\${old%% *}/\${new%% *}/; s/\\"bytes\\": [0-9]*/\\"bytes\\": $(stat -c %s $file)/" manifest.json`);
  }
  return date;
}

/** Bundles of one day become those of another. */
async function relabel(from: string, to: string): Promise<void> {
  await vault(`cd NetLogs; for d in */${from}; do
      for f in $d/*; do mv $f $d/$(basename $f | sed s/${from}/${to}/) 2> /dev/null || :; done
      sed -i s/${from}/${to}/g $d/manifest.json; mv $d \${d%/*}/${to}; done`);
}

const vault = (script: string): Promise<string> => qubes.qube('secrets-vault').exec(['bash', '-ec', script], 'user');

interface Row {
  readonly check: string;
  readonly status: string;
  readonly host: string | null;
  readonly remote: string | null;
  readonly port: number | null;
  readonly name: string | null;
  readonly row: string | null;
}

function netlogs(...words: readonly string[]): { code: number | null; stdout: string; stderr: string } {
  const [command = '', ...rest] = words;
  const argv = [NETLOGS, command, '-d', join(home, 'NetLogs'), ...rest];
  const { status, stdout, stderr } = spawnSync(process.execPath, argv, { encoding: 'utf8', maxBuffer: 64 << 20 });
  return { code: status, stdout, stderr };
}

/** A line for each row. */
function parsed<T>(stdout: string): readonly T[] {
  return stdout
    .trimEnd()
    .split('\n')
    .map((line): T => JSON.parse(line));
}

function check(day: string): { code: number | null; rows: readonly Row[] } {
  const { code, stdout, stderr } = netlogs('check', day, '--tunnel', `${ENDPOINT}:${PORT}`, '--json');
  expect(stderr).toBe('');
  return { code, rows: parsed<Row>(stdout) };
}

/** What was found, without what several qubes have seen of the same. */
const found = (rows: readonly Row[]): string[] =>
  [
    ...new Set(rows.filter(({ status }) => status === 'failed').map((row) => `${row.check} ${row.remote}:${row.port}`)),
  ].sort();

// The others ask about what is done here.
test('two days are captured, logged, backed up and pulled', { timeout: 300_000 }, async () => {
  const first = Date.now();
  await life.browse();
  await life.background();
  leaky = await night(first, 'the first');
  clean = (await qubes.lab.dom0.exec(['date', '-d', `${leaky} -1 day`, '-I'])).trim();
  await relabel(leaky, clean);

  const second = Date.now();
  await life.browse();
  await life.background();
  await life.phoneHome();
  await life.askElsewhere();
  await life.askByHttps();
  await life.askByTls();
  await life.passTunnel();
  await life.passTunnelByIpv6();
  expect(await night(second, 'the second')).toBe(leaky);
  for (const day of [clean, leaky]) {
    const { code, stderr } = await qubes.lab.dom0.run(['/usr/local/sbin/pull-netlogs-to-work', day]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  }
  cpSync(qubes.qube('work').path('/home/user/NetLogs'), join(home, 'NetLogs'), { recursive: true });
});

test('nothing is found on a day when nothing was wrong', () => {
  const { code, rows } = check(clean);
  expect(rows.filter(({ status }) => status !== 'passed')).toEqual([]);
  expect(rows.map((row) => row.check)).toEqual(['dns', 'encrypted-dns', 'tunnel', 'ipv6', 'capture', 'nft']);
  expect(code).toBe(0);
});

test('each leak is found on the other day, and nothing else', () => {
  const { code, rows } = check(leaky);
  expect(found(rows)).toEqual(
    [
      `dns ${NAMES}:53`, // askElsewhere
      `encrypted-dns ${WEB}:443`, // askByHttps
      `encrypted-dns ${NAMES}:853`, // askByTls
      `tunnel ${ELSEWHERE}:443`, // passTunnel
      `ipv6 ${ELSEWHERE_6}:443`, // passTunnelByIpv6
    ].sort(),
  );
  expect(rows.filter((row) => row.check === 'encrypted-dns' && row.remote === WEB).map(({ name }) => name)).toEqual(
    expect.arrayContaining(['dns.quad9.net']),
  );
  expect(code).toBe(1);
});

test('the packets of each leak are cut out, and tshark sees them', () => {
  for (const row of check(leaky).rows) {
    if (row.status !== 'failed' || row.row === null) continue;
    const file = join(home, 'leak.pcap');
    expect(netlogs('packets', row.row, '-w', file)).toMatchObject({ code: 0 });
    const { status, stdout } = spawnSync(
      'tshark',
      ['-n', '-r', file, '-T', 'fields', '-e', 'ip.dst', '-e', 'ipv6.dst'],
      {
        encoding: 'utf8',
      },
    );
    expect(status).toBe(0);
    expect(stdout).toContain(row.remote);
  }
});

test('what a client does since an update is new on the other day', () => {
  const { code, stdout } = netlogs('diff', clean, leaky, '--json');
  const names = parsed<{ kind: string; value: string }>(stdout)
    .filter(({ kind }) => kind === 'name')
    .map(({ value }) => value);
  expect(code).toBe(0);
  expect(names).toContain('telemetry.vendor.test');
  // What both days have is not new.
  for (const name of ['www.example.test', 'news.example.test', 'detectportal.firefox.com'])
    expect(names).not.toContain(name);
});

test('names of DNS, TLS and QUIC are there, and the two ends of a NAT are one', () => {
  const rows = parsed<{ found: string }>(netlogs('sql', SOURCES, '--json').stdout);
  expect(rows.map((row) => row.found)).toEqual([
    'dns news.example.test',
    'dns www.example.test',
    'quic news.example.test',
    'tcp news.example.test',
    'tcp www.example.test',
  ]);
});

const SOURCES = `
  SELECT DISTINCT 'dns ' || name AS found FROM dns WHERE name IN ('www.example.test', 'news.example.test')
  UNION SELECT DISTINCT transport || ' ' || name FROM tls WHERE name IN ('www.example.test', 'news.example.test') ORDER BY found`;
