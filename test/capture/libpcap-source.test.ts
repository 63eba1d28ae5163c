// The libpcap engine against a sink that does not take everything at once: what a live capture can't be made to do at will.
import { expect, onTestFinished, test } from 'vitest';
import { LibpcapSource } from '../../src/capture/libpcap/libpcap-source.ts';
import type { RecordSink, RecordSpan } from '../../src/savefile/sink.ts';
import { Namespace } from '../filter/namespace.ts';

const DLT_EN10MB = 1;
const PATIENCE_MS = 5000;
const KEEP = Uint8Array.of(6, 0, 0, 0, 0, 0, 4, 0);
/** Ethernet, IPv4 and UDP headers before it. */
const PAYLOAD_AT: number = 16 + 14 + 20 + 8;
const UNLIMITED = {
  startSec: 0,
  endSec: Number.POSITIVE_INFINITY,
  records: Number.POSITIVE_INFINITY,
  bytes: Number.POSITIVE_INFINITY,
};

function open(namespace: Namespace, device: string, notice: (text: string) => void = () => {}): LibpcapSource {
  const source = namespace.run(() =>
    LibpcapSource.open({
      device,
      dlt: DLT_EN10MB,
      snaplen: 262144,
      precision: 'micro',
      promiscuous: false,
      exitOnDown: false,
      filter: KEEP,
      ringMemory: 2 ** 21,
      blockRetireMs: 1,
      immediate: false,
      timestampType: undefined,
      monitor: false,
      notice,
    }),
  );
  onTestFinished(() => source.close());
  return source;
}

test('an interface is removed, and libpcap is the first to see it: the capture goes on with the next one', () => {
  const namespace = new Namespace();
  onTestFinished(() => namespace.close());
  const connect = (): void => {
    namespace.ip('link add cap0 type veth peer name gen0');
    for (const end of ['cap0', 'gen0']) namespace.ip(`link set ${end} up`);
  };
  connect();
  const told: string[] = [];
  const source = open(namespace, 'cap0', (text) => told.push(text));
  let records = 0;
  const sink: RecordSink = {
    limits: UNLIMITED,
    take(span) {
      records += span.records;
      return true;
    },
    resume: () => true,
    cut: () => false,
  };
  const until = (holds: () => boolean): void => {
    for (const endMs = performance.now() + PATIENCE_MS; !holds() && performance.now() < endMs; ) {
      source.drain(sink); // before wait(), which would take the error away from libpcap
      namespace.run(() => source.wait(10));
    }
    expect(holds()).toBe(true);
  };
  namespace.ip('link delete cap0');
  until(() => source.away?.reason === 'removed');
  connect();
  until(() => source.away === undefined);
  const before = records;
  namespace.exec(process.execPath, '--import', 'tsx', 'bench/generator.ts', '--interface', 'cap0', '--count', '10');
  until(() => records >= before + 10);
  expect(told).toEqual(['cap0: the interface disappeared, waiting for it', expect.stringMatching(/^cap0: back after/)]);
});

test('what a sink is not done with stays in memory, whatever comes meanwhile', () => {
  const namespace = new Namespace();
  onTestFinished(() => namespace.close());
  const source = open(namespace, 'lo');
  const send = (text: string): void => {
    const script = `const s = require('node:dgram').createSocket('udp4');
      s.bind(9, () => s.send('${text}', 9, '127.0.0.1', () => s.close()));`;
    namespace.exec(process.execPath, '-e', script);
    source.wait(1000);
  };
  const taken: string[] = [];
  let span: Readonly<RecordSpan> | undefined;
  let patient = false;
  const payload = (): string => Buffer.from(span?.bytes.subarray(PAYLOAD_AT, PAYLOAD_AT + 5) ?? []).toString();
  const sink: RecordSink = {
    limits: UNLIMITED,
    take(offered) {
      span = offered;
      if (patient) taken.push(payload());
      return patient;
    },
    resume() {
      if (patient) taken.push(payload());
      return patient;
    },
    cut: () => false,
  };
  send('first');
  expect(source.drain(sink)).toBe('held');
  send('other');
  expect(source.drain(sink)).toBe('held');
  expect(payload()).toBe('first');
  patient = true;
  expect(source.drain(sink)).toBe('empty');
  expect(taken.map((text) => text.slice(0, 5))).toContain('first');
  expect(taken[0]).toBe('first');
  expect(taken.join()).toContain('other');
});
