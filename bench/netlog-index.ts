// `npm run bench:netlog-index [PACKETS]`: how long the index of netlogs takes to build over a day of two qubes, 24 hourly
// savefiles each, in how much memory; how long its questions take then; and what `tshark -T fields` takes for the same
// packets. Savefiles and index lie in a temporary folder, 1.3 GB for the 10 million packets that are the default.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDay } from '../src/netlog/bundle/day-source.ts';
import { findDays } from '../src/netlog/bundle/days.ts';
import { addressText4 } from '../src/netlog/decode/address.ts';
import { INCOMING, PacketDecoder } from '../src/netlog/decode/packet.ts';
import { buildIndex, type IndexableDay } from '../src/netlog/index/build.ts';
import { Index } from '../src/netlog/index/open.ts';
import { openSavefile } from '../src/savefile/reading/open.ts';
import { readPackets } from '../src/savefile/reading/read-packets.ts';
import { serverName, writeHour } from './netlog-traffic.ts';

const DAY = '2026-11-24';
const START = Date.parse(`${DAY}T00:00:00Z`) / 1000;
const HOSTS = ['sys-dns', 'sys-vpn'];
const HOURS = 24;
/** A packet of so many has a line in sys-firewall's log. */
const NFT_EVERY = 50;
const NFT_LOG = `nft-${DAY}.log`;
/** tshark is given so many savefiles. */
const SLICE = 1;

function generate(root: string, packets: number): void {
  for (const [index, host] of HOSTS.entries()) {
    mkdirSync(join(root, DAY, host), { recursive: true });
    for (let hour = 0; hour < HOURS; hour++) {
      const name = `pcap-20261124${String(hour).padStart(2, '0')}0000.pcap`;
      writeHour(
        join(root, DAY, host, name),
        1 + index * HOURS + hour,
        START + hour * 3600,
        packets / HOSTS.length / HOURS,
      );
    }
  }
}

async function daysOf(root: string): Promise<IndexableDay[]> {
  return (await findDays(root)).map((found) => ({ ...found, open: () => openDay(found) }));
}

/** What sys-firewall would have said of some packets of its clients. */
async function writeNftLog(root: string): Promise<void> {
  const decoder = new PacketDecoder();
  const lines: string[] = [];
  let met = 0;
  for (const host of HOSTS)
    for (const name of readdirSync(join(root, DAY, host)))
      for await (const { sec, nsec, data, len, linktype } of readPackets(
        await openSavefile(join(root, DAY, host, name)),
      )) {
        decoder.decode(linktype, data, 0, data.length, len);
        const { protocol, family, ifindex, direction, sourcePort, destinationPort, ipId } = decoder;
        if (family !== 4 || ifindex !== 7 || direction !== INCOMING || sourcePort < 0 || ++met % NFT_EVERY > 0)
          continue;
        const [src, dst] = [addressText4(data, decoder.sourceAt), addressText4(data, decoder.destinationAt)];
        const proto = protocol === 6 ? 'TCP' : 'UDP';
        const time = `${sec}.${String(Math.floor(nsec / 1000)).padStart(6, '0')}`;
        lines.push(
          `${time} sys-firewall kernel: SYSFW:new IN=vif5.0 OUT=eth0 MAC= SRC=${src} DST=${dst} LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=${ipId} DF PROTO=${proto} SPT=${sourcePort} DPT=${destinationPort} `,
        );
      }
  mkdirSync(join(root, DAY, 'sys-firewall'));
  writeFileSync(join(root, DAY, 'sys-firewall', NFT_LOG), `${lines.join('\n')}\n`);
}

const QUESTIONS: Readonly<Record<string, string>> = {
  'flows of an address': "SELECT * FROM flows WHERE dst = '198.18.1.7' ORDER BY first",
  'flows of a port, largest': 'SELECT * FROM flows WHERE dport = 443 ORDER BY bytes_forward + bytes_back DESC LIMIT 50',
  'flows of a name': `SELECT * FROM flows WHERE name = '${serverName(4242)}' ORDER BY first`,
  'flows by name, part of it':
    "SELECT name, count(*), sum(bytes_back) FROM flows WHERE name LIKE '%host042%' GROUP BY name",
  'DNS of a name': `SELECT * FROM dns WHERE name = '${serverName(4242)}' ORDER BY time`,
  'a page of the timeline': `SELECT p.*, f.src, f.dst, f.name FROM packets p JOIN flows f USING (host, date, flow)
    WHERE p.time >= TIMESTAMPTZ '${DAY} 13:30:00Z' ORDER BY p.time LIMIT 200`,
  'packets and bytes a minute':
    'SELECT host, time_bucket(INTERVAL 1 MINUTE, time) AS m, count(*), sum(len) FROM packets GROUP BY ALL ORDER BY m',
  'packets of one flow':
    'SELECT * FROM packets WHERE flow = (SELECT flow FROM flows ORDER BY packets_back DESC LIMIT 1) ORDER BY time',
  'top names':
    'SELECT name, sum(bytes_forward + bytes_back) AS bytes FROM flows GROUP BY name ORDER BY bytes DESC LIMIT 20',
  'nft lines with their flows': 'SELECT joined, count(*) FROM nft_flows GROUP BY joined',
  'both ends of NAT': 'SELECT count(*), count(DISTINCT nat) FROM flows WHERE nat IS NOT NULL',
};

async function index(root: string): Promise<void> {
  const started = performance.now();
  const result = await buildIndex(root, await daysOf(root));
  const seconds = (performance.now() - started) / 1000;
  const rssMib = process.resourceUsage().maxRSS / 1024;
  console.log(JSON.stringify({ seconds, rssMib, packets: result.packets, problems: result.problems }));
}

async function ask(root: string): Promise<void> {
  const opened = await Index.open(root);
  const counts = await opened.sql(
    'SELECT (SELECT count(*) FROM packets), (SELECT count(*) FROM flows), (SELECT count(*) FROM dns), (SELECT count(*) FROM tls)',
    1,
  );
  console.log(`packets, flows, dns, tls: ${counts.rows[0]?.join(', ')}`);
  for (const [name, sql] of Object.entries(QUESTIONS)) {
    const times: number[] = [];
    let rows = 0;
    for (let turn = 0; turn < 3; turn++) {
      const started = performance.now();
      rows = (await opened.sql(sql, 100_000)).rows.length;
      times.push(performance.now() - started);
    }
    console.log(`${name}: first ${times[0]?.toFixed(0)} ms, then ${Math.min(...times).toFixed(0)} ms, ${rows} rows`);
  }
  await opened.close();
}

function tshark(root: string): number {
  const [host = ''] = HOSTS;
  const names = readdirSync(join(root, DAY, host))
    .sort()
    .slice(0, SLICE);
  const fields = [
    'frame.time_epoch',
    'sll.ifindex',
    'ip.src',
    'ip.dst',
    'ipv6.src',
    'ipv6.dst',
    'tcp.srcport',
    'tcp.dstport',
    'udp.srcport',
    'udp.dstport',
    'ip.id',
    'ip.ttl',
    'frame.len',
    'tcp.flags',
    'dns.qry.name',
    'dns.a',
    'tls.handshake.extensions_server_name',
  ];
  const started = performance.now();
  for (const name of names)
    execFileSync(
      'tshark',
      ['-n', '-r', join(root, DAY, host, name), '-T', 'fields', ...fields.flatMap((field) => ['-e', field])],
      { stdio: ['ignore', 'ignore', 'ignore'] },
    );
  return ((performance.now() - started) / 1000) * ((HOSTS.length * HOURS) / names.length);
}

function sizeOf(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

async function main(): Promise<void> {
  const [verb = '10000000', folder = ''] = process.argv.slice(2);
  if (verb === 'index') return index(folder);
  if (verb === 'ask') return ask(folder);
  const root = mkdtempSync(join(tmpdir(), 'netlog-bench-'));
  try {
    generate(root, Number(verb));
    await writeNftLog(root);
    const bytes = sizeOf(root);
    console.log(
      `${cpus().length} processors, load ${loadavg()[0]?.toFixed(1)} before, ${verb} packets in ${HOSTS.length * HOURS} savefiles, ${(bytes / 1e9).toFixed(2)} GB`,
    );
    const child = (what: string): string => {
      const { stdout, stderr, status } = spawnSync(
        process.execPath,
        [...process.execArgv, process.argv[1] ?? '', what, root],
        { encoding: 'utf8' },
      );
      if (status !== 0) throw new Error(stderr);
      return stdout;
    };
    const { seconds, rssMib, packets, problems } = JSON.parse(child('index'));
    console.log(
      `indexed ${packets} packets in ${seconds.toFixed(1)} s, ${rssMib.toFixed(0)} MiB at most, ${(sizeOf(join(root, '.index')) / 1e6).toFixed(0)} MB of index, problems: ${problems.length}`,
    );
    process.stdout.write(child('ask'));
    const theirs = tshark(root);
    console.log(
      `tshark -T fields: ${theirs.toFixed(0)} s, told from ${SLICE} savefile of ${HOSTS.length * HOURS}: ${(theirs / seconds).toFixed(1)} times as long`,
    );
  } finally {
    rmSync(root, { recursive: true });
  }
}

await main();
