// What the kernel says about an interface, against what iproute2 says, and the layout of its answer. Needs root, and
// fails without it.
import { readdirSync } from 'node:fs';
import koffi from 'koffi';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { IFNAMSIZ, ifreq, readNetDevice } from '../../src/native/netdevice.ts';
import { Namespace } from '../filter/namespace.ts';

const ARPHRD_ETHER = 1;
const ARPHRD_LOOPBACK = 772;
const ARPHRD_NONE = 65534;

let namespace: Namespace;
beforeAll(() => {
  namespace = new Namespace();
});
afterAll(() => namespace?.close());

const read = (name: string): ReturnType<typeof readNetDevice> => namespace.run(() => readNetDevice(name));

test('koffi lays struct ifreq out as the table says', () => {
  const sockaddr = koffi.struct({ sa_family: 'unsigned short', sa_data: koffi.array('char', 14) });
  const ifmap = koffi.struct({ start: 'unsigned long', end: 'unsigned long', rest: koffi.array('uint8_t', 8) }); // the longest
  const union = koffi.union({ ifr_flags: 'short', ifr_ifindex: 'int', ifr_hwaddr: sockaddr, ifr_map: ifmap });
  const made = koffi.struct({ ifr_name: koffi.array('char', IFNAMSIZ), ifr_ifru: union });
  expect(koffi.sizeof(made)).toBe(ifreq.sizeof);
  expect(koffi.offsetof(made, 'ifr_name')).toBe(ifreq.ifr_name);
  for (const at of [ifreq.ifr_flags, ifreq.ifr_ifindex, ifreq.ifr_hwaddr])
    expect(at).toBe(koffi.offsetof(made, 'ifr_ifru'));
  expect(koffi.offsetof(sockaddr, 'sa_family')).toBe(0);
});

test('number, kind, and whether it is up, in the namespace of the process', () => {
  expect(read('lo')).toEqual({ ifindex: 1, up: true, hatype: ARPHRD_LOOPBACK });
  const longest = 'fifteen-letters';
  namespace.ip(`link add ${longest} index 70 type veth peer name peer0 index 90000`);
  expect(read(longest)).toEqual({ ifindex: 70, up: false, hatype: ARPHRD_ETHER });
  namespace.ip(`link set ${longest} up`); // and its peer is not: no carrier
  expect(read(longest)).toEqual({ ifindex: 70, up: true, hatype: ARPHRD_ETHER });
  expect(read('peer0')).toEqual({ ifindex: 90000, up: false, hatype: ARPHRD_ETHER });
  namespace.ip('tuntap add tun0 mode tun');
  expect(read('tun0')).toMatchObject({ up: false, hatype: ARPHRD_NONE });
  expect(readNetDevice(longest)).toBeUndefined();
  namespace.ip(`link delete ${longest}`);
  expect(read(longest)).toBeUndefined();
});

test('a name that no interface can have is that of none', () => {
  for (const name of ['', 'any', 'sixteen-letters0', 'x'.repeat(1000), 'ä'.repeat(8)])
    expect(read(name)).toBeUndefined();
});

test('no descriptor is left open', () => {
  const before = readdirSync('/proc/self/fd').length;
  for (let looks = 0; looks < 100; looks++) for (const name of ['lo', 'absent0']) readNetDevice(name);
  expect(readdirSync('/proc/self/fd').length).toBe(before);
});
