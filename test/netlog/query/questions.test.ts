import { beforeEach, expect, test } from 'vitest';
import { listNovelties } from '../../../src/netlog/query/diff.ts';
import { listQuestions } from '../../../src/netlog/query/dns.ts';
import { listHoldings } from '../../../src/netlog/query/holdings.ts';
import { findRow } from '../../../src/netlog/query/row-name.ts';
import { listEvents } from '../../../src/netlog/query/timeline.ts';
import { at, DAY, Tables } from './tables.ts';

const DAYS = { days: { from: DAY, to: DAY } };
const BEFORE = '2026-11-26';
let tables: Tables;

beforeEach(async () => {
  tables = await Tables.create();
});

test('a question asked twice and answered, across a NAT, is one row with its answer', async () => {
  await tables.add('flows', { flow: 1, nat: 5 }, { flow: 2, src: '10.138.0.10', dst: '127.0.0.1', nat: 5 });
  for (const flow of [1, 2])
    await tables.add(
      'dns',
      { flow, time: at(0.001 * flow) },
      { flow, time: at(1) },
      {
        flow,
        time: at(1.5),
        response: true,
        src: '10.139.1.1',
        sport: 53,
        dst: '10.137.0.10',
        dport: 40000,
        rcode: 'NOERROR',
        answers: ['A 192.0.2.1', 'CNAME x.example'],
      },
    );
  await tables.add('dns', {
    flow: 2,
    id: 8,
    name: 'nobody.example',
    src: '10.138.0.10',
    dst: '127.0.0.1',
    time: at(3),
    cut: true,
  });
  const { rows } = await listQuestions(tables, DAYS, 10);
  expect(rows).toMatchObject([
    {
      row: `sys-dns/${DAY}/1`,
      src: '10.137.0.10',
      dst: '10.139.1.1',
      name: 'example.org',
      rcode: 'NOERROR',
      answers: ['A 192.0.2.1', 'CNAME x.example'],
      asked: 2,
      took: 1_499_000,
      cut: false,
    },
    { name: 'nobody.example', rcode: undefined, answers: [], took: undefined, cut: true },
  ]);
});

test('packets and lines are one timeline, and a line has the row of the flow it began in another qube', async () => {
  await tables.add('flows', {
    flow: 1,
    host: 'sys-vpn',
    proto: 'TCP',
    src: '10.138.0.9',
    dst: '203.0.113.66',
    sport: 50001,
    dport: 443,
    first: at(5),
    last: at(9),
    name: 'a.example',
  });
  await tables.add('packets', { flow: 1, host: 'sys-vpn', time: at(5.5), forward: false, tcp_flags: 0x12 });
  await tables.add(
    'nft',
    { src: '10.137.0.10', dst: '203.0.113.66', sport: 50001, dport: 443, time: at(5.2) },
    { src: '10.137.0.10', dst: '203.0.113.67', sport: 50001, dport: 443, time: at(6) },
  );
  const { rows } = await listEvents(tables, DAYS, 10);
  expect(rows).toMatchObject([
    { host: 'sys-net', kind: 'nft', row: `sys-vpn/${DAY}/1`, about: 'SYSNET:new vif2.0>ens6', name: 'a.example' },
    {
      host: 'sys-vpn',
      kind: 'packet',
      row: `sys-vpn/${DAY}/1`,
      src: '203.0.113.66',
      sport: 443,
      dst: '10.138.0.9',
      about: 'SYN ACK',
    },
    { kind: 'nft', row: undefined },
  ]);
  const named = await listEvents(tables, { ...DAYS, names: ['a.example'] }, 10);
  expect(named.rows.map(({ kind }) => kind)).toEqual(['nft', 'packet']);
  const first = await listEvents(tables, DAYS, 1);
  expect(first).toMatchObject({ more: true, rows: [{ kind: 'nft' }] });
});

test('of several flows a line has that of its own qube, and none that was over before', async () => {
  const ends = { proto: 'TCP', src: '10.137.0.10', dst: '203.0.113.66', sport: 50001, dport: 443 };
  await tables.add('flows', { ...ends, flow: 1, host: 'sys-net', first: at(5), last: at(9) });
  await tables.add('flows', { ...ends, flow: 2, host: 'sys-dns', first: at(5.2), last: at(9) });
  await tables.add('flows', { ...ends, flow: 3, host: 'sys-net', sport: 50002, first: at(5), last: at(9) });
  await tables.add('nft', { ...ends, time: at(5.2) }, { ...ends, sport: 50002, time: at(60) });
  const { rows } = await listEvents(tables, { ...DAYS }, 10);
  expect(rows.map(({ row }) => row)).toEqual([`sys-net/${DAY}/1`, undefined]);
});

test('what a client talks to since a day is new, what it did before is not', async () => {
  const old = { date: BEFORE, proto: 'TCP', dport: 443, name: 'www.example.test', dst: '198.51.100.80' };
  await tables.add(
    'flows',
    { flow: 1, ...old },
    { flow: 2, ...old, date: DAY },
    { flow: 3, ...old, date: DAY, name: 'telemetry.vendor.test' },
  );
  await tables.add('flows', { flow: 4, ...old, date: DAY, dst: '203.0.113.9', dport: 8443 });
  await tables.add('dns', { flow: 3, name: 'Telemetry.vendor.test', time: at(-5) });
  await tables.add('nft', { src: '10.137.0.10', dst: '203.0.113.7', proto: 'UDP', dport: 51820, sport: 1 });
  const { rows } = await listNovelties(tables, { from: BEFORE, to: BEFORE }, DAYS.days, 100);
  expect(rows.map(({ host, kind, value, times, row }) => [host, kind, value, times, row])).toEqual([
    ['sys-dns', 'port', 'TCP 8443', 1, `sys-dns/${DAY}/4`],
    ['sys-dns', 'name', 'telemetry.vendor.test', 2, `sys-dns/${DAY}/3`],
    ['sys-dns', 'address', '203.0.113.9', 1, `sys-dns/${DAY}/4`],
    ['sys-net', 'port', 'UDP 51820', 1, undefined],
    ['sys-net', 'address', '203.0.113.7', 1, undefined],
  ]);
});

test('what there is of a qube and day, and what is missing of it', async () => {
  await tables.add('files', {}, { file: 1, bytes: 500 });
  await tables.add('manifests', {}, { kind: 'nft', encrypted: true });
  await tables.add('gaps', {}, { kind: 'dropped', count: 7 }, { kind: 'unlogged', count: 20, host: 'sys-net' });
  await tables.add('nft', { src: '10.137.0.10', dst: '203.0.113.7' });
  expect(await listHoldings(tables, DAYS)).toMatchObject([
    {
      host: 'sys-dns',
      date: DAY,
      bundles: 2,
      encrypted: 1,
      files: 2,
      packets: 20,
      bytes: 1500,
      lines: 0,
      gaps: 1,
      gapTime: 60e6,
      lost: 7,
      unlogged: 0,
      since: Date.parse(at(0)) * 1000,
      until: Date.parse(at(3600)) * 1000,
    },
    { host: 'sys-net', lines: 1, unlogged: 20, since: Date.parse(at(0)) * 1000 },
  ]);
});

test('a short row is the one day in the index with this date, and refused where there are two', async () => {
  await tables.add('flows', { flow: 3 }, { flow: 4 }, { flow: 4, date: '2025-11-27' });
  expect(await findRow(tables, 'sys-dns/1127/3')).toEqual({ host: 'sys-dns', date: DAY, flow: 3 });
  expect(await findRow(tables, 'sys-dns/2025-11-27/4')).toEqual({ host: 'sys-dns', date: '2025-11-27', flow: 4 });
  await expect(findRow(tables, 'sys-dns/1127/4')).rejects.toThrow('is of several years');
  await expect(findRow(tables, 'sys-dns/1127/5')).rejects.toThrow('no such row');
  await expect(findRow(tables, 'x')).rejects.toThrow('expected QUBE/DATE/FLOW');
});
