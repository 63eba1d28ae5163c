// Which frames an exclusion leaves out, seen on real sockets in a namespace: every frame is sent on an interface, and a
// socket with the program is compared with one that has none. A frame's number is in its source address, which the
// kernel reports beside the packet.
//
//   v0 <-veth-> v1        what is sent on v0 has its tags in the packet; on v1 the first one is beside it
//   w0 <-veth-> w1 bridge x0 <-veth-> x1    x0 can't take a tag beside the packet, so the one of w1 comes back into it,
//                                           and the network header stays where w1 had it
// biome-ignore lint/style/noRestrictedImports: the product has no use for the calls of this test
import koffi from 'koffi';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compileFilter } from '../../src/filter/compile.ts';
import { parseExclusion } from '../../src/filter/exclude.ts';
import { PACKET_OUTGOING, sockaddr_ll } from '../../src/native/if_packet.ts';
import * as libc from '../../src/native/libc.ts';
import { ADDRESSES, be16, EXCLUDE, type Frame, frames, numbered, TAGS } from './exclusion-frames.ts';
import { Namespace } from './namespace.ts';

const sendFn = libc.libc.func('int64_t send(int fd, const void *data, size_t length, int flags)');
const recvfromFn = libc.libc.func(
  'int64_t recvfrom(int fd, void *data, size_t length, int flags, void *address, _Inout_ uint32_t *addressLength)',
);
const MSG_DONTWAIT = 0x40;

const ioctlFn = libc.libc.func('int ioctl(int fd, unsigned long request, void *argument)');

/** Has the kernel put VLAN tags into the packets that this interface sends. */
function setVlanOffloadOff(device: string): void {
  const SIOCETHTOOL = 0x8946;
  const ETHTOOL_SFLAGS = 0x26;
  const ethtool_value = Uint32Array.of(ETHTOOL_SFLAGS, 0);
  const ifreq = new Uint8Array(40);
  new TextEncoder().encodeInto(device, ifreq);
  new DataView(ifreq.buffer).setBigUint64(16, koffi.address(ethtool_value), true);
  const fd = libc.socket(libc.AF_PACKET, libc.SOCK_DGRAM, 0);
  if (ioctlFn(fd, SIOCETHTOOL, ifreq) < 0) throw libc.syscallError('ioctl SIOCETHTOOL');
  libc.close(fd);
}

let namespace: Namespace;
beforeAll(() => {
  namespace = new Namespace();
  for (const link of [
    'v0 mtu 9000 type veth peer v1',
    'w0 mtu 9000 type veth peer w1',
    'x0 mtu 9000 type veth peer x1',
  ]) {
    namespace.ip(`link add ${link} mtu 9000`);
  }
  namespace.ip('link add b0 type bridge');
  namespace.ip('link set w1 master b0');
  namespace.ip('link set x0 master b0');
  namespace.run(() => setVlanOffloadOff('x0'));
  for (const device of DEVICES) namespace.ip(`link set ${device} addrgenmode none up`);
});
afterAll(() => namespace.close());

const DEVICES = ['lo', 'v0', 'v1', 'w0', 'w1', 'x0', 'x1', 'b0'];

interface Copy {
  readonly frame: number;
  /** Interface name, with `>` before it if the packet left by it. */
  readonly where: string;
}

/** One instruction, `ret`. A socket without any would not show packets without data. */
const KEEP_ALL = Uint8Array.of(6, 0, 0, 0, 255, 255, 0, 0);
const KEEP_NONE = Uint8Array.of(6, 0, 0, 0, 0, 0, 0, 0);

class Socket {
  readonly fd: number;

  constructor(type: number, device: string, program: Uint8Array) {
    this.fd = libc.socket(libc.AF_PACKET, type, 0);
    const room = new Uint8Array(4);
    new DataView(room.buffer).setUint32(0, 64 * 2 ** 20, true);
    const SO_RCVBUFFORCE = 33;
    libc.setsockopt(this.fd, libc.SOL_SOCKET, SO_RCVBUFFORCE, room, 'SO_RCVBUFFORCE');
    libc.attachFilter(this.fd, program);
    const address = new DataView(new ArrayBuffer(sockaddr_ll.sizeof));
    address.setUint16(sockaddr_ll.sll_family, libc.AF_PACKET, true);
    address.setUint16(sockaddr_ll.sll_protocol, libc.ETH_P_ALL);
    address.setInt32(sockaddr_ll.sll_ifindex, device === 'any' ? 0 : (libc.if_nametoindex(device) ?? -1), true);
    libc.bind(this.fd, new Uint8Array(address.buffer));
  }

  send(bytes: Uint8Array): void {
    if (sendFn(this.fd, bytes, bytes.byteLength, 0) < 0) throw libc.syscallError('send');
  }

  /** Every copy until frame `last` was seen at all of `places`; the queue is in order at each place. */
  receive(last: number, places: ReadonlySet<string>, names: ReadonlyMap<number, string>): Copy[] {
    const copies: Copy[] = [];
    const open = new Set(places);
    const data = new Uint8Array(16);
    const from = new Uint8Array(sockaddr_ll.sizeof);
    const view = new DataView(from.buffer);
    const poll = new libc.Poll(this.fd, libc.POLLIN, -1);
    while (open.size > 0) {
      if (poll.wait(10_000) === 0) throw new Error(`the last frame was not seen at ${[...open].join(', ')}`);
      if (recvfromFn(this.fd, data, data.byteLength, MSG_DONTWAIT, from, [from.byteLength]) < 0) {
        throw libc.syscallError('recvfrom');
      }
      const name = names.get(view.getInt32(sockaddr_ll.sll_ifindex, true)) ?? '?';
      const where = from[sockaddr_ll.sll_pkttype] === PACKET_OUTGOING ? `>${name}` : name;
      const frame = view.getUint16(sockaddr_ll.sll_addr + 4);
      if (frame === last) open.delete(where);
      else copies.push({ frame, where });
    }
    return copies;
  }

  close(): void {
    libc.close(this.fd);
  }
}

interface Run {
  readonly device: string;
  readonly linktype?: string;
  /** Interface to send on. */
  readonly on: string;
  /** Where the frames must be seen. */
  readonly at: readonly string[];
  readonly frames: readonly Frame[];
  readonly exclude?: readonly string[];
  readonly expression?: string;
}

/** Sends the frames and returns those seen without the program and with it, at each place. */
function sendAll(run: Run): { readonly all: string[]; readonly kept: string[] } {
  return namespace.run(() => {
    const { device, linktype, exclude = EXCLUDE, expression = '' } = run;
    const { program, linktype: number } = compileFilter({ device, linktype, exclude, expression, snaplen: 262144 });
    const names = new Map(DEVICES.map((name) => [libc.if_nametoindex(name) ?? 0, name]));
    const type = number === 1 ? libc.SOCK_RAW : libc.SOCK_DGRAM;
    const sockets = [
      new Socket(type, device, KEEP_ALL),
      new Socket(type, device, program.bytes),
      new Socket(libc.SOCK_RAW, run.on, KEEP_NONE),
    ];
    const [everything, filtered, sender] = sockets;
    if (everything === undefined || filtered === undefined || sender === undefined) throw new Error('unreachable');
    try {
      const last = run.frames.length;
      for (const [index, { bytes }] of run.frames.entries()) sender.send(numbered(bytes, index));
      sender.send(numbered(Uint8Array.of(...ADDRESSES, 0x88, 0xb5, ...new Uint8Array(46)), last));
      const places = new Set(run.at);
      const name = ({ frame, where }: Copy): string => `${where}: ${run.frames[frame]?.what}`;
      return {
        all: everything.receive(last, places, names).map(name),
        kept: filtered.receive(last, places, names).map(name),
      };
    } finally {
      for (const socket of sockets) socket.close();
    }
  });
}

/** Every frame must be seen without the program at every place, and with it those that are not excluded. */
function expectVerdicts(run: Run): void {
  const { all, kept } = sendAll(run);
  const at = (frames: readonly Frame[]): string[] =>
    run.at.flatMap((where) => {
      const seen = frames.filter(({ runt }) => !runt || where === `>${run.on}`);
      return seen.map(({ what }) => `${where}: ${what}`);
    });
  expect(all.toSorted()).toEqual(at(run.frames).toSorted());
  expect(kept.toSorted()).toEqual(at(run.frames.filter(({ excluded }) => !excluded)).toSorted());
}

describe('sent by a raw socket', () => {
  test('Ethernet: tags in the packet', () => {
    expectVerdicts({ device: 'v0', on: 'v0', at: ['>v0'], frames: frames() });
  });
  test('Ethernet: the first tag beside the packet', () => {
    expectVerdicts({ device: 'v1', on: 'v0', at: ['v1'], frames: frames() });
  });
  test.each(['LINUX_SLL2', 'LINUX_SLL'])('any, %s', (linktype) => {
    expectVerdicts({ device: 'any', linktype, on: 'v0', at: ['>v0', 'v1'], frames: frames() });
  });
});

/** The offload that is off is that of 802.1Q. Untagged packets are left out because a bridge may look into them, and drop them. */
const BRIDGED = TAGS.filter(({ tags: [first] }) => first === 0x8100);

describe('sent by a bridge, the tag back in the packet', () => {
  test('Ethernet', () => {
    expectVerdicts({ device: 'x0', on: 'w0', at: ['>x0'], frames: frames(BRIDGED) });
  });
  test('any', () => {
    expectVerdicts({ device: 'any', on: 'w0', at: ['>w0', 'w1', '>x0', 'x1'], frames: frames(BRIDGED) });
  });
});

test.each(['lo', 'any'])('on loopback a packet is seen as it arrives, and only then, with %s', (device) => {
  const run = { device, on: 'lo', at: ['lo'], frames: frames().filter(({ runt }) => !runt) };
  const { all, kept } = sendAll(run);
  expect(all.filter((name) => name.startsWith('>lo:'))).toHaveLength(run.frames.length);
  expect(kept).toEqual(run.frames.filter(({ excluded }) => !excluded).map(({ what }) => `lo: ${what}`));
});

test.each(['v0', 'any'])('a packet that ends within its tags is kept, on %s', (device) => {
  const tags = [0x8100, 0x8100, 0x88a8, 0x8100].flatMap(be16);
  const cut = tags.map((_, length) => ({
    what: `${length} bytes`,
    bytes: Uint8Array.of(...ADDRESSES, 0x81, 0, ...tags.slice(0, length)),
    excluded: false,
    runt: false,
  }));
  const { kept } = sendAll({ device, on: 'v0', at: ['>v0'], frames: cut });
  expect(kept.filter((name) => name.startsWith('>'))).toEqual(cut.map(({ what }) => `>v0: ${what}`));
});

test('what is not excluded goes on to the expression', () => {
  const run = { device: 'v0', on: 'v0', at: ['>v0'], frames: frames(), expression: 'ip or ether proto 0x88b5' };
  const { kept } = sendAll(run);
  const untagged = frames().filter(({ what, excluded }) => /^untagged, .*IPv4/.test(what) && !excluded);
  expect(kept).toEqual(untagged.map(({ what }) => `>v0: ${what}`));
});

describe('expressions', () => {
  const only = frames().filter(({ what }) => /(elsewhere|port)/.test(what));
  const kept = (exclude: readonly string[], device: string, at: string): string[] =>
    sendAll({ device, on: 'v0', at: [at], frames: only, exclude }).kept.filter((name) => name.startsWith(`${at}:`));
  const matching = (at: string, pattern: RegExp): string[] =>
    only.filter(({ what }) => pattern.test(what)).map(({ what }) => `${at}: ${what}`);

  test.each([
    ['v0', '>v0'],
    ['v1', 'v1'],
    ['any', '>v0'],
    ['any', 'v1'],
  ])('a negation sees tagged packets as the others, %s at %s', (device, at) => {
    expect(kept(['not udp port 5353 and not ether proto 0x88b5'], device, at)).toEqual(matching(at, /port excluded/));
  });

  test.each([
    ['v0', '>v0'],
    ['v1', 'v1'],
  ])('vlan is left to libpcap, %s at %s', (device, at) => {
    const exclude = ['vlan 5 and udp port 5353', '198.51.100.0/24'];
    const notInNet = matching(at, /(IPv6|ARP|8000 bytes) elsewhere|IPv6 port/);
    const inVlan5 = matching(at, /^(802.1Q|802.1ad|0x9100|priority 2), IPv6 port/);
    expect(kept(exclude, device, at)).toEqual(notInNet.filter((what) => !inVlan5.includes(what)));
  });
});

test.each([
  ['10.0.0.0/8', 'net 10.0.0.0/8', true],
  ['10.0.0.1/8', 'net 10.0.0.1/8', false],
  ['::ffff:192.0.2.1', 'net ::ffff:192.0.2.1', false],
  ['10.1.2.3', 'net 10.1.2.3', true],
  ['fd00::/8', 'net fd00::/8', true],
  ['::1', 'net ::1', true],
  ['10', '10', false],
  ['net 10.0.0.0/8', 'net 10.0.0.0/8', false],
  ['10.0.0.0/8 and tcp', '10.0.0.0/8 and tcp', false],
  ['dst host 10.1.2.3', 'dst host 10.1.2.3', false],
])('%s is the expression %s', (value, expression, network) => {
  const exclusion = parseExclusion(value);
  expect(exclusion).toEqual({ expression, network: network ? expect.anything() : undefined });
});

test.each(['', ' '])("'%s' would exclude everything", (value) => {
  expect(() => parseExclusion(value)).toThrow("--exclude '': expected a network or a filter expression");
});
