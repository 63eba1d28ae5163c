// Every command of netlogs over two days of bundles: its table, JSON and CSV, its exit code, and the packets of its rows.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CLEAN, HOSTILE, LEAKY, Logs } from './logs.ts';
import { NETLOGS, netlogs, onTerminal, rowsOf } from './run.ts';

let logs: Logs;
const at = (...args: readonly string[]): string[] => [...args, '-d', logs.root];

beforeAll(() => {
  logs = new Logs();
});

afterAll(() => logs?.remove());

test('list says what there is of each qube and day', () => {
  const rows = rowsOf(netlogs(at('list', '--json')));
  expect(
    rows.map(({ host, date, files, packets, lines, bundles }) => [date, host, files, packets, lines, bundles]),
  ).toEqual([
    [CLEAN, 'sys-dns', 1, 8, 0, 1],
    [CLEAN, 'sys-net', 0, 0, 2, 1],
    [CLEAN, 'sys-vpn', 1, 2, 0, 1],
    [LEAKY, 'sys-dns', 1, 14, 0, 1],
    [LEAKY, 'sys-net', 0, 0, 2, 1],
    [LEAKY, 'sys-vpn', 1, 4, 0, 1],
  ]);
  expect(rows[0]).toMatchObject({ since: `${CLEAN}T00:00:00.000000Z`, until: `${CLEAN}T23:35:00.000000Z` });
});

test('flows has the ends of a NAT as one, with the name that a DNS answer gave it', () => {
  const rows = rowsOf(netlogs(at('flows', CLEAN, '--port', '443', '--json')));
  expect(rows).toEqual([
    expect.objectContaining({
      host: 'sys-dns',
      src: '10.137.0.10',
      dst: '198.51.100.80',
      packets_forward: 1,
      packets_back: 1,
      name: 'www.example.test',
      name_from: 'dns',
      via: '10.137.0.11:50000>198.51.100.80:443',
    }),
  ]);
});

test('tables have short rows and local times, and CSV has all of it', () => {
  const table = netlogs(at('flows', CLEAN, '--port', '443')).stdout.split('\n');
  expect(table[0]).toMatch(/^ROW +FIRST +PROTO +FROM +TO +NAME +VIA +PACKETS +SENT +RECEIVED$/);
  expect(table[1]).toMatch(
    /^sys-dns\/1126\/[\da-z]+ +12:00:00 +TCP +10\.137\.0\.10:50000 +198\.51\.100\.80:443 +www\.example\.test .* 2 +40 +40$/,
  );
  const csv = netlogs(at('flows', CLEAN, '--port', '443', '--csv')).stdout.split('\r\n');
  expect(csv[0]).toMatch(/^row,host,date,first,last,proto,src,sport,dst,dport,/);
  expect(csv[1]).toMatch(new RegExp(`^sys-dns/${CLEAN}/[\\da-z]+,sys-dns,${CLEAN},${CLEAN}T12:00:00\\.020000Z,`));
});

test('show has packets and lines in order, and says that there are more', () => {
  const ran = netlogs(at('show', CLEAN, '--json', '--limit', '3'));
  const rows = rowsOf(ran);
  expect(rows.map(({ kind, host }) => [kind, host])).toEqual([
    ['packet', 'sys-dns'],
    ['packet', 'sys-vpn'],
    ['packet', 'sys-dns'],
  ]);
  expect(ran.stderr).toBe('netlogs: the first 3 rows; --limit N or --limit all shows more\n');
  const [line] = rowsOf(netlogs(at('show', CLEAN, '--qube', 'sys-net', '--port', '51820', '--json')));
  expect(line).toMatchObject({
    kind: 'nft',
    about: 'SYSNET:new vif2.0>ens6',
    row: expect.stringMatching(/^sys-vpn\//),
  });
});

test('dns has a question with its answer', () => {
  const rows = rowsOf(netlogs(at('dns', CLEAN, '--name', 'example.test', '--json')));
  expect(rows).toEqual([
    expect.objectContaining({
      src: '10.137.0.10',
      dst: '10.139.1.1',
      name: 'www.example.test',
      type: 'A',
      rcode: 'NOERROR',
      asked: 1,
      took_us: 9000,
    }),
  ]);
});

test('diff finds the new name, and nothing of what was there before', () => {
  const rows = rowsOf(netlogs(at('diff', CLEAN, LEAKY, '--json')));
  const names = rows.filter(({ kind }) => kind === 'name').map(({ client, value }) => [client, value]);
  expect(names).toContainEqual(['10.137.0.10', 'telemetry.vendor.test']);
  expect(names).toContainEqual(['10.137.0.10', 'secret.example.test']);
  expect(names).not.toContainEqual(['10.137.0.10', 'www.example.test']);
  expect(rows).toContainEqual(expect.objectContaining({ host: 'sys-vpn', kind: 'address', value: '203.0.113.66' }));
  expect(rowsOf(netlogs(at('diff', CLEAN, CLEAN, '--json')))).toEqual([]);
});

describe('check', () => {
  test('finds nothing on a clean day', () => {
    const ran = netlogs(at('check', CLEAN));
    expect(ran.stdout.split('\n').map((line) => line.slice(0, 24).trim())).toEqual([
      'passed   dns',
      'passed   encrypted-dns',
      'passed   tunnel',
      'passed   ipv6',
      'passed   capture',
      'passed   nft',
      '',
    ]);
    expect(ran.code).toBe(0);
  });

  test('finds each leak, with rows that show it', () => {
    const ran = netlogs(at('check', '--json'));
    expect(ran.code).toBe(1);
    const found = rowsOf(ran).filter(({ status }) => status === 'failed');
    expect(found.map(({ check, host, client, remote, port }) => [check, host, client, remote, port])).toEqual([
      ['dns', 'sys-dns', '10.137.0.10', '198.51.100.53', 53],
      ['tunnel', 'sys-vpn', '10.137.0.11', '203.0.113.66', 443],
    ]);
    for (const { row } of found) expect(netlogs(at('packets', String(row), '-w', '-')).code).toBe(0);
  });

  test('with another policy finds other things', () => {
    expect(netlogs(at('check', '--only', 'dns', '--resolver', '198.51.100.53')).code).toBe(0);
    const ran = netlogs(at('check', CLEAN, '--only', 'tunnel', '--tunnel', '198.51.100.9:1194', '--json'));
    expect(rowsOf(ran)).toEqual([expect.objectContaining({ host: 'sys-net', remote: '198.51.100.51' })]);
  });

  test('says that it does not know where there is nothing to look at', () => {
    expect(netlogs(at('check', CLEAN, '--only', 'ledger')).code).toBe(3);
  });

  test('prints a policy that it takes, and refuses one that it does not know', () => {
    const path = join(logs.root, 'policy');
    writeFileSync(path, netlogs(['check', '--print-policy']).stdout);
    expect(netlogs(at('check', CLEAN, '--policy', path)).code).toBe(0);
    writeFileSync(path, '{"resolver": []}');
    expect(netlogs(at('check', CLEAN, '--policy', path)).stderr).toMatch(
      /^netlogs: .*policy: resolver: unknown key, expected one of inside, resolvers/,
    );
  });
});

describe('packets', () => {
  const out = (): string => join(logs.root, 'out.pcap');
  const fields = (...names: string[]): string[] => {
    const args = ['-r', out(), '-T', 'fields', ...names.flatMap((name) => ['-e', name])];
    return execFileSync('tshark', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
      .trim()
      .split('\n');
  };

  test('of a row are those of both ends of the NAT, in order, as they were captured', () => {
    const [flow] = rowsOf(netlogs(at('flows', CLEAN, '--port', '443', '--json')));
    const ran = netlogs(at('packets', String(flow?.['row']), '-w', out()));
    expect(ran).toMatchObject({ code: 0, stderr: 'netlogs: 4 packets\n' });
    expect(fields('ip.src', 'ip.dst', 'sll.ifindex')).toEqual([
      '10.137.0.10\t198.51.100.80\t3',
      '10.137.0.11\t198.51.100.80\t2',
      '198.51.100.80\t10.137.0.11\t2',
      '198.51.100.80\t10.137.0.10\t3',
    ]);
    expect(execFileSync('capinfos', ['-cE', out()], { encoding: 'utf8' })).toMatch(
      /Linux cooked-mode capture v2[\s\S]*packets: +4/,
    );
  });

  test('of options and of an expression, and of both', () => {
    netlogs(at('packets', '--day', CLEAN, '--name', 'www.example.test', '-w', out()));
    expect(fields('frame.number')).toHaveLength(4);
    netlogs(at('packets', '--day', CLEAN, '--name', 'www.example.test', '-w', out(), 'src host 198.51.100.80'));
    expect(fields('ip.src')).toEqual(['198.51.100.80', '198.51.100.80']);
    netlogs(at('packets', '--day', LEAKY, '-w', out(), 'udp port 51820'));
    expect(fields('udp.srcport')).toEqual(['51820', '51820']);
    const { bytes } = netlogs(at('packets', '--day', LEAKY, '-w', '-', 'host 203.0.113.66'));
    writeFileSync(out(), bytes);
    expect(fields('ip.src')).toEqual(['10.137.0.11', '10.137.0.12']);
  });

  test('of nothing are an error, and so is a wrong expression or row', () => {
    expect(netlogs(at('packets', '-w', out(), '--port', '9'))).toMatchObject({
      code: 1,
      stderr: 'netlogs: there are no such packets\n',
    });
    expect(netlogs(at('packets', '-w', out(), 'prot 9'))).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^netlogs: .*syntax error/),
    });
    expect(netlogs(at('packets', '-w', out(), `sys-dns/${CLEAN}/zz`))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no such row'),
    });
    expect(netlogs(at('packets'))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('expected rows, an expression, or options'),
    });
  });
});

test('sql reads the views, and nothing else', () => {
  const ran = netlogs(at('sql', 'SELECT count(*) AS n, min(first) AS first FROM flows', '--json'));
  expect(rowsOf(ran)).toEqual([{ n: expect.any(Number), first: `${CLEAN}T12:00:00.000000Z` }]);
  expect(netlogs(at('sql', 'DROP VIEW flows'))).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^netlogs: only what reads/),
  });
  expect(netlogs(at('sql', "SELECT * FROM read_text('/etc/passwd')")).code).toBe(1);
});

test('CSV quotes what it must, and a spreadsheet finds no formula', () => {
  const statement = `SELECT '=1+1' AS a, 'x,"y' AS b, -5 AS c, NULL AS d, true AS e, ['@x', 'y'] AS f, '-x' AS "g,h"`;
  expect(netlogs(at('sql', statement, '--csv')).stdout).toBe(
    'a,b,c,d,e,f,"g,h"\r\n\'=1+1,"x,""y",-5,,true,"[""@x"",""y""]",\'-x\r\n',
  );
});

test('what is hostile is harmless in every form', () => {
  for (const form of [[], ['--csv'], ['--json']])
    for (const command of [
      ['dns', LEAKY],
      ['diff', CLEAN, LEAKY],
      ['sql', 'SELECT name FROM dns'],
    ]) {
      const { stdout } = netlogs(at(...command, ...form));
      expect(stdout).toContain('<b>');
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
      expect(stdout.replace(/[\r\n]/g, '')).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
    }
  expect(HOSTILE).toContain('\u001b');
});

test.each([60, 80, 200])('tables fit a terminal of %i columns', (columns) => {
  for (const command of [['flows'], ['show'], ['dns'], ['check'], ['list'], ['diff', CLEAN, LEAKY]]) {
    const lines = onTerminal(columns, at(...command))
      .split(/\r?\n/)
      .filter((line) => !/^(passed|failed|unknown)/.test(line));
    expect(lines.length).toBeGreaterThan(2);
    for (const line of lines)
      expect((line.split('\u001b[K').at(-1) ?? '').length, `${command[0]}: ${line}`).toBeLessThanOrEqual(columns);
  }
});

test.each([
  [['flows', '--port', '70000'], '--port 70000: expected a port, 0 to 65535'],
  [['flows', '--proto', 'tpc'], '--proto tpc: expected tcp, udp, icmp, icmpv6, or a number, 0 to 255'],
  [['flows', '--addr', '10.0.0.0/33'], '--addr 10.0.0.0/33: expected an address or a network such as 10.137.0.0/16'],
  [['show', '2026-02-30'], 'DAY 2026-02-30: expected a date such as 2026-11-27, today, yesterday, latest, or A..B'],
  [['show', `${LEAKY}..${CLEAN}`], `DAY ${LEAKY}..${CLEAN}: ${LEAKY} is after ${CLEAN}`],
  [['flows', '--limit', '0'], '--limit 0: expected 1 to 999999999, or all'],
  [['flows', '--json', '--csv'], "option '--json' cannot be used with option '--csv'"],
  [
    ['flow'],
    'netlogs flow: no such command, expected one of list, show, flows, packets, dns, diff, check, report, forget, sql',
  ],
  [['check', '--tunnel', '198.51.100.51'], '--tunnel 198.51.100.51: expected ADDRESS:PORT, IPv6 as [ADDRESS]:PORT'],
])('%j is refused in one line', (args, message) => {
  expect(netlogs(args)).toMatchObject({ code: 2, stdout: '', stderr: `netlogs: ${message}\n` });
});

test('a directory without logs is said to have none', () => {
  const empty = join(logs.root, 'empty');
  mkdirSync(empty);
  expect(netlogs(['flows', '-d', empty])).toMatchObject({
    code: 1,
    stderr: 'netlogs: DAY latest: there is no day yet\n',
  });
  expect(netlogs(['flows', '-d', join(empty, 'gone')])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('no such directory; pull-netlogs-to-work brings logs'),
  });
});

test('who reads no further ends it quietly, and what check found is still said', () => {
  const ended = (command: string): string[] => {
    const script = `"${process.execPath}" "${NETLOGS}" ${command} -d "${logs.root}" 2>"${logs.root}/said" | head -1 >"${logs.root}/line"; echo \${PIPESTATUS[0]}; cat "${logs.root}/said"`;
    return execFileSync('bash', ['-c', script], { encoding: 'utf8', env: { ...process.env, HOME: '/' } })
      .trim()
      .split('\n');
  };
  expect(ended('sql "SELECT repeat(\'x\', 1000) AS x FROM range(10000)" --limit all')).toEqual(['0']);
  expect(ended('check --rows 100')).toEqual(['1']);
});

test('forget deletes the bundles and the index of a day, and only what is ours', () => {
  const foreign = join(logs.root, CLEAN, 'notes.txt');
  writeFileSync(foreign, 'mine');
  const outside = join(logs.root, 'empty', 'outside.tgz');
  writeFileSync(outside, '');
  symlinkSync(outside, join(logs.root, CLEAN, 'linked.tgz'));
  expect(netlogs(at('forget', CLEAN))).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('there is no terminal to ask: give --yes'),
  });
  expect(netlogs(at('forget', CLEAN, '--yes'))).toMatchObject({
    code: 0,
    stderr: expect.stringContaining('there is something else in it, it stays'),
  });
  expect(readdirSync(join(logs.root, CLEAN)).sort()).toEqual(['linked.tgz', 'notes.txt']);
  expect(existsSync(outside)).toBe(true);
  expect(existsSync(join(logs.root, LEAKY, 'sys-dns.tgz'))).toBe(true);
  const days = rowsOf(netlogs(at('list', '--json'))).map(({ date }) => date);
  expect([...new Set(days)]).toEqual([LEAKY]);
});
