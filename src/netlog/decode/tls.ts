// TLS records on TCP (RFC 8446, 5.1) as far as a ClientHello needs them: it may lie in several, and a segment may end in
// any of them. Used by hello-assembler.ts, and by the index to see whether a segment is of interest. Nothing throws.
//
//   record: content type u8 22 | version u8 3, u8 0-4 | length u16 | fragment
import {
  CLIENT_HELLO,
  type ClientHello,
  HANDSHAKE_HEADER_LENGTH,
  handshakeLength,
  readClientHello,
  UNSEEN_HELLO,
} from './client-hello.ts';

/** A record's header; the byte behind it says which handshake message begins. */
export const HEADER_LENGTH = 5;
const HANDSHAKE = 22;
/** RFC 8446, 5.1: 2^14; unencrypted records have no more. */
const LONGEST_FRAGMENT = 16384;

/** Whether the bytes, however few, are how a TLS client begins: a handshake record with a ClientHello. */
export function looksLikeHello(bytes: Uint8Array, from: number, to: number): boolean {
  if (from >= to || bytes[from] !== HANDSHAKE) return false;
  if (to - from >= 3 && (bytes[from + 1] !== 3 || (bytes[from + 2] ?? 0) > 4)) return false;
  return to - from <= HEADER_LENGTH || bytes[from + HEADER_LENGTH] === CLIENT_HELLO;
}

/**
 * The ClientHello in the records that begin at `from`, of which the bytes up to `to` are there; `cut` as long as it isn't
 * whole. Undefined: there is none.
 */
export function readTlsHello(bytes: Uint8Array, from: number, to: number): ClientHello | undefined {
  if (!looksLikeHello(bytes, from, to)) return undefined;
  if (to - from <= HEADER_LENGTH) return UNSEEN_HELLO;
  const start = from + HEADER_LENGTH;
  const first = fragmentLength(bytes, from, to);
  if (first === undefined) return undefined;
  // Nearly every hello is in one record, and is read where it lies. The other fragments are put together.
  if (start + first >= to) return readClientHello(bytes, start, to);
  if (first >= HANDSHAKE_HEADER_LENGTH && handshakeLength(bytes, start) <= first) {
    return readClientHello(bytes, start, start + first);
  }
  const message = new Uint8Array(to - start);
  let length = 0;
  for (let at = from; at + HEADER_LENGTH <= to; ) {
    const fragment = fragmentLength(bytes, at, to);
    if (fragment === undefined) break;
    const end = Math.min(at + HEADER_LENGTH + fragment, to);
    message.set(bytes.subarray(at + HEADER_LENGTH, end), length);
    length += end - at - HEADER_LENGTH;
    at = end;
  }
  return readClientHello(message, 0, length);
}

/** The length in the header of the handshake record at `at`; undefined where there is no such record. */
function fragmentLength(bytes: Uint8Array, at: number, to: number): number | undefined {
  if (at + HEADER_LENGTH > to || bytes[at] !== HANDSHAKE) return undefined;
  const length = ((bytes[at + 3] ?? 0) << 8) | (bytes[at + 4] ?? 0);
  return length === 0 || length > LONGEST_FRAGMENT ? undefined : length;
}
