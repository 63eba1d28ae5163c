// libpcap writing into memory of ours: layouts, and what happens at that memory's end.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import koffi from 'koffi';
import { expect, onTestFinished, test } from 'vitest';
import * as pcap from '../../src/native/libpcap.ts';
import * as live from '../../src/native/libpcap-live.ts';
import { Namespace } from '../filter/namespace.ts';

/** By then the kernel has handed over every block, after the 10 ms that are asked for and its own timer's lateness. */
const RETIRED_MS = 300;

/** A handle on lo, which has seen `packets` of 100 bytes of payload. */
function handle(packets: number): pcap.pcap_t {
  const own = new Namespace();
  onTestFinished(() => own.close());
  const opened = own.run(() => {
    const made = pcap.pcap_create('lo');
    pcap.pcap_set_timeout(made, 10);
    live.pcap_set_tstamp_precision(made, live.PCAP_TSTAMP_PRECISION_NANO);
    pcap.pcap_activate(made, 'lo');
    live.pcap_setnonblock(made, 1);
    return made;
  });
  onTestFinished(() => pcap.pcap_close(opened));
  const send = `const s = require('node:dgram').createSocket('udp4'); s.bind(9, () => { let n = 0;
    const next = () => n++ < ${packets} ? s.send(Buffer.alloc(100), 9, '127.0.0.1', next) : s.close(); next(); });`;
  own.exec(process.execPath, '-e', send);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETIRED_MS);
  return opened;
}

test('struct pcap_stat', () => {
  const type = koffi.struct({ ps_recv: 'unsigned int', ps_drop: 'unsigned int', ps_ifdrop: 'unsigned int' });
  expect(koffi.sizeof(type)).toBe(live.pcap_stat.sizeof);
  for (const field of ['ps_recv', 'ps_drop', 'ps_ifdrop'] as const)
    expect(koffi.offsetof(type, field)).toBe(live.pcap_stat[field]);
});

test('file header and records of a handle, as many as asked for at a time', () => {
  const dumper = new live.Dumper(handle(10), new Uint8Array(10_000));
  const record = 16 + 14 + 20 + 8 + 100;
  expect(Buffer.from(dumper.fileHeader).toString('hex')).toBe(
    '4d3cb2a1020004000000000000000000'.concat('0000040001000000'),
  );
  expect([dumper.dispatch(3), dumper.dispatch(100), dumper.dispatch(100)]).toEqual([3 * record, 7 * record, 0]);
  dumper.close();
});

test('memory that is too small: an error, and nothing that looks whole', () => {
  const dumper = new live.Dumper(handle(10), new Uint8Array(1000));
  expect(() => dumper.dispatch(100)).toThrow('1000 bytes do not hold it');
  dumper.close();
});

test('left open, it does no harm when the process ends, whose memory is gone before libc flushes its streams', () => {
  const script = fileURLToPath(new URL('./dumper-left-open.ts', import.meta.url));
  const { status, signal, stdout } = spawnSync(process.execPath, ['--import', 'tsx', script], { encoding: 'utf8' });
  expect({ status, signal, stdout }).toEqual({ status: 0, signal: null, stdout: '1016' });
});

test('a type of timestamps that the device does not have', () => {
  const made = pcap.pcap_create('lo');
  try {
    for (const name of ['adapter', 'nosuch'])
      expect(() => live.setTimestampType(made, name, 'lo')).toThrow(`lo: timestamps of type ${name} are not supported`);
  } finally {
    pcap.pcap_close(made);
  }
});
