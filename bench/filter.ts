// `npm run bench:filter`: nanoseconds a packet that a filter compiled to JavaScript takes, over a piece of a savefile in
// memory as the reader walks it, by expression and by length of the program; and what compiling takes.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parseWhole } from '../src/capture/values.ts';
import { compilePacketFilter, type PacketFilter } from '../src/filter/packet-filter.ts';
import { Program } from '../src/filter/program.ts';
import { RECORD_HEADER_LENGTH, record } from '../src/savefile/header.ts';

const CHUNK = 1024 * 1024;
const CAPLEN = 96;
const STRIDE: number = RECORD_HEADER_LENGTH + CAPLEN;

const EXPRESSIONS: Readonly<Record<string, string>> = {
  'udp port 53': 'udp port 53',
  'not net 10.137.0.0/16': 'not net 10.137.0.0/16',
  'tcp[tcpflags] & tcp-syn != 0': 'tcp[tcpflags] & tcp-syn != 0',
  'not one of 100 hosts': `not (${hosts(100)})`,
  'not one of 250 hosts': `not (${hosts(250)})`,
};

function hosts(count: number): string {
  return Array.from({ length: count }, (_, n) => `host 192.0.${n % 7}.${n}`).join(' or ');
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

function nanosecondsAPacket(filter: PacketFilter, rounds: number): number[] {
  const view = new DataView(new ArrayBuffer(CHUNK));
  fill(view);
  return Array.from({ length: rounds }, () => {
    const startMs = performance.now();
    walk(view, filter);
    return ((performance.now() - startMs) * 1e6) / Math.floor(CHUNK / STRIDE);
  });
}

function measure(expression: string, rounds: number): string {
  const text = execFileSync('tcpdump', ['-ddd', '-y', 'EN10MB', expression], { encoding: 'utf8', stdio: 'pipe' });
  const program = Program.parse(text);
  const startMs = performance.now();
  const filter = compilePacketFilter(program, 'libpcap');
  const compileMs = performance.now() - startMs;
  const [first = Number.NaN, ...warm] = nanosecondsAPacket(filter, rounds);
  const times = `${Math.min(...warm).toFixed(1)} ns a packet at best, ${first.toFixed(0)} in the first 1 MiB`;
  return `${times}; ${program.length} instructions, compiled in ${compileMs.toFixed(1)} ms`;
}

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '200' }, only: { type: 'string' } } });
const rounds = parseWhole('--rounds', values.rounds, 50, 10_000);
if (values.only !== undefined) process.stdout.write(measure(values.only, rounds));
else {
  const [, ...none] = nanosecondsAPacket(() => 1, rounds);
  process.stdout.write(`${'no filter'.padEnd(30)} ${Math.min(...none).toFixed(1)} ns a packet at best\n`);
  for (const [name, expression] of Object.entries(EXPRESSIONS)) {
    // In a process of its own, because V8 compiles the loop for the filter that it has met, and a reader meets but one.
    const args = [...process.execArgv, fileURLToPath(import.meta.url), '--rounds', `${rounds}`, '--only', expression];
    process.stdout.write(`${name.padEnd(30)} ${execFileSync(process.execPath, args, { encoding: 'utf8' })}\n`);
  }
}
