// What makes text from the wire safe to show, in a terminal or on a page.

/** `text` with control characters, bidi controls, line separators and unpaired surrogates as `\x1b`, `\u202e`. */
export function harmless(text: string): string {
  return text.replace(/[\p{Cc}\p{Bidi_C}\u2028\u2029\p{Cs}]/gu, (each) => {
    const code = each.charCodeAt(0).toString(16);
    return code.length > 2 ? `\\u${code.padStart(4, '0')}` : `\\x${code.padStart(2, '0')}`;
  });
}
