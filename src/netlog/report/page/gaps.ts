// What a kind of gap is called, and how it looks on the timeline.
import type { GapKind, GapSum, ReportGap } from '../report-data.ts';
import { count, counted } from './format.ts';

/** `hole`: nothing was recorded, shown grey. `loss`: something was recorded, but not all, shown red. */
export type Look = 'hole' | 'loss';

const KINDS: Readonly<Record<GapKind, { readonly look: Look; readonly title: string; readonly noun: string }>> = {
  gap: { look: 'hole', title: 'Not recorded', noun: 'packet' },
  missing: { look: 'hole', title: 'Savefile missing', noun: 'savefile' },
  damaged: { look: 'hole', title: 'File damaged', noun: 'file' },
  lost: { look: 'loss', title: 'Packets lost', noun: 'packet' },
  dropped: { look: 'loss', title: 'Packets dropped', noun: 'packet' },
  unlogged: { look: 'loss', title: 'Lines not written', noun: 'line' },
};

export function lookOf(kind: GapKind): Look {
  return KINDS[kind].look;
}

export function titleOf(kind: GapKind): string {
  return KINDS[kind].title;
}

/** `Packets dropped: 12`. */
export function shortly({ kind, count: number }: ReportGap): string {
  return number > 0 ? `${titleOf(kind)}: ${count(number)}` : titleOf(kind);
}

/** What all gaps of a kind come to: `Packets dropped: 1,200 packets`, `Not recorded: 3 times`. */
export function inWords({ kind, times, count: number }: GapSum): string {
  const { title, noun } = KINDS[kind];
  return `${title}: ${number > 0 && kind !== 'gap' ? counted(number, noun) : counted(times, 'time')}`;
}
