// ClientHellos on TCP: of openssl, curl and Chromium against tshark, whole, cut at every byte, and in segments of any size.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ClientHello } from '../../../src/netlog/decode/client-hello.ts';
import { HelloAssembler } from '../../../src/netlog/decode/hello-assembler.ts';
import { LONGEST_HEAD } from '../../../src/netlog/decode/stream-head.ts';
import { looksLikeHello, readTlsHello } from '../../../src/netlog/decode/tls.ts';
import { type Carried, Traffic } from './traffic.ts';

const PORT = 8443;
const MANY = Array.from({ length: 60 }, (_, index) => `protocol-${index}`).join();
/** Longer than any name may be, though openssl sends it. */
const LONG = 'n'.repeat(255);

const CLIENTS = [
  ['-servername', 'one.example', '-alpn', 'h2,http/1.1'],
  ['-noservername'],
  ['-tls1_2', '-servername', 'two.example'],
  ['-tls1_1', '-cipher', 'DEFAULT@SECLEVEL=0', '-servername', 'three.example'],
  ['-servername', LONG],
  ['-servername', 'a b\x1b[31m.example'],
  // In records of 512 bytes, and in two segments.
  ['-servername', 'four.example', '-alpn', MANY, '-max_send_frag', '512'],
  ['-servername', 'five.example', '-alpn', `${MANY},${MANY.replaceAll('protocol', 'another-protocol')}`],
];

let traffic: Traffic;
/** The client's segments of each connection. */
let flows: Map<number, Carried[]>;

beforeAll(async () => {
  traffic = new Traffic();
  traffic.namespace.ip('link set lo mtu 1500 gso_max_segs 1');
  const key = `${traffic.directory}/key.pem`;
  const request = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-subj',
    '/CN=any',
  ];
  traffic.run('openssl', ...request, '-keyout', key, '-out', `${traffic.directory}/cert.pem`);
  const server = ['-key', key, '-cert', `${traffic.directory}/cert.pem`, '-cipher', 'DEFAULT@SECLEVEL=0', '-www'];
  await traffic.start('ACCEPT', 'openssl', 's_server', '-accept', `127.0.0.1:${PORT}`, ...server);
  await traffic.capture(() => {
    for (const client of CLIENTS) traffic.run('openssl', 's_client', '-connect', `127.0.0.1:${PORT}`, ...client);
    const host = `curl.example:${PORT}`;
    traffic.run('curl', '-sk', '--max-time', '5', '--resolve', `${host}:127.0.0.1`, `https://${host}/`);
    traffic.browse(`https://chromium.example:${PORT}/`, '--ignore-certificate-errors');
  });
  flows = new Map();
  for (const segment of traffic.carried()) {
    if (segment.destinationPort !== PORT) continue;
    flows.set(segment.sourcePort, [...(flows.get(segment.sourcePort) ?? []), segment]);
  }
});

afterAll(() => traffic?.remove());

/** What the assembler says of these segments, each cut to `snaplen` bytes of payload. */
function assemble(segments: readonly Carried[], snaplen = Number.POSITIVE_INFINITY): ClientHello[] {
  const found: ClientHello[] = [];
  const assembler = new HelloAssembler((_flow, _tag, hello) => found.push(hello));
  for (const { sequence, payload } of segments) {
    const caplen = Math.min(payload.length, snaplen);
    // In the middle of other bytes, which must not be looked at.
    const bytes = new Uint8Array(caplen + 40).fill(0x16);
    bytes.set(payload.subarray(0, caplen), 20);
    assembler.feedTcp(1, 0, sequence, bytes, 20, 20 + caplen, payload.length);
  }
  assembler.finish();
  expect([assembler.waiting, assembler.bytes]).toEqual([0, 0]);
  return found;
}

/** The bytes of a connection's ClientHello with its record headers, and what follows. */
function stream(segments: readonly Carried[]): Buffer {
  return Buffer.concat(segments.map(({ payload }) => payload));
}

const versions: Readonly<Record<string, string>> = {
  '0x0304': 'TLS 1.3',
  '0x0303': 'TLS 1.2',
  '0x0302': 'TLS 1.1',
  '0x0301': 'TLS 1.0',
};

describe('hellos of openssl, curl and Chromium', () => {
  test('agree with tshark, field by field', () => {
    const fields = ['tcp.srcport', 'tls.handshake.extensions_server_name', 'tls.handshake.extensions_alpn_str'];
    const more = [
      'tls.handshake.version',
      'tls.handshake.extensions.supported_version',
      'tls.handshake.extension.type',
    ];
    const rows = traffic.tshark('tls.handshake.type == 1', [...fields, ...more]);
    for (const [port, name, alpn, legacy, supported, types] of rows) {
      const hellos = assemble(flows.get(Number(port?.[0])) ?? []);
      const [hello] = hellos;
      expect(hellos.length).toBe(1);
      expect(hello?.cut).toBe(false);
      expect(hello?.name?.replaceAll('\\032', ' ').replaceAll('\\027', '\x1b')).toBe(name?.[0]);
      expect(hello?.alpn).toEqual(alpn);
      const offered = (supported ?? []).map((version) => versions[version]).filter((version) => version !== undefined);
      expect(hello?.version).toBe(offered.sort().at(-1) ?? versions[legacy?.[0] ?? '']);
      expect(hello?.encrypted).toBe(types?.includes('65037'));
    }
    expect(rows.length).toBe(flows.size);
    expect(flows.size).toBeGreaterThanOrEqual(CLIENTS.length + 2);
  });

  test('are those that were sent', () => {
    const hellos = [...flows.values()].flatMap((segments) => assemble(segments));
    const names = ['one.example', undefined, 'two.example', 'three.example', LONG, 'a\\032b\\027[31m.example'];
    expect(hellos.slice(0, 9).map(({ name }) => name)).toEqual([
      ...names,
      'four.example',
      'five.example',
      'curl.example',
    ]);
    expect(hellos[6]?.alpn.length).toBe(60);
    expect(hellos[7]?.alpn.length).toBe(120);
    const chromium = hellos.slice(9);
    expect(chromium.length).toBeGreaterThan(0);
    for (const hello of chromium) {
      expect(hello).toMatchObject({ name: 'chromium.example', version: 'TLS 1.3', encrypted: true, cut: false });
      expect(hello.alpn).toEqual(expect.arrayContaining(['h2', 'http/1.1']));
    }
  });

  test('come in several segments, and in several records', () => {
    const several = [...flows.values()].filter((segments) => assemble(segments.slice(0, 1))[0]?.cut);
    expect(several.length).toBeGreaterThanOrEqual(2); // Chromium's, with its post-quantum key, and the one of 120 protocols
    const records = [...flows.values()]
      .map((segments) => stream(segments))
      .filter((bytes) => bytes.readUInt16BE(3) < bytes.readUInt16BE(7));
    expect(records.length).toBe(1);
  });

  test('cut at every byte they say a part of the same, and that they are cut', () => {
    for (const segments of flows.values()) {
      const [whole] = assemble(segments);
      for (let snaplen = 0; snaplen < 1460; snaplen++) {
        const hellos = assemble(segments, snaplen);
        // The sixth byte says which handshake message it is.
        expect(hellos.length).toBe(snaplen < 6 ? 0 : 1);
        if (snaplen >= 6) expectPartOf(hellos[0], whole);
      }
    }
  });
});

function expectPartOf(part: ClientHello | undefined, whole: ClientHello | undefined): void {
  if (part === undefined || whole === undefined) throw new Error('there is no hello');
  if (!part.cut) {
    expect(part).toEqual(whole);
    return;
  }
  if (part.name !== undefined) expect(part.name).toBe(whole.name);
  if (part.alpn.length > 0) expect(part.alpn).toEqual(whole.alpn);
  if (part.version !== undefined) expect(part.version).toBe(whole.version);
  if (part.encrypted) expect(whole.encrypted).toBe(true);
}

describe('a stream of segments', () => {
  test('of any size, in any order near the right one, some twice, says the same', () => {
    const streams = [...flows.values()].map((segments) => stream(segments).subarray(0, 3000));
    const sizes = fc.array(fc.integer({ min: 50, max: 700 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(fc.nat(), sizes, fc.nat({ max: 2 ** 32 - 1 }), fc.array(fc.nat()), (which, cuts, base, moves) => {
        const bytes = streams[which % streams.length] ?? Buffer.alloc(0);
        const segments: Carried[] = [];
        for (let at = 0, index = 0; at < bytes.length; index++) {
          const end = Math.min(at + (cuts[index % cuts.length] ?? 1), bytes.length);
          segments.push(segment(bytes.subarray(at, end), base + at));
          at = end;
        }
        // The first stays first: without it nothing says that a stream begins.
        for (const move of moves) {
          const [from, to] = [1 + (move % segments.length), 1 + ((move >> 8) % segments.length)];
          const [one, other] = [segments[from], segments[to]];
          if (one !== undefined && other !== undefined)
            segments.splice(move & 1 ? from : to, move & 1 ? 1 : 0, other, one);
        }
        expect(assemble(segments)).toEqual([readTlsHello(bytes, 0, bytes.length)]);
      }),
      { numRuns: 300 },
    );
  });

  test('with a hole is reported as cut at the end', () => {
    const bytes = stream([...flows.values()][7] ?? []).subarray(0, 2500);
    const segments = [segment(bytes.subarray(0, 300), 0), segment(bytes.subarray(400), 400)];
    expect(assemble(segments)).toMatchObject([{ cut: true }]);
  });

  test('that begins like one and is none says nothing', () => {
    expect(assemble([segment(Buffer.from('1603010005020000010000', 'hex'), 0)])).toEqual([]);
    expect(assemble([segment(Buffer.from('16'), 0), segment(Buffer.from('no hello at all'), 1)])).toEqual([]);
    expect(assemble([segment(Buffer.from('GET / HTTP/1.1\r\n'), 0)])).toEqual([]);
  });

  test('repeated from its start is reported once; another hello on the same ports again', () => {
    const bytes = stream([...flows.values()][0] ?? []);
    expect(assemble([segment(bytes, 5), segment(bytes, 5)]).length).toBe(1);
    expect(assemble([segment(bytes, 5), segment(bytes, 500_000)]).length).toBe(2);
  });
});

function segment(payload: Uint8Array, sequence: number): Carried {
  const where = { frame: 0, protocol: 'tcp', sourcePort: 0, destinationPort: PORT } as const;
  return { ...where, sequence: sequence % 2 ** 32, payload: Buffer.from(payload) };
}

describe('hostile streams', () => {
  /** A handshake record with the start of a ClientHello of 16 MB. */
  const start = Buffer.from('1603014000010ffffa0303', 'hex');

  test('memory is bounded for a flow and for all of them, the oldest is given up first', () => {
    const given: number[] = [];
    const assembler = new HelloAssembler((flow, tag, hello) => {
      expect(hello.cut).toBe(true);
      expect(tag).toBe(flow + 7);
      given.push(flow);
    });
    const filler = new Uint8Array(LONGEST_HEAD * 2).fill(0x61);
    for (let flow = 0; flow < 20_000; flow++) {
      assembler.feedTcp(flow, flow + 7, 0, start, 0, start.length, start.length);
      if (flow % 10 === 0) assembler.feedTcp(flow, 0, start.length, filler, 0, 9000, 9000);
      expect(assembler.waiting).toBeLessThanOrEqual(4096);
      expect(assembler.bytes).toBeLessThanOrEqual(2 ** 24);
    }
    expect(given).toEqual(given.toSorted((one, other) => one - other));
    assembler.finish();
    expect(given.length).toBe(20_000);
  });

  test('a flow whose next bytes were not kept is not waited for', () => {
    const found: ClientHello[] = [];
    const assembler = new HelloAssembler((_flow, _tag, hello) => found.push(hello));
    assembler.feedTcp(1, 0, 0, start, 0, start.length, start.length);
    assembler.feedTcp(1, 0, start.length, start, 0, 5, 1000);
    expect([found.length, assembler.waiting]).toEqual([1, 0]);
  });

  test('a flow that never ends is given up after 64 segments', () => {
    const found: ClientHello[] = [];
    const assembler = new HelloAssembler((_flow, _tag, hello) => found.push(hello));
    assembler.feedTcp(1, 0, 0, start, 0, start.length, start.length);
    for (let at = 0; at < 100; at++) assembler.feedTcp(1, 0, start.length + at, Uint8Array.of(1), 0, 1, 1);
    expect([found.length, assembler.waiting, assembler.bytes]).toEqual([1, 0, 0]);
  });

  test('anything ends, and says only what is safe to show', () => {
    const streams = [...flows.values()].map((segments) => stream(segments).subarray(0, 2500));
    const flips = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 8 });
    fc.assert(
      fc.property(fc.nat(), flips, fc.uint8Array({ maxLength: 64 }), (which, changes, noise) => {
        const bytes = new Uint8Array(streams[which % streams.length] ?? []);
        for (const [at, value] of changes) bytes[at % 300] = value;
        for (const input of [bytes, noise]) {
          const hello = readTlsHello(input, 0, input.length);
          if (hello !== undefined) expect(looksLikeHello(input, 0, input.length)).toBe(true);
          expect(JSON.stringify(hello ?? '').replaceAll('…', '')).toMatch(/^[\x20-\x7e]*$/);
        }
      }),
      { numRuns: 3000 },
    );
  });
});
