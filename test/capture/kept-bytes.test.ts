// What a capture keeps of each packet, live: names among bulk at full speed, each at its length, and headers without a byte
// of payload, as tshark sees it. Needs root, and fails without it.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CAPTURE, GENERATOR, Lab } from '../../bench/lab.ts';
import { offer } from '../../bench/offer.ts';
import { wellFormed } from '../filter/random-packet.ts';
import { Program } from '../program.ts';
import { expectReadable, readSavefile } from '../savefile.ts';
import { sendFrames } from './send-frames.ts';

const MTU = 9000;

let lab: Lab;
let directory: string;
beforeAll(() => {
  lab = Lab.create();
  for (const { name } of [GENERATOR, CAPTURE]) lab.link('set', name, 'mtu', String(MTU));
});
afterAll(() => lab?.remove());
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tsnetpcap-kept-'));
  return () => rmSync(directory, { recursive: true });
});

const be16 = (value: number): number[] => [value >> 8, value & 255];

/** An Ethernet frame of `length` bytes over IPv4 or IPv6. */
function frame(
  version: 4 | 6,
  protocol: number,
  header: readonly number[],
  data: readonly number[],
  length: number,
): Uint8Array {
  const bytes = new Uint8Array(length).fill(0xaa);
  const transport = length - 14 - (version === 4 ? 20 : 40);
  const network =
    version === 4
      ? [0x45, 0, ...be16(20 + transport), 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]
      : [0x60, 0, 0, 0, ...be16(transport), protocol, 64, ...new Array<number>(32).fill(0xfd)];
  bytes.set([
    2,
    0,
    0,
    0,
    0,
    2,
    2,
    0,
    0,
    0,
    0,
    1,
    ...be16(version === 4 ? 0x0800 : 0x86dd),
    ...network,
    ...header,
    ...data,
  ]);
  return bytes;
}

const udp = (port: number, length: number): number[] => [...be16(50000), ...be16(port), ...be16(length), 0, 0];
const tcp = (port: number): number[] => [
  ...be16(50000),
  ...be16(port),
  0,
  0,
  0,
  1,
  0,
  0,
  0,
  0,
  0x80,
  0x18,
  4,
  0,
  0,
  0,
  0,
  0,
  1,
  1,
  8,
  10,
  0,
  0,
  0,
  1,
  0,
  0,
  0,
  2,
];

/** A frame of each kind that has a name, and how much of it is kept. */
const NAMES: readonly (readonly [what: string, version: 4 | 6, bytes: Uint8Array, kept: number])[] = (
  [4, 6] as const
).flatMap(
  (version) =>
    [
      ['DNS', version, frame(version, 17, udp(53, 700), [], 760), 512],
      ['DNS over TCP', version, frame(version, 6, tcp(53), [], 900), 512],
      ['ClientHello of one segment', version, frame(version, 6, tcp(443), [22, 3, 1, 5, 0, 1, 0, 4, 252], 1500), 1500],
      [
        'ClientHello that GRO put together',
        version,
        frame(version, 6, tcp(8443), [22, 3, 3, 31, 0, 1, 0, 30, 252], 8200),
        4096,
      ],
      ['QUIC Initial', version, frame(version, 17, udp(443, 1200), [0xc3, 0, 0, 0, 1, 8], 1262), 1262],
      [
        'QUIC 2 Initial, longer than any',
        version,
        frame(version, 17, udp(4433, 1200), [0xd0, 0x6b, 0x33, 0x43, 0xcf, 8], 3000),
        1600,
      ],
      ['TLS data', version, frame(version, 6, tcp(443), [23, 3, 3, 5, 0, 1, 2, 3, 4], 1500), 96],
      ['SSH', version, frame(version, 6, tcp(22), [], 1500), 200],
    ] as const,
);

describe('names among bulk at full speed', () => {
  test.each([
    [CAPTURE.name, 0],
    ['any', 20 - 14],
  ])('on %s each is kept at its length, and tcpdump keeps every byte', async (device, longer) => {
    const file = join(directory, 'mixed.pcap');
    const bulk = 200_000;
    const options = ['-s', '96', '--keep-names', '--snaplen-for', 'tcp port 22=200', '--ring-memory', '64MiB'];
    const program = await Program.capture(lab, ['-i', device, ...options, '-w', file, '-q', 'inbound']);
    try {
      const offered = offer(lab, { count: bulk, length: 1000 });
      let rounds = 0;
      for (let over = false; !over || rounds < 50; rounds++) {
        sendFrames(
          lab,
          NAMES.map(([, , bytes]) => bytes),
        );
        over = await Promise.race([
          offered.then(() => true),
          new Promise<boolean>((done) => setTimeout(() => done(false), 5)),
        ]);
      }
      expect(await offered).toBe(bulk);
      const { captured, dropped } = await program.stop();
      expect({ captured, dropped }).toEqual({ captured: bulk + rounds * NAMES.length, dropped: 0 });
      expectReadable(file, captured);
      const found = new Map<string, number>();
      const { records, header } = readSavefile(file);
      expect(header.readUInt32LE(16)).toBe(4096);
      for (const { len, packet } of records) {
        const key = `${len} ${packet.length}`;
        found.set(key, (found.get(key) ?? 0) + 1);
      }
      const expected = new Map<string, number>([[`${1000 + longer} 96`, bulk]]);
      for (const [, , bytes, kept] of NAMES) {
        const len = bytes.length + longer;
        const key = `${len} ${kept === bytes.length ? len : kept}`;
        expected.set(key, (expected.get(key) ?? 0) + rounds);
      }
      expect(Object.fromEntries(found)).toEqual(Object.fromEntries(expected));
      const copy = join(directory, 'copy.pcap');
      execFileSync('tcpdump', ['-r', file, '-w', copy], { stdio: 'pipe' });
      expect(readFileSync(copy).equals(readFileSync(file))).toBe(true);
    } finally {
      await program.kill();
    }
  });
});

/** A line for each frame, a column for each field, empty where the frame has not got it. */
function tshark(file: string, fields: readonly string[]): string[][] {
  const options = ['ip.defragment', 'ipv6.defragment', 'tcp.desegment_tcp_streams'].flatMap((name) => [
    '-o',
    `${name}:FALSE`,
  ]);
  const columns = fields.flatMap((field) => ['-e', field]);
  const args = ['-n', '-r', file, ...options, '-T', 'fields', '-E', 'occurrence=f', ...columns];
  const text = execFileSync('tshark', args, { encoding: 'utf8', stdio: 'pipe', maxBuffer: 2 ** 28 });
  return text
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'));
}

const HEADER_FIELDS = [
  'frame.len',
  'ip.hdr_len',
  'ipv6.nxt',
  'tcp.srcport',
  'tcp.dstport',
  'tcp.hdr_len',
  'tcp.window_size_value',
  'udp.srcport',
  'udp.length',
  'icmp.type',
  'icmpv6.type',
];
const PAYLOAD_FIELDS = ['tcp.payload', 'udp.payload', 'data.data'];

test.each([CAPTURE.name, 'any'])(
  '--headers-only on %s: headers as they were, and not one byte of payload',
  async (device) => {
    const frames = fc.sample(wellFormed, { numRuns: 1500, seed: 7 });
    const [whole, headers] = [join(directory, 'whole.pcap'), join(directory, 'headers.pcap')];
    const programs: Program[] = [];
    try {
      for (const [file, options] of [
        [whole, []],
        [headers, ['--headers-only']],
      ] as const) {
        programs.push(await Program.capture(lab, ['-i', device, ...options, '-w', file, '-q', 'inbound']));
      }
      sendFrames(lab, frames);
      for (const program of programs)
        expect(await program.stop()).toMatchObject({ captured: frames.length, dropped: 0 });
    } finally {
      for (const program of programs) await program.kill();
    }
    const payload = tshark(headers, PAYLOAD_FIELDS).filter((line) => line.some((field) => field !== ''));
    expect(payload).toEqual([]);
    const before = tshark(whole, PAYLOAD_FIELDS);
    // The corpus has it of each kind.
    for (const column of [0, 1, 2])
      expect(before.filter((line) => (line[column] ?? '') !== '').length).toBeGreaterThan(50);
    // All that tshark reads from a header is there, unless there are more than three extension headers: then 64 bytes are.
    const lengths = tshark(headers, ['frame.cap_len', 'frame.len', 'ipv6.plen']);
    const [old, now] = [tshark(whole, HEADER_FIELDS), tshark(headers, HEADER_FIELDS)];
    const changed = now.flatMap((line, index) => {
      const [caplen, len, plen] = (lengths[index] ?? []).map(Number);
      const deep = caplen === Number(len) - Number(plen) - 40 + 64;
      return deep || line.join() === old[index]?.join() ? [] : [[old[index], line]];
    });
    expect(changed).toEqual([]);
  },
);

test('a tag that comes back into a packet counts as kept', async () => {
  const file = join(directory, 'tagged.pcap');
  const tagged = (bytes: Uint8Array): Uint8Array =>
    Uint8Array.from([...bytes.slice(0, 12), 0x81, 0, 0, 5, ...bytes.slice(12)]);
  const program = await Program.capture(lab, ['-i', CAPTURE.name, '-s', '96', '--keep-names', '-w', file]);
  try {
    sendFrames(lab, [tagged(frame(4, 6, tcp(22), [], 1500)), tagged(frame(4, 17, udp(53, 700), [], 760))]);
    await program.stop();
    expect(readSavefile(file).records.map(({ packet }) => packet.length)).toEqual([96, 512]);
  } finally {
    await program.kill();
  }
});

test('the ledger says what is kept', async () => {
  const options = [
    '-s',
    '96',
    '--snaplen-for',
    'tcp[13]=2=70',
    '--keep-names',
    '--headers-only',
    '--sample-flows',
    '1/3',
  ];
  const program = await Program.capture(lab, [
    '-i',
    CAPTURE.name,
    ...options,
    '-w',
    join(directory, 'p-%Y%m%d%H%M%S.pcap'),
  ]);
  try {
    await program.stop();
  } finally {
    await program.kill();
  }
  const [start = ''] = readFileSync(join(directory, 'p.ledger.jsonl'), 'utf8').split('\n');
  expect(JSON.parse(start)).toMatchObject({
    type: 'start',
    snaplen: 4096,
    kept: {
      snaplen: 96,
      classes: [{ expression: 'tcp[13]=2', bytes: 70 }],
      names: { DNS: 512, TLS: 4096, QUIC: 1600 },
      headersOnly: true,
      sampleFlows: 3,
    },
  });
});
