// DNS over TCP: dnsmasq's answers in many segments and several in one connection, against tshark, cut at every length.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DnsMessage } from '../../../src/netlog/decode/dns.ts';
import { DnsStreams } from '../../../src/netlog/decode/dns-streams.ts';
import { type Carried, isTrue, Traffic } from './traffic.ts';

/** 15 strings of 250 bytes: an answer in three segments. */
const LARGE = Array.from({ length: 15 }, (_, index) => String.fromCharCode(97 + index).repeat(250)).join();

let traffic: Traffic;
let segments: Carried[];

beforeAll(async () => {
  traffic = new Traffic();
  traffic.namespace.ip('link set lo mtu 1500 gso_max_segs 1');
  await traffic.start(
    'started',
    'dnsmasq',
    ...['-k', '-C', '/dev/null', '--log-facility=-', '--user=root', '--pid-file=', '--no-resolv', '--no-hosts'],
    ...['--local=/example/', '--listen-address=127.0.0.1', '--bind-interfaces', '--host-record=a.example,192.0.2.1'],
    ...['--host-record=b.example,192.0.2.2', `--txt-record=large.example,${LARGE}`],
  );
  await traffic.capture(() => {
    traffic.run(
      'dig',
      '@127.0.0.1',
      '+tcp',
      '+keepopen',
      'a.example',
      'b.example',
      '+tcp',
      '+keepopen',
      'absent.example',
    );
    traffic.run('dig', '@127.0.0.1', '+tcp', '+keepopen', 'large.example', 'TXT', 'a.example', '+tcp', '+keepopen');
  });
  segments = traffic.carried().filter(({ protocol }) => protocol === 'tcp');
});

afterAll(() => traffic?.remove());

interface Told {
  readonly stream: number;
  readonly frame: number;
  readonly message: DnsMessage;
}

/** What is told of these segments, each cut to `snaplen` bytes of payload. */
function follow(of: readonly Carried[], snaplen = 65535): Told[] {
  const told: Told[] = [];
  const streams = new DnsStreams((stream, frame, message) => told.push({ stream, frame, message }));
  for (const { frame, sourcePort, destinationPort, sequence, payload } of of) {
    const caplen = Math.min(payload.length, snaplen);
    const bytes = new Uint8Array(caplen + 40).fill(0xc0);
    bytes.set(payload.subarray(0, caplen), 20);
    streams.feed(sourcePort * 65536 + destinationPort, frame, sequence, bytes, 20, 20 + caplen, payload.length);
  }
  streams.finish();
  return told;
}

const summary = ({ message }: Told): string =>
  `${message.id} ${message.response} ${message.questions.map(({ name }) => name)} ${message.answers.length}`;

describe('connections of dig', () => {
  test('agree with tshark, message by message', () => {
    const fields = ['frame.number', 'dns.id', 'dns.flags.response', 'dns.qry.name', 'dns.count.answers'];
    const theirs = traffic.tshark('tcp && dns', fields).flatMap(([frame, ids, responses, names, answers]) =>
      (ids ?? []).map((id, index) => {
        const response = isTrue(responses?.[index]);
        return `${frame?.[0]}: ${Number(id)} ${response} ${names?.[index]} ${answers?.[index]}`;
      }),
    );
    const ours = follow(segments).map((told) => `${told.frame}: ${summary(told)}`);
    expect(ours).toEqual(theirs);
    expect(ours.length).toBe(10);
    expect(segments.length).toBeGreaterThan(ours.length + 1);
  });

  test('cut at every length they tell a part of the same', () => {
    const whole = follow(segments);
    for (let snaplen = 0; snaplen < 1460; snaplen++) {
      for (const { stream, message } of follow(segments, snaplen)) {
        const same = whole.find((told) => told.stream === stream && told.message.id === message.id)?.message;
        expect(message.response).toBe(same?.response);
        if (!message.cut) expect(message).toEqual(same);
        else
          for (const { name, type } of message.questions)
            if (type !== undefined) expect(name).toBe(same?.questions[0]?.name);
      }
    }
    // Each is told, though nothing but its header was kept: the length says where the next one begins.
    expect(follow(segments, 14).length).toBe(10);
  });

  test('in segments of any size, and some twice, they say the same', () => {
    const streams = byDirection(segments);
    fc.assert(
      fc.property(
        fc.nat(),
        fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1 }),
        fc.nat(),
        (which, sizes, again) => {
          const stream = streams[which % streams.length] ?? [];
          const bytes = Buffer.concat(stream.map(({ payload }) => payload));
          const first = stream[0];
          if (first === undefined) throw new Error('no stream');
          const pieces: Carried[] = [];
          for (let at = 0, index = 0; at < bytes.length; index++) {
            const end = Math.min(at + (sizes[index % sizes.length] ?? 1), bytes.length);
            pieces.push({ ...first, sequence: (first.sequence + at) % 2 ** 32, payload: bytes.subarray(at, end) });
            at = end;
          }
          const repeated = pieces[again % pieces.length];
          if (repeated !== undefined) pieces.splice((again >> 4) % pieces.length, 0, repeated);
          if (pieces[0]?.sequence !== first.sequence) return; // it isn't the first any more
          expect(follow(pieces).map(summary)).toEqual(follow(stream).map(summary));
        },
      ),
      { numRuns: 200 },
    );
  });
});

/** The segments of each direction of each connection. */
function byDirection(of: readonly Carried[]): Carried[][] {
  const streams = new Map<string, Carried[]>();
  for (const segment of of) {
    const key = `${segment.sourcePort} ${segment.destinationPort}`;
    streams.set(key, [...(streams.get(key) ?? []), segment]);
  }
  return [...streams.values()];
}

describe('hostile streams', () => {
  const header = Buffer.from('123401000001000000000000', 'hex');
  const segment = (payload: Uint8Array, sequence: number): Carried => ({
    frame: 1,
    protocol: 'tcp',
    sourcePort: 1,
    destinationPort: 53,
    sequence,
    payload: Buffer.from(payload),
  });
  const message = Buffer.concat([Buffer.of(0, 19), header, Buffer.of(1, 97, 0, 0, 1, 0, 1)]);

  test('what is not DNS is left alone, with all that follows', () => {
    expect(follow([segment(Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n'), 0), segment(message, 27)]).length).toBe(0);
    expect(follow([segment(Buffer.of(0, 0), 0), segment(message, 2)]).length).toBe(0);
  });

  test('behind a hole nothing is guessed; on ports that are used again it begins anew', () => {
    expect(follow([segment(message, 0), segment(message, 50)]).length).toBe(1);
    expect(follow([segment(message, 0), segment(message, 5_000_000)]).length).toBe(2);
  });

  test('a message longer than what is held is told as cut, and skipped', () => {
    const long = Buffer.concat([Buffer.of(255, 255), message.subarray(2), Buffer.alloc(65535 - 19)]);
    const pieces = Array.from({ length: 60 }, (_, index) =>
      segment(long.subarray(1200 * index, 1200 * index + 1200), 1200 * index),
    );
    const told = follow([...pieces, segment(message, long.length)].filter(({ payload }) => payload.length > 0));
    expect(told.map((one) => one.message.questions[0]?.name)).toEqual(['a', 'a']);
  });

  test('many streams are bounded, the oldest is told first', () => {
    const told: number[] = [];
    const streams = new DnsStreams((stream) => told.push(stream));
    for (let stream = 0; stream < 3000; stream++) streams.feed(stream, 0, 0, message, 0, 20, 20);
    expect(told).toEqual(Array.from({ length: 3000 - 1024 }, (_, index) => index));
  });
});
