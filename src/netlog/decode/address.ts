// Addresses as text, in the form of inet_ntop(3) (RFC 5952), from the bytes where they lie.

/** Four bytes at `at` as `192.0.2.1`. */
export function addressText4(bytes: Uint8Array, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}

/** Sixteen bytes at `at` as `2001:db8::1`; as inet_ntop does, `::ffff:192.0.2.1` and `::192.0.2.1`. */
export function addressText6(bytes: Uint8Array, at: number): string {
  const group = (index: number): number => ((bytes[at + 2 * index] ?? 0) << 8) | (bytes[at + 2 * index + 1] ?? 0);
  // The longest run of at least two zero groups, the first of equals, becomes `::`.
  let gap = -1;
  let gapLength = 1;
  for (let from = 0; from < 8; from++) {
    let to = from;
    while (to < 8 && group(to) === 0) to++;
    if (to - from > gapLength) {
      gap = from;
      gapLength = to - from;
    }
    if (to > from) from = to - 1;
  }
  const dotted = gap === 0 && (gapLength === 6 || (gapLength === 5 && group(5) === 0xffff));
  const groups = dotted ? 6 : 8;
  let text = '';
  for (let index = 0; index < groups; index++) {
    if (index === gap) {
      text += '::';
      index += gapLength - 1;
      continue;
    }
    text += (text === '' || text.endsWith(':') ? '' : ':') + group(index).toString(16);
  }
  if (!dotted) return text;
  return `${text}${text.endsWith(':') ? '' : ':'}${addressText4(bytes, at + 12)}`;
}
