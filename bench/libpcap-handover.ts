// What it costs to get a packet from libpcap into JavaScript's memory, three ways, over the packets of a savefile (so that
// nothing else is measured but libpcap's reading it, which is the same for all):
//   npm run bench:handover
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import koffi from 'koffi';
import { libc } from '../src/native/libc.ts';
import { libpcapLibrary, pcap_close, type pcap_t } from '../src/native/libpcap.ts';
import { Dumper } from '../src/native/libpcap-live.ts';
import { PcapWriter } from '../src/savefile/writer.ts';

const PACKETS = 500_000;
const CAPLEN = 96;
const RECORD = 16 + CAPLEN;
const BATCH = 4096;
const ROUNDS = 5;

const library = libpcapLibrary();
const open_offline = library.func('void *pcap_open_offline(const char *name, char *errbuf)');
const next_ex = library.func('int pcap_next_ex(void *p, _Out_ void **header, _Out_ void **data)');
const memcpy = libc.func('void *memcpy(void *to, const void *from, size_t length)');
const handler = koffi.proto('void handler(void *user, void *header, void *data)');
const dispatch = library.func('pcap_dispatch', 'int', ['void *', 'int', koffi.pointer(handler), 'void *']);

/** pcap_dispatch with libpcap's pcap_dump as its callback, into a stream whose buffer is ours. */
function dumped(p: pcap_t): number {
  const dumper = new Dumper(p, new Uint8Array(BATCH * RECORD));
  let bytes = 0;
  for (let length = dumper.dispatch(BATCH); length > 0; length = dumper.dispatch(BATCH)) bytes += length;
  dumper.close();
  return bytes / RECORD;
}

/** pcap_next_ex a packet, its header and its bytes copied by memcpy. */
function next(p: pcap_t): number {
  const memory = new Uint8Array(BATCH * RECORD);
  const [header, data]: [[bigint], [bigint]] = [[0n], [0n]];
  let packets = 0;
  while (next_ex(p, header, data) === 1) {
    const at = (packets++ % BATCH) * RECORD;
    memcpy(memory.subarray(at, at + 16), header[0], 16);
    memcpy(memory.subarray(at + 16), data[0], CAPLEN);
  }
  return packets;
}

/** pcap_dispatch with a JavaScript function as its callback, which copies nothing yet. */
function calledBack(p: pcap_t): number {
  let packets = 0;
  const callback = koffi.register(() => {
    packets++;
  }, koffi.pointer(handler));
  while (dispatch(p, BATCH, callback, null) > 0);
  koffi.unregister(callback);
  return packets;
}

const directory = mkdtempSync(join(tmpdir(), 'tsnetpcap-handover-'));
try {
  const file = join(directory, 'packets.pcap');
  const writer = PcapWriter.create(file, { precision: 'micro', snaplen: CAPLEN, linktype: 1 });
  for (let n = 0; n < PACKETS; n++) writer.writePacket(n, n, new Uint8Array(CAPLEN));
  writer.close();
  for (const way of [dumped, next, calledBack]) {
    const times: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const p: pcap_t = open_offline(file, new Uint8Array(256));
      const before = process.cpuUsage();
      if (way(p) !== PACKETS) throw new Error(`${way.name} has lost packets`);
      const { user, system } = process.cpuUsage(before);
      times.push(((user + system) * 1000) / PACKETS);
      pcap_close(p);
    }
    const [median = 0] = times.sort((a, b) => a - b).slice(ROUNDS / 2);
    process.stdout.write(`${way.name.padEnd(10)} ${median.toFixed()} ns of CPU a packet\n`);
  }
} finally {
  rmSync(directory, { recursive: true });
}
