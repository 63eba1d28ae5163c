// What the kernel makes of a filter program: a pair of sockets, one of which has it attached. A socket only shows how
// many bytes it lets through of what was sent, which is less than 32 bits: so the program is run several times, each time
// with other bits of what it returns cut out and raised by one (0, a load beyond the end, lets nothing through at all).
import { SyscallError } from '../../src/errors.ts';
import * as bpf from '../../src/filter/program.ts';
import * as libc from '../../src/native/libc.ts';

const socketpairFn = libc.libc.func('int socketpair(int domain, int type, int protocol, _Out_ int *fds)');
const sendFn = libc.libc.func('int64_t send(int fd, const void *data, size_t length, int flags)');
const recvFn = libc.libc.func('int64_t recv(int fd, void *data, size_t length, int flags)');
const MSG_DONTWAIT = 0x40;

/** A packet must have this many bytes: one bit and one more than that. */
export const SHORTEST = 2;

/** struct sock_filter { BPF_RET, 0, 0, 0 } */
const RETURN_0 = Uint8Array.of(bpf.BPF_RET, 0, 0, 0, 0, 0, 0, 0);

export class SocketFilter {
  readonly #fds: readonly [number, number];
  readonly #received = new Uint8Array(4096);

  /** `program`: for `passed`. */
  constructor(program?: bpf.Program) {
    const fds: [number, number] = [0, 0];
    if (socketpairFn(libc.AF_UNIX, libc.SOCK_DGRAM, 0, fds) < 0) throw libc.syscallError('socketpair');
    this.#fds = fds;
    if (program !== undefined) libc.attachFilter(fds[1], program.bytes);
  }

  /** Whether the kernel takes the program. */
  accepts(program: bpf.Program): boolean {
    try {
      libc.attachFilter(this.#fds[1], program.bytes);
      return true;
    } catch (cause) {
      if (cause instanceof SyscallError && cause.code === 'EINVAL') return false;
      // What a socket's programs take of memory is counted when they were found valid.
      if (cause instanceof SyscallError && cause.code === 'ENOMEM') return true;
      throw cause;
    } finally {
      libc.attachFilter(this.#fds[1], RETURN_0); // a program that is replaced still counts while the next one is attached
    }
  }

  /** What the program returns for the packet. */
  run(program: bpf.Program, packet: Uint8Array): number {
    const bits = Math.min(6, Math.floor(Math.log2(packet.length)));
    let result = 0;
    for (let shift = 0; shift < 32; shift += bits) {
      const passed = this.#pass(partOf(program, shift, 2 ** bits - 1), packet);
      if (passed > 0) result += (passed - 1) * 2 ** shift;
    }
    return result;
  }

  #pass(program: bpf.Program, packet: Uint8Array): number {
    libc.attachFilter(this.#fds[1], program.bytes);
    return this.passed(packet);
  }

  /** How many bytes of the packet the attached program lets through. */
  passed(packet: Uint8Array): number {
    const [from, to] = this.#fds;
    if (sendFn(from, packet, packet.length, 0) !== packet.length) throw libc.syscallError('send');
    const passed = Number(recvFn(to, this.#received, this.#received.length, MSG_DONTWAIT));
    if (passed >= 0) return passed;
    const error = libc.syscallError('recv');
    if (error.code !== 'EAGAIN' && error.code !== 'EWOULDBLOCK') throw error;
    return 0;
  }

  close(): void {
    for (const fd of this.#fds) libc.close(fd);
  }
}

/** Returns 1 more than some bits of what `program` returns. */
function partOf(program: bpf.Program, shift: number, mask: number): bpf.Program {
  const instructions = program.instructions();
  const returns = instructions.filter(({ code }) => bpf.bpfClass(code) === bpf.BPF_RET).values();
  const builder = new bpf.ProgramBuilder();
  builder.append(instructions, (k) => {
    if (returns.next().value?.code === bpf.BPF_RET) return builder.ret(1 + ((k >>> shift) & mask));
    builder.add(bpf.BPF_ALU | bpf.BPF_RSH, shift);
    builder.add(bpf.BPF_ALU | bpf.BPF_AND, mask);
    builder.add(bpf.BPF_ALU | bpf.BPF_ADD, 1);
    builder.add(bpf.BPF_RET | bpf.BPF_A, 0);
  });
  return builder.build();
}
