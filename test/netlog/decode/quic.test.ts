// QUIC Initials: the vectors of RFC 9001 and RFC 9369, Chromium's own against tshark, whole, cut at every byte, and mutated.
import { createCipheriv } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ClientHello } from '../../../src/netlog/decode/client-hello.ts';
import { HelloAssembler } from '../../../src/netlog/decode/hello-assembler.ts';
import { clientKeys, type InitialKeys, looksLikeInitial } from '../../../src/netlog/decode/quic.ts';
import { type Carried, Traffic } from './traffic.ts';

const V1 = 0x00000001;
const V2 = 0x6b3343cf;
const DRAFT_29 = 0xff00001d;
const TAG_LENGTH = 16;

/** RFC 9001, A.2: the CRYPTO frame; PADDING makes it 1,162 bytes. */
const HELLO_FRAME = Buffer.from(
  '060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302010000c0000000' +
    '10000e00000b6578616d706c652e636f6dff01000100000a00080006001d0017001800100007000504616c706e0005000501000000000033' +
    '00260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010000e040305' +
    '0306030203080408050806002d00020101001c00024001003900320408ffffffffffffffff05048000ffff07048000ffff08011001048000' +
    '75300901100f088394c8f03e51570806048000ffff',
  'hex',
);
const ID = Buffer.from('8394c8f03e515708', 'hex');
const HELLO: ClientHello = { name: 'example.com', alpn: ['alpn'], version: 'TLS 1.3', encrypted: false, cut: false };

/** What the RFCs print: the client's keys, its packet's header, and how the protected packet begins. */
const VECTORS: readonly (readonly [string, number, InitialKeys, header: string, begin: string])[] = [
  [
    'RFC 9001, A.1 and A.2',
    V1,
    keys('1f369613dd76d5467730efcbe3b1a22d', 'fa044b2f42a3fd3b46fb255c', '9f50449e04a0e810283a1e9933adedd2'),
    'c300000001088394c8f03e5157080000449e00000002',
    'c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11',
  ],
  [
    'RFC 9369, A.1 and A.2',
    V2,
    keys('8b1a0bc121284290a29e0971b5cd045d', '91f73e2351d8fa91660e909f', '45b95e15235d6f45a6b19cbcb0294ba9'),
    'd36b3343cf088394c8f03e5157080000449e00000002',
    'd76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485dd04de806071',
  ],
];
/** The tag at the end of RFC 9001's packet: no byte of it can be another. */
const TAG_OF_V1 = 'e221af44860018ab0856972e194cd934';

function keys(key: string, iv: string, protection: string): InitialKeys {
  return { key: Buffer.from(key, 'hex'), iv: Buffer.from(iv, 'hex'), protection: Buffer.from(protection, 'hex') };
}

/** Protects a packet whose number has four bytes, as RFC 9001, 5.3 and 5.4 say. */
function seal(header: Buffer, frames: Buffer, { key, iv, protection }: InitialKeys): Buffer {
  const nonce = Buffer.from(iv);
  for (let at = 1; at <= 4; at++) nonce[12 - at] = (nonce[12 - at] ?? 0) ^ header.readUInt8(header.length - at);
  const cipher = createCipheriv('aes-128-gcm', key, nonce);
  cipher.setAAD(header);
  const sealed = Buffer.concat([cipher.update(frames), cipher.final(), cipher.getAuthTag()]);
  const mask = createCipheriv('aes-128-ecb', protection, null).update(sealed.subarray(0, 16));
  const hidden = Buffer.from(header);
  hidden[0] = header.readUInt8(0) ^ (mask.readUInt8(0) & 15);
  for (let at = 1; at <= 4; at++) {
    hidden[header.length - 5 + at] = header.readUInt8(header.length - 5 + at) ^ mask.readUInt8(at);
  }
  return Buffer.concat([hidden, sealed]);
}

/** An Initial with these frames, padded to 1,200 bytes, under the keys of the connection ID `of`. */
function initial(
  version: number,
  number: number,
  frames: Buffer,
  id: Buffer = ID,
  token: Buffer = Buffer.alloc(0),
  of: Buffer = ID,
): Buffer {
  const fixed = 1 + 4 + 1 + id.length + 1 + 1 + token.length + 2;
  const header = Buffer.alloc(fixed + 4);
  header[0] = version === V2 ? 0xd3 : 0xc3;
  header.writeUInt32BE(version, 1);
  header[5] = id.length;
  id.copy(header, 6);
  header[7 + id.length] = token.length;
  token.copy(header, 8 + id.length);
  const padded = Buffer.concat([frames], 1200 - header.length - TAG_LENGTH);
  header.writeUInt16BE(0x4000 + 4 + padded.length + TAG_LENGTH, fixed - 2);
  header.writeUInt32BE(number, fixed);
  return seal(header, padded, clientKeys(version, of));
}

/** A CRYPTO frame with bytes [from, to) of the hello. */
function piece(from: number, to: number): Buffer {
  const hello = HELLO_FRAME.subarray(4);
  return Buffer.concat([Buffer.of(6, 0x40 | (from >> 8), from & 255, 0x40, to - from), hello.subarray(from, to)]);
}

/** What is found in datagrams of one flow, each cut to `snaplen` bytes. */
function assemble(datagrams: readonly Buffer[], snaplen = 65535): ClientHello[] {
  const found: ClientHello[] = [];
  const assembler = new HelloAssembler((_flow, _tag, hello) => found.push(hello));
  for (const datagram of datagrams) {
    const caplen = Math.min(datagram.length, snaplen);
    // In the middle of other bytes, which must not be looked at.
    const bytes = new Uint8Array(caplen + 40).fill(0xc3);
    bytes.set(datagram.subarray(0, caplen), 20);
    assembler.feedQuic(1, 0, bytes, 20, 20 + caplen);
  }
  assembler.finish();
  expect([assembler.waiting, assembler.bytes]).toEqual([0, 0]);
  return found;
}

function expectPartOf(part: ClientHello | undefined, whole: ClientHello): void {
  if (part === undefined) throw new Error('there is no hello');
  if (!part.cut) {
    expect(part).toEqual(whole);
    return;
  }
  if (part.name !== undefined) expect(part.name).toBe(whole.name);
  if (part.alpn.length > 0) expect(part.alpn).toEqual(whole.alpn);
  if (part.version !== undefined) expect(part.version).toBe(whole.version);
  if (part.encrypted) expect(whole.encrypted).toBe(true);
}

describe('the vectors of the RFCs', () => {
  test.each(VECTORS)('%s: the keys, and the hello', (_rfc, version, published, header, begin) => {
    expect(clientKeys(version, ID)).toEqual(published);
    const packet = seal(Buffer.from(header, 'hex'), Buffer.concat([HELLO_FRAME], 1162), published);
    expect(packet.toString('hex').startsWith(begin)).toBe(true);
    if (version === V1) expect(packet.toString('hex').endsWith(TAG_OF_V1)).toBe(true);
    expect(assemble([packet])).toEqual([HELLO]);
    expect(packet).toEqual(initial(version, 2, HELLO_FRAME));
  });

  test.each(VECTORS)('%s: another byte anywhere, and nothing is believed', (_rfc, version) => {
    for (let at = 0; at < 1200; at += 7) {
      const packet = initial(version, 2, HELLO_FRAME);
      packet[at] = packet.readUInt8(at) ^ 0x20;
      for (const hello of assemble([packet])) expectPartOf(hello, HELLO);
      if (at > 40) expect(assemble([packet])).toEqual([]);
    }
  });

  test.each(VECTORS)('%s: cut at every byte it says a part of the same', (_rfc, version) => {
    const packet = initial(version, 2, HELLO_FRAME);
    const named: number[] = [];
    for (let caplen = 0; caplen < packet.length; caplen++) {
      const hellos = assemble([packet], caplen);
      // The sample of header protection ends at 38.
      expect(hellos.length).toBe(caplen < 38 ? 0 : 1);
      if (caplen < 38) continue;
      expectPartOf(hellos[0], HELLO);
      if (hellos[0]?.name !== undefined) named.push(caplen);
    }
    // From the byte on that ends the name: header 22, CRYPTO frame 4, and 0x45 of the hello.
    expect(named[0]).toBe(22 + HELLO_FRAME.indexOf('example.com') + 'example.com'.length);
    expect(named.length).toBe(packet.length - (named[0] ?? 0));
  });
});

describe('a hello in several Initials', () => {
  const first = Buffer.concat([piece(100, 160), Buffer.of(1), piece(0, 50)]);
  const second = Buffer.concat([piece(50, 100), piece(160, 241)]);

  test.each([
    ['v1', V1],
    ['v2', V2],
    ['draft-29', DRAFT_29],
  ])('%s: in any order, repeated, with acknowledgements between', (_name, version) => {
    const ack = Buffer.of(2, 0x40, 9, 0x19, 1, 0x11, 0x12, 0x13);
    const one = initial(version, 0, first);
    const other = initial(version, 1, Buffer.concat([ack, second]));
    expect(assemble([one, other])).toEqual([HELLO]);
    expect(assemble([other, one])).toEqual([HELLO]);
    expect(assemble([one, one, other, other, one])).toEqual([HELLO]);
    expect(assemble([Buffer.concat([one, other])])).toEqual([HELLO]);
    expect(assemble([one])).toMatchObject([{ name: undefined, cut: true }]);
    expect(assemble([other])).toEqual([{ name: undefined, alpn: [], version: undefined, encrypted: false, cut: true }]);
  });

  test('the second to the ID that the server chose, under the keys of the first', () => {
    const chosen = Buffer.from('0102030405', 'hex');
    expect(assemble([initial(V1, 0, first), initial(V1, 1, second, chosen)])).toEqual([HELLO]);
    expect(assemble([initial(V1, 1, second, chosen)])).toEqual([]);
  });

  test('with the token of a Retry', () => {
    expect(assemble([initial(V1, 3, HELLO_FRAME, ID, Buffer.alloc(40, 7))])).toEqual([HELLO]);
  });

  test('cut, the name is told as soon as it is there', () => {
    const cut = assemble([initial(V1, 0, first), initial(V1, 1, second)], 120);
    expect(cut.length).toBe(1);
    expectPartOf(cut[0], HELLO);
  });
});

describe('Chromium', () => {
  const PORT = 4433;
  let traffic: Traffic;
  let flows: Map<number, Carried[]>;

  beforeAll(async () => {
    traffic = new Traffic();
    const sink = `require('dgram').createSocket('udp4').bind(${PORT}, '127.0.0.1', () => console.log('bound'))`;
    await traffic.start('bound', process.execPath, '-e', sink);
    await traffic.capture(() => {
      const page = `https://quic.example:${PORT}/`;
      traffic.browse(page, '--enable-quic', `--origin-to-force-quic-on=quic.example:${PORT}`);
      // What tshark is asked about, too: the versions that Chromium doesn't send.
      for (const version of [V1, V2, DRAFT_29]) {
        // Of its own connection, or tshark takes it for one of the first's.
        const id = Buffer.from(`id ${version}`);
        const hex = initial(version, 2, HELLO_FRAME, id, Buffer.alloc(0), id).toString('hex');
        const send = `require('dgram').createSocket('udp4').send(Buffer.from('${hex}', 'hex'), ${PORT}, '127.0.0.1', function () { this.close(); })`;
        traffic.run(process.execPath, '-e', send);
      }
    });
    flows = new Map();
    for (const datagram of traffic.carried()) {
      if (datagram.destinationPort !== PORT || datagram.protocol !== 'udp') continue;
      flows.set(datagram.sourcePort, [...(flows.get(datagram.sourcePort) ?? []), datagram]);
    }
  });

  afterAll(() => traffic?.remove());

  const payloads = (flow: readonly Carried[]): Buffer[] => flow.map(({ payload }) => payload);

  test('asks for the name that it was given', () => {
    const hellos = [...flows.values()].map((flow) => assemble(payloads(flow)));
    const chromium = hellos.slice(0, -3);
    expect(chromium.length).toBeGreaterThan(0);
    for (const found of chromium) {
      expect(found).toEqual([{ name: 'quic.example', alpn: ['h3'], version: 'TLS 1.3', encrypted: true, cut: false }]);
    }
    expect(hellos.slice(-3)).toEqual([[HELLO], [HELLO], [HELLO]]);
  });

  test('agrees with tshark', () => {
    const fields = ['udp.srcport', 'tls.handshake.extensions_server_name', 'tls.handshake.extensions_alpn_str'];
    const rows = traffic.tshark('quic && tls.handshake.type == 1', fields);
    expect(rows.length).toBeGreaterThanOrEqual(4);
    for (const [port, name, alpn] of rows) {
      const [hello] = assemble(payloads(flows.get(Number(port?.[0])) ?? []));
      expect([hello?.name]).toEqual(name?.slice(0, 1));
      expect(hello?.alpn).toEqual(alpn);
    }
  });

  test('cut at every byte it says a part of the same', () => {
    const flow = payloads([...flows.values()][0] ?? []).slice(0, 4);
    const [whole] = assemble(flow);
    if (whole === undefined) throw new Error('there is no hello');
    const named: boolean[] = [];
    for (let snaplen = 0; snaplen < 1250; snaplen++) {
      const hellos = assemble(flow, snaplen);
      if (hellos.length > 0) expectPartOf(hellos[0], whole);
      expect(hellos.length).toBe(snaplen < 38 ? 0 : 1);
      named[snaplen] = hellos[0]?.name !== undefined;
    }
    expect(named.at(-1)).toBe(true);
  });
});

describe('hostile datagrams', () => {
  test('anything ends, and says only what is safe to show', () => {
    const flips = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 6 });
    const frames = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(flips, frames, fc.nat({ max: 1300 }), (changes, content, snaplen) => {
        // Flips in the packet, and anything at all under its protection.
        const datagrams = [initial(V1, 0, HELLO_FRAME), initial(V1, 1, Buffer.from(content))];
        for (const [at, value] of changes) datagrams[0]?.writeUInt8(value, at % 60);
        for (const hello of assemble(datagrams, snaplen)) {
          expect(JSON.stringify(hello).replaceAll('…', '')).toMatch(/^[\x20-\x7e]*$/);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('lengths of 2^62 end the reading', () => {
    const huge = Buffer.alloc(8, 0xff);
    const crypto = Buffer.concat([Buffer.of(6), huge, huge, Buffer.alloc(20, 1)]);
    const ack = Buffer.concat([Buffer.of(2, 0, 0), huge, Buffer.alloc(20, 1)]);
    for (const frames of [crypto, ack]) {
      for (const hello of assemble([initial(V1, 0, frames)])) expect(hello.name).toBeUndefined();
    }
    const packet = initial(V1, 0, HELLO_FRAME, ID, Buffer.alloc(20));
    huge.copy(packet, 15);
    expect(assemble([packet])).toEqual([]);
  });

  test('reserved bits that are not zero are no packet of QUIC, though the tag is right', () => {
    const header = Buffer.from('cf00000001088394c8f03e5157080000449e00000002', 'hex');
    expect(assemble([seal(header, Buffer.concat([HELLO_FRAME], 1162), clientKeys(V1, ID))])).toEqual([]);
  });

  test('what is no Initial is no Initial', () => {
    for (const hex of [
      '',
      'c0',
      '4000000001',
      'c00000000a0801020304',
      'e00000000108',
      'c00000000115',
      '000000000108ff',
    ]) {
      const bytes = Buffer.from(hex.padEnd(14, hex === '' ? '' : '0'), 'hex');
      expect(looksLikeInitial(bytes, 0, bytes.length)).toBe(false);
    }
  });
});
