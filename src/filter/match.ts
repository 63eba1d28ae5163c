// Sends a packet where the first of several programs of libpcap says that matches it, VLAN tags or none. Called for
// exclusions and for the classes of --snaplen-for. Two things hold for every packet:
//
// - The verdict is that of the same packet without its tags. With tags in the packet (tags.ts) the programs would not look
//   where they should, so each is there three times, its loads behind the ethertype moved by 0, 4 and 8 bytes; a dispatcher
//   before them finds the tags and stores the ethertype behind them, which the programs read instead of the first one.
// - A packet that a program can't read to its end does not match (guarded.ts).
import { appendGuarded, isPacketLoad } from './guarded.ts';
import {
  BPF_ABS,
  BPF_H,
  BPF_LD,
  BPF_MEM,
  type Instruction,
  Label,
  type Program,
  type ProgramBuilder,
  SKF_AD_VLAN_TAG,
  SKF_AD_VLAN_TAG_PRESENT,
  SKF_LL_OFF,
} from './program.ts';
import { type Copies, M_ETHERTYPE, TAG_LENGTH, type TagLayout, tagLayout } from './tags.ts';

export interface Match {
  readonly program: Program;
  readonly to: Label;
}

/** A packet that no program matches goes on to what is appended next. @throws CaptureError ERR_FILTER */
export function appendMatches(builder: ProgramBuilder, matches: readonly Match[], linktype: number): void {
  const layout = tagLayout(linktype);
  let rest = matches;
  while (rest.length > 0) {
    // What asks for VLAN tags itself must see them, in its own way and once.
    const asItIs = (match: Match | undefined): boolean =>
      layout === undefined || (match !== undefined && asksForTags(match.program));
    const end = rest.findIndex((match) => asItIs(match) !== asItIs(rest[0]));
    const run = end < 0 ? rest : rest.slice(0, end);
    if (layout === undefined || asItIs(run[0])) {
      for (const { program, to } of run) appendGuarded(builder, program, to, 0, (load) => load);
    } else appendCopies(builder, run, layout);
    rest = rest.slice(run.length);
  }
}

function appendCopies(builder: ProgramBuilder, matches: readonly Match[], layout: TagLayout): void {
  const done = new Label();
  const copies: Copies = [new Label(), new Label(), new Label()];
  layout.dispatch(builder, copies, done);
  for (const [tags, copy] of copies.entries()) {
    const shift = tags * TAG_LENGTH;
    builder.place(copy);
    for (const { program, to } of matches) {
      appendGuarded(builder, program, to, layout.network + shift, (load) => behindTags(load, layout, shift));
    }
    if (tags < 2) builder.goto(done);
  }
  builder.place(done);
}

function asksForTags(program: Program): boolean {
  const asks = [SKF_AD_VLAN_TAG, SKF_AD_VLAN_TAG_PRESENT];
  return program.instructions().some((instruction) => isPacketLoad(instruction) && asks.includes(instruction.k));
}

function behindTags(load: Instruction, { ethertype, network }: TagLayout, shift: number): Instruction {
  if (load.code === (BPF_LD | BPF_H | BPF_ABS) && load.k === ethertype) {
    return { ...load, code: BPF_LD | BPF_MEM, k: M_ETHERTYPE };
  }
  return isPacketLoad(load) && load.k < SKF_LL_OFF && load.k >= network ? { ...load, k: load.k + shift } : load;
}
