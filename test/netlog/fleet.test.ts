// deploy/fleet/README.md: its copying by rclone and each of its queries, as they stand there, over two machines' indexes that
// the builder made of savefiles, packet logs and manifests. A directory is in place of the bucket.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDay } from '../../src/netlog/bundle/day-source.ts';
import { findDays } from '../../src/netlog/bundle/days.ts';
import { buildIndex } from '../../src/netlog/index/build.ts';
import { type Database, openDatabase } from '../../src/netlog/index/duckdb.ts';
import { dns, type Sent, SYN, writeSavefile } from '../cli/netlogs/wire.ts';

const README = readFileSync(fileURLToPath(new URL('../../deploy/fleet/README.md', import.meta.url)), 'utf8');
const BUCKET = 's3://bucket/netlogs';
const [LONG_AGO, BEFORE, DAY] = ['2026-11-19', '2026-11-26', '2026-11-27'];
const PUSH = 24;
const WEB = '198.51.100.80';
const BAD = '203.0.113.66';

/** What stands under a heading, in a block of a language. */
function blocks(language: string, text: string = README): string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(
    ([, block = '']) => block,
  );
}

const QUERIES = README.split(/^### /m)
  .slice(1)
  .map((section) => ({
    title: section.slice(0, section.indexOf('\n')),
    sql: blocks('sql', section.split(/^## /m)[0]).join('\n'),
  }));

let root: string;
let database: Database;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'netlog-fleet-'));
  const hello = await clientHello('telemetry.vendor.test');
  await machine('desk', {
    // Before what any query asks for.
    [LONG_AGO]: {
      packets: (noon) => [
        ...ask(noon, 40_000, 'telemetry.vendor.test'),
        ...ask(noon, 40_001, 'only-then.test'),
        { time: noon + 10, ifindex: 2, out: true, from: '10.137.0.11:50000', to: `${BAD}:443`, tcp: SYN },
        {
          time: noon + 20,
          ifindex: 2,
          out: true,
          from: '10.137.0.11:40002',
          to: '198.51.100.53:53',
          payload: dns(1, 'a.test'),
        },
      ],
    },
    [BEFORE]: { packets: (noon) => [...ask(noon, 40_000, 'www.example.test'), ...ask(noon + 5, 40_001, 'old.test')] },
    [DAY]: {
      packets: (noon) => [
        ...ask(noon, 40_002, 'WWW.example.test'),
        ...ask(noon + 1000, 40_003, 'telemetry.vendor.test'),
        { time: noon + 2000, ifindex: 3, from: '10.137.0.10:50000', to: `${BAD}:443`, tcp: PUSH, payload: hello },
        // To another resolver, and out again by the uplink: one conversation.
        ...forwarded(noon + 3000, '10.137.0.10:40004', '198.51.100.53:53', dns(9, 'secret.test')),
        // To one that the query allows.
        ...forwarded(noon + 4000, '10.137.0.10:40005', '9.9.9.9:53', dns(9, 'www.example.test')),
      ],
      facts: { dropped: '7', gap_1: `${Date.parse(`${DAY}T01:00:00Z`)}/${Date.parse(`${DAY}T01:10:00Z`)}` },
    },
  });
  await machine('field', {
    [BEFORE]: { packets: (noon) => [...ask(noon, 40_000, 'www.example.test')], lines: true },
    [DAY]: {
      packets: (noon) => [
        ...ask(noon, 40_000, 'old.test'),
        ...ask(noon + 10, 40_001, 'telemetry.vendor.test'),
        // Who is asked is not who asks: begun by the far end.
        { time: noon + 5000, ifindex: 2, from: `${BAD}:4444`, to: '10.137.0.11:22', tcp: SYN },
      ],
    },
  });
  database = await openDatabase(join(root, '.temporary'), '200MB', 1);
  await database.connection.run("SET TimeZone = 'UTC'");
  await database.connection.run(local(views()));
});

afterAll(() => {
  database?.close();
  rmSync(root, { recursive: true });
});

/** Those before the queries, but the one that needs a network. */
function views(): string {
  const [setup = '', ...rest] = blocks('sql', README.slice(0, README.indexOf('### ')));
  expect(setup).toContain('INSTALL httpfs');
  return rest.join('\n');
}

const local = (sql: string): string => sql.replaceAll(BUCKET, join(root, 'bucket/netlogs'));

interface Recorded {
  readonly packets: (noon: number) => readonly Sent[];
  readonly facts?: Readonly<Record<string, string>>;
  /** Lines of sys-net. */
  readonly lines?: boolean;
}

/** Records days of a machine as open-netlogs.sh would leave them, indexes them, and copies the index as the page says. */
async function machine(name: string, days: Readonly<Record<string, Recorded>>): Promise<void> {
  const home = join(root, 'homes', name);
  const logs = join(home, 'NetLogs');
  for (const [day, { packets, facts = {}, lines = false }] of Object.entries(days)) {
    const sysDns = join(logs, day, 'sys-dns');
    mkdirSync(join(sysDns, 'netpcap'), { recursive: true });
    const savefile = join(sysDns, `netpcap/pcap-${day.replaceAll('-', '')}120000.pcap`);
    writeSavefile(savefile, packets(Date.parse(`${day}T12:00:00Z`)));
    writeFileSync(join(sysDns, 'manifest.json'), manifest('sys-dns', day, `pcaps-${day}.tgz`, Buffer.alloc(0), facts));
    if (!lines) continue;
    const sysNet = join(logs, day, 'sys-net');
    mkdirSync(sysNet);
    const log = gzipSync(packetLog(day));
    writeFileSync(join(sysNet, `nft-${day}.log.gz`), log);
    writeFileSync(join(sysNet, 'manifest.json'), manifest('sys-net', day, `nft-${day}.log.gz`, log, {}));
  }
  const found = await findDays(logs);
  const result = await buildIndex(
    logs,
    found.map((each) => ({ ...each, open: () => openDay(each) })),
  );
  expect(result.problems).toEqual([]);
  const [script = ''] = blocks('bash');
  const here = script.replace('store:bucket', `${root}/bucket`).replace('machine=desk', `machine=${name}`);
  expect(here).toContain(`${root}/bucket/netlogs/machine=${name}`);
  execFileSync('bash', ['-euc', here], { env: { ...process.env, HOME: home }, stdio: 'pipe' });
}

function manifest(
  source: string,
  date: string,
  file: string,
  bundle: Buffer,
  facts: Readonly<Record<string, string>>,
): string {
  return JSON.stringify({
    version: 1,
    source,
    kind: file.split('-')[0],
    date,
    id: `${date.replaceAll('-', '')}T233500Z`,
    since: `${date}T00:00:00Z`,
    until: `${date}T23:35:00Z`,
    last_good: null,
    file,
    bytes: bundle.length,
    sha256: createHash('sha256').update(bundle).digest('hex'),
    encrypted: false,
    facts,
  });
}

/** A question to Qubes' resolver, and its answer. */
function ask(time: number, port: number, name: string): Sent[] {
  const [client, server] = [`10.137.0.10:${port}`, '10.139.1.1:53'];
  return [
    { time, ifindex: 3, from: client, to: server, payload: dns(port, name) },
    { time: time + 1, ifindex: 3, out: true, from: server, to: client, payload: dns(port, name, WEB) },
  ];
}

function forwarded(time: number, from: string, to: string, payload: Buffer): Sent[] {
  const masqueraded = from.replace(/^[^:]*/, '10.137.0.11');
  return [
    { time, ifindex: 3, from, to, id: 300, ttl: 64, payload },
    { time: time + 0.02, ifindex: 2, out: true, from: masqueraded, to, id: 300, ttl: 63, payload },
  ];
}

function packetLog(day: string): string {
  const end = 'LEN=60 TOS=0x00 PREC=0x00 TTL=63 ID=5 DF';
  const line = (second: number, kind: string, to: string, rest: string): string =>
    `${day}T12:00:0${second}.000000+00:00 sys-net kernel: SYSNET:${kind} IN=vif2.0 OUT=ens6 MAC= SRC=10.137.0.12 DST=${to} ${end} ${rest} \n`;
  return [
    line(1, 'new', BAD, 'PROTO=TCP SPT=40000 DPT=443'),
    line(2, 'new', BAD, 'PROTO=TCP SPT=40001 DPT=443'),
    line(3, 'new', WEB, 'PROTO=TCP SPT=40002 DPT=443'),
    line(4, 'dns', '198.51.100.54', 'PROTO=UDP SPT=40003 DPT=53 LEN=40'),
  ].join('');
}

/** As Node's own client begins. */
function clientHello(servername: string): Promise<Buffer> {
  return new Promise((resolve) => {
    const wire: Duplex = new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, done) {
        resolve(chunk);
        done();
        wire.destroy();
      },
    });
    connect({ socket: wire, servername }).on('error', () => {});
  });
}

test('what is copied is what queries read, and nothing of the builder', () => {
  const copied = readdirSync(join(root, 'bucket'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.includes('.'))
    .map((name) => name.replace('netlogs/machine=', ''));
  expect(copied.filter((name) => name.startsWith('desk/') && !name.includes(LONG_AGO)).sort()).toEqual([
    `desk/host=sys-dns/date=${BEFORE}/dns-0.parquet`,
    `desk/host=sys-dns/date=${BEFORE}/files.parquet`,
    `desk/host=sys-dns/date=${BEFORE}/flows.parquet`,
    `desk/host=sys-dns/date=${BEFORE}/manifests.parquet`,
    `desk/host=sys-dns/date=${DAY}/dns-0.parquet`,
    `desk/host=sys-dns/date=${DAY}/files.parquet`,
    `desk/host=sys-dns/date=${DAY}/flows.parquet`,
    `desk/host=sys-dns/date=${DAY}/gaps.parquet`,
    `desk/host=sys-dns/date=${DAY}/manifests.parquet`,
    `desk/host=sys-dns/date=${DAY}/tls-0.parquet`,
  ]);
  expect(copied).toContain(`field/host=sys-net/date=${BEFORE}/nft.parquet`);
});

const at = (time: string, day: string = DAY): string => `${day} ${time}+00`;

/** Rows of each query by its heading, in the order of their columns. */
const ANSWERS: Readonly<Record<string, readonly unknown[]>> = {
  'Who talked to an address': [
    ['desk', 'sys-dns', '10.137.0.10', BAD, 443, at('12:00:02')],
    ['field', 'sys-dns', '10.137.0.11', BAD, 4444, at('12:00:05')],
  ],
  'The same in packet logs': [['field', 'sys-net', '10.137.0.12', BAD, 'TCP', 443, at('12:00:01', BEFORE), '2']],
  'Who asked for a name': [
    ['field', 'sys-dns', '10.137.0.10', 'telemetry.vendor.test', ['dns'], at('12:00:00.01'), '1'],
    ['desk', 'sys-dns', '10.137.0.10', 'telemetry.vendor.test', ['dns', 'tls'], at('12:00:01'), '2'],
  ],
  'Names that are new against the week before': [
    ['telemetry.vendor.test', '2', ['desk', 'field'], at('12:00:00.01')],
    ['secret.test', '1', ['desk'], at('12:00:03')],
  ],
  'Names that one machine alone has': [['secret.test', 'desk', '1', '2']],
  'Plain DNS past the resolver': [
    ['desk', 'sys-dns', '198.51.100.53', '1', '10.137.0.10', at('12:00:03')],
    ['field', 'sys-net', '198.51.100.54', '1', '10.137.0.12', at('12:00:04', BEFORE)],
  ],
  'Gaps and losses': [
    ['desk', 'sys-dns', 'dropped', '1', '7', null],
    ['desk', 'sys-dns', 'gap', '1', null, '600'],
  ],
  'Machines that have gone silent': [['field', 'sys-net', BEFORE, at('23:35:00', BEFORE)]],
};

test('every query has its answer here', () => {
  expect(QUERIES.map(({ title }) => title)).toEqual(Object.keys(ANSWERS));
});

test.each(QUERIES)('$title', async ({ title, sql }) => {
  const reader = await database.connection.runAndReadAll(local(sql));
  expect(reader.getRowsJson()).toEqual(ANSWERS[title]);
});
