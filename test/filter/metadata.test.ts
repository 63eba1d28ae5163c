// Loads of what the kernel knows of a packet, beside its bytes: as JavaScript reads them from PacketMetadata, held against
// AF_PACKET sockets that receive tagged and untagged frames. Needs root.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compilePacketFilter } from '../../src/filter/packet-filter.ts';
import * as bpf from '../../src/filter/program.ts';
import { sockaddr_ll } from '../../src/native/if_packet.ts';
import * as libc from '../../src/native/libc.ts';
import { Namespace } from './namespace.ts';
import { made, programOf } from './random-program.ts';

const sendFn = libc.libc.func('int64_t send(int fd, const void *data, size_t length, int flags)');
const recvFn = libc.libc.func('int64_t recv(int fd, void *data, size_t length, int flags)');
const MSG_DONTWAIT = 0x40;
const PACKET_BROADCAST = 1;
const ARPHRD_ETHER = 1;

let namespace: Namespace;
beforeAll(() => {
  namespace = new Namespace();
  namespace.ip('link add v0 type veth peer v1');
  for (const device of ['v0', 'v1']) namespace.ip(`link set ${device} addrgenmode none up`);
});
afterAll(() => namespace.close());

const FIELDS = [
  bpf.SKF_AD_PROTOCOL,
  bpf.SKF_AD_PKTTYPE,
  bpf.SKF_AD_IFINDEX,
  bpf.SKF_AD_HATYPE,
  bpf.SKF_AD_VLAN_TAG,
  bpf.SKF_AD_VLAN_TAG_PRESENT,
  bpf.SKF_AD_VLAN_TPID,
];

/** Six bits of the field, and one more than that: as many bytes of the packet are let through. */
function sixBitsOf(size: number, k: number, shift: number): bpf.Program {
  return programOf([
    made(bpf.BPF_LD | size | bpf.BPF_ABS, k),
    made(bpf.BPF_ALU | bpf.BPF_RSH, shift),
    made(bpf.BPF_ALU | bpf.BPF_AND, 63),
    made(bpf.BPF_ALU | bpf.BPF_ADD, 1),
    made(bpf.BPF_RET | bpf.BPF_A, 0),
  ]);
}

function open(device: string, protocol: number): number {
  const fd = libc.socket(libc.AF_PACKET, libc.SOCK_RAW, 0);
  const address = new DataView(new ArrayBuffer(sockaddr_ll.sizeof));
  address.setUint16(sockaddr_ll.sll_family, libc.AF_PACKET, true);
  address.setUint16(sockaddr_ll.sll_protocol, protocol);
  address.setInt32(sockaddr_ll.sll_ifindex, libc.if_nametoindex(device) ?? 0, true);
  libc.bind(fd, new Uint8Array(address.buffer));
  return fd;
}

test.each([
  ['untagged', [], { vlanTag: 0, vlanTagPresent: 0, vlanTpid: 0 }],
  ['802.1Q', [0x81, 0x00, 0x60, 0x05], { vlanTag: 0x6005, vlanTagPresent: 1, vlanTpid: 0x8100 }],
  ['802.1ad', [0x88, 0xa8, 0x0f, 0xff], { vlanTag: 0x0fff, vlanTagPresent: 1, vlanTpid: 0x88a8 }],
  ['priority tag 0', [0x81, 0x00, 0x00, 0x00], { vlanTag: 0, vlanTagPresent: 1, vlanTpid: 0x8100 }],
])('%s', (_, tag, vlan) => {
  const programs = FIELDS.flatMap((k) =>
    [bpf.BPF_W, bpf.BPF_H, bpf.BPF_B].flatMap((size) => [0, 6, 12].map((shift) => sixBitsOf(size, k, shift))),
  );
  const frame = Uint8Array.of(
    ...new Array(6).fill(255),
    2,
    0,
    0,
    0,
    0,
    1,
    ...tag,
    0x88,
    0xb5,
    ...new Array(80).fill(7),
  );
  namespace.run(() => {
    const sender = open('v0', 0);
    const fds = programs.map(({ bytes }) => {
      const fd = open('v1', libc.ETH_P_ALL);
      libc.attachFilter(fd, bytes);
      return fd;
    });
    try {
      expect(sendFn(sender, frame, frame.length, 0)).toBe(frame.length);
      const metadata = {
        protocol: 0x88b5,
        pkttype: PACKET_BROADCAST,
        ifindex: libc.if_nametoindex('v1') ?? 0,
        hatype: ARPHRD_ETHER,
        ...vlan,
      };
      const view = new DataView(frame.buffer);
      const ours = programs.map((program) => compilePacketFilter(program, 'kernel')(view, 0, 96, 96, metadata));
      expect(ours).toEqual(fds.map((fd) => Number(recvFn(fd, new Uint8Array(200), 200, MSG_DONTWAIT))));
      expect(programs.map((program) => compilePacketFilter(program, 'kernel')(view, 0, 96, 96))).toEqual(
        programs.map(() => 0),
      );
    } finally {
      for (const fd of [sender, ...fds]) libc.close(fd);
    }
  });
});
