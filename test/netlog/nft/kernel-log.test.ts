// What the kernel and journald of a booted qube really write, of frames of all kinds and of its own packets: every word of
// every line has its place, and every output mode of journalctl and dmesg gives the same records. The lines have a prefix of
// their own, for the kernel's log is one for all of the machine.
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type NftLine, type NftPacket, readNftLine } from '../../../src/netlog/nft/line.ts';
import { NftLog, type NftRecord } from '../../../src/netlog/nft/log.ts';
import type { Surroundings } from '../../../src/netlog/nft/stamp.ts';
import { Container } from '../../boot/container.ts';
import { FRAMES } from './frames.ts';

const ALL_NETNS = '/proc/sys/net/netfilter/nf_log_all_netns';
const RUN = randomBytes(3).toString('hex');
const QUBE = `tsnft${RUN}`;
const PEER = `${QUBE}p`;
const PREFIX = `N${RUN.toUpperCase()}`;
const RULES = `table netdev netlog { chain in { type filter hook ingress device eth0 priority 0
    log prefix "${PREFIX}:new "
    log prefix "${PREFIX}:all " flags all
  }; }
  table inet netlog { chain out { type filter hook output priority 0; udp dport 9997 meta mark set 0x2a log prefix "${PREFIX}:own " flags skuid; }; }`;
/** From hexadecimal lines on stdin. */
const SEND = `import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
for line in sys.stdin: s.send(bytes.fromhex(line))`;

let before = '';
let container: Container;
let messages: readonly string[] = [];

beforeAll(async () => {
  before = readFileSync(ALL_NETNS, 'utf8').trim();
  writeFileSync(ALL_NETNS, '1');
  for (const namespace of [QUBE, PEER]) run(['ip', 'netns', 'add', namespace]);
  run(['ip', 'link', 'add', 'eth0', 'netns', QUBE, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', PEER]);
  for (const namespace of [QUBE, PEER])
    run(['ip', 'netns', 'exec', namespace, 'sysctl', '-qw', 'net.ipv6.conf.eth0.disable_ipv6=1']);
  run(['ip', '-n', QUBE, 'link', 'set', 'lo', 'up']);
  for (const namespace of [QUBE, PEER]) run(['ip', '-n', namespace, 'link', 'set', 'eth0', 'up']);
  container = await Container.boot({
    name: 'netlog',
    network: QUBE,
    nspawn: ['--bind=/dev/kmsg', '--capability=CAP_SYSLOG'],
  });
  run(['ip', 'netns', 'exec', QUBE, 'nft', '-f', '-'], RULES);
  const frames = FRAMES.map(({ bytes }) => `${bytes.toString('hex')}\n`).join('');
  run(['ip', 'netns', 'exec', PEER, 'python3', '-c', SEND], frames);
  const own = 'echo x > /dev/udp/127.0.0.1/9997';
  run(['ip', 'netns', 'exec', QUBE, 'setpriv', '--reuid=1234', '--regid=567', '--clear-groups', 'bash', '-c', own]);
  await vi.waitFor(
    async () => {
      messages = (await journal('cat')).split('\n').slice(0, -1);
      expect(messages).toHaveLength(FRAMES.length * 2 + 1);
    },
    { timeout: 10_000, interval: 200 },
  );
});

afterAll(async () => {
  await container?.remove();
  for (const namespace of [QUBE, PEER]) spawnSync('ip', ['netns', 'delete', namespace]);
  if (before !== '') writeFileSync(ALL_NETNS, before);
});

function run([command = '', ...words]: readonly string[], input = ''): void {
  const { status, stderr } = spawnSync(command, words, { input, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${words.join(' ')}: ${stderr}`);
}

const journal = (mode: string): Promise<string> =>
  container.exec(['journalctl', '--quiet', '--no-pager', '_TRANSPORT=kernel', `--grep=^${PREFIX}:`, '-o', mode]);

/** The words that the fields of a packet stand for, in the order of the kernel's. */
function wordsOf(packet: NftPacket): string[] {
  const long = (address: string): string => (address.includes(':') ? longForm(address) : address);
  const { src, dst, len, ttl, ipId, flowLabel, proto, sport, dport, tcpFlags, icmpType, icmpCode } = packet;
  const [source, destination] = proto === 'ARP' ? ['IPSRC', 'IPDST'] : ['SRC', 'DST'];
  const names: Readonly<Record<string, string>> = { '136': 'UDPLITE', '51': 'AH', '50': 'ESP' };
  return [
    ['', proto === 'ARP' ? 'ARP' : undefined],
    [`${source}=`, src && long(src)],
    [`${destination}=`, dst && long(dst)],
    ['LEN=', len],
    [flowLabel === undefined ? 'TTL=' : 'HOPLIMIT=', ttl],
    ['ID=', ipId],
    ['FLOWLBL=', flowLabel],
    ['PROTO=', proto === 'ARP' ? undefined : (names[proto ?? ''] ?? proto)],
    ['SPT=', sport],
    ['DPT=', dport],
    ['TYPE=', icmpType],
    ['CODE=', icmpCode],
    ['', tcpFlags],
  ].flatMap(([name, value]) => (value === undefined ? [] : `${name}${value}`.split(' ')));
}

function longForm(address: string): string {
  const [head = '', tail] = address.split('::').map((part) => part.split(':').filter((group) => group !== ''));
  const groups = [...head, ...Array<string>(8 - head.length - (tail?.length ?? 0)).fill('0'), ...(tail ?? [])];
  return groups.map((group) => group.padStart(4, '0')).join(':');
}

/** All that a line is about, as its words. */
function render(line: NftLine): string[] {
  const { uid, gid, mark, inner } = line;
  return [
    `${line.prefix}:${line.class}`,
    `IN=${line.in}`,
    `OUT=${line.out}`,
    ...wordsOf(line),
    ...(inner === undefined ? [] : ['[', ...wordsOf(inner), ']']),
    ...(uid === undefined ? [] : [`UID=${uid}`, `GID=${gid}`]),
    ...(mark === undefined ? [] : [`MARK=0x${mark.toString(16)}`]),
  ];
}

/** What of a line nobody asks for: taken out by hand, with what stands around it, and by nothing of ours. */
function withoutTheRest(message: string): string[] {
  return message
    .replaceAll(/INCOMPLETE \[\d+ bytes\]|Unknown Ext Hdr \d+|OPT \([0-9A-F]+\)|OPT \(TRUNCATED\)|TUNNEL=\S+/g, ' ')
    .replaceAll(/(?<=PROTO=UDP(LITE)? SPT=\d+ DPT=\d+) LEN=\d+/g, ' ')
    .replaceAll(/(?<=TYPE=\d+ CODE=\d+) ID=\d+ SEQ=\d+/g, ' ')
    .replaceAll(/\b(MAC|MACSRC|MACDST|MACPROTO|VPROTO|VID|TOS|PREC|TC|SEQ|ACK|WINDOW|RES|URGP)=\S*/g, ' ')
    .replaceAll(
      /\b(PARAMETER|POINTER|GATEWAY|MTU|SPI|HTYPE|PTYPE|OPCODE)=\S*|\b(CE|DF|MF|OPT|TRUNCATED|INCOMPLETE)\b/g,
      ' ',
    )
    .replaceAll(/FRAG:\d*|ID:[0-9a-f]{8}|(?<=\s)(AH|ESP)(?=\s)|[()]/g, ' ')
    .replaceAll(/[[\]]/g, ' $& ')
    .trim()
    .split(/\s+/);
}

test('every frame is read as what it is, with and without all flags', () => {
  for (const kind of ['new', 'all']) {
    const lines = messages.filter((message) => message.startsWith(`${PREFIX}:${kind} `));
    const read = lines.map((message) => readNftLine(message));
    const expected = FRAMES.map((frame) => ({
      prefix: PREFIX,
      class: kind,
      in: 'eth0',
      out: '',
      unread: [],
      ...frame.expected,
      ...(kind === 'all' ? frame.all : {}),
    }));
    const named = (each: readonly unknown[]): unknown =>
      Object.fromEntries(FRAMES.map(({ name }, index) => [name, each[index]]));
    expect(named(read)).toEqual(named(expected));
  }
});

test('a line is what its fields say, and nothing is left', () => {
  for (const message of messages) {
    const line = readNftLine(message);
    if (line === undefined) throw new Error(`not read: ${message}`);
    expect(line.unread, message).toEqual([]);
    const [words, left] = [render(line), withoutTheRest(message)];
    // The flags and what ICMP says stand before or behind the inner packet's; their order is not what is looked at.
    expect(words.sort(), message).toEqual(left.sort());
  }
});

test("a qube's own packet has its owner and its mark", () => {
  const own = messages.filter((message) => message.startsWith(`${PREFIX}:own `)).map((message) => readNftLine(message));
  expect(own).toMatchObject([
    { in: '', out: 'lo', uid: 1234, gid: 567, mark: 0x2a, proto: 'UDP', dport: 9997, len: 30 },
  ]);
});

async function records(text: string, surroundings: Surroundings = {}): Promise<[NftRecord[], NftLog]> {
  const log = new NftLog('a log', surroundings);
  const all: NftRecord[] = [];
  const bytes = Buffer.from(text);
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
  }
  for await (const some of log.read(pieces())) all.push(...some);
  return [all, log];
}

test('every output mode of journalctl gives the same records, as exact as it is', async () => {
  const [exact] = await records(await journal('short-unix'));
  expect(exact.map(({ message }) => message)).toEqual(messages);
  const day = new Date((exact[0]?.timeUs ?? 0) / 1000).toISOString().slice(0, 10);
  const bootUs = await bootTime();
  const modes: readonly (readonly [string, number])[] = [
    ['short', 1e6],
    ['short-precise', 1],
    ['short-iso', 1e6],
    ['short-iso-precise', 1],
    ['short-full', 1e6],
    ['with-unit', 1e6],
    // The clock is slewed against the machine's own; and in records it is the kernel's time, before journald's.
    ['short-monotonic', -1e6],
    ['short-delta', -1e6],
    ['json', -1e6],
    ['export', -1e6],
  ];
  for (const [mode, unit] of modes) {
    const [read, log] = await records(await journal(mode), { day, bootUs });
    expect(log.problems(), mode).toEqual([]);
    expect(
      read.map(({ message }) => message),
      mode,
    ).toEqual(messages);
    read.forEach(({ timeUs }, index) => {
      const time = exact[index]?.timeUs ?? 0;
      if (unit > 0) expect(timeUs, mode).toBe(time - (time % unit));
      else expect(Math.abs(timeUs - time), mode).toBeLessThan(-unit);
    });
  }
});

/** From two modes of one line. */
async function bootTime(): Promise<number> {
  const [line = ''] = (await journal('json')).split('\n');
  const record: unknown = JSON.parse(line);
  const { __REALTIME_TIMESTAMP: realtime, __MONOTONIC_TIMESTAMP: monotonic } = record as Record<string, string>;
  return Number(realtime) - Number(monotonic);
}

test('-o cat says no time, which is told', async () => {
  const [read, log] = await records(await journal('cat'));
  expect(read).toEqual([]);
  expect(log.counts).toMatchObject({ lines: messages.length, untimed: messages.length });
  expect(log.problems()).toEqual([`a log: ${messages.length} of ${messages.length} lines do not say when`]);
});

test('dmesg and /dev/kmsg', async () => {
  const bootUs = await bootTime();
  for (const words of [
    ['dmesg'],
    ['dmesg', '--time-format=iso'],
    ['dmesg', '--ctime'],
    ['dmesg', '--raw'],
    ['dd', 'if=/dev/kmsg', 'iflag=nonblock'],
  ]) {
    const { stdout } = spawnSync(words[0] ?? '', words.slice(1), { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
    const [read] = await records(stdout, { bootUs });
    const own = read.filter(({ line }) => line.prefix === PREFIX).map(({ message }) => message.trimEnd());
    expect(own, words.join(' ')).toEqual(messages.map((message) => message.trimEnd()));
  }
});
