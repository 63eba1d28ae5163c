// Puts frames of a test's own making on the generator's end of a lab, as they are and in their order.
import { GENERATOR, type Lab } from '../../bench/lab.ts';
import { sockaddr_ll } from '../../src/native/if_packet.ts';
import * as libc from '../../src/native/libc.ts';
import { runInNamespace } from '../filter/namespace.ts';

const sendFn = libc.libc.func('int64_t send(int fd, const void *data, size_t length, int flags)');

export function sendFrames(lab: Lab, frames: readonly Uint8Array[]): void {
  runInNamespace(lab.name, () => {
    const fd = libc.socket(libc.AF_PACKET, libc.SOCK_RAW, 0);
    try {
      const address = new DataView(new ArrayBuffer(sockaddr_ll.sizeof));
      address.setUint16(sockaddr_ll.sll_family, libc.AF_PACKET, true);
      address.setInt32(sockaddr_ll.sll_ifindex, libc.if_nametoindex(GENERATOR.name) ?? 0, true);
      libc.bind(fd, new Uint8Array(address.buffer));
      for (const frame of frames) {
        if (sendFn(fd, frame, frame.byteLength, 0) < 0) throw libc.syscallError('send');
      }
    } finally {
      libc.close(fd);
    }
  });
}
