// Lets the kernel run a program over bytes of the test's own: a pair of local datagram sockets, the program attached to one
// of them. What is known of a packet beside its bytes is not there. Used by the tests of filter/.
import * as libc from '../../src/native/libc.ts';

const socketpairFn = libc.libc.func('int socketpair(int domain, int type, int protocol, _Out_ int *fds)');
const sendFn = libc.libc.func('int64_t send(int fd, const void *data, size_t length, int flags)');
const recvFn = libc.libc.func('int64_t recv(int fd, void *data, size_t length, int flags)');
const AF_UNIX = 1;
const MSG_DONTWAIT = 0x40;
const EAGAIN = 11;

export class KernelFilter {
  readonly #sender: number;
  readonly #receiver: number;
  readonly #data = new Uint8Array(65536);

  /** `program`: `struct sock_filter` after `struct sock_filter`. */
  constructor(program: Uint8Array) {
    const fds = [0, 0];
    if (socketpairFn(AF_UNIX, libc.SOCK_DGRAM, 0, fds) < 0) throw libc.syscallError('socketpair');
    const [sender = -1, receiver = -1] = fds;
    this.#sender = sender;
    this.#receiver = receiver;
    libc.attachFilter(receiver, program);
  }

  /** How many bytes of the packet are kept, 0 if it is dropped. */
  kept(packet: Uint8Array): number {
    if (sendFn(this.#sender, packet, packet.byteLength, 0) < 0) throw libc.syscallError('send');
    const length = Number(recvFn(this.#receiver, this.#data, this.#data.byteLength, MSG_DONTWAIT));
    if (length >= 0) return length;
    const error = libc.syscallError('recv');
    if (error.errno === EAGAIN) return 0;
    throw error;
  }

  close(): void {
    libc.close(this.#sender);
    libc.close(this.#receiver);
  }
}
