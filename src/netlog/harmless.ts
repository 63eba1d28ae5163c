// Text from a bundle or a packet may hold what a terminal or a reader obeys. Everything of netlogs that shows such text
// passes it through here first; what is stored in the index stays as it was. HTML escapes on top of this.

// Control characters (C0, DEL, C1), line separators, what changes the direction of text, invisible tags, and halves of a
// surrogate pair, which no UTF-8 can hold.
const UNSAFE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e007f}\ud800-\udfff]/gu;

/** `text` with such characters written as `\x1b`, `\u202e` or `\u{e0041}`. A backslash of its own stays as it is. */
export function harmless(text: string): string {
  return text.replace(UNSAFE, (character) => {
    const code = character.codePointAt(0) ?? 0;
    const hex = code.toString(16);
    if (code < 0x100) return `\\x${hex.padStart(2, '0')}`;
    return code > 0xffff ? `\\u{${hex}}` : `\\u${hex.padStart(4, '0')}`;
  });
}
