// The library itself: found or not, its errors by name, and the device list against tcpdump -D.
import koffi from 'koffi';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { listDevices } from '../../src/cli/devices.ts';
import { PcapError } from '../../src/errors.ts';
import * as pcap from '../../src/native/libpcap.ts';
import { Namespace } from '../filter/namespace.ts';

let namespace: Namespace;
beforeAll(() => {
  namespace = new Namespace();
  namespace.ip('link add up0 type veth peer up1');
  for (const device of ['up0', 'up1']) namespace.ip(`link set ${device} up`);
  namespace.ip('link add down0 type veth peer down1');
});
afterAll(() => namespace.close());

test('a system without libpcap', () => {
  expect(() => pcap.loadLibpcap(['libnosuch.so.1', 'libnosuch.so'])).toThrow(
    expect.objectContaining({
      code: 'ERR_LIBPCAP',
      message: 'libpcap not found: apt install libpcap0.8, or dnf install libpcap',
    }),
  );
});

test('the first name that the system has', () => {
  expect(() => pcap.loadLibpcap(['libnosuch.so.1', 'libpcap.so.0.8'])).not.toThrow();
});

test('says its version', () => {
  expect(pcap.pcap_lib_version()).toMatch(/^libpcap version 1\.\d+/);
});

/** What opening the device throws. */
function refusal(device: string): PcapError {
  const p = pcap.pcap_create(device);
  try {
    pcap.pcap_activate(p, device);
  } catch (cause) {
    if (cause instanceof PcapError) return cause;
    throw cause;
  } finally {
    pcap.pcap_close(p);
  }
  throw new Error(`${device} could be opened`);
}

test.each([
  ['nosuch0', 'PCAP_ERROR_NO_SUCH_DEVICE', 'nosuch0: No such device exists; -D lists them'],
  ['down0', 'PCAP_ERROR_IFACE_NOT_UP', 'down0: That device is not up'],
])('%s can not be opened', (device, code, message) => {
  expect(namespace.run(() => refusal(device))).toMatchObject({ code, message });
});

test('a call out of order has its own name and text', () => {
  const p = pcap.pcap_create('lo');
  try {
    pcap.pcap_activate(p, 'lo');
    expect(() => pcap.pcap_set_snaplen(p, 96)).toThrow(expect.objectContaining({ code: 'PCAP_ERROR_ACTIVATED' }));
    expect(() => pcap.pcap_set_datalink(p, 276)).toThrow(expect.objectContaining({ code: 'PCAP_ERROR' }));
    expect(() => pcap.pcap_compile(p, 'foo bar', 0)).toThrow("can't parse filter expression: syntax error");
  } finally {
    pcap.pcap_close(p);
  }
});

test('link types by name and number', () => {
  expect(pcap.pcap_datalink_name_to_val('EN10MB')).toBe(1);
  expect(pcap.pcap_datalink_name_to_val('nosuch')).toBeUndefined();
  expect(pcap.pcap_datalink_val_to_name(276)).toBe('LINUX_SLL2');
  expect(pcap.pcap_datalink_val_to_description(276)).toBe('Linux cooked v2');
  expect(pcap.pcap_datalink_val_to_name(99999)).toBeUndefined();
  expect(pcap.pcap_datalink_val_to_description(99999)).toBeUndefined();
});

test('koffi lays struct bpf_program out in the 16 bytes that are reserved for it', () => {
  const type = koffi.struct({ bf_len: 'unsigned int', bf_insns: 'void *' });
  expect(koffi.sizeof(type)).toBe(16);
  expect(koffi.offsetof(type, 'bf_len')).toBe(0);
});

test('-D prints what tcpdump -D prints', () => {
  const write = vi.spyOn(process.stdout, 'write').mockImplementation(() => true);
  try {
    namespace.run(listDevices);
    const printed = write.mock.calls.map(([text]) => text).join('');
    expect(printed).toBe(namespace.exec('tcpdump', '-D'));
    expect(printed).toMatch(/^1\.up1 \[Up, Running, Connected\]\n/);
    expect(printed).toContain('.down0 [none, Disconnected]\n');
  } finally {
    write.mockRestore();
  }
});
