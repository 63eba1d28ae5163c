// unix(7) datagrams, which Node has no sockets for: sendto(2) of one message at a time, without ever waiting. What the
// service manager is told goes this way (service/service-manager.ts).
import koffi from 'koffi';
import { AF_UNIX, errorName, libc, SOCK_CLOEXEC, SOCK_DGRAM, socket } from './libc.ts';

/** struct sockaddr_un of <sys/un.h>. */
export const sockaddr_un = {
  sun_family: 0, // unsigned short
  sun_path: 2, // char[108]
  sizeof: 110,
} as const;

// <bits/socket.h>
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;

const sendtoFn = libc.func(
  'int64_t sendto(int fd, const void *bytes, size_t length, int flags, const void *address, uint32_t addressLength)',
);

/**
 * The address of a socket: a path, or with a leading `@` a name in the abstract namespace, whose length is all that ends it.
 * Undefined for what is neither, or is too long.
 */
export function unixAddress(name: string): Uint8Array | undefined {
  const path = new TextEncoder().encode(name);
  const abstract = name.startsWith('@');
  if (path.length < 2 || !(abstract || name.startsWith('/'))) return undefined;
  const length = sockaddr_un.sun_path + path.length + (abstract ? 0 : 1);
  if (length > sockaddr_un.sizeof) return undefined;
  const address = new Uint8Array(length);
  new DataView(address.buffer).setUint16(sockaddr_un.sun_family, AF_UNIX, true);
  address.set(path, sockaddr_un.sun_path);
  if (abstract) address[sockaddr_un.sun_path] = 0;
  return address;
}

export class UnixDatagram {
  readonly #fd: number;
  readonly #address: Uint8Array;

  /** Messages to this address, of `unixAddress`. The descriptor stays open until the process ends. @throws SyscallError */
  constructor(address: Uint8Array) {
    this.#fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    this.#address = address;
  }

  /** Undefined when the message is on its way, else why not, by the name of the error: EAGAIN, ECONNREFUSED, … */
  send(message: string): string | undefined {
    const bytes = new TextEncoder().encode(message);
    const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    const sent: number = sendtoFn(this.#fd, bytes, bytes.length, flags, this.#address, this.#address.length);
    return sent < 0 ? errorName(koffi.errno()) : undefined;
  }
}
