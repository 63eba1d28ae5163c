// How many bytes of an accepted packet are kept: the classes of --snaplen-for in their order, then those of --keep-names,
// then the headers of --headers-only, otherwise --snaplen. Appended by compile.ts as the end of the program, whose return
// value it is.
import { cookedLength, vlanTagOffset } from '../savefile/linktype.ts';
import { appendHeadersLength } from './headers-only.ts';
import { appendWalk } from './ip-walk.ts';
import { appendNames, NAME_BYTES, type NameLabels } from './keep-names.ts';
import type { KeepOptions } from './keep-options.ts';
import { appendMatches } from './match.ts';
import {
  BPF_A,
  BPF_ABS,
  BPF_IMM,
  BPF_JEQ,
  BPF_JGT,
  BPF_LD,
  BPF_LDX,
  BPF_MEM,
  BPF_MISC,
  BPF_RET,
  BPF_ST,
  BPF_TXA,
  BPF_W,
  BPF_X,
  Label,
  type Program,
  type ProgramBuilder,
  SKF_AD_VLAN_TAG_PRESENT,
} from './program.ts';

/** What --keep-names keeps: never less than --snaplen would, unless that is about headers. */
export function nameBytes({ snaplen, headersOnly }: KeepOptions): Readonly<Record<keyof typeof NAME_BYTES, number>> {
  const least = headersOnly ? 0 : snaplen;
  const { DNS, TLS, QUIC } = NAME_BYTES;
  return { DNS: Math.max(DNS, least), TLS: Math.max(TLS, least), QUIC: Math.max(QUIC, least) };
}

/** The most bytes that any packet is kept of: with less in the savefile's header its readers would cut records. */
export function largestKept(options: KeepOptions): number {
  const classes = (options.snaplenFor ?? []).map(({ bytes }) => bytes);
  return Math.max(options.snaplen, ...classes, ...(options.keepNames ? Object.values(nameBytes(options)) : []));
}

export interface KeptBytes {
  readonly options: KeepOptions;
  /** Of each class of --snaplen-for. */
  readonly programs: readonly Program[];
  readonly linktype: number;
}

/** Every packet ends here. @throws CaptureError ERR_FILTER */
export function appendKeptBytes(builder: ProgramBuilder, { options, programs, linktype }: KeptBytes): void {
  const { snaplenFor = [], keepNames, headersOnly, snaplen } = options;
  const largest = largestKept(options);
  /** Less the tag of four bytes that comes back into a packet which is cut here, not by the savefile's snaplen. */
  const limit = (bytes: number): Limit => {
    const kept = Math.max(1, bytes - cookedLength(linktype));
    const tagged = vlanTagOffset(linktype) >= 0 && bytes < largest ? Math.max(1, kept - 4) : kept;
    return { kept, tagged };
  };
  const classes = snaplenFor.map(({ bytes }, index) => ({ label: new Label(), bytes, program: programs[index] }));
  const matches = classes.flatMap(({ program, label: to }) => (program === undefined ? [] : [{ program, to }]));
  appendMatches(builder, matches, linktype);

  const names: NameLabels = { DNS: new Label(), TLS: new Label(), QUIC: new Label() };
  const all = new Label();
  if (keepNames || headersOnly) {
    const { transport, ...ends } = appendWalk(builder, linktype);
    builder.place(transport);
    if (keepNames) appendNames(builder, names);
    if (headersOnly) {
      const kept = new Label();
      appendHeadersLength(builder, ends, kept, all);
      builder.place(kept);
      returnA(builder, limit(snaplen));
    } else for (const end of Object.values(ends)) builder.place(end);
  }
  builder.place(all);
  returnConstant(builder, limit(snaplen));
  for (const { label, bytes } of classes) {
    builder.place(label);
    returnConstant(builder, limit(bytes));
  }
  if (keepNames) {
    const bytes = nameBytes(options);
    for (const name of ['DNS', 'TLS', 'QUIC'] as const) {
      builder.place(names[name]);
      returnConstant(builder, limit(bytes[name]));
    }
  }
}

interface Limit {
  readonly kept: number;
  /** The same of a packet beside which the kernel keeps a VLAN tag. */
  readonly tagged: number;
}

function returnConstant(builder: ProgramBuilder, { kept, tagged }: Limit): void {
  if (tagged < kept) {
    const untagged = new Label();
    builder.add(BPF_LD | BPF_W | BPF_ABS, SKF_AD_VLAN_TAG_PRESENT);
    builder.jumpIf(BPF_JEQ, 0, untagged);
    builder.ret(tagged);
    builder.place(untagged);
  }
  builder.ret(kept);
}

const M_LENGTH = 0;

/** A, or the limit if that is less; 0 would drop the packet. */
function returnA(builder: ProgramBuilder, { kept, tagged }: Limit): void {
  const [cut, nothing, untagged] = [new Label(), new Label(), new Label()];
  builder.add(BPF_LDX | BPF_IMM, kept);
  if (tagged < kept) {
    builder.add(BPF_ST, M_LENGTH);
    builder.add(BPF_LD | BPF_W | BPF_ABS, SKF_AD_VLAN_TAG_PRESENT);
    builder.jumpIf(BPF_JEQ, 0, untagged);
    builder.add(BPF_LDX | BPF_IMM, tagged);
    builder.place(untagged);
    builder.add(BPF_LD | BPF_MEM, M_LENGTH);
  }
  builder.jumpIf(BPF_JGT | BPF_X, 0, cut);
  builder.jumpIf(BPF_JEQ, 0, nothing);
  builder.add(BPF_RET | BPF_A, 0);
  builder.place(nothing);
  builder.ret(1);
  builder.place(cut);
  builder.add(BPF_MISC | BPF_TXA, 0);
  builder.add(BPF_RET | BPF_A, 0);
}
