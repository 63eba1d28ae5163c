// `--exclude`: which packets are left out, with VLAN tags or without. Called by compile.ts, which has libpcap compile the
// expressions; here the programs are made to look behind tags and chained. Two things must hold for every packet:
//
// - The verdict is that of the same packet without its tags. The kernel may keep a tag beside the packet (then libpcap's
//   program sees none), or in it: sent without hardware support, or the inner one of two. For the latter each program is
//   there three times, its loads behind the ethertype moved by 0, 4 and 8 bytes; a dispatcher before them finds the tags
//   and stores the ethertype behind them, which the programs read instead of the packet's first one.
// - A packet that a program can't read to its end is not excluded. In the kernel a load beyond the packet ends the whole
//   filter and drops it, so every load is preceded by a check of the length, unless one before it has shown that much.
import { isIP } from 'node:net';
import { CaptureError, OptionError } from '../errors.ts';
import { PACKET_OUTGOING } from '../native/if_packet.ts';
import { cookedLength, LINKTYPE_ETHERNET } from '../savefile/linktype.ts';
import {
  BPF_ABS,
  BPF_ALU,
  BPF_H,
  BPF_IND,
  BPF_JEQ,
  BPF_JGE,
  BPF_LD,
  BPF_LDX,
  BPF_LEN,
  BPF_MEM,
  BPF_MISC,
  BPF_MSH,
  BPF_SIZE,
  BPF_ST,
  BPF_STX,
  BPF_SUB,
  BPF_TAX,
  BPF_W,
  BPF_X,
  bpfClass,
  bpfMode,
  type Instruction,
  Label,
  type Program,
  type ProgramBuilder,
  SKF_AD_HATYPE,
  SKF_AD_PKTTYPE,
  SKF_AD_PROTOCOL,
  SKF_AD_VLAN_TAG,
  SKF_AD_VLAN_TAG_PRESENT,
  SKF_LL_OFF,
  successors,
} from './program.ts';

export interface Exclusion {
  readonly expression: string;
  /** Whether it was a network or an address; such expressions may be joined by `or`, where `vlan` and `mpls` may not. */
  readonly net: boolean;
}

export function parseExclusion(value: string): Exclusion {
  if (value.trim() === '')
    throw new OptionError('--exclude', value.trim(), 'expected a network or a filter expression');
  const [, address = '', length] = /^([^/]*)(\/\d+)?$/.exec(value) ?? [];
  return isIP(address) === 0
    ? { expression: value, net: false }
    : { expression: `net ${address}${length ?? ''}`, net: true };
}

/** Ethertypes of a VLAN tag: 802.1Q, 802.1ad, and what came before that. */
const TAGS = [0x8100, 0x88a8, 0x9100];
const TAG_LENGTH = 4;
const ETHERNET_LENGTH = 14;

// Scratch memory that is ours; libpcap uses the slots from 0 upwards.
const M_ACCUMULATOR = 14;
const M_ETHERTYPE = 15;

/** Where a program compiled for this link type looks. */
interface Layout {
  /** Offset of its ethertype load, in the packet or beside it. */
  readonly ethertype: number;
  /** Loads from here on move with the tags. */
  readonly network: number;
  readonly dispatch: (builder: ProgramBuilder, copies: Copies, unreadable: Label) => void;
}

/** One label for each number of bytes that tags take up between where programs look and the network header. */
type Copies = readonly [Label, Label, Label];

/** Appends `programs`: a packet that one of them accepts goes to `drop`, the others on to what is appended next. */
export function appendExclusions(
  builder: ProgramBuilder,
  programs: readonly Program[],
  linktype: number,
  drop: Label,
): void {
  const layout = layoutOf(linktype);
  // What asks for VLAN tags itself must see them, in its own way and once.
  const asItIs = programs.filter((program) => layout === undefined || asksForTags(program));
  for (const program of asItIs) appendGuarded(builder, program, drop, 0, (load) => load);
  if (layout === undefined || asItIs.length === programs.length) return;
  const done = new Label();
  const copies: Copies = [new Label(), new Label(), new Label()];
  layout.dispatch(builder, copies, done);
  for (const [tags, copy] of copies.entries()) {
    const shift = tags * TAG_LENGTH;
    builder.place(copy);
    for (const program of programs) {
      if (asItIs.includes(program)) continue;
      appendGuarded(builder, program, drop, layout.network + shift, (load) => behindTags(load, layout, shift));
    }
    if (tags < 2) builder.goto(done);
  }
  builder.place(done);
}

function layoutOf(linktype: number): Layout | undefined {
  if (linktype === LINKTYPE_ETHERNET) return { ethertype: 12, network: ETHERNET_LENGTH, dispatch: dispatchEthernet };
  if (cookedLength(linktype) > 0) return { ethertype: SKF_AD_PROTOCOL, network: 0, dispatch: dispatchCooked };
  return undefined;
}

function dispatchEthernet(builder: ProgramBuilder, copies: Copies, unreadable: Label): void {
  const [untagged, oneTag, twoTags] = copies;
  requireLength(builder, ETHERNET_LENGTH, unreadable);
  loadEthertype(builder, 12);
  unlessTag(builder, untagged);
  requireLength(builder, ETHERNET_LENGTH + TAG_LENGTH, unreadable);
  loadEthertype(builder, 16);
  unlessTag(builder, oneTag);
  requireLength(builder, ETHERNET_LENGTH + 2 * TAG_LENGTH, unreadable);
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
  requireLength(builder, TAG_LENGTH, unreadable);
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
  requireLength(builder, 2 * TAG_LENGTH, unreadable);
  loadEthertype(builder, 6);
  builder.goto(twoTags);
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

/** Changes A. */
function requireLength(builder: ProgramBuilder, length: number, otherwise: Label): void {
  builder.add(BPF_LD | BPF_W | BPF_LEN, 0);
  builder.jumpUnless(BPF_JGE, length, otherwise);
}

function asksForTags(program: Program): boolean {
  const asks = [SKF_AD_VLAN_TAG, SKF_AD_VLAN_TAG_PRESENT];
  return program.instructions().some((instruction) => isPacketLoad(instruction) && asks.includes(instruction.k));
}

function behindTags(load: Instruction, { ethertype, network }: Layout, shift: number): Instruction {
  if (load.code === (BPF_LD | BPF_H | BPF_ABS) && load.k === ethertype) {
    return { ...load, code: BPF_LD | BPF_MEM, k: M_ETHERTYPE };
  }
  return isPacketLoad(load) && load.k < SKF_LL_OFF && load.k >= network ? { ...load, k: load.k + shift } : load;
}

function isPacketLoad({ code }: Instruction): boolean {
  const kind = bpfClass(code);
  const mode = bpfMode(code);
  return (kind === BPF_LD && (mode === BPF_ABS || mode === BPF_IND)) || (kind === BPF_LDX && mode === BPF_MSH);
}

/**
 * Appends `program`, its loads passed through `move`; what it accepts goes to `drop`, what it refuses or can't read to the
 * instruction that is appended next. The packet is known to be at least `known` bytes long.
 */
function appendGuarded(
  builder: ProgramBuilder,
  program: Program,
  drop: Label,
  known: number,
  move: (load: Instruction) => Instruction,
): void {
  const instructions = program.instructions().map(move);
  if (instructions.some(usesOurScratch)) {
    throw new CaptureError('ERR_FILTER', 'expression is too complex for --exclude');
  }
  const shown = shownLengths(instructions, known);
  const next = new Label();
  builder.append(
    instructions,
    (k) => builder.goto(k === 0 ? next : drop),
    (load, index) => {
      if (bpfMode(load.code) === BPF_IND && isPacketLoad(load)) requireIndirect(builder, load, next);
      else if (endOfLoad(load) > (shown[index] ?? 0)) requireAbsolute(builder, load, next);
      builder.add(load.code, load.k);
    },
  );
  builder.place(next);
}

function usesOurScratch({ code, k }: Instruction): boolean {
  const kind = bpfClass(code);
  const store = kind === BPF_ST || kind === BPF_STX;
  const load = (kind === BPF_LD || kind === BPF_LDX) && bpfMode(code) === BPF_MEM;
  return (store && k >= M_ACCUMULATOR) || (load && k === M_ACCUMULATOR);
}

/** For each instruction, a length that the packet has on every way there. Jumps go forward, so one pass sees them all. */
function shownLengths(instructions: readonly Instruction[], known: number): number[] {
  const shown = instructions.map(() => Number.POSITIVE_INFINITY);
  shown[0] = known;
  for (const [index, instruction] of instructions.entries()) {
    const after = Math.max(shown[index] ?? 0, endOfLoad(instruction));
    for (const successor of successors(instruction, index)) {
      shown[successor] = Math.min(shown[successor] ?? 0, after);
    }
  }
  return shown;
}

/** How long a packet must be for a load at a fixed place; 0 for any other instruction. */
function endOfLoad(instruction: Instruction): number {
  const { code, k } = instruction;
  if (!isPacketLoad(instruction) || bpfMode(code) === BPF_IND || k >= SKF_LL_OFF) return 0;
  return k + sizeOfLoad(code);
}

function sizeOfLoad(code: number): number {
  switch (code & BPF_SIZE) {
    case BPF_W:
      return 4;
    case BPF_H:
      return 2;
    default:
      return 1;
  }
}

/** A load into A may spoil A before it; the load of an IPv4 header's length goes into X, and A may be needed behind it. */
function requireAbsolute(builder: ProgramBuilder, load: Instruction, otherwise: Label): void {
  const intoX = bpfClass(load.code) === BPF_LDX;
  if (intoX) builder.add(BPF_ST, M_ACCUMULATOR);
  requireLength(builder, endOfLoad(load), otherwise);
  if (intoX) builder.add(BPF_LD | BPF_MEM, M_ACCUMULATOR);
}

/** For a load at X + k: the length must be at least X, and what is behind X at least k and the load's size. */
function requireIndirect(builder: ProgramBuilder, { code, k }: Instruction, otherwise: Label): void {
  builder.add(BPF_LD | BPF_W | BPF_LEN, 0);
  builder.jumpUnless(BPF_JGE | BPF_X, 0, otherwise);
  builder.add(BPF_ALU | BPF_SUB | BPF_X, 0);
  // A k close to 2^32 is a negative offset, by which X + k would wrap: no packet is that long, so none matches.
  builder.jumpUnless(BPF_JGE, Math.min(k + sizeOfLoad(code), 0xffffffff), otherwise);
}
