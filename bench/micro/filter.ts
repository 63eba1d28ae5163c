// Filters compiled to JavaScript, over a piece of a savefile in memory as the reader walks it, by expression and by length
// of the program; and what compiling takes. Each runs in a process of its own, because V8 compiles the loop for the filter
// that it has met, and a reader meets but one.
import { execFileSync } from 'node:child_process';
import { compilePacketFilter, type PacketFilter } from '../../src/filter/packet-filter.ts';
import { Program } from '../../src/filter/program.ts';
import { RECORD_HEADER_LENGTH, record } from '../../src/savefile/header.ts';
import type { Prepared, Task } from './task.ts';

const CHUNK = 1024 * 1024;
const CAPLEN = 96;
const STRIDE: number = RECORD_HEADER_LENGTH + CAPLEN;
const PACKETS = Math.floor(CHUNK / STRIDE);

export const FILTER_TASKS: Readonly<Record<string, Task>> = {
  'filter-none': { title: 'walk over records, no filter', prepare: () => over(() => 1) },
  'filter-port': filterTask('udp port 53'),
  'filter-not-net': filterTask('not net 10.137.0.0/16'),
  'filter-flags': filterTask('tcp[tcpflags] & tcp-syn != 0'),
  'filter-100-hosts': filterTask(`not (${hosts(100)})`, 'not one of 100 hosts'),
  'filter-250-hosts': filterTask(`not (${hosts(250)})`, 'not one of 250 hosts'),
};

function hosts(count: number): string {
  return Array.from({ length: count }, (_, n) => `host 192.0.${n % 7}.${n}`).join(' or ');
}

function filterTask(expression: string, name = `\`${expression}\``): Task {
  return { title: `filter ${name}`, prepare: () => compiled(expression) };
}

function compiled(expression: string): Prepared {
  const text = execFileSync('tcpdump', ['-ddd', '-y', 'EN10MB', expression], { encoding: 'utf8', stdio: 'pipe' });
  const program = Program.parse(text);
  const startMs = performance.now();
  const filter = compilePacketFilter(program, 'libpcap');
  const compiledMs = performance.now();
  const prepared = over(filter);
  const firstMs = performance.now();
  prepared.turn();
  const firstNs = ((performance.now() - firstMs) * 1e6) / PACKETS;
  return { ...prepared, values: { instructions: program.length, compileMs: compiledMs - startMs, firstNs } };
}

function over(filter: PacketFilter): Prepared {
  const view = new DataView(new ArrayBuffer(CHUNK));
  fill(view);
  return { packets: PACKETS, turn: () => void walk(view, filter) };
}

/** Records of IPv4, TCP and UDP in turn, a tenth of them to or from what the expressions are about. */
function fill(view: DataView): void {
  for (let at = 0, n = 0; at + STRIDE <= CHUNK; at += STRIDE, n++) {
    const packet = at + RECORD_HEADER_LENGTH;
    view.setUint32(at + record.caplen, CAPLEN, true);
    view.setUint32(at + record.len, 128, true);
    view.setUint16(packet + 12, 0x0800);
    view.setUint8(packet + 14, 0x45);
    view.setUint8(packet + 23, n % 2 === 0 ? 6 : 17);
    view.setUint32(packet + 26, n % 10 === 0 ? 0x0a890001 : 0xc6336401);
    view.setUint32(packet + 30, 0xcb007101);
    view.setUint16(packet + 34, n % 10 === 1 ? 53 : 40_000);
    view.setUint16(packet + 36, 443);
  }
}

/** Goes through the records and counts those that the filter keeps. */
function walk(view: DataView, filter: PacketFilter): number {
  let kept = 0;
  for (let at = 0; at + STRIDE <= CHUNK; ) {
    const caplen = view.getUint32(at + record.caplen, true);
    const len = view.getUint32(at + record.len, true);
    if (filter(view, at + RECORD_HEADER_LENGTH, caplen, len) !== 0) kept++;
    at += RECORD_HEADER_LENGTH + caplen;
  }
  return kept;
}
