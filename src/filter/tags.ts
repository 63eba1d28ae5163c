// Where a packet's network header begins, and its ethertype, behind VLAN tags: a dispatcher of instructions that every part
// of a program begins with which looks into packets. The kernel may keep a tag beside the packet (then the packet has
// none), or in it: sent without hardware support, or the inner one of two. Called by match.ts for copies of libpcap's
// programs, and by what looks into packets by itself.
import { PACKET_OUTGOING } from '../native/if_packet.ts';
import { cookedLength, LINKTYPE_ETHERNET, LINKTYPE_RAW } from '../savefile/linktype.ts';
import {
  BPF_ABS,
  BPF_ALU,
  BPF_AND,
  BPF_B,
  BPF_H,
  BPF_IMM,
  BPF_JEQ,
  BPF_LD,
  BPF_LDX,
  BPF_MISC,
  BPF_ST,
  BPF_TAX,
  BPF_W,
  BPF_X,
  Label,
  type ProgramBuilder,
  SKF_AD_HATYPE,
  SKF_AD_PKTTYPE,
  SKF_AD_PROTOCOL,
  SKF_LL_OFF,
} from './program.ts';

/** Ethertypes of a VLAN tag: 802.1Q, 802.1ad, and what came before that. */
const TAGS: readonly number[] = [0x8100, 0x88a8, 0x9100];
export const ETHERTYPE_IPV4 = 0x0800;
export const ETHERTYPE_ARP = 0x0806;
export const ETHERTYPE_RARP = 0x8035;
export const ETHERTYPE_IPV6 = 0x86dd;
export const TAG_LENGTH = 4;
const ETHERNET_LENGTH = 14;

/** Scratch memory that is ours; libpcap uses the slots from 0 upwards. */
export const M_ETHERTYPE = 15;

export function isTag(ethertype: number): boolean {
  return TAGS.includes(ethertype);
}

/** Where a program compiled for a link type looks that may have tags in its packets. */
export interface TagLayout {
  /** Offset of its ethertype load, in the packet or beside it. */
  readonly ethertype: number;
  /** Loads from here on move with the tags. */
  readonly network: number;
  readonly dispatch: (builder: ProgramBuilder, copies: Copies, unreadable: Label) => void;
}

/** One label for each number of bytes that tags take up between where programs look and the network header. */
export type Copies = readonly [Label, Label, Label];

/** Undefined for other link types: the programs of libpcap are taken as they are then. */
export function tagLayout(linktype: number): TagLayout | undefined {
  if (linktype === LINKTYPE_ETHERNET) return { ethertype: 12, network: ETHERNET_LENGTH, dispatch: dispatchEthernet };
  if (cookedLength(linktype) > 0) return { ethertype: SKF_AD_PROTOCOL, network: 0, dispatch: dispatchCooked };
  return undefined;
}

function dispatchEthernet(builder: ProgramBuilder, copies: Copies, unreadable: Label): void {
  const [untagged, oneTag, twoTags] = copies;
  builder.requireLength(ETHERNET_LENGTH, unreadable);
  loadEthertype(builder, 12);
  unlessTag(builder, untagged);
  builder.requireLength(ETHERNET_LENGTH + TAG_LENGTH, unreadable);
  loadEthertype(builder, 16);
  unlessTag(builder, oneTag);
  builder.requireLength(ETHERNET_LENGTH + 2 * TAG_LENGTH, unreadable);
  loadEthertype(builder, 20);
  builder.goto(twoTags);
}

const ARPHRD_ETHER = 1;
const ARPHRD_LOOPBACK = 772;

/**
 * A cooked socket's data begins at the network header, and the protocol is the first ethertype. For a received packet that
 * header is right behind it, at the tag. For a sent one it may lie behind one or two tags, depending on who sent it and on
 * the kernel, so it is found by comparison with the frame, which still has its Ethernet header in front:
 *
 *   frame   addresses 12 | type 2 | tag 2, type 2 | tag 2, type 2 | ...
 *                                  ^14             ^18             ^22     one of these is where our data begins
 *
 * Only the tags are read that way: before Linux 6.16 such loads fail in fragments, where only the rest of a packet can be.
 */
function dispatchCooked(builder: ProgramBuilder, copies: Copies, unreadable: Label): void {
  const [untagged, oneTag, twoTags] = copies;
  const sent = new Label();
  const ethernet = new Label();
  const atTag = new Label();
  const data = (size: number, k: number): void => builder.add(BPF_LD | size | BPF_ABS, k);

  loadEthertype(builder, SKF_AD_PROTOCOL);
  unlessTag(builder, untagged);
  builder.requireLength(TAG_LENGTH, unreadable);
  data(BPF_W, SKF_AD_PKTTYPE);
  builder.jump(BPF_JEQ, PACKET_OUTGOING, sent, atTag);

  builder.place(sent);
  data(BPF_W, SKF_AD_HATYPE);
  builder.jumpIf(BPF_JEQ, ARPHRD_ETHER, ethernet);
  builder.jump(BPF_JEQ, ARPHRD_LOOPBACK, ethernet, unreadable);
  builder.place(ethernet);
  data(BPF_W, 0);
  builder.add(BPF_MISC | BPF_TAX, 0);
  data(BPF_W, SKF_LL_OFF + 14);
  builder.jumpIf(BPF_JEQ | BPF_X, 0, atTag);
  loadEthertype(builder, SKF_LL_OFF + 16);
  unlessTag(builder, untagged);
  loadEthertype(builder, SKF_LL_OFF + 20);
  data(BPF_W, SKF_LL_OFF + 18);
  builder.jump(BPF_JEQ | BPF_X, 0, oneTag, untagged);

  builder.place(atTag);
  loadEthertype(builder, 2);
  unlessTag(builder, oneTag);
  builder.requireLength(2 * TAG_LENGTH, unreadable);
  loadEthertype(builder, 6);
  builder.goto(twoTags);
}

/**
 * Leaves the ethertype in scratch memory and the bytes that tags take up in X; returns where the network header begins
 * without them. Goes to `unreadable` when the packet ends before that. Only for link types that `hasNetworkHeader`.
 */
export function appendNetworkHeader(builder: ProgramBuilder, linktype: number, unreadable: Label): number {
  const layout = tagLayout(linktype);
  if (layout === undefined) {
    dispatchRaw(builder, unreadable);
    return 0;
  }
  const found = new Label();
  const copies: Copies = [new Label(), new Label(), new Label()];
  layout.dispatch(builder, copies, unreadable);
  for (const [tags, copy] of copies.entries()) {
    builder.place(copy);
    builder.add(BPF_LDX | BPF_IMM, tags * TAG_LENGTH);
    if (tags < copies.length - 1) builder.goto(found);
  }
  builder.place(found);
  return layout.network;
}

export function hasNetworkHeader(linktype: number): boolean {
  return linktype === LINKTYPE_RAW || tagLayout(linktype) !== undefined;
}

/** Raw IP has only the version number; the ethertype of another than 4 and 6 is 0. */
function dispatchRaw(builder: ProgramBuilder, unreadable: Label): void {
  const [ipv4, ipv6, found] = [new Label(), new Label(), new Label()];
  builder.requireLength(1, unreadable);
  builder.add(BPF_LD | BPF_B | BPF_ABS, 0);
  builder.add(BPF_ALU | BPF_AND, 0xf0);
  builder.jumpIf(BPF_JEQ, 0x40, ipv4);
  builder.jumpIf(BPF_JEQ, 0x60, ipv6);
  builder.add(BPF_LD | BPF_IMM, 0);
  builder.goto(found);
  builder.place(ipv4);
  builder.add(BPF_LD | BPF_IMM, ETHERTYPE_IPV4);
  builder.goto(found);
  builder.place(ipv6);
  builder.add(BPF_LD | BPF_IMM, ETHERTYPE_IPV6);
  builder.place(found);
  builder.add(BPF_ST, M_ETHERTYPE);
  builder.add(BPF_LDX | BPF_IMM, 0);
}

/** Leaves the ethertype in A, too. */
function loadEthertype(builder: ProgramBuilder, k: number): void {
  builder.add(BPF_LD | BPF_H | BPF_ABS, k);
  builder.add(BPF_ST, M_ETHERTYPE);
}

/** Goes to `otherwise` if A is not the ethertype of a tag. */
function unlessTag(builder: ProgramBuilder, otherwise: Label): void {
  const tag = new Label();
  for (const ethertype of TAGS) builder.jumpIf(BPF_JEQ, ethertype, tag);
  builder.goto(otherwise);
  builder.place(tag);
}
