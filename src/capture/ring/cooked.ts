// What a record holds before the packet's own bytes, by link type: nothing (Ethernet, raw IP), or the header of Linux
// "cooked" captures, which libpcap and we build from the sockaddr_ll that lies behind every tpacket3_hdr.
//
//   LINUX_SLL2 (20 bytes)  protocol 2 | 0 2 | ifindex 4 | hatype 2 | pkttype 1 | halen 1 | address 8
//   LINUX_SLL  (16 bytes)  pkttype 2 | hatype 2 | halen 2 | address 8 | protocol 2        all big-endian

/** LINKTYPE_ values; libpcap's DLT_ values are the same but for raw IP. */
export const LINKTYPE_ETHERNET = 1;
export const LINKTYPE_RAW = 101;
export const LINKTYPE_LINUX_SLL = 113;
export const LINKTYPE_LINUX_SLL2 = 276;

const SLL_LENGTH = 16;
const SLL2_LENGTH = 20;

export function cookedLength(linktype: number): number {
  if (linktype === LINKTYPE_LINUX_SLL2) return SLL2_LENGTH;
  return linktype === LINKTYPE_LINUX_SLL ? SLL_LENGTH : 0;
}

/**
 * Offset in the record at which tcpdump puts a VLAN tag back that the kernel or the card took off: behind the Ethernet
 * addresses, before SLL's protocol. -1 where it leaves it off (SLL2 has no place for it, raw IP no link layer).
 */
export function vlanTagOffset(linktype: number): number {
  if (linktype === LINKTYPE_ETHERNET) return 12;
  return linktype === LINKTYPE_LINUX_SLL ? 14 : -1;
}

/** `family` to `address1`: the 20 bytes of the sockaddr_ll as five little-endian words. Writes 20 bytes at `out`. */
export function writeSll2(
  view: DataView,
  out: number,
  family: number,
  ifindex: number,
  kind: number,
  address0: number,
  address1: number,
): void {
  view.setUint32(out, family >>> 16, true); // the protocol is big-endian already
  view.setUint32(out + 4, ifindex, false);
  view.setUint16(out + 8, kind, false);
  view.setUint16(out + 10, kind >>> 16, true);
  writeAddress(view, out + 12, kind >>> 24, address0, address1);
}

/** As `writeSll2`, for the 16 bytes of LINUX_SLL. */
export function writeSll(
  view: DataView,
  out: number,
  family: number,
  kind: number,
  address0: number,
  address1: number,
): void {
  view.setUint16(out, (kind >>> 16) & 0xff, false);
  view.setUint16(out + 2, kind, false);
  view.setUint16(out + 4, kind >>> 24, false);
  writeAddress(view, out + 6, kind >>> 24, address0, address1);
  view.setUint16(out + 14, family >>> 16, true);
}

/** The kernel leaves old ring memory behind an address shorter than 8 bytes, and tcpdump writes it out; we write zeros. */
function writeAddress(view: DataView, out: number, length: number, address0: number, address1: number): void {
  view.setUint32(out, length >= 4 ? address0 : address0 & (2 ** (8 * length) - 1), true);
  view.setUint32(out + 4, length >= 8 ? address1 : length > 4 ? address1 & (2 ** (8 * (length - 4)) - 1) : 0, true);
}
