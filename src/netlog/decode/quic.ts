// QUIC Initial packets of a client (RFC 9000, 17.2.2), opened with the keys that anyone can derive from the connection ID
// (RFC 9001, 5.2): v1, v2 (RFC 9369), draft-29. Used by hello-assembler.ts. A packet whose end was not kept is decrypted as far as
// it goes: counter mode needs no more, but nothing then proves that it is what was sent. Nothing throws or reads behind `to`.
//
//   first u8 11TT RRPP | version u32 | dcid u8+ | scid u8+ | token varint+ | length varint | number 1-4 | frames | tag 16
//   RR and PP and the number are under header protection; a datagram may hold several packets.
import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';

interface Version {
  readonly salt: Buffer;
  /** What the labels of the keys begin with. */
  readonly label: string;
  /** The bits TT of an Initial. */
  readonly initial: number;
}

const VERSIONS: ReadonlyMap<number, Version> = new Map([
  [0x00000001, version('38762cf7f55934b34d179ae6a4c80cadccbb7f0a', 'quic', 0)],
  [0x6b3343cf, version('0dede3def700a6db819381be6e269dcbf9bd2ed9', 'quicv2', 1)],
  [0xff00001d, version('afbfec289993d24c9e9786f19c6111e04390a899', 'quic', 0)],
]);

const LONG_HEADER = 0xc0;
const LONGEST_CONNECTION_ID = 20;
const TAG_LENGTH = 16;
const SAMPLE_LENGTH = 16;
const KEY_LENGTH = 16;
const IV_LENGTH = 12;
/** From the packet number's start to the sample, however long the number is. */
const NUMBER_TO_SAMPLE = 4;

/** Where an Initial lies. */
export interface Initial {
  readonly version: number;
  readonly from: number;
  /** The destination connection ID: [idFrom, idTo). */
  readonly idFrom: number;
  readonly idTo: number;
  readonly number: number;
  /** Where it ends, which may be behind the bytes that are there. */
  readonly end: number;
}

export interface InitialKeys {
  readonly key: Buffer;
  readonly iv: Buffer;
  readonly protection: Buffer;
}

/** Whether a datagram begins like a QUIC Initial of a version that is known here. It allocates nothing. */
export function looksLikeInitial(bytes: Uint8Array, from: number, to: number): boolean {
  if (to - from < 7 || (bytes[from] ?? 0) < LONG_HEADER) return false;
  return isInitial(bytes, from) && (bytes[from + 5] ?? 0) <= LONGEST_CONNECTION_ID;
}

function isInitial(bytes: Uint8Array, from: number): boolean {
  return VERSIONS.get(u32(bytes, from + 1))?.initial === (((bytes[from] ?? 0) >> 4) & 3);
}

/** The Initials in the datagram [from, to), which may be followed by other packets; each costs some 50 us to open. */
export function findInitials(bytes: Uint8Array, from: number, to: number): Initial[] {
  const found: Initial[] = [];
  let at = from;
  while (found.length < 4 && looksLikeInitial(bytes, at, to)) {
    const initial = readInitial(bytes, at, to);
    if (initial === undefined) break;
    found.push(initial);
    at = initial.end;
  }
  return found;
}

function readInitial(bytes: Uint8Array, from: number, to: number): Initial | undefined {
  const idFrom = from + 6;
  const idTo = idFrom + (bytes[from + 5] ?? 0);
  if (idTo >= to) return undefined;
  const reader = new VarintReader(bytes, idTo + 1 + (bytes[idTo] ?? 0), to);
  const token = reader.next();
  reader.at += token ?? 0;
  const length = reader.next();
  if (token === undefined || length === undefined) return undefined;
  return { version: u32(bytes, from + 1), from, idFrom, idTo, number: reader.at, end: reader.at + length };
}

/** The keys of a client that sent its first Initial to this connection ID (RFC 9001, 5.2). */
export function clientKeys(version: number, id: Uint8Array): InitialKeys {
  const known = VERSIONS.get(version);
  if (known === undefined) throw new Error(`unreachable: QUIC version ${version}`);
  const secret = expand(hmac(known.salt, id), 'client in', 32);
  return {
    key: expand(secret, `${known.label} key`, KEY_LENGTH),
    iv: expand(secret, `${known.label} iv`, IV_LENGTH),
    protection: expand(secret, `${known.label} hp`, KEY_LENGTH),
  };
}

/**
 * The frames of an Initial, decrypted as far as its bytes up to `to` go. Undefined: these are not its keys, it isn't
 * genuine, or too little of it is there.
 */
export function openInitial(
  bytes: Uint8Array,
  initial: Initial,
  to: number,
  keys: InitialKeys,
): Uint8Array | undefined {
  const { from, number, end } = initial;
  const sample = number + NUMBER_TO_SAMPLE;
  if (sample + SAMPLE_LENGTH > Math.min(end, to)) return undefined;
  const cipher = createCipheriv('aes-128-ecb', keys.protection, null);
  const mask = cipher.update(bytes.subarray(sample, sample + SAMPLE_LENGTH));

  const first = (bytes[from] ?? 0) ^ ((mask[0] ?? 0) & 0x0f);
  if ((first & 0x0c) !== 0) return undefined;
  const numberLength = (first & 3) + 1;
  const frames = number + numberLength;
  const header = bytes.slice(from, frames);
  header[0] = first;
  const nonce = Buffer.from(keys.iv);
  for (let index = 0; index < numberLength; index++) {
    const byte = (bytes[number + index] ?? 0) ^ (mask[index + 1] ?? 0);
    header[number - from + index] = byte;
    const at = IV_LENGTH - numberLength + index;
    nonce[at] = (nonce[at] ?? 0) ^ byte;
  }

  const decipher = createDecipheriv('aes-128-gcm', keys.key, nonce);
  decipher.setAAD(header);
  const opened = decipher.update(bytes.subarray(frames, Math.min(end - TAG_LENGTH, to)));
  if (end > to) return opened;
  decipher.setAuthTag(bytes.subarray(end - TAG_LENGTH, end));
  try {
    decipher.final();
  } catch {
    return undefined; // the tag is another's
  }
  return opened;
}

/** Calls `crypto` for each CRYPTO frame, whole or not, with where its bytes lie. False: these are no frames of an Initial. */
export function walkFrames(frames: Uint8Array, crypto: (offset: number, from: number, to: number) => void): boolean {
  const reader = new VarintReader(frames, 0, frames.length);
  while (reader.at < frames.length) {
    switch (frames[reader.at++]) {
      case 0x00: // PADDING
      case 0x01: // PING
        break;
      case 0x02: // ACK: largest, delay, range count, first range, ranges of two each
        reader.skip(2);
        reader.skip(1 + 2 * (reader.next() ?? 0));
        break;
      case 0x03: // ACK with three ECN counts
        reader.skip(2);
        reader.skip(4 + 2 * (reader.next() ?? 0));
        break;
      case 0x06: {
        const offset = reader.next();
        const length = reader.next();
        if (offset === undefined || length === undefined) return true;
        crypto(offset, reader.at, Math.min(reader.at + length, frames.length));
        reader.at += length;
        break;
      }
      case 0x1c: // CONNECTION_CLOSE: nothing of interest is behind it
        return true;
      default:
        return false;
    }
  }
  return true;
}

/** Reads integers of variable length (RFC 9000, 16). */
class VarintReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  at: number;

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.#bytes = bytes;
    this.at = at;
    this.#end = end;
  }

  /** Undefined, with `at` at the end, where it isn't all there. Above 2^53 it isn't exact, and is behind any end. */
  next(): number | undefined {
    const first = this.at < this.#end ? (this.#bytes[this.at] ?? 0) : 0;
    const length = 1 << (first >> 6);
    if (this.at + length > this.#end) {
      this.at = this.#end;
      return undefined;
    }
    let value = first & 0x3f;
    for (let index = 1; index < length; index++) value = value * 256 + (this.#bytes[this.at + index] ?? 0);
    this.at += length;
    return value;
  }

  /** Passes over `count` integers, or to the end. */
  skip(count: number): void {
    for (let index = 0; index < count && this.at < this.#end; index++) this.next();
  }
}

function version(salt: string, label: string, initial: number): Version {
  return { salt: Buffer.from(salt, 'hex'), label, initial };
}

function u32(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let index = 0; index < 4; index++) value = (value << 8) | (bytes[at + index] ?? 0);
  return value >>> 0;
}

function hmac(key: Uint8Array, ...parts: Uint8Array[]): Buffer {
  const hash = createHmac('sha256', key);
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** HKDF-Expand-Label (RFC 8446, 7.1) without context, of at most one hash's length: one HMAC. */
function expand(secret: Uint8Array, label: string, length: number): Buffer {
  const name = Buffer.from(`tls13 ${label}`);
  return hmac(secret, Uint8Array.of(0, length, name.length), name, Uint8Array.of(0, 1)).subarray(0, length);
}
