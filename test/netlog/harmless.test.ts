import fc from 'fast-check';
import { expect, test } from 'vitest';
import { harmless } from '../../src/netlog/harmless.ts';

test.each([
  ['plain.example ~ü日🙂\\', 'plain.example ~ü日🙂\\'],
  ['a\x1b[31mb\r\n\0\x7f\x9b', 'a\\x1b[31mb\\x0d\\x0a\\x00\\x7f\\x9b'],
  ['evil\u202egnp.exe\u2066\u200f', 'evil\\u202egnp.exe\\u2066\\u200f'],
  ['half \ud83d, other half \ude00', 'half \\ud83d, other half \\ude00'],
  ['tag \u{e0041}', 'tag \\u{e0041}'],
])('%j', (text, shown) => {
  expect(harmless(text)).toBe(shown);
});

test('nothing of any text is left that a terminal obeys, and it is well-formed', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const shown = harmless(text);
      expect(shown).not.toMatch(/[\p{Cc}\p{Cs}\p{Bidi_Control}\p{Zl}\p{Zp}]/u);
      expect(harmless(shown)).toBe(shown);
    }),
  );
});
