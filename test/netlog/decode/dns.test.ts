// DNS messages: real ones of dnsmasq and dig against tshark, whole and cut at every byte; names by table; anything by property.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type DnsMessage, looksLikeDns, readDns } from '../../../src/netlog/decode/dns.ts';
import { type Carried, isTrue, Traffic } from './traffic.ts';

const LONG = `${'l'.repeat(63)}.${'m'.repeat(63)}.${'n'.repeat(63)}.${'o'.repeat(53)}.example`;

const RECORDS = [
  '--host-record=a.example,192.0.2.1,2001:db8::1',
  '--host-record=t.example,192.0.2.3',
  '--host-record=v.example,192.0.2.4,::ffff:192.0.2.5',
  '--cname=c.example,d.example,t.example',
  '--mx-host=m.example,mx.example,10',
  '--txt-record=x.example,v=spf1 -all,second "quoted"',
  `--txt-record=long.example,${'t'.repeat(200)}`,
  '--srv-host=_s._tcp.example,far.elsewhere,443,1,2',
  '--ptr-record=1.2.0.192.in-addr.arpa,a.example',
  '--dns-rr=h.example,65,0001000001000302683200040004c0000201',
  '--dns-rr=s.example,64,000303737663076578616d706c6500',
  '--dns-rr=caa.example,257,000569737375656361',
  '--dns-rr=odd.example,65280,0102',
  `--host-record=${LONG},192.0.2.9`,
  '--dns-rr=zone.example,2,026e73076578616d706c6500',
  '--dns-rr=zone.example,6,026e73076578616d706c65000561646d696e076578616d706c650078cb00010000000100000002000000030000000a',
];

const QUESTIONS = [
  'a.example A',
  'a.example AAAA',
  'v.example AAAA',
  'c.example A',
  'm.example MX',
  'x.example TXT',
  'long.example TXT',
  '_s._tcp.example SRV',
  '1.2.0.192.in-addr.arpa PTR',
  'h.example HTTPS',
  's.example SVCB',
  'caa.example CAA',
  'odd.example TYPE65280',
  `${LONG} A`,
  'absent.example A',
  'zone.example NS',
  '. NS',
  'MiXeD.Example CNAME',
];

let traffic: Traffic;
let messages: Carried[];

beforeAll(async () => {
  traffic = new Traffic();
  await traffic.start(
    'started',
    'dnsmasq',
    ...['-k', '-C', '/dev/null', '--log-facility=-', '--user=root', '--pid-file=', '--no-resolv', '--no-hosts'],
    ...['--local=/example/', '--listen-address=127.0.0.1', '--bind-interfaces', ...RECORDS],
  );
  await traffic.capture(() => {
    const ask = (...args: string[]): string => traffic.run('dig', '@127.0.0.1', '+tries=1', '+time=1', ...args);
    for (const question of QUESTIONS) ask(...question.split(' '));
    ask('+noedns', 'zone.example', 'SOA');
    ask('+tcp', 'a.example', 'A');
    ask('-p', '5353', 'printer.local', 'PTR');
    ask('-p', '5355', 'host', 'AAAA');
    ask('a\\.b\\032c\\255.example', 'A');
    ask('+opcode=notify', 'n.example', 'SOA');
  });
  messages = traffic
    .carried()
    .filter(
      ({ protocol, sourcePort, destinationPort }) => protocol === 'udp' && looksLikeDns(sourcePort, destinationPort),
    );
});

afterAll(() => traffic?.remove());

function read(payload: Uint8Array): DnsMessage {
  const message = readDns(payload, 0, payload.length);
  if (message === undefined) throw new Error(`not DNS: ${Buffer.from(payload).toString('hex')}`);
  return message;
}

/** The message's bytes up to `length`, in the middle of others, which must not be looked at. */
function readCut(payload: Uint8Array, length: number): DnsMessage | undefined {
  const bytes = new Uint8Array(length + 40).fill(0xc0);
  bytes.set(payload.subarray(0, length), 20);
  return readDns(bytes, 20, 20 + length);
}

/** tshark writes the bytes of a name as they are. */
function unescaped(name: string): string {
  return name === '.' ? '<Root>' : name;
}

const data = (type: string, { answers }: DnsMessage): string[] =>
  answers.filter((answer) => answer.type === type).map((answer) => answer.data);

describe('messages of dnsmasq and dig', () => {
  test('are those that were asked for', () => {
    expect(messages.filter(({ payload }) => !read(payload).response).length).toBe(QUESTIONS.length + 5);
    const asked = messages.map(({ payload }) => read(payload)).filter(({ response }) => !response);
    const text = asked.map(({ questions }) => questions.map(({ name, type }) => `${name} ${type}`).join());
    expect(text.slice(0, QUESTIONS.length)).toEqual(QUESTIONS);
    expect(text.slice(QUESTIONS.length)).toEqual([
      'zone.example SOA',
      'printer.local PTR',
      'host AAAA',
      'a\\.b\\032c\\255.example A',
      'n.example SOA',
    ]);
    expect(asked.at(-1)?.opcode).toBe('NOTIFY');
    const types = messages.flatMap(({ payload }) => read(payload).answers.map(({ type }) => type));
    const all = ['A', 'AAAA', 'CAA', 'CNAME', 'HTTPS', 'MX', 'NS', 'PTR', 'SOA', 'SRV', 'SVCB', 'TXT', 'TYPE65280'];
    expect([...new Set(types)].sort()).toEqual(all);
  });

  test('agree with tshark, field by field', () => {
    const fields = ['frame.number', 'dns.id', 'dns.flags.response', 'dns.flags.opcode', 'dns.flags.rcode'];
    const names = ['dns.qry.name', 'dns.resp.name', 'dns.a', 'dns.aaaa', 'dns.cname', 'dns.ptr.domain_name'];
    const more = ['dns.mx.mail_exchange', 'dns.srv.target', 'dns.svcb.targetname', 'dns.svcb.svcpriority', 'dns.txt'];
    const rows = traffic.tshark('udp && (dns || mdns || llmnr)', [
      ...fields,
      ...names,
      ...more,
      'dns.soa.mname',
      'dns.ns',
    ]);
    const rcodes = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];
    const opcodes = ['QUERY', 'IQUERY', 'STATUS', 'OPCODE3', 'NOTIFY'];
    let compared = 0;
    for (const [frame, id, response, opcode, rcode, query, resp, a, aaaa, cname, ptr, mx, srv, ...rest] of rows) {
      const payload = messages.find((message) => String(message.frame) === frame?.[0])?.payload;
      if (payload === undefined) continue; // quoted in ICMP
      const [svcb, priority, txt, soa, ns] = rest;
      const message = read(payload);
      expect(message.cut).toBe(false);
      expect(message.id).toBe(Number(id?.[0]));
      expect(message.response).toBe(isTrue(response?.[0]));
      expect(message.opcode).toBe(opcodes[Number(opcode?.[0])]);
      if (message.response) expect(message.rcode).toBe(rcodes[Number(rcode?.[0])]);
      if (!query?.[0]?.startsWith('a.b')) {
        expect(message.questions.map(({ name }) => unescaped(name))).toEqual(query);
      }
      // tshark's list has the records of the other sections behind, OPT at least, and lacks the names of SRV.
      const answered = message.answers.filter(({ type }) => type !== 'SRV').map(({ name }) => unescaped(name));
      expect((resp ?? []).slice(0, answered.length)).toEqual(answered);
      expect(data('A', message)).toEqual(a);
      expect(data('AAAA', message)).toEqual(aaaa);
      expect(data('CNAME', message)).toEqual(cname);
      expect(data('PTR', message)).toEqual(ptr);
      expect(data('MX', message)).toEqual((mx ?? []).map((name) => `10 ${name}`));
      expect(data('SRV', message)).toEqual((srv ?? []).map((name) => `1 2 443 ${name}`));
      const services = [...data('HTTPS', message), ...data('SVCB', message)];
      expect(services).toEqual(
        (svcb ?? []).map((name, index) => `${priority?.[index]} ${name === '<Root>' ? '.' : name}`),
      );
      const texts = data('TXT', message).join();
      if (!texts.endsWith('…'))
        expect(texts).toBe((txt ?? []).map((part) => `"${part.replaceAll('"', '\\"')}"`).join(' '));
      else expect(texts).toBe(`"${txt?.[0]?.slice(0, 128)}"…`);
      expect(data('NS', message)).toEqual(ns);
      expect(data('SOA', message)).toEqual((soa ?? []).map((name) => `${name} admin.example 2026569729`));
      compared++;
    }
    expect(compared).toBe(messages.length);
  });

  test('at snaplen 96 say what tshark still says', () => {
    const rows = traffic.tshark('udp && dns.id', ['frame.number', 'dns.qry.name', 'dns.a'], traffic.cut(96));
    const headers = 14 + 20 + 8;
    let named = 0;
    for (const [frame, names, addresses] of rows) {
      const payload = messages.find((message) => String(message.frame) === frame?.[0])?.payload;
      const message = payload && readCut(payload, Math.min(payload.length, 96 - headers));
      if (message === undefined || names?.[0]?.startsWith('a.b')) continue;
      for (const [index, name] of (names ?? []).entries()) {
        expect(unescaped(message.questions[index]?.name ?? '')).toBe(name);
        named++;
      }
      expect(data('A', message)).toEqual(expect.arrayContaining(addresses ?? []));
    }
    expect(named).toBeGreaterThan(2 * QUESTIONS.length - 8);
  });

  test('name types as tshark does', () => {
    const rows = traffic.tshark('udp && dns && !icmp', ['frame.number', '_ws.col.Info']);
    for (const [frame, info] of rows) {
      const payload = messages.find((message) => String(message.frame) === frame?.[0])?.payload ?? new Uint8Array();
      const type = read(payload).questions[0]?.type ?? '';
      const theirs = type === 'TYPE65280' ? 'Unknown' : type;
      expect(info?.[0]).toContain(` ${theirs}`);
    }
    expect(rows.length).toBeGreaterThan(QUESTIONS.length);
  });

  test('cut at every byte they say a part of the same, and that they are cut', () => {
    let cuts = 0;
    for (const { payload } of messages) {
      const whole = read(payload);
      for (let length = 0; length < payload.length; length++) {
        const part = readCut(payload, length);
        cuts++;
        if (length < 12) {
          expect(part).toBeUndefined();
          continue;
        }
        if (part === undefined) throw new Error(`nothing of ${length} bytes`);
        expectPartOf(part, whole);
      }
    }
    expect(cuts).toBeGreaterThan(2000);
  });
});

/** All but the last of what is there is exactly what the whole message says; the last may end in `…`. */
function expectPartOf(part: DnsMessage, whole: DnsMessage): void {
  expect({ ...part, questions: [], answers: [], cut: false }).toEqual({
    ...whole,
    questions: [],
    answers: [],
    cut: false,
  });
  if (!part.cut) {
    expect(part).toEqual(whole);
    return;
  }
  part.questions.forEach((question, index) => {
    const same = whole.questions[index];
    if (question.type !== undefined) expect(question).toEqual(same);
    else if (question.name.endsWith('…'))
      expect(same?.name.startsWith(question.name.slice(0, -1).replace(/\.$/, ''))).toBe(true);
    else expect(question.name).toBe(same?.name);
  });
  part.answers.forEach((answer, index) => {
    const same = whole.answers[index];
    expect([answer.name, answer.type]).toEqual([same?.name, same?.type]);
    if (!answer.data.endsWith('…')) expect(answer.data).toBe(same?.data);
    else expect(index).toBe(part.answers.length - 1);
  });
}

/** A query for the name that these bytes are. */
function query(...name: number[]): Uint8Array {
  return Uint8Array.of(0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...name, 0, 1, 0, 1);
}

const label = (text: string): number[] => [text.length, ...Buffer.from(text, 'latin1')];

describe('names', () => {
  test.each([
    ['the root', [0], '.'],
    ['labels', [...label('www'), ...label('Example'), 0], 'www.Example'],
    ['a dot and a backslash in a label', [...label('a.b\\c'), 0], 'a\\.b\\\\c'],
    ['bytes that are not printable', [...label('\x00 \x1b\x7f\xff'), 0], '\\000\\032\\027\\127\\255'],
    ['markup, which is the business of whoever shows it', [...label('<b>'), 0], '<b>'],
    ['127 labels', [...Array.from({ length: 127 }, () => label('x')).flat(), 0], 'x'.repeat(127).split('').join('.')],
  ])('%s', (_what, bytes, name) => {
    expect(readDns(query(...bytes), 0, query(...bytes).length)).toMatchObject({
      questions: [{ name, type: 'A' }],
      cut: false,
    });
  });

  test.each([
    ['a label of 64 bytes', [64, ...Array<number>(64).fill(97), 0]],
    ['256 bytes', [...Array.from({ length: 127 }, () => label('x')).flat(), ...label('y'), 0]],
    ['a pointer at itself', [0xc0, 12]],
    ['a pointer ahead', [0xc0, 14, 0]],
    ['two pointers at each other', [1, 97, 0xc0, 12]],
    ['a label type that nobody uses', [0x80, 0]],
  ])('%s is not DNS', (_what, bytes) => {
    expect(readDns(query(...bytes), 0, query(...bytes).length)).toBeUndefined();
  });
});

describe('hostile messages', () => {
  test('thousands of records are bounded, and cut', () => {
    const record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 192, 0, 2, 1];
    const bytes = Uint8Array.from([...query(...label('a'), 0), ...Array.from({ length: 4000 }, () => record).flat()]);
    bytes.set([0x0f, 0xa0], 6);
    const message = readDns(bytes, 0, bytes.length);
    expect(message?.answers.length).toBe(512);
    expect(message?.cut).toBe(true);
  });

  test('data that contradict their length say nothing', () => {
    const record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 3, 192, 0, 2];
    const bytes = Uint8Array.from([...query(...label('a'), 0), ...record, ...record]);
    bytes[7] = 2;
    const answer = { name: 'a', type: 'A', data: '' };
    expect(readDns(bytes, 0, bytes.length)).toMatchObject({ answers: [answer, answer], cut: false });
  });

  test('anything ends, and says only what is safe to show', () => {
    const flips = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 8 });
    fc.assert(
      fc.property(fc.nat(), flips, fc.uint8Array({ maxLength: 64 }), (which, changes, noise) => {
        const bytes = new Uint8Array(messages[which % messages.length]?.payload ?? []);
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        for (const input of [bytes, noise]) {
          const message = readDns(input, 0, input.length);
          const text = JSON.stringify(message ?? '').replaceAll('…', '');
          expect(text).toMatch(/^[\x20-\x7e]*$/);
        }
      }),
      { numRuns: 3000 },
    );
  });
});
