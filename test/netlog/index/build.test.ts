// The builder against real savefiles: what packets become, what becomes of them when savefiles come and go, and what is left
// when it is stopped. tshark says what flows there are.
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeHour } from '../../../bench/netlog-traffic.ts';
import { CaptureError } from '../../../src/errors.ts';
import { buildIndex, type IndexableDay, type Progress } from '../../../src/netlog/index/build.ts';
import { openDatabase } from '../../../src/netlog/index/duckdb.ts';
import { FlowTable } from '../../../src/netlog/index/flow-table.ts';
import { mergeFlows } from '../../../src/netlog/index/merge.ts';
import { Index, type Shape } from '../../../src/netlog/index/open.ts';
import { partitionPath } from '../../../src/netlog/index/partition.ts';
import { SavefileIndexer } from '../../../src/netlog/index/savefile-indexer.ts';
import { NftLog } from '../../../src/netlog/nft/log.ts';
import { openSavefile } from '../../../src/savefile/reading/open.ts';
import { Tmpfs } from '../../tmpfs.ts';
import { ACK, dnsMessage, FIN, PSH, type SmallPacket, SYN, writeSmallSavefile } from './small-savefile.ts';

const NOON = Date.UTC(2026, 10, 24, 12) * 1000;
const DAY = '2026-11-24';
const HOST = 'sys-vpn';
const CLIENT = '10.137.0.10';
const SERVER = '192.0.2.1';

let root = '';
/** Savefiles that were opened. */
let opened: string[] = [];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'netlog-build-'));
  mkdirSync(join(root, 'savefiles'));
  opened = [];
});
afterEach(() => rmSync(root, { recursive: true }));

type Opened = Awaited<ReturnType<IndexableDay['open']>>;

function day(more: Partial<Opened> = {}): IndexableDay {
  const folder = join(root, 'savefiles');
  const names = readdirSync(folder).sort();
  const savefiles = names.map((name) => {
    const path = join(folder, name);
    const open = () => {
      opened.push(name);
      return openSavefile(path);
    };
    return { name, bytes: statSync(path).size, open };
  });
  const fingerprint = savefiles.map(({ name, bytes }) => `${name} ${bytes}`).join();
  const whole = { savefiles, nftLogs: [], manifests: [], gaps: [], problems: [], close() {}, ...more };
  return { host: HOST, day: DAY, fingerprint, open: async () => whole };
}

function save(name: string, packets: readonly SmallPacket[]): void {
  writeSmallSavefile(join(root, 'savefiles', name), packets);
}

async function ask<S extends Shape>(shape: S, table: string, rest = ''): Promise<readonly object[]> {
  const index = await Index.open(root);
  try {
    const columns = Object.keys(shape).map((column) => `"${column}"`);
    return await index.query(shape, `SELECT ${columns} FROM ${table} ${rest}`);
  } finally {
    await index.close();
  }
}

/** Client to server, and back. */
const there = (time: number, more: Partial<SmallPacket> = {}): SmallPacket => ({
  time: NOON + time,
  src: CLIENT,
  dst: SERVER,
  sport: 40000,
  dport: 4430,
  ...more,
});
const back = (time: number, more: Partial<SmallPacket> = {}): SmallPacket => ({
  time: NOON + time,
  src: SERVER,
  dst: CLIENT,
  sport: 4430,
  dport: 40000,
  ttl: 55,
  ...more,
});
const FLOW = {
  src: 'text',
  sport: 'number',
  dst: 'text',
  dport: 'number',
  packets_forward: 'number',
  packets_back: 'number',
  bytes_forward: 'number',
  bytes_back: 'number',
} as const;
const merged = {
  src: CLIENT,
  sport: 40000,
  dst: SERVER,
  dport: 4430,
  packets_forward: 2,
  packets_back: 2,
  bytes_forward: 83,
  bytes_back: 80,
};
const HANDSHAKE = [there(0, { flags: SYN }), back(10, { flags: SYN | ACK })];
/** Begins with the server. */
const LATER = [back(20), there(30, { flags: PSH | FIN | ACK, payload: Uint8Array.of(1, 2, 3) })];

describe('flows', () => {
  it('have what their packets say', async () => {
    save('a.pcap', [...HANDSHAKE, ...LATER]);
    expect(await buildIndex(root, [day()])).toEqual({ built: 1, unchanged: 0, packets: 4, problems: [] });
    const more = {
      proto: 'text',
      ifindex: 'number',
      first: 'number',
      last: 'number',
      syn: 'boolean',
      ttl: 'number',
      ip_id: 'number',
    } as const;
    const flags = { tcp_flags_forward: 'number', tcp_flags_back: 'number', nat: 'number?', name: 'text?' } as const;
    expect(await ask({ host: 'text', date: 'text', ...FLOW, ...more, ...flags }, 'flows')).toEqual([
      {
        host: HOST,
        date: DAY,
        ...merged,
        ...{ proto: 'TCP', ifindex: 2, first: NOON, last: NOON + 30, syn: true, ttl: 64, ip_id: 1 },
        ...{ tcp_flags_forward: SYN | PSH | FIN | ACK, tcp_flags_back: SYN | ACK, nat: null, name: null },
      },
    ]);
    const packets = { forward: 'boolean', len: 'number', tcp_flags: 'number', time: 'number', file: 'number' } as const;
    expect(await ask(packets, 'packets JOIN flows USING (host, date, flow)', 'ORDER BY time')).toEqual([
      { forward: true, len: 60, tcp_flags: SYN, time: NOON, file: 0 },
      { forward: false, len: 60, tcp_flags: SYN | ACK, time: NOON + 10, file: 0 },
      { forward: false, len: 60, tcp_flags: ACK, time: NOON + 20, file: 0 },
      { forward: true, len: 63, tcp_flags: PSH | FIN | ACK, time: NOON + 30, file: 0 },
    ]);
    expect(
      await ask({ name: 'text', packets: 'number', linktype: 'number', snaplen: 'number', damage: 'text?' }, 'files'),
    ).toEqual([{ name: 'a.pcap', packets: 4, linktype: 276, snaplen: 65535, damage: null }]);
  });

  it('are of who opened them, as far as packets say so', async () => {
    save('a.pcap', [
      back(0, { flags: SYN | ACK, sport: 1 }),
      back(1, { sport: 443, dport: 40001 }),
      back(2, { sport: 4431, dport: 40002 }),
      { time: NOON, proto: 'UDP', src: SERVER, sport: 53, dst: CLIENT, dport: 40003 },
      { time: NOON, proto: 'UDP', src: SERVER, sport: 123, dst: CLIENT, dport: 123 },
    ]);
    await buildIndex(root, [day()]);
    expect(await ask({ src: 'text', dport: 'number', syn: 'boolean' }, 'flows', 'ORDER BY dport')).toEqual([
      { src: CLIENT, dport: 1, syn: false },
      { src: CLIENT, dport: 53, syn: false },
      { src: SERVER, dport: 123, syn: false },
      { src: CLIENT, dport: 443, syn: false },
      { src: SERVER, dport: 40002, syn: false },
    ]);
  });

  it('are one also between two ports of one address', async () => {
    const local = { src: CLIENT, dst: CLIENT };
    save('a.pcap', [there(0, { ...local, flags: SYN }), back(1, { ...local, flags: SYN | ACK })]);
    await buildIndex(root, [day()]);
    expect(await ask({ sport: 'number', packets_forward: 'number', packets_back: 'number' }, 'flows')).toEqual([
      { sport: 40000, packets_forward: 1, packets_back: 1 },
    ]);
  });

  it('are there in spite of numbers that no kernel has', async () => {
    save('a.pcap', [there(0, { ifindex: 0xffffffff })]);
    const file = readFileSync(join(root, 'savefiles/a.pcap'));
    file.writeUInt32LE(0xffffffff, 24 + 12);
    writeFileSync(join(root, 'savefiles/a.pcap'), file);
    const gap = { fromMs: Number.NaN, toMs: 0, kind: 'gap' as const, about: '' };
    await buildIndex(root, [day({ gaps: [gap] })]);
    expect(await ask({ ifindex: 'number' }, 'flows')).toEqual([{ ifindex: 0x7fffffff }]);
    expect(await ask({ len: 'number' }, 'packets')).toEqual([{ len: 0x7fffffff }]);
    expect(await ask({ from: 'number?', to: 'number' }, 'gaps')).toEqual([{ from: null, to: 0 }]);
  });

  it('are one over several savefiles, the same way round', async () => {
    save('a.pcap', HANDSHAKE);
    save('b.pcap', LATER);
    await buildIndex(root, [day()]);
    expect(await ask(FLOW, 'flows')).toEqual([merged]);
    expect(await ask({ forward: 'boolean' }, 'packets', 'ORDER BY time')).toEqual(
      [true, false, false, true].map((forward) => ({ forward })),
    );
  });

  it('are turned round in savefiles that were indexed without sight of the first, once', async () => {
    save('b.pcap', HANDSHAKE);
    await buildIndex(root, [day()]);
    save('c.pcap', LATER);
    await buildIndex(root, [day()]);
    save('d.pcap', [back(40), there(50)]);
    await buildIndex(root, [day()]);
    expect(opened).toEqual(['b.pcap', 'c.pcap', 'd.pcap']);
    expect(await ask({ src: 'text', packets_forward: 'number', packets_back: 'number' }, 'flows')).toEqual([
      { src: CLIENT, packets_forward: 3, packets_back: 3 },
    ]);
    const expected = [true, false, false, true, false, true].map((forward) => ({ forward }));
    expect(await ask({ forward: 'boolean' }, 'packets', 'ORDER BY time')).toEqual(expected);
  });

  it('are as tshark sees them, also when there are more than the table holds', async () => {
    const path = join(root, 'hour.pcap');
    writeHour(path, 3, NOON / 1e6, 6000);
    const columns = [
      'sll.ifindex',
      'ip.src',
      'ipv6.src',
      'ip.dst',
      'ipv6.dst',
      'ip.proto',
      'ipv6.nxt',
      'tcp.srcport',
      'udp.srcport',
      'tcp.dstport',
      'udp.dstport',
      'ip.len',
      'ipv6.plen',
    ];
    const out = execFileSync(
      'tshark',
      ['-n', '-r', path, '-T', 'fields', ...columns.flatMap((column) => ['-e', column])],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
    );
    const theirs = new Map<string, { packets: number; bytes: number }>();
    for (const line of out.trimEnd().split('\n')) {
      const [ifindex = '', s4, s6, d4, d6, p4, p6, st, su, dt, du, length, plen] = line.split('\t');
      const ends = [`${s4 || s6} ${st || su || '-'}`, `${d4 || d6} ${dt || du || '-'}`].sort();
      const key = `${ifindex} ${p4 || p6} ${ends.join(' ')}`;
      const flow = theirs.get(key) ?? { packets: 0, bytes: 0 };
      theirs.set(key, { packets: flow.packets + 1, bytes: flow.bytes + (Number(length) || Number(plen) + 40) });
    }
    const numbers: Readonly<Record<string, number>> = { TCP: 6, UDP: 17, ICMP: 1, ICMPv6: 58 };
    for (const most of [2 ** 16, 64]) {
      const folder = join(root, `flows-${most}`);
      mkdirSync(folder);
      const database = await openDatabase(join(folder, 'temporary'), '200MB', 2);
      const indexer = await SavefileIndexer.create(database, folder, new FlowTable(most));
      await indexer.index(
        0,
        () => openSavefile(path),
        () => {},
      );
      await indexer.finish(0);
      await mergeFlows(database, folder);
      const all =
        await database.connection.run(`SELECT ifindex, proto, src, sport, dst, dport, (packets_forward + packets_back)::INTEGER,
        (bytes_forward + bytes_back)::INTEGER, flow FROM read_parquet('${folder}/flows.parquet')`);
      const rows = await all.getRows();
      const sums =
        await database.connection.run(`SELECT count(*)::INTEGER FROM read_parquet('${folder}/flows.parquet') f JOIN
        (SELECT flow, count(*) FILTER (forward) AS f, count(*) FILTER (NOT forward) AS b FROM read_parquet('${folder}/packets-*.parquet') GROUP BY flow) p
        USING (flow) WHERE p.f <> f.packets_forward OR p.b <> f.packets_back`);
      expect(await sums.getRows()).toEqual([[0]]);
      database.close();
      const ours = new Map(
        rows.map(([ifindex, proto, src, sport, dst, dport, packets, bytes]) => {
          const ends = [`${src} ${sport ?? '-'}`, `${dst} ${dport ?? '-'}`].sort();
          return [`${ifindex} ${numbers[String(proto)]} ${ends.join(' ')}`, { packets, bytes }];
        }),
      );
      expect(rows.length).toBe(theirs.size);
      expect(ours).toEqual(theirs);
      expect(readdirSync(folder).filter((name) => name.startsWith('parts-')).length > 1).toBe(most === 64);
    }
  });
});

describe('names and NAT', () => {
  const dns = (time: number, more: Partial<SmallPacket>): SmallPacket => ({
    time: NOON + time,
    proto: 'UDP',
    src: CLIENT,
    sport: 5353,
    dst: '10.139.1.1',
    dport: 53,
    ...more,
  });
  const answered = (client: string, name: string, time: number): SmallPacket[] => [
    dns(time, { src: client, sport: 6000, payload: dnsMessage(7, name) }),
    dns(time + 1, { src: '10.139.1.1', sport: 53, dst: client, dport: 6000, payload: dnsMessage(7, name, SERVER) }),
  ];

  it('come from the last answer that this client had before', async () => {
    save('a.pcap', [
      ...answered(CLIENT, 'old.example', 0),
      ...answered(CLIENT, 'new.example', 10),
      ...answered('10.137.0.11', 'other.example', 12),
      there(20, { flags: SYN }),
      there(5, { flags: SYN, sport: 40001 }),
      there(25, { flags: SYN, dst: '192.0.2.2' }),
      ...answered(CLIENT, 'late.example', 30),
    ]);
    await buildIndex(root, [day()]);
    expect(
      await ask(
        { sport: 'number', dst: 'text', name: 'text?', name_from: 'text?' },
        'flows',
        "WHERE proto = 'TCP' ORDER BY dst, sport",
      ),
    ).toEqual([
      { sport: 40000, dst: SERVER, name: 'new.example', name_from: 'dns' },
      { sport: 40001, dst: SERVER, name: 'old.example', name_from: 'dns' },
      { sport: 40000, dst: '192.0.2.2', name: null, name_from: null },
    ]);
    const columns = {
      src: 'text',
      id: 'number',
      response: 'boolean',
      name: 'text',
      type: 'text',
      answers: 'texts',
      cut: 'boolean',
    } as const;
    expect(await ask(columns, 'dns', 'ORDER BY time LIMIT 2')).toEqual([
      { src: CLIENT, id: 7, response: false, name: 'old.example', type: 'A', answers: [], cut: false },
      {
        src: '10.139.1.1',
        id: 7,
        response: true,
        name: 'old.example',
        type: 'A',
        answers: [`A ${SERVER}`],
        cut: false,
      },
    ]);
  });

  it('are those of both flows that are the same packets on two interfaces', async () => {
    const uplink = { ifindex: 9, src: '10.137.0.5', ttl: 63 };
    save('a.pcap', [
      ...answered(CLIENT, 'a.example', 0),
      there(10, { flags: SYN, ipId: 500 }),
      there(40, { flags: SYN, ipId: 500, ...uplink }),
      // Another of the same server, whose port had to be changed.
      there(10, { flags: SYN, ipId: 501, src: '10.137.0.11' }),
      there(50, { flags: SYN, ipId: 501, ...uplink, sport: 1025 }),
      // Not these: the same TTL, too late, the same interface.
      there(60, { flags: SYN, ipId: 502, sport: 41000 }),
      there(70, { flags: SYN, ipId: 502, ...uplink, ttl: 64, sport: 41000 }),
      there(80, { flags: SYN, ipId: 503, sport: 42000 }),
      there(200_000, { flags: SYN, ipId: 503, ...uplink, sport: 42000 }),
      there(90, { flags: SYN, ipId: 504, sport: 43000 }),
      there(95, { flags: SYN, ipId: 504, ...uplink, ifindex: 2, sport: 43000 }),
    ]);
    await buildIndex(root, [day()]);
    const flows = await ask(
      { srcs: 'texts', names: 'texts' },
      "(SELECT list(src ORDER BY first) AS srcs, list(coalesce(name, '-') ORDER BY first) AS names, nat FROM flows WHERE proto = 'TCP' AND nat IS NOT NULL GROUP BY nat)",
      'ORDER BY srcs',
    );
    expect(flows).toEqual([
      { srcs: [CLIENT, '10.137.0.5'], names: ['a.example', 'a.example'] },
      { srcs: ['10.137.0.11', '10.137.0.5'], names: ['-', '-'] },
    ]);
  });

  it('come from a ClientHello, in spite of an answer', async () => {
    const path = join(root, 'savefiles/hour.pcap');
    writeHour(path, 5, NOON / 1e6, 20_000);
    await buildIndex(root, [day()]);
    const out = execFileSync(
      'tshark',
      ['-n', '-r', path, '-Y', 'tls.handshake.type == 1', '-T', 'fields', '-e', 'tls.handshake.extensions_server_name'],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
    );
    const theirs = out.trimEnd().split('\n').sort();
    const ours = await ask({ name: 'text' }, "tls WHERE transport = 'tcp'", 'ORDER BY name');
    expect(theirs.length).toBeGreaterThan(100);
    expect(ours).toEqual(theirs.map((name) => ({ name })));
    expect(
      await ask(
        { same: 'boolean' },
        "(SELECT DISTINCT f.name = t.name AND name_from = 'sni' AS same FROM flows f JOIN tls t USING (host, date, flow))",
      ),
    ).toEqual([{ same: true }]);
  });
});

describe('building again', () => {
  it('passes over what is as it was, reads what is new, and forgets what is gone', async () => {
    save('a.pcap', HANDSHAKE);
    save('b.pcap', LATER);
    await buildIndex(root, [day()]);
    expect(await buildIndex(root, [{ ...day(), open: () => Promise.reject(new Error('opened')) }])).toMatchObject({
      built: 0,
      unchanged: 1,
    });
    opened = [];
    unlinkSync(join(root, 'savefiles/a.pcap'));
    save('c.pcap', [there(60)]);
    expect(await buildIndex(root, [day()])).toMatchObject({ built: 1, packets: 1 });
    expect(opened).toEqual(['c.pcap']);
    expect(await ask({ file: 'number', name: 'text' }, 'files', 'ORDER BY file')).toEqual([
      { file: 1, name: 'b.pcap' },
      { file: 2, name: 'c.pcap' },
    ]);
    expect(await ask({ file: 'number' }, 'packets', 'ORDER BY time')).toEqual([{ file: 1 }, { file: 1 }, { file: 2 }]);
    const [flow] = await ask({ packets_forward: 'number', packets_back: 'number', first: 'number' }, 'flows');
    expect(flow).toEqual({ packets_forward: 2, packets_back: 1, first: NOON + 20 });
  });

  it('keeps names that ended unfinished in a savefile behind a new one', async () => {
    // Begins a ClientHello that never goes on.
    const hello = (time: number, sport: number): SmallPacket =>
      there(time, { flags: PSH | ACK, sport, payload: Uint8Array.of(22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3) });
    save('b.pcap', [hello(10, 50000)]);
    await buildIndex(root, [day()]);
    save('a.pcap', [hello(0, 50001)]);
    await buildIndex(root, [day()]);
    expect(await ask({ sport: 'number', cut: 'boolean' }, 'tls', 'ORDER BY time')).toEqual([
      { sport: 50001, cut: true },
      { sport: 50000, cut: true },
    ]);
  });

  it('reads a savefile that has grown anew', async () => {
    save('a.pcap.part', HANDSHAKE);
    await buildIndex(root, [day()]);
    save('a.pcap.part', [...HANDSHAKE, ...LATER]);
    await buildIndex(root, [day()]);
    expect(await ask(FLOW, 'flows')).toEqual([merged]);
  });

  it('takes a damaged savefile up to the damage, and says so', async () => {
    save('a.pcap', [...HANDSHAKE, ...LATER]);
    truncateSync(join(root, 'savefiles/a.pcap'), 24 + 2 * 76 + 40);
    save('b.pcap', []);
    save('c.pcap', [there(100)]);
    truncateSync(join(root, 'savefiles/b.pcap'), 7);
    const { packets, problems } = await buildIndex(root, [day()]);
    expect([packets, problems.length]).toEqual([3, 2]);
    expect((await buildIndex(root, [day()])).problems).toEqual(problems);
    expect(await ask({ from: 'number?', kind: 'text' }, 'gaps', 'ORDER BY "from"')).toEqual([
      { from: NOON + 10, kind: 'damaged' },
      { from: null, kind: 'damaged' },
    ]);
    expect(
      await ask({ packets: 'number', linktype: 'number?' }, 'files WHERE damage IS NOT NULL', 'ORDER BY file'),
    ).toEqual([
      { packets: 2, linktype: 276 },
      { packets: 0, linktype: null },
    ]);
  });

  it('leaves what was there, and nothing else, when it fails', async () => {
    save('a.pcap', HANDSHAKE);
    await buildIndex(root, [day()]);
    save('b.pcap', LATER);
    const before = readdirSync(join(root, '.index'), { recursive: true }).sort();
    const read = (): AsyncGenerator<never> => {
      throw new Error('no space');
    };
    const failing = day({ nftLogs: [{ name: 'x', log: new NftLog('x'), read }] });
    await expect(buildIndex(root, [failing])).rejects.toThrow('no space');
    expect(readdirSync(join(root, '.index'), { recursive: true }).sort()).toEqual(before);
    expect(await ask({ file: 'number' }, 'packets')).toHaveLength(2);
  });

  it('ends with one line on a full disk, and leaves nothing', async () => {
    save('a.pcap', HANDSHAKE);
    writeHour(join(root, 'savefiles/b.pcap'), 7, NOON / 1e6, 20_000);
    const disk = Tmpfs.mount('200k');
    try {
      await expect(buildIndex(disk.path, [day()])).rejects.toThrow(CaptureError);
      expect(readdirSync(join(disk.path, '.index'))).toEqual([]);
    } finally {
      disk.unmount();
    }
  });

  it('puts back a partition that was just being replaced, and removes what else a crash left', async () => {
    save('a.pcap', HANDSHAKE);
    await buildIndex(root, [day()]);
    const place = partitionPath(root, HOST, DAY);
    const { pid } = await import('node:child_process').then(({ spawnSync }) => spawnSync('true'));
    const work = join(root, `.index/.work-${pid}-0`);
    mkdirSync(join(work, 'replaced', `host=${HOST}`), { recursive: true });
    mkdirSync(join(work, 'partition'));
    renameSync(place, join(work, 'replaced', `host=${HOST}`, `date=${DAY}`));
    const own = join(root, `.index/.work-${process.pid}-999`);
    mkdirSync(own);
    expect(await buildIndex(root, [day()])).toMatchObject({ built: 0, unchanged: 1 });
    expect([existsSync(work), existsSync(own)]).toEqual([false, true]);
    expect(await ask({ file: 'number' }, 'packets')).toHaveLength(2);
  });

  it('says how far it is', async () => {
    save('a.pcap', HANDSHAKE);
    save('b.pcap', LATER);
    const said: Progress[] = [];
    await buildIndex(root, [day()], (progress) => said.push(progress));
    const bytes = statSync(join(root, 'savefiles/a.pcap')).size;
    expect(said[0]).toEqual({ host: HOST, day: DAY, bytes: 2 * bytes + 3, bytesDone: 0, packets: 0, about: 'a.pcap' });
    expect(said.at(-1)).toMatchObject({ bytesDone: 2 * bytes + 3, packets: 4, about: 'flows' });
  });
});

it('keeps what else a day has', async () => {
  const line = {
    prefix: 'SYSFW',
    class: 'new',
    in: 'vif5.0',
    out: 'eth0',
    src: CLIENT,
    proto: 'TCP',
    sport: 40000,
    len: 60,
    ipId: 1,
    unread: [],
  };
  const read = async function* () {
    yield [{ timeUs: NOON, line: { ...line, inner: { dst: SERVER, dport: 53 } }, message: 'm' }];
  };
  const manifest = {
    source: HOST,
    date: DAY,
    kind: 'nft' as const,
    id: '1',
    since: '2026-11-24T00:00:00Z',
    until: '2026-11-25T00:00:00Z',
    lastGood: null,
    file: 'f',
    bytes: 5,
    sha256: 'ab',
    encrypted: false,
    facts: new Map([['new_seen', '3']]),
  };
  const gap = { fromMs: NOON / 1000, toMs: NOON / 1000 + 1, kind: 'dropped' as const, count: 4, about: 'it' };
  await buildIndex(root, [
    day({ nftLogs: [{ name: 'n', log: new NftLog('n'), read }], manifests: [manifest], gaps: [gap] }),
  ]);
  expect(
    await ask(
      {
        time: 'number',
        in: 'text',
        sport: 'number',
        dport: 'number?',
        inner_dst: 'text',
        inner_dport: 'number',
        line: 'text',
      },
      'nft',
    ),
  ).toEqual([{ time: NOON, in: 'vif5.0', sport: 40000, dport: null, inner_dst: SERVER, inner_dport: 53, line: 'm' }]);
  expect(await ask({ since: 'number', last_good: 'number?', facts: 'map' }, 'manifests')).toEqual([
    { since: Date.UTC(2026, 10, 24) * 1000, last_good: null, facts: { new_seen: '3' } },
  ]);
  expect(await ask({ from: 'number', to: 'number', kind: 'text', count: 'number' }, 'gaps')).toEqual([
    { from: NOON, to: NOON + 1000, kind: 'dropped', count: 4 },
  ]);
});

it('needs DuckDB when it is used and not before, and never libpcap', () => {
  const script = `
    import { readFileSync } from 'node:fs';
    await import('./src/netlog/index/build.ts');
    await import('./src/netlog/bundle/day-source.ts');
    const { Index } = await import('./src/netlog/index/open.ts');
    const loaded = () => [...new Set(readFileSync('/proc/self/maps', 'utf8').match(/koffi|libpcap|libduckdb/g))].sort().join();
    const before = loaded();
    await (await Index.open(${JSON.stringify(root)})).close();
    console.log(JSON.stringify([before, loaded()]));`;
  const arguments_ = ['--import', 'tsx', '--input-type=module', '-e', script];
  expect(JSON.parse(execFileSync(process.execPath, arguments_, { encoding: 'utf8' }))).toEqual(['', 'libduckdb']);
});
