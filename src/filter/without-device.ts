// Whether filter expressions can be right at all, where the interface that would tell is not there, or not ours to ask: each
// is compiled for some link types, and wrong when none of them takes it. Called by --check.
import { CaptureError } from '../errors.ts';
import { LINKTYPE_LINUX_SLL2 } from '../savefile/linktype.ts';
import type { FilterOptions } from './compile.ts';
import { parseExclusion } from './exclude.ts';
import { linktypeNamed } from './handle.ts';
import { compileOffline } from './offline.ts';

/** https://www.tcpdump.org/linktypes.html: Ethernet first, whose message is shown; raw IP, as of tunnels; what `any` has. */
const LINKTYPES: readonly number[] = [1, 101, LINKTYPE_LINUX_SLL2];

/** Yields what is wrong, in order: OptionError, CaptureError ERR_FILTER. @throws OptionError for the link type, CaptureError ERR_LIBPCAP */
export function* wrongExpressions(options: FilterOptions): Generator<CaptureError> {
  const { expression, exclude, snaplenFor = [], linktype } = options;
  const linktypes = linktype === undefined ? LINKTYPES : [linktypeNamed(linktype)];
  const texts: [option: string, parse: () => string][] = [
    ['', () => expression],
    ...exclude.map((text): [string, () => string] => [`--exclude ${text}: `, () => parseExclusion(text).expression]),
    ...snaplenFor.map((kept): [string, () => string] => [
      `--snaplen-for ${kept.expression}=${kept.bytes}: `,
      () => kept.expression,
    ]),
  ];
  for (const [option, parse] of texts) {
    const wrong = wrongFor(linktypes, option, parse);
    if (wrong !== undefined) yield wrong;
  }
}

function wrongFor(linktypes: readonly number[], option: string, parse: () => string): CaptureError | undefined {
  let first: CaptureError | undefined;
  for (const linktype of linktypes) {
    try {
      compileOffline(parse(), { linktype });
      return undefined;
    } catch (cause) {
      if (!(cause instanceof CaptureError) || cause.code === 'ERR_LIBPCAP') throw cause;
      first ??= cause.code === 'ERR_FILTER' ? new CaptureError(cause.code, option + cause.message, { cause }) : cause;
    }
  }
  return first;
}
