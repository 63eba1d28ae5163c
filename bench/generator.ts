// Puts an exact number of frames onto an interface; run inside a lab's namespace, mostly through offer.ts:
//   node --import tsx bench/generator.ts --interface cap0 --count N --frame udp4 --length 128
// makes N copies of one frame appear as received on cap0, at 1.5 to 3 million a second from one core; with --numbered they
// are numbered from 0, and a UDP checksum is wrong then; with --mix they are of three lengths. With --send, N frames numbered
// from 0 go out through an AF_PACKET socket instead, a tenth as fast. In order, and at --rate packets a second if given.
// Prints {"offered": N} on stdout.
// Without words it takes them from stdin, a JSON array in a line, and answers each line so, until one can't be done.
// Not part of the product: it needs CAP_SYS_ADMIN, a capture never does.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import koffi from 'koffi';
import { sockaddr_ll } from '../src/native/if_packet.ts';
import * as libc from '../src/native/libc.ts';
import { buildFrame, FRAME_KINDS, type FrameKind, MIX, SEQUENCE_AT } from './frames.ts';
import { mixProgram, numberingProgram, passProgram } from './xdp.ts';

// <linux/bpf.h>
const BPF_MAP_CREATE = 0;
const BPF_MAP_TYPE_ARRAY = 2;
const BPF_PROG_LOAD = 5;
const BPF_PROG_TEST_RUN = 10;
const BPF_PROG_TYPE_XDP = 6;
const BPF_XDP = 37;
const BPF_F_TEST_XDP_LIVE_FRAMES = 2;
const SYS_bpf: Readonly<Record<string, number>> = { x64: 321, arm64: 280 };
/** A call can't be interrupted without losing count, so none takes much more than a second. */
const REPEATS_PER_CALL = 1_000_000;
/** Each call makes a pool of pages, which is why it takes more frames than a socket does. */
const INJECT_BURST_MS = 10;

const syscallFn = libc.libc.func('long syscall(long number, long command, void *attr, long size)');
const sendFn = libc.libc.func('long send(int fd, const void *frame, size_t length, int flags)');

function bpf(command: number, attr: DataView, what: string): number {
  const number = SYS_bpf[process.arch];
  if (number === undefined) throw new Error(`number of bpf(2) unknown on ${process.arch}`);
  const result: number = syscallFn(number, command, new Uint8Array(attr.buffer), attr.byteLength);
  if (result < 0) throw libc.syscallError(`bpf ${what}`);
  return result;
}

/** An array map of one value of 64 bits, which is 0. */
function createCounter(): number {
  const attr = new DataView(new ArrayBuffer(72)); // union bpf_attr, BPF_MAP_CREATE
  attr.setUint32(0, BPF_MAP_TYPE_ARRAY, true);
  attr.setUint32(4, 4, true); // key_size
  attr.setUint32(8, 8, true); // value_size
  attr.setUint32(12, 1, true); // max_entries
  return bpf(BPF_MAP_CREATE, attr, 'BPF_MAP_CREATE');
}

function loadProgram(instructions: Uint8Array): number {
  const license = new TextEncoder().encode('GPL\0');
  const attr = new DataView(new ArrayBuffer(72)); // union bpf_attr, BPF_PROG_LOAD
  attr.setUint32(0, BPF_PROG_TYPE_XDP, true);
  attr.setUint32(4, instructions.byteLength / 8, true);
  attr.setBigUint64(8, koffi.address(instructions), true);
  attr.setBigUint64(16, koffi.address(license), true);
  attr.setUint32(68, BPF_XDP, true); // expected_attach_type
  return bpf(BPF_PROG_LOAD, attr, 'BPF_PROG_LOAD');
}

/** Calls `burst` with how many of `count` are due, `most` at a time and `rate` a second on the whole. */
function pace(
  count: number,
  rate: number,
  burstMs: number,
  most: number,
  burst: (from: number, to: number) => void,
): void {
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  const startMs = performance.now();
  for (let done = 0; done < count; ) {
    const due = Math.min(count, done + most, Math.floor(((performance.now() - startMs + burstMs) / 1000) * rate));
    if (due <= done) Atomics.wait(sleeper, 0, 0, burstMs);
    else {
      burst(done, due);
      done = due;
    }
  }
}

/** Makes `count` frames appear as received on the interface, by an XDP program that passes them; returns their number. */
function inject(ifindex: number, frame: Uint8Array, count: number, rate: number, program: number): number {
  const xdp_md = new DataView(new ArrayBuffer(24)); // <linux/bpf.h> struct xdp_md
  xdp_md.setUint32(4, frame.byteLength, true); // data_end
  xdp_md.setUint32(12, ifindex, true); // ingress_ifindex
  const context = new Uint8Array(xdp_md.buffer);
  const attr = new DataView(new ArrayBuffer(80)); // union bpf_attr, its struct `test`
  attr.setUint32(0, program, true);
  attr.setUint32(8, frame.byteLength, true); // data_size_in
  attr.setBigUint64(16, koffi.address(frame), true); // data_in
  attr.setUint32(40, context.byteLength, true); // ctx_size_in
  attr.setBigUint64(48, koffi.address(context), true); // ctx_in
  attr.setUint32(64, BPF_F_TEST_XDP_LIVE_FRAMES, true); // flags
  attr.setUint32(72, 64, true); // batch_size
  pace(count, rate, INJECT_BURST_MS, REPEATS_PER_CALL, (from, to) => {
    attr.setUint32(32, to - from, true); // repeat
    bpf(BPF_PROG_TEST_RUN, attr, 'BPF_PROG_TEST_RUN');
  });
  libc.close(program);
  return count;
}

const MIX_LONGEST = Math.max(...MIX.map(({ length }) => length));
/** Where UDP over IPv4 has lengths and checksums: from the network header to the payload. */
const [MIX_FROM, MIX_TO] = [14, 42];

function mix(): Uint8Array {
  const frames = MIX.map(({ length, weight }) => ({ frame: buildFrame('udp4', length, 0), weight }));
  return mixProgram(frames, MIX_LONGEST, MIX_FROM, MIX_TO);
}

const SEND_BURST_MS = 2;

/** Sends frames 0 to `count` - 1 through a raw socket; returns how many the interface passed on to its peer. */
function send(device: string, ifindex: number, count: number, rate: number, build: (n: number) => Uint8Array): number {
  // What veth's peer has no room for is dropped; older kernels tell the sender nothing, newer ones ENOBUFS.
  const passedOn = (): number => Number(readFileSync(`/sys/class/net/${device}/statistics/tx_packets`, 'utf8'));
  const address = new DataView(new ArrayBuffer(20));
  address.setUint16(sockaddr_ll.sll_family, libc.AF_PACKET, true);
  address.setInt32(sockaddr_ll.sll_ifindex, ifindex, true);
  const fd = libc.socket(libc.AF_PACKET, libc.SOCK_RAW | libc.SOCK_CLOEXEC, 0); // protocol 0: it receives nothing
  libc.bind(fd, new Uint8Array(address.buffer));
  const passedOnBefore = passedOn();
  pace(count, rate, SEND_BURST_MS, count, (from, to) => {
    for (let n = from; n < to; n++) {
      const frame = build(n);
      if (sendFn(fd, frame, frame.byteLength, 0) >= 0) continue;
      const error = libc.syscallError('send', device);
      if (error.code !== 'ENOBUFS') throw error;
    }
  });
  libc.close(fd);
  return passedOn() - passedOnBefore;
}

function positive(option: string, text: string | undefined): number {
  const value = Number(text);
  if (text === undefined || !Number.isSafeInteger(value) || value < 1)
    throw new Error(`--${option} ${text}: not a count`);
  return value;
}

function generate(args: string[]): number {
  const { values } = parseArgs({
    args,
    options: {
      interface: { type: 'string' },
      count: { type: 'string' },
      frame: { type: 'string', default: 'udp4' },
      length: { type: 'string', default: '128' },
      rate: { type: 'string' },
      send: { type: 'boolean', default: false },
      numbered: { type: 'boolean', default: false },
      mix: { type: 'boolean', default: false },
    },
  });
  const device = values.interface ?? '';
  const ifindex = libc.if_nametoindex(device);
  if (ifindex === undefined) throw new Error(`--interface ${device}: no such interface in this namespace`);
  const kind: FrameKind | undefined = FRAME_KINDS.find((name) => name === values.frame);
  if (kind === undefined) throw new Error(`--frame ${values.frame}: one of ${FRAME_KINDS.join(', ')}`);
  const count = positive('count', values.count);
  const length = positive('length', values.length);
  const rate = values.rate === undefined ? Number.POSITIVE_INFINITY : positive('rate', values.rate);
  if (values.mix) return inject(ifindex, buildFrame('udp4', MIX_LONGEST, 0), count, rate, loadProgram(mix()));
  if (!values.send) {
    const program = loadProgram(values.numbered ? numberingProgram(createCounter(), SEQUENCE_AT[kind]) : passProgram());
    return inject(ifindex, buildFrame(kind, length, 0), count, rate, program);
  }
  return send(device, ifindex, count, rate, (sequence) => buildFrame(kind, length, sequence));
}

function answer(words: string[]): void {
  process.stdout.write(`${JSON.stringify({ offered: generate(words) })}\n`);
}

const given = process.argv.slice(2);
if (given.length > 0) answer(given);
else for await (const line of createInterface(process.stdin)) answer(JSON.parse(line));
