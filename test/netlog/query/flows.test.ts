import { beforeEach, expect, test } from 'vitest';
import { parseAddress } from '../../../src/netlog/query/address.ts';
import type { Filter } from '../../../src/netlog/query/filter.ts';
import { listFlows } from '../../../src/netlog/query/flows.ts';
import { DAY, Tables } from './tables.ts';

const DAYS = { days: { from: DAY, to: DAY } };
let tables: Tables;

beforeEach(async () => {
  tables = await Tables.create();
  await tables.add(
    'flows',
    {
      flow: 1,
      src: '10.137.0.10',
      dst: '198.51.100.80',
      proto: 'TCP',
      sport: 50000,
      dport: 443,
      nat: 9,
      bytes_back: 5000,
    },
    {
      flow: 2,
      src: '10.138.0.10',
      dst: '198.51.100.80',
      proto: 'TCP',
      sport: 50000,
      dport: 443,
      nat: 9,
      first: '2026-11-27T12:00:00.000010Z',
      name: 'www.example.test',
      name_from: 'sni',
      bytes_back: 5000,
    },
    { flow: 3, src: '10.137.0.11', dst: '10.139.1.1' },
    {
      flow: 4,
      src: 'fd09:24ef:4179::a89:a',
      dst: '2001:db8::1',
      proto: 'ICMPv6',
      sport: null,
      dport: null,
      host: 'sys-vpn',
    },
    { flow: 5, date: '2026-11-26' },
  );
});

async function flows(filter: Omit<Filter, 'days'>): Promise<string[]> {
  const { rows } = await listFlows(tables, { ...DAYS, ...filter }, 'bytes', 100);
  return rows.map(({ row }) => row);
}

test('both ends of a NAT are one row, that of the client, with the name that the other end has', async () => {
  const { rows, more } = await listFlows(tables, DAYS, 'bytes', 1);
  expect(more).toBe(true);
  expect(rows).toEqual([
    expect.objectContaining({
      row: `sys-dns/${DAY}/1`,
      src: '10.137.0.10',
      bytesBack: 5000,
      name: 'www.example.test',
      nameFrom: 'sni',
      via: { src: '10.138.0.10', sport: 50000, dst: '198.51.100.80', dport: 443 },
    }),
  ]);
});

test.each<[string, Omit<Filter, 'days'>, number[]]>([
  ['all', {}, [1, 3, 4]],
  ['a qube', { hosts: ['sys-vpn'] }, [4]],
  ['an address of the far end of a NAT', { addresses: [parse('10.138.0.10')] }, [1]],
  ['a network', { addresses: [parse('10.137.0.8/29')] }, [1, 3]],
  ['a network of IPv6', { addresses: [parse('2001:db8::/32')] }, [4]],
  ['half of that network', { addresses: [parse('2001:db8:8000::/33')] }, []],
  ['an address in another spelling', { addresses: [parse('2001:DB8:0::0:1')] }, [4]],
  ['a port', { ports: [443] }, [1]],
  ['a protocol', { protos: ['ICMPV6'] }, [4]],
  ['a name above', { names: ['example.test'] }, [1]],
  ['no part of a label', { names: ['ample.test'] }, []],
  ['a pattern', { names: ['WWW.*'] }, [1]],
  ['a quote', { names: ["x' OR 1=1 --"] }, []],
  ['a time before', { to: Date.parse('2026-11-27T12:00:00Z') * 1000 }, []],
  ['a time within', { from: Date.parse('2026-11-27T12:00:00.5Z') * 1000 }, [1, 3, 4]],
])('by %s', async (_, filter, expected) => {
  const found = await flows(filter);
  expect(found.map((row) => Number(row.split('/')[2])).sort()).toEqual(expected);
});

function parse(word: string): NonNullable<ReturnType<typeof parseAddress>> {
  const address = parseAddress(word);
  if (address === undefined) throw new Error(`${word} is no address`);
  return address;
}
