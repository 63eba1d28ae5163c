// <linux/if.h> and netdevice(7): what the kernel says about a network interface that is asked for by name, in the network
// namespace of this process. sysfs would say the same, but of the namespace that it was mounted in.
import { AF_UNIX, close, ioctl, SOCK_CLOEXEC, SOCK_DGRAM, socket } from './libc.ts';

/** struct ifreq; what the kernel answers lies in a union behind the name. */
export const ifreq = {
  ifr_name: 0, // char[16], with the zero at its end
  ifr_flags: 16, // short
  ifr_ifindex: 16, // int
  ifr_hwaddr: 16, // struct sockaddr, whose sa_family (unsigned short) is the ARPHRD_ value
  sizeof: 40,
} as const;

/** Bytes of a name, the zero at its end included. */
export const IFNAMSIZ = 16;

// <linux/sockios.h>
const SIOCGIFFLAGS = 0x8913;
const SIOCGIFHWADDR = 0x8927;
const SIOCGIFINDEX = 0x8933;

const IFF_UP = 1;

export interface NetDevice {
  readonly ifindex: number;
  /** IFF_UP: the kernel binds packet sockets to it. That a cable is plugged in is another matter. */
  readonly up: boolean;
  /** ARPHRD_ value of <linux/if_arp.h>: what its frames are. */
  readonly hatype: number;
}

/** Undefined when there is none of that name at present. @throws SyscallError */
export function readNetDevice(name: string): NetDevice | undefined {
  const bytes = new TextEncoder().encode(name);
  if (bytes.length === 0 || bytes.length >= IFNAMSIZ) return undefined;
  const request = new Uint8Array(ifreq.sizeof);
  request.set(bytes, ifreq.ifr_name);
  const view = new DataView(request.buffer);
  const fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0); // of any kind: these requests are not about the socket
  try {
    if (!ioctl(fd, SIOCGIFINDEX, request, 'SIOCGIFINDEX')) return undefined;
    const ifindex = view.getInt32(ifreq.ifr_ifindex, true);
    if (!ioctl(fd, SIOCGIFFLAGS, request, 'SIOCGIFFLAGS')) return undefined;
    const up = (view.getUint16(ifreq.ifr_flags, true) & IFF_UP) !== 0;
    if (!ioctl(fd, SIOCGIFHWADDR, request, 'SIOCGIFHWADDR')) return undefined;
    return { ifindex, up, hatype: view.getUint16(ifreq.ifr_hwaddr, true) };
  } finally {
    close(fd);
  }
}
