// An AF_PACKET socket's life beside its packets: what it is bound to, which filter it has, whether the interface is
// promiscuous for it. The ring engine makes such sockets, libpcap and `cap` have one inside; the interface watch binds each
// of them to the next interface of its name.
import { SyscallError } from '../errors.ts';
import * as if_packet from '../native/if_packet.ts';
import * as libc from '../native/libc.ts';

export interface PacketSocketOptions {
  readonly promiscuous: boolean;
  /** `struct sock_filter` after `struct sock_filter`. */
  readonly filter: Uint8Array;
}

export interface BoundTo {
  /** 0: all interfaces. -1: it was removed, and nothing comes until the socket is bound to another one. */
  readonly ifindex: number;
  /** ARPHRD_ value of the interface, 0 where there is none. */
  readonly hatype: number;
}

const ENODEV = 19;

export class PacketSocket {
  readonly fd: number;
  readonly #options: PacketSocketOptions;
  #bound: BoundTo = { ifindex: -1, hatype: 0 };

  constructor(fd: number, options: PacketSocketOptions) {
    this.fd = fd;
    this.#options = options;
  }

  /**
   * Binds the socket to an interface, from which nothing is let in yet. Takes no privilege. @throws SyscallError ENODEV,
   * ENETDOWN, …
   */
  bind(ifindex: number): void {
    libc.bind(this.fd, linkAddress(ifindex));
    const error = this.takeError('bind'); // where it says that the interface is not up
    if (error !== undefined) throw error;
    this.#bound = this.boundTo();
    if (this.#bound.ifindex !== ifindex) throw new SyscallError('ENODEV', ENODEV, 'bind'); // removed since
  }

  /** Of the interface that it was bound to last, which may be gone by now. */
  get hatype(): number {
    return this.#bound.hatype;
  }

  /** Gives the socket the capture's filter. @throws SyscallError */
  attach(): void {
    libc.attachFilter(this.fd, this.#options.filter);
  }

  /** Lets packets in from the interface that the socket was bound to. @throws SyscallError */
  admit(): void {
    this.attach();
    if (this.#options.promiscuous) this.#setPromiscuous(if_packet.PACKET_ADD_MEMBERSHIP, 'PACKET_ADD_MEMBERSHIP');
  }

  /** Lets nothing in any more, and leaves the interface, if there still is one, as it was. @throws SyscallError */
  release(): void {
    this.refuse();
    if (this.#options.promiscuous) this.#setPromiscuous(if_packet.PACKET_DROP_MEMBERSHIP, 'PACKET_DROP_MEMBERSHIP');
  }

  #setPromiscuous(option: number, name: string): void {
    const { packet_mreq } = if_packet;
    const request = new Uint8Array(packet_mreq.sizeof);
    const view = new DataView(request.buffer);
    view.setInt32(packet_mreq.mr_ifindex, this.#bound.ifindex, true);
    view.setUint16(packet_mreq.mr_type, if_packet.PACKET_MR_PROMISC, true);
    libc.setsockopt(this.fd, if_packet.SOL_PACKET, option, request, name);
  }

  /** What it is bound to at present. */
  boundTo(): BoundTo {
    const { sockaddr_ll } = if_packet;
    const address = new Uint8Array(sockaddr_ll.sizeof);
    libc.getsockname(this.fd, address);
    const view = new DataView(address.buffer);
    const ifindex = view.getInt32(sockaddr_ll.sll_ifindex, true);
    return { ifindex, hatype: view.getUint16(sockaddr_ll.sll_hatype, true) };
  }

  /** From now on the kernel drops every packet before it is kept, and does not count it. */
  refuse(): void {
    PacketSocket.refuse(this.fd);
  }

  /** As the method, for a socket that is still being made. */
  static refuse(fd: number): void {
    libc.attachFilter(fd, RETURN_0);
  }

  /** What POLLERR stands for, once: reading it clears it. */
  takeError(syscall: string): SyscallError | undefined {
    const value = new Uint8Array(4);
    libc.getsockopt(this.fd, libc.SOL_SOCKET, libc.SO_ERROR, value, 'SO_ERROR');
    const errno = new DataView(value.buffer).getInt32(0, true);
    return errno === 0 ? undefined : new SyscallError(libc.errorName(errno), errno, syscall);
  }
}

/** One instruction, BPF_RET | BPF_K with k = 0. */
const RETURN_0 = Uint8Array.of(0x06, 0, 0, 0, 0, 0, 0, 0);

function linkAddress(ifindex: number): Uint8Array {
  const { sockaddr_ll } = if_packet;
  const address = new Uint8Array(sockaddr_ll.sizeof);
  const view = new DataView(address.buffer);
  view.setUint16(sockaddr_ll.sll_family, libc.AF_PACKET, true);
  view.setUint16(sockaddr_ll.sll_protocol, libc.ETH_P_ALL, false);
  view.setInt32(sockaddr_ll.sll_ifindex, ifindex, true);
  return address;
}
