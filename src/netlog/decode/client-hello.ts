// A TLS ClientHello (RFC 8446, 4.1.2) from as many of its bytes as are there: which name it asks for, which protocols it
// offers. Used by hello-assembler.ts over the handshake bytes of TLS records and of QUIC's CRYPTO frames. The bytes are
// anyone's: nothing here throws or reads behind `to`, and each byte is looked at once.
//
//   type u8 1 | length u24 | version u16 | random 32 | session id u8+ | cipher suites u16+ | compression u8+ | extensions u16+
//   extension: type u16 | length u16 | data. Browsers send them in random order, so the name may be the last of 2,000 bytes.
import { escapeBytes, MISSING } from './escape.ts';

export interface ClientHello {
  /** The server name (SNI), printable ASCII, other bytes as `\DDD`. With Encrypted ClientHello it is the outer name. */
  readonly name: string | undefined;
  /** The application protocols offered, in their order: `h2`, `http/1.1`; escaped as the name. */
  readonly alpn: readonly string[];
  /** The highest version offered: `TLS 1.3`; undefined where the bytes that say it are missing. */
  readonly version: string | undefined;
  /** It carries Encrypted ClientHello, or a random stand-in for it, which nobody can tell apart. */
  readonly encrypted: boolean;
  /** Its end is missing or unreadable: what is absent here may have been in it. What is here is whole. */
  readonly cut: boolean;
}

export const HANDSHAKE_HEADER_LENGTH = 4;
export const CLIENT_HELLO = 1;

const RANDOM_LENGTH = 32;
const SERVER_NAME = 0;
const ALPN = 16;
const SUPPORTED_VERSIONS = 43;
const ENCRYPTED_CLIENT_HELLO = 0xfe0d;
const HOST_NAME = 0;
/** RFC 1035, 2.3.4, as text. A longer name is nobody's; its rest is left out. */
const LONGEST_NAME = 255;

const VERSIONS: Readonly<Record<number, string>> = {
  768: 'SSL 3.0', // 0x0300
  769: 'TLS 1.0',
  770: 'TLS 1.1',
  771: 'TLS 1.2',
  772: 'TLS 1.3',
};

/** What is known of a ClientHello of which only the beginning was seen. */
export const UNSEEN_HELLO: ClientHello = { name: undefined, alpn: [], version: undefined, encrypted: false, cut: true };

/** The length of the handshake message that begins at `from`, its header included; 4 bytes of it must be there. */
export function handshakeLength(bytes: Uint8Array, from: number): number {
  return (
    HANDSHAKE_HEADER_LENGTH + ((bytes[from + 1] ?? 0) << 16) + ((bytes[from + 2] ?? 0) << 8) + (bytes[from + 3] ?? 0)
  );
}

/** The ClientHello that begins with its handshake header at `from`. Undefined: not one, or nothing is there. */
export function readClientHello(bytes: Uint8Array, from: number, to: number): ClientHello | undefined {
  if (from >= to || bytes[from] !== CLIENT_HELLO) return undefined;
  if (to - from < HANDSHAKE_HEADER_LENGTH) return UNSEEN_HELLO;
  const end = from + handshakeLength(bytes, from);
  return new HelloReader(bytes, from + HANDSHAKE_HEADER_LENGTH, Math.min(end, to), end).read();
}

/** Walks one ClientHello. `end` is where its bytes end, `declared` where it says that it ends. */
class HelloReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  readonly #declared: number;
  #at: number;
  #name: string | undefined;
  #alpn: string[] | undefined;
  #version: string | undefined;
  #encrypted = false;

  constructor(bytes: Uint8Array, at: number, end: number, declared: number) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
    this.#declared = declared;
  }

  read(): ClientHello {
    const legacy = this.#u16(this.#at);
    this.#at += 2 + RANDOM_LENGTH;
    this.#at += 1 + this.#u8(this.#at);
    this.#at += 2 + this.#u16(this.#at);
    this.#at += 1 + this.#u8(this.#at);
    const whole = this.#extensions();
    if (whole) this.#version ??= versionName(legacy);
    return {
      name: this.#name,
      alpn: this.#alpn ?? [],
      version: this.#version,
      encrypted: this.#encrypted,
      cut: !whole,
    };
  }

  /** Whether it came to the end that the lengths tell. */
  #extensions(): boolean {
    // Up to TLS 1.2 a hello may end without extensions.
    if (this.#at === this.#declared) return this.#end === this.#declared;
    if (this.#at + 2 > this.#end) return false;
    const end = this.#at + 2 + this.#u16(this.#at);
    this.#at += 2;
    while (this.#at + 4 <= Math.min(end, this.#end)) {
      const type = this.#u16(this.#at);
      const from = this.#at + 4;
      const to = from + this.#u16(this.#at + 2);
      // The type alone says that it is there.
      if (type === ENCRYPTED_CLIENT_HELLO) this.#encrypted = true;
      if (to > Math.min(end, this.#end)) return false;
      if (type === SERVER_NAME) this.#name ??= this.#serverName(from, to);
      else if (type === ALPN) this.#alpn ??= this.#protocols(from, to);
      else if (type === SUPPORTED_VERSIONS) this.#version ??= this.#highestVersion(from, to);
      this.#at = to;
    }
    return this.#at === end && end === this.#declared && end <= this.#end;
  }

  /** list length u16 | name type u8 | name length u16 | name (RFC 6066, 3) */
  #serverName(from: number, to: number): string | undefined {
    const name = from + 5;
    const length = name <= to && this.#bytes[from + 2] === HOST_NAME ? this.#u16(from + 3) : 0;
    if (length === 0 || name + length > to) return undefined;
    const shown = Math.min(length, LONGEST_NAME);
    return escapeBytes(this.#bytes, name, name + shown, false) + (shown < length ? MISSING : '');
  }

  /** list length u16 | (length u8 | protocol)... (RFC 7301, 3.1) */
  #protocols(from: number, to: number): string[] {
    const protocols: string[] = [];
    for (let at = from + 2; at < to; ) {
      const next = at + 1 + this.#u8(at);
      if (next > to) break;
      protocols.push(escapeBytes(this.#bytes, at + 1, next, false));
      at = next;
    }
    return protocols;
  }

  /** list length u8 | version u16... (RFC 8446, 4.2.1); reserved values (RFC 8701) are not meant. */
  #highestVersion(from: number, to: number): string | undefined {
    let highest = 0;
    for (let at = from + 1; at + 2 <= to; at += 2) {
      const version = this.#u16(at);
      if (version > highest && VERSIONS[version] !== undefined) highest = version;
    }
    return highest === 0 ? undefined : versionName(highest);
  }

  #u8(at: number): number {
    return at < this.#end ? (this.#bytes[at] ?? 0) : 0;
  }

  #u16(at: number): number {
    return (this.#u8(at) << 8) | this.#u8(at + 1);
  }
}

function versionName(version: number): string {
  return VERSIONS[version] ?? `0x${version.toString(16).padStart(4, '0')}`;
}
