// Two days of ~/NetLogs as pull-netlogs-to-work leaves them, small: a client behind sys-dns and sys-vpn, and what sys-net logged.
// On the second day the client has a new name, and asks one elsewhere than at the resolver. For every command's test; a day of
// real traffic is in test/netlog/day.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { dns, type Sent, SYN, SYN_ACK, writeSavefile } from './wire.ts';

export const CLEAN = '2026-11-26';
export const LEAKY = '2026-11-27';
const CLIENT = '10.137.0.10';
const DNS_UPLINK = '10.137.0.11';
const VPN_UPLINK = '10.137.0.12';
const RESOLVER = '198.51.100.53';
const WEB = '198.51.100.80';
const ENDPOINT = '198.51.100.51:51820';
/** For a terminal and for a reader of HTML. */
export const HOSTILE = 'a\u001b[31m<b>\u202e.example';

export class Logs {
  readonly root: string = mkdtempSync(join(tmpdir(), 'netlogs-cli-'));

  constructor() {
    for (const day of [CLEAN, LEAKY]) {
      const noon = Date.parse(`${day}T12:00:00Z`);
      this.#pcaps('sys-dns', day, sysDns(noon, day === LEAKY));
      this.#pcaps('sys-vpn', day, sysVpn(noon, day === LEAKY));
      this.#bundle('sys-net', day, 'nft', `nft-${day}.log.gz`, (path) => writeFileSync(path, gzipSync(sysNet(day))));
    }
  }

  remove(): void {
    rmSync(this.root, { recursive: true });
  }

  #pcaps(host: string, day: string, packets: readonly Sent[]): void {
    this.#bundle(host, day, 'pcaps', `pcaps-${day}.tgz`, (path, scratch) => {
      mkdirSync(join(scratch, 'netpcap'));
      writeSavefile(join(scratch, 'netpcap', `pcap-${day.replaceAll('-', '')}120000.pcap`), packets);
      execFileSync('tar', ['-C', scratch, '-czf', path, 'netpcap']);
    });
  }

  #bundle(host: string, day: string, kind: string, file: string, write: (path: string, scratch: string) => void): void {
    const scratch = mkdtempSync(join(tmpdir(), 'netlogs-bundle-'));
    mkdirSync(join(scratch, day));
    mkdirSync(join(this.root, day), { recursive: true });
    const path = join(scratch, day, file);
    write(path, scratch);
    const manifest = {
      version: 1,
      source: host,
      kind,
      date: day,
      id: `${day.replaceAll('-', '')}T233500Z`,
      since: `${day}T00:00:00Z`,
      until: `${day}T23:35:00Z`,
      last_good: null,
      file,
      bytes: statSync(path).size,
      sha256: createHash('sha256').update(readFileSync(path)).digest('hex'),
      encrypted: false,
      facts: {},
    };
    writeFileSync(join(scratch, day, 'manifest.json'), JSON.stringify(manifest));
    execFileSync('tar', ['-C', scratch, '-czf', join(this.root, day, `${host}.tgz`), day]);
    rmSync(scratch, { recursive: true });
  }
}

/** Comes in from a client and goes out masqueraded. */
function forwarded(time: number, id: number, from: string, to: string, out: string, rest: Partial<Sent>): Sent[] {
  const port = from.split(':')[1] ?? '';
  return [
    { time, ifindex: 3, from, to, id, ttl: 64, ...rest },
    { time: time + 0.02, ifindex: 2, out: true, from: `${out}:${port}`, to, id, ttl: 63, ...rest },
  ];
}

function answered(time: number, id: number, from: string, to: string, out: string, rest: Partial<Sent>): Sent[] {
  const port = from.split(':')[1] ?? '';
  return [
    { time, ifindex: 2, from: to, to: `${out}:${port}`, id, ttl: 60, ...rest },
    { time: time + 0.02, ifindex: 3, out: true, from: to, to: from, id, ttl: 59, ...rest },
  ];
}

function sysDns(noon: number, leaky: boolean): Sent[] {
  const web = `${WEB}:443`;
  const ask = (at: number, port: number, name: string): Sent[] => [
    { time: noon + at, ifindex: 3, from: `${CLIENT}:${port}`, to: '10.139.1.1:53', id: port, payload: dns(port, name) },
    {
      time: noon + at + 9,
      ifindex: 3,
      out: true,
      from: '10.139.1.1:53',
      to: `${CLIENT}:${port}`,
      id: 1,
      payload: dns(port, name, WEB),
    },
  ];
  return [
    ...ask(0, 40_000, 'www.example.test'),
    { time: noon + 3, ifindex: 2, out: true, from: `${DNS_UPLINK}:41000`, to: `${RESOLVER}:853`, tcp: SYN, id: 7 },
    ...forwarded(noon + 20, 100, `${CLIENT}:50000`, web, DNS_UPLINK, { tcp: SYN }),
    ...answered(noon + 30, 0, `${CLIENT}:50000`, web, DNS_UPLINK, { tcp: SYN_ACK }),
    // Who is near, by mDNS: it leaves no link.
    { time: noon + 40, ifindex: 3, from: `${CLIENT}:5353`, to: '224.0.0.251:5353', payload: dns(0, 'x.local') },
    ...(leaky
      ? [
          ...ask(50, 40_001, 'telemetry.vendor.test'),
          ...ask(60, 40_002, HOSTILE),
          ...forwarded(noon + 70, 200, `${CLIENT}:40003`, `${RESOLVER}:53`, DNS_UPLINK, {
            payload: dns(9, 'secret.example.test'),
          }),
        ]
      : []),
  ];
}

function sysVpn(noon: number, leaky: boolean): Sent[] {
  return [
    {
      time: noon,
      ifindex: 2,
      out: true,
      from: `${VPN_UPLINK}:51820`,
      to: ENDPOINT,
      id: 1,
      payload: Buffer.alloc(100, 1),
    },
    { time: noon + 5, ifindex: 2, from: ENDPOINT, to: `${VPN_UPLINK}:51820`, id: 2, payload: Buffer.alloc(100, 1) },
    ...(leaky ? forwarded(noon + 80, 300, `${DNS_UPLINK}:50005`, '203.0.113.66:443', VPN_UPLINK, { tcp: SYN }) : []),
  ];
}

function sysNet(day: string): string {
  const end = 'LEN=128 TOS=0x00 PREC=0x00 TTL=63 ID=5 DF PROTO=UDP';
  const line = (second: string, text: string): string =>
    `${day}T12:00:${second}+00:00 sys-net kernel: SYSNET:${text}\n`;
  return (
    line(
      '00.010000',
      `new IN=vif2.0 OUT=ens6 MAC= SRC=${VPN_UPLINK} DST=198.51.100.51 ${end} SPT=51820 DPT=51820 LEN=108 `,
    ) + line('01.000000', `dns IN= OUT=ens6 SRC=192.0.2.2 DST=${RESOLVER} ${end} SPT=50000 DPT=53 LEN=108 UID=0 GID=0 `)
  );
}
