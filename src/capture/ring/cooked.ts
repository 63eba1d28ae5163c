// What a record holds before the packet's own bytes, by link type: nothing (Ethernet, raw IP), or the header of Linux
// "cooked" captures, which libpcap and we build from the sockaddr_ll that lies behind every tpacket3_hdr.
//
//   LINUX_SLL2 (20 bytes)  protocol 2 | 0 2 | ifindex 4 | hatype 2 | pkttype 1 | halen 1 | address 8
//   LINUX_SLL  (16 bytes)  pkttype 2 | hatype 2 | halen 2 | address 8 | protocol 2        all big-endian
import { sockaddr_ll } from '../../native/if_packet.ts';

const { sll_protocol, sll_ifindex, sll_hatype, sll_pkttype, sll_halen, sll_addr } = sockaddr_ll;

/** Builds the 20 bytes of SLL2 at `out` from the sockaddr_ll at `sll`, which must not begin before `out` + 20. */
export function writeSll2(view: DataView, out: number, sll: number): void {
  view.setUint16(out, view.getUint16(sll + sll_protocol)); // big-endian already
  view.setUint16(out + 2, 0);
  view.setUint32(out + 4, view.getUint32(sll + sll_ifindex, true));
  view.setUint16(out + 8, view.getUint16(sll + sll_hatype, true));
  const halen = view.getUint8(sll + sll_halen);
  view.setUint8(out + 10, view.getUint8(sll + sll_pkttype));
  view.setUint8(out + 11, halen);
  copyAddress(view, out + 12, sll + sll_addr, halen);
}

/** As `writeSll2`, the 16 bytes of SLL. */
export function writeSll(view: DataView, out: number, sll: number): void {
  const halen = view.getUint8(sll + sll_halen);
  view.setUint16(out, view.getUint8(sll + sll_pkttype));
  view.setUint16(out + 2, view.getUint16(sll + sll_hatype, true));
  view.setUint16(out + 4, halen);
  copyAddress(view, out + 6, sll + sll_addr, halen);
  view.setUint16(out + 14, view.getUint16(sll + sll_protocol));
}

/** The kernel leaves old ring memory behind an address shorter than 8 bytes, and tcpdump writes it out; we write zeros. */
function copyAddress(view: DataView, out: number, address: number, halen: number): void {
  view.setInt32(out, view.getInt32(address));
  view.setInt32(out + 4, view.getInt32(address + 4));
  for (let at = halen; at < 8; at++) view.setUint8(out + at, 0);
}
