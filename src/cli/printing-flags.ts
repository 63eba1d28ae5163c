// tcpdump's options about printing packets, which is not done here: a command line that has them goes on working, as rows of
// CAPTURE_FLAGS. What they are to tcpdump is in tcpdump(8).
import type { CaptureFlags } from './capture-flags.ts';
import type { Flag } from './flag.ts';

/** Letters, or else long names, and what follows. */
const NAMES: readonly Pick<Flag<CaptureFlags>, 'letter' | 'long' | 'value'>[] = [
  ...[...'aAbefHlnNtuxX'].map((letter) => ({ letter })),
  { letter: 'K', long: ['dont-verify-checksums'] },
  { letter: 'O', long: ['no-optimize'] },
  { letter: 'S', long: ['absolute-tcp-sequence-numbers'] },
  { letter: '#', long: ['number'] },
  { long: ['print'] },
  { letter: 'E', value: 'secret' },
  { letter: 'm', value: 'module' },
  { letter: 'M', value: 'secret' },
  { letter: 'T', value: 'type' },
];

export const PRINTING_FLAGS: readonly Flag<CaptureFlags>[] = NAMES.map((names) => ({
  ...names,
  name: 'printing',
  gives: true,
  help: 'about printing packets: without effect',
  group: 'Printing:',
  tcpdump: true,
  printing: true,
}));
