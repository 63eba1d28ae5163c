// A day of two captures and two firewalls as the index would sum it: made up, the same each time.
import type {
  ReportData,
  ReportFlow,
  ReportGap,
  ReportPeer,
  ReportQube,
} from '../../../src/netlog/report/report-data.ts';

const HOUR_MS = 3_600_000;
const STEP_MS = 300_000;
export const FROM: number = Date.UTC(2026, 10, 26, 2, 30);
const STEPS = 300;

/** Numbers from 0 to 1 that repeat with the seed. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Quiet by night, peaks by day. */
function series(seed: number, scale: number): number[] {
  const next = random(seed);
  return Array.from({ length: STEPS }, (_, step) => {
    const hour = ((FROM + step * STEP_MS) / HOUR_MS) % 24;
    const day = hour > 7 && hour < 22 ? 1 : 0.08;
    return Math.round(scale * day * next() ** 4);
  });
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, each) => all + each, 0);
}

const NAMES = [
  'deb.debian.org',
  'www.qubes-os.org',
  'firefox.settings.services.mozilla.com',
  'github.com',
  'objects.githubusercontent.com',
  'updates.signal.org',
  'ntp.ubuntu.example',
  'r3---sn-4g5e6nsz.googlevideo.example',
  'a-rather-long-label-for-a-content-delivery-network-edge.eu-central-1.elb.cdn.example.net',
  'matrix.org',
];

function peers(seed: number, values: readonly string[], scale: number): ReportPeer[] {
  const next = random(seed);
  const rows = values.map((value) => ({
    value,
    flows: 1 + Math.round(next() * 90),
    bytes: Math.round(scale * next() ** 3),
  }));
  return rows.sort((a, b) => b.bytes - a.bytes);
}

function addresses(count: number): string[] {
  return Array.from({ length: count }, (_, at) => (at % 4 === 3 ? `2001:db8:${at}::${at}7` : `198.51.100.${at + 7}`));
}

function traffic(host: string, seed: number, bytes: number): ReportQube {
  const bytesAt = series(seed, bytes);
  const packetsAt = bytesAt.map((each) => Math.ceil(each / 720));
  return {
    host,
    packets: sum(packetsAt),
    bytes: sum(bytesAt),
    flows: 4218,
    lines: 0,
    packetsAt,
    bytesAt,
    linesAt: [],
    names: { rows: peers(seed, NAMES, bytes * 40), total: 84 },
    addresses: { rows: peers(seed + 1, addresses(10), bytes * 40), total: 131 },
    questions: {
      rows: NAMES.map((name, at) => ({ name, count: 400 - at * 37, refused: at % 3 === 2 ? at * 4 : 0 })),
      total: 97,
    },
  };
}

function lines(host: string, seed: number): ReportQube {
  const linesAt = series(seed, 240);
  const none = { rows: [], total: 0 };
  return {
    host,
    packets: 0,
    bytes: 0,
    flows: 0,
    lines: sum(linesAt),
    packetsAt: [],
    bytesAt: [],
    linesAt,
    names: none,
    addresses: none,
    questions: none,
  };
}

export function sampleFlows(count: number): ReportFlow[] {
  const next = random(7);
  const rows = Array.from({ length: count }, (_, at): ReportFlow => {
    const first = FROM + Math.round(next() * STEPS * STEP_MS * 0.9);
    const udp = next() < 0.3;
    const host = at % 3 === 0 ? 'sys-dns' : 'sys-vpn';
    return {
      row: `${host}/1127/${(at * 7919 + 2 ** 51).toString(36)}`,
      host,
      first,
      last: first + Math.round(next() ** 3 * HOUR_MS),
      proto: udp ? 'UDP' : 'TCP',
      src: at % 5 === 0 ? 'fd09:24ef:4179::a89:a' : '10.137.0.10',
      sport: 32768 + Math.round(next() * 28000),
      dst: at % 5 === 0 ? `2001:db8:4::${at}` : `198.51.100.${at % 250}`,
      dport: udp ? 53 : 443,
      name: next() < 0.8 ? (NAMES[at % NAMES.length] ?? null) : null,
      packets: 2 + Math.round(next() * 4000),
      bytesForward: Math.round(next() ** 4 * 3e6),
      bytesBack: Math.round(next() ** 4 * 9e7),
    };
  });
  return rows.sort((a, b) => b.bytesForward + b.bytesBack - a.bytesForward - a.bytesBack);
}

const GAPS: readonly ReportGap[] = [
  {
    host: 'sys-vpn',
    from: FROM + 9.2 * HOUR_MS,
    to: FROM + 11 * HOUR_MS,
    kind: 'gap',
    count: 0,
    about: 'interface wg0 was gone',
  },
  {
    host: 'sys-dns',
    from: FROM + 15 * HOUR_MS,
    to: FROM + 16 * HOUR_MS,
    kind: 'dropped',
    count: 1284,
    about: 'pcap-20261126173000.pcap',
  },
  {
    host: 'sys-net',
    from: FROM + 18 * HOUR_MS,
    to: FROM + 18 * HOUR_MS,
    kind: 'unlogged',
    count: 51,
    about: 'rate limit',
  },
];

const NOTHING = { client: null, proto: null, remote: null, port: null, name: null, bytes: null, row: null };

/** A calm day with one leak and three losses. */
export function sampleData(): ReportData {
  const flows = sampleFlows(400);
  return {
    made: Date.UTC(2026, 10, 27, 8, 12, 30),
    zone: 'Europe/Berlin',
    from: '2026-11-27',
    to: '2026-11-27',
    qubes: [traffic('sys-dns', 3, 2e5), lines('sys-firewall', 5), lines('sys-net', 6), traffic('sys-vpn', 4, 6e7)],
    bundles: ['sys-dns', 'sys-firewall', 'sys-net', 'sys-vpn'].map((host, at) => ({
      host,
      day: '2026-11-27',
      since: FROM,
      until: FROM + STEPS * STEP_MS,
      savefiles: at % 3 === 0 ? 25 : 0,
      packets: at % 3 === 0 ? 412_993 : 0,
      bytes: at % 3 === 0 ? 41_239_112 : 0,
      lines: at % 3 === 0 ? 0 : 8172,
      lost: at === 0 ? 1284 : 0,
      damaged: 0,
      encrypted: 0,
    })),
    gaps: {
      rows: GAPS,
      total: GAPS.length,
      sums: [
        { kind: 'gap', times: 1, count: 0 },
        { kind: 'dropped', times: 1, count: 1284 },
        { kind: 'unlogged', times: 1, count: 51 },
      ],
    },
    checks: [
      {
        check: 'dns',
        status: 'failed',
        about: 'Plain DNS went past the resolver.',
        evidence: {
          rows: [13, 13.01].map((hour, each) => ({
            ...NOTHING,
            host: 'sys-net',
            first: FROM + hour * HOUR_MS,
            client: '10.137.0.10',
            proto: 'UDP',
            remote: '9.9.9.9',
            port: 53,
            name: each === 0 ? 'example.org' : null,
            count: 1 + each,
            about: 'forwarded',
            row: each === 0 ? 'sys-net/1127/2gosa7pa2g' : null,
          })),
          total: 2,
        },
      },
      {
        check: 'vpn',
        status: 'passed',
        about: 'All that left sys-net went to the tunnel.',
        evidence: { rows: [], total: 0 },
      },
      { check: 'ipv6', status: 'passed', about: 'No IPv6 left sys-net.', evidence: { rows: [], total: 0 } },
      {
        check: 'capture',
        status: 'failed',
        about: 'Captures have gaps and drops.',
        evidence: {
          rows: [{ ...NOTHING, host: 'sys-dns', first: FROM, count: 1284, about: 'packets dropped' }],
          total: 120,
        },
      },
      {
        check: 'verify',
        status: 'unknown',
        about: 'No manifest holds a ledger head.',
        evidence: { rows: [], total: 0 },
      },
    ],
    changes: {
      with: '2026-11-26',
      more: false,
      rows: [
        ['sys-dns', 'name', 'telemetry.vendor.example'],
        ['sys-dns', 'name', 'ads.vendor.example'],
        ['sys-vpn', 'address', '203.0.113.42'],
        ['sys-vpn', 'port', 'TCP 8443'],
      ].map(([host = '', kind = '', value = ''], each) => ({
        host,
        client: '10.137.0.10',
        kind,
        value,
        first: FROM + each * HOUR_MS,
        times: 1 + each,
        row: `${host}/1127/a${each}`,
      })),
      total: 4,
      sums: [
        { kind: 'name', times: 2 },
        { kind: 'address', times: 1 },
        { kind: 'port', times: 1 },
      ],
    },
    timeline: { from: FROM, stepMs: STEP_MS, steps: STEPS, outside: 3 },
    flows: {
      rows: flows,
      total: 4218,
      rest: {
        rows: [
          { host: 'sys-vpn', value: 'deb.debian.org', flows: 2900, packets: 81_000, bytes: 9_120_000 },
          { host: 'sys-dns', value: '9.9.9.9', flows: 918, packets: 1836, bytes: 310_000 },
        ],
        total: 2,
      },
      others: { flows: 0, packets: 0, bytes: 0 },
    },
  };
}
