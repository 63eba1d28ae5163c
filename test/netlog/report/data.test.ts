// The data of the page out of the index's views, against rows that were put there.
import { beforeEach, describe, expect, test } from 'vitest';
import type { CheckResult } from '../../../src/netlog/query/check/finding.ts';
import { DEFAULT_POLICY } from '../../../src/netlog/query/check/policy.ts';
import { runChecks } from '../../../src/netlog/query/check/run.ts';
import { number } from '../../../src/netlog/query/database.ts';
import { Sql } from '../../../src/netlog/query/sql.ts';
import { reportData } from '../../../src/netlog/report/data.ts';
import { renderReport } from '../../../src/netlog/report/render.ts';
import type { ReportData } from '../../../src/netlog/report/report-data.ts';
import { Tables } from '../query/tables.ts';
import { Reader } from './browser.ts';

const DAY = '2026-11-27';
const at = (time: string) => Date.parse(`2026-11-27T${time}Z`);

let tables: Tables;

beforeEach(async () => {
  tables = await Tables.create();
});

async function ask(text: string): Promise<void> {
  await tables.rows(new Sql(text));
}

function report(from: string = DAY, checks: readonly CheckResult[] = []): Promise<ReportData> {
  return reportData(tables, { from, to: DAY }, checks, at('23:00:00'), 'Europe/Berlin');
}

/** One flow of a qube; what is not given is the same for all. */
interface Flow {
  readonly host?: string;
  readonly date?: string;
  readonly flow: number;
  readonly first?: string;
  readonly dst?: string;
  readonly name?: string;
  readonly bytes?: number;
  readonly nat?: number;
}

async function put({
  host = 'sys-vpn',
  date = DAY,
  flow,
  first = '10:00:00',
  dst = '192.0.2.1',
  ...rest
}: Flow): Promise<void> {
  const name = rest.name === undefined ? 'NULL' : `'${rest.name}'`;
  await ask(`
    INSERT INTO flows BY NAME SELECT '${host}' AS host, DATE '${date}' AS date, ${flow} AS flow, 'TCP' AS proto, '10.137.0.10' AS src,
      40000 + ${flow} AS sport, '${dst}' AS dst, 443 AS dport, TIMESTAMPTZ '${date} ${first}Z' AS "first",
      TIMESTAMPTZ '${date} ${first}Z' + INTERVAL 1500 MILLISECONDS AS "last", 3 AS packets_forward, 2 AS packets_back,
      ${rest.bytes ?? 100} AS bytes_forward, 50 AS bytes_back, ${name} AS name, ${rest.nat ?? 'NULL'} AS nat`);
}

test('a day of which nothing is known is an empty page', async () => {
  const data = await report();
  expect(data).toMatchObject({
    made: at('23:00:00'),
    zone: 'Europe/Berlin',
    from: DAY,
    to: DAY,
    qubes: [],
    bundles: [],
    gaps: { rows: [], total: 0, sums: [] },
    checks: [],
    timeline: { from: at('00:00:00'), stepMs: 300_000, outside: 0 },
    flows: { rows: [], total: 0, rest: { rows: [], total: 0 }, others: { flows: 0, packets: 0, bytes: 0 } },
  });
  expect(data.changes).toBeUndefined();
});

describe('flows', () => {
  test('most bytes first, with both directions, and of the days only', async () => {
    await put({ flow: 1, bytes: 10 });
    await put({ flow: 2, bytes: 1000, name: 'example.org', dst: '2001:db8::1' });
    await put({ flow: 3, date: '2026-11-26', bytes: 5000 });
    const { flows } = await report();
    expect(flows.total).toBe(2);
    expect(flows.rows.map(({ sport }) => sport)).toEqual([40002, 40001]);
    expect(flows.rows[0]).toEqual({
      row: 'sys-vpn/1127/2',
      host: 'sys-vpn',
      first: at('10:00:00'),
      last: at('10:00:01.5'),
      proto: 'TCP',
      src: '10.137.0.10',
      sport: 40002,
      dst: '2001:db8::1',
      dport: 443,
      name: 'example.org',
      packets: 5,
      bytesForward: 1000,
      bytesBack: 50,
    });
  });

  test("a NAT's two ends are one flow, the first seen, with the name of either", async () => {
    await put({ flow: 1, nat: 7, first: '10:00:01', name: 'example.org', dst: '192.0.2.9', bytes: 400 });
    await put({ flow: 2, nat: 7, first: '10:00:00', dst: '10.139.1.1', bytes: 400 });
    await put({ flow: 3, nat: 7, host: 'sys-dns', bytes: 1 });
    await tables.add('files', { host: 'sys-vpn' }, { host: 'sys-dns' });
    const { flows, qubes } = await report();
    expect(flows.rows.map(({ host, dst, name }) => [host, dst, name])).toEqual([
      ['sys-vpn', '10.139.1.1', 'example.org'],
      ['sys-dns', '192.0.2.1', null],
    ]);
    expect(qubes.map(({ host, flows: number }) => [host, number])).toEqual([
      ['sys-dns', 1],
      ['sys-vpn', 1],
    ]);
    expect(qubes[1]?.names.rows).toEqual([{ value: 'example.org', flows: 1, bytes: 450 }]);
  });

  test('those after the two thousandth are summed for each qube and name, or address', async () => {
    await ask(`INSERT INTO flows BY NAME SELECT 'sys-vpn' AS host, DATE '${DAY}' AS date, n AS flow, 2010 - n AS bytes_forward, 0 AS bytes_back,
      1 AS packets_forward, 1 AS packets_back, TIMESTAMPTZ '${DAY} 10:00:00Z' AS "first", "first" AS "last", 'TCP' AS proto, '10.137.0.10' AS src, '192.0.2.1' AS dst,
      CASE WHEN n % 2 = 1 THEN 'odd.example' END AS name FROM range(1, 2005) AS numbers(n)`);
    const { flows } = await report();
    expect([flows.total, flows.rows.length, flows.rows.at(-1)?.bytesForward]).toEqual([2004, 2000, 10]);
    expect(flows.rest).toEqual({
      rows: [
        { host: 'sys-vpn', value: 'odd.example', flows: 2, packets: 4, bytes: 9 + 7 },
        { host: 'sys-vpn', value: '192.0.2.1', flows: 2, packets: 4, bytes: 8 + 6 },
      ],
      total: 2,
    });
    expect(flows.others).toEqual({ flows: 0, packets: 0, bytes: 0 });
  });

  test('the days are put together', async () => {
    await put({ flow: 1, date: '2026-11-26' });
    await put({ flow: 1, bytes: 3 });
    const data = await report('2026-11-26');
    expect([data.from, data.to, data.flows.total]).toEqual(['2026-11-26', DAY, 2]);
  });
});

test('names, addresses and questions: the first twelve of each qube, and how many there are', async () => {
  for (let each = 1; each <= 20; each += 1) {
    await put({ flow: each, dst: `192.0.2.${each % 15}`, name: `n${each}.example`, bytes: each * 100 });
  }
  await ask(`INSERT INTO dns BY NAME SELECT 'sys-dns' AS host, DATE '${DAY}' AS date, 'n' || n || '.example' AS name,
    response, CASE WHEN n = 3 THEN 'NXDOMAIN' ELSE 'NOERROR' END AS rcode
    FROM range(1, 21) AS numbers(n), range(n) AS times(t), (VALUES (true), (false)) AS both_ways(response)`);
  await tables.add('files', { host: 'sys-vpn' }, { host: 'sys-dns' });
  const [dns, vpn] = (await report()).qubes;
  expect([vpn?.names.total, vpn?.names.rows.length]).toEqual([20, 12]);
  expect(vpn?.names.rows[0]).toEqual({ value: 'n20.example', flows: 1, bytes: 2050 });
  expect(vpn?.addresses.rows[0]).toEqual({ value: '192.0.2.5', flows: 2, bytes: 2000 + 500 + 100 });
  expect(vpn?.addresses.total).toBe(15);
  expect(dns?.questions.rows[0]).toEqual({ name: 'n20.example', count: 20, refused: 0 });
  expect([dns?.questions.total, dns?.questions.rows.length]).toEqual([20, 12]);
});

test('a question that was seen at both ends of a NAT is counted once, with an answer that there is none', async () => {
  await tables.add('files', { host: 'sys-vpn' });
  await put({ flow: 1, nat: 1 });
  await put({ flow: 2, nat: 1 });
  await ask(`INSERT INTO dns BY NAME SELECT 'sys-vpn' AS host, DATE '${DAY}' AS date, flow, name, response,
    CASE WHEN response THEN 'NXDOMAIN' END AS rcode
    FROM (VALUES (1, 'a.example'), (2, 'a.example'), (NULL, 'b.example')) AS asked(flow, name), (VALUES (true), (false)) AS w(response)`);
  const [vpn] = (await report()).qubes;
  expect(vpn?.questions.rows).toEqual([
    { name: 'a.example', count: 1, refused: 1 },
    { name: 'b.example', count: 1, refused: 1 },
  ]);
});

describe('the timeline', () => {
  test('packets, bytes and lines of each step; what is far away is outside', async () => {
    await ask(`INSERT INTO manifests BY NAME SELECT 'sys-vpn' AS host, DATE '${DAY}' AS date,
      TIMESTAMPTZ '2026-11-26 02:30:00Z' AS since, TIMESTAMPTZ '2026-11-27 02:34:59Z' AS until`);
    await ask(`INSERT INTO packets BY NAME SELECT 'sys-vpn' AS host, DATE '${DAY}' AS date, time, len FROM (VALUES
      (TIMESTAMPTZ '2026-11-26 02:30:00Z', 10), (TIMESTAMPTZ '2026-11-26 02:34:59.999999Z', 20), (TIMESTAMPTZ '2026-11-26 02:35:00Z', 40),
      (TIMESTAMPTZ '2026-11-27 02:34:58Z', 80), (TIMESTAMPTZ '1970-01-01 00:00:00Z', 1), (TIMESTAMPTZ '2106-01-01 00:00:00Z', 1)
    ) AS seen(time, len)`);
    await ask(`INSERT INTO nft BY NAME SELECT 'sys-net' AS host, DATE '${DAY}' AS date, TIMESTAMPTZ '2026-11-26 03:00:01Z' AS time
      UNION ALL SELECT 'sys-net', DATE '${DAY}', TIMESTAMPTZ '2000-01-01 00:00:00Z'`);
    const { timeline, qubes } = await report();
    expect(timeline).toEqual({ from: Date.parse('2026-11-26T02:30:00Z'), stepMs: 300_000, steps: 289, outside: 3 });
    const [net, vpn] = qubes;
    expect([vpn?.packets, vpn?.bytes, vpn?.lines]).toEqual([6, 152, 0]);
    expect([vpn?.packetsAt[0], vpn?.packetsAt[1], vpn?.packetsAt[288]]).toEqual([2, 1, 1]);
    expect([vpn?.bytesAt[0], vpn?.bytesAt[1], vpn?.bytesAt[288]]).toEqual([30, 40, 80]);
    expect([vpn?.packetsAt.length, vpn?.linesAt.length]).toEqual([289, 0]);
    expect([net?.lines, net?.linesAt[6], net?.packetsAt.length]).toEqual([2, 1, 0]);
  });

  test.each([
    [1, 300_000],
    [7, 1_800_000],
    [30, 7_200_000],
    [365, 86_400_000],
    [900, 3 * 86_400_000],
  ])('%i days have steps of %i ms, 401 at most', async (days, stepMs) => {
    await ask(`INSERT INTO manifests BY NAME SELECT 'sys-vpn' AS host, DATE '${DAY}' AS date,
      TIMESTAMPTZ '2026-11-27 00:00:00Z' - INTERVAL ${days} DAY AS since, TIMESTAMPTZ '2026-11-27 00:00:00Z' AS until`);
    const { timeline } = await report();
    expect(timeline.stepMs).toBe(stepMs);
    expect(timeline.steps).toBeLessThanOrEqual(401);
    const end = timeline.from + timeline.steps * timeline.stepMs;
    expect(end).toBeGreaterThan(at('00:00:00'));
  });
});

test('bundles: what there is of each qube', async () => {
  await tables.add('manifests', { host: 'sys-vpn', since: '2026-11-26T02:00:00Z', until: '2026-11-27T02:00:00Z' });
  await tables.add('files', { host: 'sys-vpn' }, { host: 'sys-vpn', file: 1, packets: 5 });
  await tables.add(
    'gaps',
    { host: 'sys-vpn', kind: 'dropped', count: 3 },
    { host: 'sys-vpn', kind: 'damaged', count: 1 },
  );
  await tables.add('nft', {}, {});
  const { bundles, qubes } = await report();
  const none = { savefiles: 0, packets: 0, bytes: 0, lost: 0, damaged: 0, encrypted: 0 };
  expect(bundles).toEqual([
    { ...none, host: 'sys-net', day: DAY, since: at('12:00:00'), until: at('12:00:00'), lines: 2 },
    {
      host: 'sys-vpn',
      day: DAY,
      since: Date.parse('2026-11-26T02:00:00Z'),
      until: at('02:00:00'),
      savefiles: 2,
      packets: 15,
      bytes: 2000,
      lines: 0,
      lost: 3,
      damaged: 1,
      encrypted: 0,
    },
  ]);
  expect(qubes.map(({ host }) => host)).toEqual(['sys-net', 'sys-vpn']);
});

test('gaps: the longest, in order of time, and the sums of all', async () => {
  await ask(`INSERT INTO gaps BY NAME SELECT 'sys-vpn' AS host, DATE '${DAY}' AS date, TIMESTAMPTZ '2026-11-27 00:00:00Z' AS "from",
    TIMESTAMPTZ '2026-11-27 00:00:00Z' + n * INTERVAL 1 SECOND AS "to", CASE WHEN n % 2 = 0 THEN 'gap' ELSE 'dropped' END AS kind,
    CASE WHEN n % 2 = 1 THEN 2 END AS count, 'n' || n AS about FROM range(400) AS numbers(n)`);
  const { gaps } = await report();
  expect([gaps.total, gaps.rows.length]).toEqual([400, 300]);
  expect(gaps.sums).toEqual([
    { kind: 'dropped', times: 200, count: 400 },
    { kind: 'gap', times: 200, count: 0 },
  ]);
  expect(gaps.rows.map(({ about }) => about)).toContain('n399');
  expect(gaps.rows.map(({ about }) => about)).not.toContain('n99');
});

test('a gap with one end, or none, is told with what is known', async () => {
  await tables.add(
    'gaps',
    { from: null, kind: 'lost', about: 'one' },
    { from: null, to: null, kind: 'missing', about: 'none' },
  );
  const { gaps } = await report();
  const ends = gaps.rows.map(({ about, from, to }) => [about, from, to]);
  expect(ends).toContainEqual(['one', at('12:01:00'), at('12:01:00')]);
  expect(ends).toContainEqual(['none', null, null]);
});

test('evidence is cut, and counted whole', async () => {
  const nothing = {
    row: undefined,
    client: undefined,
    proto: undefined,
    port: undefined,
    name: undefined,
    bytes: undefined,
  };
  const evidence = Array.from({ length: 150 }, (_, each) => ({
    ...nothing,
    host: 'sys-vpn',
    first: at('10:00:00') * 1000,
    count: each,
    remote: '192.0.2.1',
    about: 'forwarded',
  }));
  const [row] = evidence;
  if (row === undefined) throw new Error('unreachable: there are 150');
  evidence[0] = { ...row, row: undefined };
  const { checks } = await report(DAY, [{ check: 'dns', status: 'failed', about: 'Plain DNS.', evidence }]);
  expect(checks[0]).toMatchObject({ check: 'dns', status: 'failed', about: 'Plain DNS.' });
  expect([checks[0]?.evidence.total, checks[0]?.evidence.rows.length]).toEqual([150, 100]);
  expect(checks[0]?.evidence.rows[7]).toEqual({
    host: 'sys-vpn',
    first: at('10:00:00'),
    client: null,
    proto: null,
    remote: '192.0.2.1',
    port: null,
    name: null,
    count: 7,
    bytes: null,
    about: 'forwarded',
    row: null,
  });
});

test('what is new is compared with the newest day before, cut, and counted whole', async () => {
  await put({ flow: 1, date: '2026-11-20', dst: '192.0.2.7' });
  await put({ flow: 1, date: '2026-11-25', dst: '192.0.2.8' });
  expect((await report()).changes).toMatchObject({ with: '2026-11-25', rows: [], total: 0, more: false, sums: [] });
  await ask(`INSERT INTO flows BY NAME SELECT 'sys-vpn' AS host, DATE '${DAY}' AS date, n AS flow, 'TCP' AS proto, '10.137.0.10' AS src,
    '192.0.2.' || n AS dst, 443 AS dport, 'n' || n AS name, true AS syn, TIMESTAMPTZ '${DAY} 10:00:00Z' AS first,
    TIMESTAMPTZ '${DAY} 10:00:00Z' AS last, 0 AS packets_forward, 0 AS packets_back, 0 AS bytes_forward, 0 AS bytes_back FROM range(200) AS numbers(n)`);
  const { changes } = await report();
  expect([changes?.total, changes?.rows.length, changes?.more]).toEqual([200 + 199, 300, false]);
  expect(changes?.sums).toContainEqual({ kind: 'address', times: 199 });
  expect(changes?.rows).toContainEqual({
    host: 'sys-vpn',
    client: '10.137.0.10',
    kind: 'name',
    value: 'n7',
    first: at('10:00:00'),
    times: 1,
    row: 'sys-vpn/1127/7',
  });
  expect(changes?.rows).not.toContainEqual(expect.objectContaining({ value: '192.0.2.8' }));
});

test('a leak that `check` finds is on the page, with the flow that shows it', async () => {
  const ends = { host: 'sys-dns', dst: '198.51.100.9', dport: 53, nat: 1 };
  await tables.add('files', {});
  await tables.add(
    'flows',
    { ...ends, flow: 1, ifindex: 3, name: '<b>leak</b>.example' },
    { ...ends, flow: 2, src: '10.137.0.11' },
  );
  const days = { from: DAY, to: DAY };
  const checks = await runChecks(tables, { days }, DEFAULT_POLICY, ['dns', 'capture']);
  const reader = await Reader.start();
  try {
    const { page, complaints } = await reader.open(renderReport(await report(DAY, checks)));
    const [leaks, losses] = await page.locator('#summary h2').allInnerTexts();
    expect([leaks, losses]).toEqual(['1 check failed', 'Nothing was lost']);
    const evidence = page.getByRole('table', { name: 'What the check dns saw' });
    expect(await evidence.locator('td[data-title="To"]').allInnerTexts()).toEqual(['198.51.100.9:53']);
    expect(await evidence.locator('td[data-title="Row"]').allInnerTexts()).toEqual(['sys-dns/1127/1']);
    expect(await page.locator('#flows td[data-title="Name"]').allInnerTexts()).toEqual(['<b>leak</b>.example']);
    expect(complaints).toEqual([]);
  } finally {
    await reader.stop();
  }
});

test('a day of a million flows, each with a hostile name of 300 bytes: under 5 MB, told, and it opens', async () => {
  const total = 1_000_000;
  await ask(`INSERT INTO flows BY NAME SELECT CASE WHEN n % 3 = 0 THEN 'sys-dns' ELSE 'sys-vpn' END AS host, DATE '${DAY}' AS date, n AS flow,
    'TCP' AS proto, '10.137.0.' || n % 200 AS src, n % 60000 AS sport, '198.51.' || n % 100 || '.' || n % 251 AS dst, 443 AS dport,
    TIMESTAMPTZ '2026-11-27 00:00:00Z' + n * INTERVAL 80 MILLISECONDS AS "first", "first" + INTERVAL 3 SECOND AS "last",
    1 + n % 7 AS packets_forward, n % 5 AS packets_back, hash(n) % 100000 AS bytes_forward, hash(n + 1) % 1000000 AS bytes_back,
    n % 5000 || repeat('<', 300) AS name FROM range(${total}) AS numbers(n)`);
  const [sums = {}] = await tables.rows(new Sql('SELECT sum(bytes_forward + bytes_back) AS bytes FROM flows'));
  const data = await report();
  const { flows } = data;
  expect(flows.total).toBe(total);
  const shown = flows.rows.reduce((sum, row) => sum + row.bytesForward + row.bytesBack, 0);
  const rest = flows.rest.rows.reduce((sum, row) => sum + row.bytes, 0);
  expect(shown + rest + flows.others.bytes).toBe(number(sums, 'bytes'));
  expect(flows.rows.length + flows.rest.rows.reduce((sum, row) => sum + row.flows, 0) + flows.others.flows).toBe(total);
  const html = renderReport(data);
  expect(Buffer.byteLength(html)).toBeLessThan(5_000_000);
  const reader = await Reader.start();
  try {
    const { page, complaints } = await reader.open(html, { width: 390 });
    await page.getByText('1,000,000 flows. The 2,000 with most bytes are listed; the rest is summed below.').waitFor();
    await page.getByText('further names and addresses come to').waitFor();
    expect(complaints).toEqual([]);
  } finally {
    await reader.stop();
  }
});
