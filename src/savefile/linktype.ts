// The link types of savefiles that this program has to tell apart, by their LINKTYPE_ values (pcap-linktype(7)).
// libpcap's DLT_ values are the same but for raw IP.

export const LINKTYPE_ETHERNET = 1;
export const LINKTYPE_RAW = 101;
export const LINKTYPE_LINUX_SLL = 113;
export const LINKTYPE_LINUX_SLL2 = 276;

const SLL_LENGTH = 16;
const SLL2_LENGTH = 20;

/** Bytes of the header of a Linux "cooked" capture before a packet's own bytes, 0 for all other link types. */
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
