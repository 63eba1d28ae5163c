import { mkdir, mkdtemp, readdir, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CaptureError } from '../../../src/errors.ts';
import { Index } from '../../../src/netlog/index/open.ts';
import { partitionPath } from '../../../src/netlog/index/partition.ts';
import { TABLE_NAMES, TABLES } from '../../../src/netlog/index/schema.ts';
import { writeSmallDay } from './small-index.ts';

const NOON = Date.UTC(2026, 10, 24, 12) * 1000;
const DAY = '2026-11-24';

let root = '';
let index: Index | undefined;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'netlog-index-'));
});
afterEach(async () => {
  await index?.close();
  index = undefined;
  await rm(root, { recursive: true });
});

async function open(options?: Parameters<typeof Index.open>[1]): Promise<Index> {
  index = await Index.open(root, options);
  return index;
}

describe('the views', () => {
  it('are there without any partition, with the columns of the schema', async () => {
    const { rows } = await (await open()).sql(
      "SELECT table_name, list(column_name ORDER BY column_index) FROM duckdb_columns() WHERE NOT internal AND table_name <> 'nft_flows' GROUP BY 1 ORDER BY 1",
      100,
    );
    const expected = [...TABLE_NAMES].sort().map((name) => [name, ['host', 'date', ...Object.keys(TABLES[name])]]);
    expect(rows).toEqual(expected);
    for (const name of [...TABLE_NAMES, 'nft_flows'])
      expect((await index?.sql(`SELECT * FROM ${name}`, 10))?.rows).toEqual([]);
  });

  it('give back every type, NULL, and text of any kind', async () => {
    const name = 'a\u0000b‮\ud83d\ude00<script>\'"';
    await writeSmallDay(root, 'sys-vpn', DAY, {
      dns: [
        { time: NOON + 1, flow: 2 ** 53 - 1, name, response: true, answers: ['A 192.0.2.1', "CNAME it's"] },
        { time: NOON + 2 },
      ],
      manifests: [{ kind: 'pcaps', facts: new Map([['written', '7']]), bytes: 5_000_000_000, encrypted: false }],
    });
    const shape = {
      host: 'text',
      date: 'text',
      time: 'number',
      flow: 'number?',
      name: 'text?',
      response: 'boolean?',
      answers: 'texts?',
    } as const;
    const rows = await (await open()).query(shape, `SELECT ${Object.keys(shape)} FROM dns ORDER BY time`);
    const both = { host: 'sys-vpn', date: DAY };
    expect(rows).toEqual([
      { ...both, time: NOON + 1, flow: 2 ** 53 - 1, name, response: true, answers: ['A 192.0.2.1', "CNAME it's"] },
      { ...both, time: NOON + 2, flow: null, name: null, response: null, answers: null },
    ]);
    const [manifest] =
      (await index?.query({ bytes: 'number', facts: 'map' }, 'SELECT bytes, facts FROM manifests')) ?? [];
    expect(manifest).toEqual({ bytes: 5_000_000_000, facts: { written: '7' } });
  });

  it('are of the hosts and days asked for', async () => {
    for (const host of ['a', 'b[1]*'])
      for (const date of ['2026-11-23', '2026-11-24'])
        await writeSmallDay(root, host, date, { gaps: [{ kind: 'gap' }] });
    const partitions = async (options?: Parameters<typeof Index.open>[1]): Promise<string[]> => {
      const rows = await (await open(options)).query(
        { at: 'text' },
        "SELECT host || ' ' || date AS at FROM gaps ORDER BY 1",
      );
      await index?.close();
      index = undefined;
      return rows.map(({ at }) => at);
    };
    expect(await partitions()).toEqual(['a 2026-11-23', 'a 2026-11-24', 'b[1]* 2026-11-23', 'b[1]* 2026-11-24']);
    expect(await partitions({ hosts: ['b[1]*'], days: ['2026-11-24'] })).toEqual(['b[1]* 2026-11-24']);
    expect(await partitions({ hosts: [] })).toEqual([]);
  });

  it('say with one line that a file is damaged', async () => {
    await writeSmallDay(root, 'a', DAY, { gaps: [{ kind: 'gap' }] });
    await truncate(join(partitionPath(root, 'a', DAY), 'gaps.parquet'), 20);
    await expect(open()).rejects.toThrow(CaptureError);
  });

  it('refuse an answer of another shape', async () => {
    await writeSmallDay(root, 'a', DAY, { gaps: [{ kind: 'gap' }] });
    const opened = await open();
    await expect(opened.query({ kind: 'number' }, 'SELECT kind FROM gaps')).rejects.toThrow('column kind is no number');
    await expect(opened.query({ count: 'number' }, 'SELECT count FROM gaps')).rejects.toThrow(
      'column count is no number',
    );
    await expect(opened.query({ other: 'text' }, 'SELECT kind FROM gaps')).rejects.toThrow('columns kind');
  });
});

describe('what a user asks', () => {
  it('gives no more rows than asked for, and says so', async () => {
    const opened = await open();
    expect(await opened.sql('SELECT range AS n FROM range(5)', 3)).toEqual({
      columns: ['n'],
      types: ['BIGINT'],
      rows: [[0], [1], [2]],
      more: true,
    });
    expect((await opened.sql('FROM range(3)', 3)).more).toBe(false);
  });

  it.each([
    ["SELECT * FROM read_text('/etc/hostname')", 'Permission Error'],
    ["SELECT * FROM read_csv('OUTSIDE')", 'Permission Error'],
    ["SELECT * FROM read_text('ROOT/.index/../secret')", 'Permission Error'],
    ["SELECT * FROM read_text('ROOT/.index/link/secret')", 'Permission Error'],
    ["SELECT * FROM 'ROOT/.index/other.csv'", 'Permission Error'],
    ["SELECT * FROM glob('/*')", 'Permission Error'],
    ["ATTACH 'ROOT/.index/x.db'", 'only what reads'],
    ["COPY (SELECT 1) TO 'ROOT/.index/x.csv'", 'only what reads'],
    ["EXPLAIN ANALYZE COPY (SELECT 1) TO 'ROOT/.index/x.csv'", 'only what reads'],
    ["EXPORT DATABASE 'ROOT/.index/x'", 'only what reads'],
    ["FROM query('COPY (SELECT 1) TO ''ROOT/.index/x.csv''')", 'Expected a single SELECT'],
    ['SET enable_external_access = true', 'only what reads'],
    ['CREATE TABLE t AS SELECT 1', 'only what reads'],
    ['DROP VIEW flows', 'only what reads'],
    ['INSTALL httpfs', 'only what reads'],
    ["SELECT 1; COPY (SELECT 1) TO 'ROOT/.index/x.csv'", 'only what reads'],
    ['SELECT 1; SELECT 2', 'one statement'],
    ['', 'one statement'],
    ['SELEC 1', 'syntax error'],
  ])('refuses %s', async (text, message) => {
    await writeSmallDay(root, 'a', DAY, { gaps: [{ kind: 'gap' }] });
    await writeFile(join(root, 'secret'), 'secret');
    await mkdir(join(root, 'beside'));
    await writeFile(join(root, 'beside/secret'), 'secret');
    await symlink(join(root, 'beside'), join(root, '.index/link'));
    await writeFile(join(root, '.index/other.csv'), 'secret');
    const before = await readdir(join(root, '.index'), { recursive: true });
    const opened = await open();
    await expect(opened.sql(text.replace('ROOT', root).replace('OUTSIDE', join(root, 'secret')), 10)).rejects.toThrow(
      message,
    );
    expect(await readdir(join(root, '.index'), { recursive: true })).toEqual(before);
    expect(await opened.sql('SELECT kind FROM gaps', 1)).toMatchObject({ rows: [['gap']] });
  });
});

describe('nft_flows', () => {
  const flow = (flowId: number, src: string, dst: string, first: number, more = {}) => ({
    flow: flowId,
    proto: 'UDP',
    src,
    sport: 5000,
    dst,
    dport: 53,
    first: NOON + first,
    last: NOON + first + 1_000_000,
    ip_id: 77,
    ...more,
  });
  const line = (time: number, src: string, dst: string, more = {}) => ({
    time: NOON + time,
    proto: 'UDP',
    src,
    sport: 5000,
    dst,
    dport: 53,
    ip_id: 77,
    ...more,
  });

  it('joins by source, in spite of DNAT, the flow that was there then', async () => {
    await writeSmallDay(root, 'sys-dns', DAY, {
      flows: [
        flow(1, '10.137.0.10', '10.139.1.1', 0),
        flow(2, '10.137.0.10', '10.139.1.1', 10_000_000),
        flow(3, '10.137.0.11', '10.139.1.1', 0),
      ],
    });
    await writeSmallDay(root, 'sys-firewall', DAY, {
      nft: [
        line(-900_000, '10.137.0.10', '127.0.0.1', { line: 'a second early' }),
        line(100, '10.137.0.10', '127.0.0.1', { line: 'dnat' }),
        line(10_000_100, '10.137.0.10', '10.139.1.1', { line: 'again' }),
        line(5_000_000, '10.137.0.10', '10.139.1.1', { line: 'between' }),
        { ...line(300, '10.139.1.1', '10.137.0.11', { ip_id: 5, line: 'reply' }), sport: 53, dport: 5000 },
        { time: NOON, proto: 'ICMP', src: '10.137.0.10', dst: '192.0.2.1', line: 'icmp' },
        line(0, '10.137.0.10', '127.0.0.1', { sport: 5001, line: 'other port' }),
      ],
    });
    const rows = await (await open()).query(
      { line: 'text', flow: 'number?', flow_host: 'text?', joined: 'text?' },
      'SELECT line, flow, flow_host, joined FROM nft_flows ORDER BY line',
    );
    const source = { flow_host: 'sys-dns', joined: 'source' };
    const none = { flow: null, flow_host: null, joined: null };
    expect(rows).toEqual([
      { line: 'a second early', flow: 1, ...source },
      { line: 'again', flow: 2, ...source, joined: 'tuple' },
      { line: 'between', ...none },
      { line: 'dnat', flow: 1, ...source },
      { line: 'icmp', ...none },
      { line: 'other port', ...none },
      { line: 'reply', flow: 3, ...source, joined: 'tuple' },
    ]);
  });

  it('takes the flow of the same destination before one that began later', async () => {
    await writeSmallDay(root, 'sys-dns', DAY, {
      flows: [flow(1, '10.137.0.10', '192.0.2.1', 0), flow(2, '10.137.0.10', '192.0.2.2', 10)],
      nft: [line(100, '10.137.0.10', '192.0.2.1')],
    });
    const rows = await (await open()).query({ flow: 'number' }, 'SELECT flow FROM nft_flows');
    expect(rows).toEqual([{ flow: 1 }]);
  });

  it('joins by destination and IP identification behind masquerading', async () => {
    await writeSmallDay(root, 'sys-vpn', DAY, {
      flows: [flow(1, '10.137.0.5', '192.0.2.1', 0), flow(2, '10.137.0.6', '192.0.2.1', 500_000, { ip_id: 78 })],
    });
    await writeSmallDay(root, 'sys-firewall', DAY, {
      nft: [
        line(0, '10.137.0.10', '192.0.2.1', { line: 'masqueraded' }),
        line(0, '10.137.0.10', '192.0.2.1', { ip_id: 79, line: 'another packet' }),
        line(0, '10.137.0.10', '192.0.2.2', { line: 'another server' }),
      ],
    });
    const rows = await (await open()).query(
      { line: 'text', flow: 'number?', joined: 'text?' },
      'SELECT line, flow, joined FROM nft_flows ORDER BY line',
    );
    expect(rows).toEqual([
      { line: 'another packet', flow: null, joined: null },
      { line: 'another server', flow: null, joined: null },
      { line: 'masqueraded', flow: 1, joined: 'destination' },
    ]);
  });
});
