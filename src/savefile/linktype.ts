// The link types of savefiles that this program has to tell apart, by their LINKTYPE_ values (pcap-linktype(7)).
// libpcap's DLT_ values are the same but for raw IP.

import { MAXIMUM_SNAPLEN } from './header.ts';

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

/** Values of link types that only libpcap itself has on Linux (DLT_), and what they are in a savefile. */
const OF_DLT: ReadonlyMap<number, number> = new Map([
  [11, 100], // LLC over ATM
  [12, LINKTYPE_RAW],
  [15, 102], // BSD/OS SLIP
  [16, 103], // BSD/OS PPP
  [19, 106], // Classical IP over ATM
]);

/** What libpcap writes for a link type that it has read: some old programs put the DLT_ value into their savefiles. */
export function outputLinktype(linktype: number): number {
  return OF_DLT.get(linktype) ?? linktype;
}

/** The DLT_ value of a link type, without the bits for an FCS: what libpcap compiles a filter for. */
export function dltOf(linktype: number): number {
  const type = linktype & LINKTYPE_MASK;
  for (const [dlt, ofFile] of OF_DLT) if (ofFile === type) return dlt;
  return type;
}

/** No savefile with such packets is read or written by libpcap 1.10, whatever is in it. */
export function isKnownLinktype(linktype: number): boolean {
  const type = linktype & LINKTYPE_MASK;
  return BELOW_MATCHING.has(type) || (type >= FIRST_MATCHING && type <= LAST_MATCHING);
}

const LINKTYPE_MASK = 0x03ffffff;
const BELOW_MATCHING: ReadonlySet<number> = new Set([0, 1, 6, 7, 8, 9, 10, 50, 51, 99, 100, 101, 102, 103]);
/** LINKTYPE_MATCHING_MIN and MAX of libpcap 1.10: from the one to the other LINKTYPE_ and DLT_ are the same. */
const FIRST_MATCHING = 104;
const LAST_MATCHING = 289;

const LINKTYPE_DBUS = 231;
const LINKTYPE_USBPCAP = 249;
const LINKTYPE_EBHSCR = 279;

/** The most bytes of a packet that libpcap takes for sane. */
export function longestCaplen(linktype: number): number {
  switch (linktype & LINKTYPE_MASK) {
    case LINKTYPE_DBUS:
      return 128 * 2 ** 20;
    case LINKTYPE_EBHSCR:
      return 8 * 2 ** 20;
    case LINKTYPE_USBPCAP:
      return 2 ** 20;
    default:
      return MAXIMUM_SNAPLEN;
  }
}
