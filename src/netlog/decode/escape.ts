// Bytes of a packet as text that is safe to show anywhere, for names that are meant to be ASCII. Used by all of decode/.

/** Stands in a text where bytes are missing or were left out. Bytes of a packet never become this character. */
export const MISSING = '…';

/** Printable ASCII as it is, backslash as `\\`, every other byte, space included, as `\DDD`; `dots`: a dot is `\.`. */
export function escapeBytes(bytes: Uint8Array, from: number, to: number, dots: boolean): string {
  let text = '';
  for (let at = from; at < to; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === 0x5c || (dots && byte === 0x2e)) text += `\\${String.fromCharCode(byte)}`;
    else if (byte > 0x20 && byte < 0x7f) text += String.fromCharCode(byte);
    else text += `\\${String(byte).padStart(3, '0')}`;
  }
  return text;
}
