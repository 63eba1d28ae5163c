// Walks the bytes of one DNS message (RFC 1035, section 4): numbers, names with their compression, strings. Used by dns.ts
// and dns-data.ts. It never reads outside [start, end), never throws, and a name costs at most 127 labels and 127 jumps.

import { escapeBytes, MISSING } from './escape.ts';

/** RFC 1035, 2.3.4: a name's bytes with the length of each label and the root's. So it has at most 127 labels. */
const LONGEST_NAME = 255;
const MOST_JUMPS = 127;

export class DnsCursor {
  readonly bytes: Uint8Array;
  /** Where the message begins: what compression pointers count from. */
  readonly start: number;
  end: number;
  at: number;
  /** Why it can't go on: the bytes end, or what is there is not a DNS message. */
  stopped: 'cut' | 'malformed' | undefined;

  constructor(bytes: Uint8Array, start: number, end: number, at: number = start) {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.at = at;
  }

  /** The next 16 bits; 0, and stopped, where the bytes end. */
  u16(): number {
    if (this.at + 2 > this.end) {
      this.stopped = 'cut';
      return 0;
    }
    const value = ((this.bytes[this.at] ?? 0) << 8) | (this.bytes[this.at + 1] ?? 0);
    this.at += 2;
    return value;
  }

  u32(): number {
    const high = this.u16();
    return high * 0x10000 + this.u16();
  }

  /**
   * The next name, without the last dot; the root is `.`. Case is kept. As in a zone file (RFC 1035, 5.1; RFC 4343) a dot
   * or backslash in a label is `\.` and `\\`, and each byte that isn't printable ASCII, space included, is `\DDD`. Where
   * it stops, what was there of the name with `…` behind.
   */
  name(): string {
    const { bytes } = this;
    let text = '';
    let length = 1;
    let jumps = 0;
    let at = this.at;
    // A pointer must point before whatever was read of the name so far; so no two can point at each other.
    let lowest = at;
    let behind = -1;
    for (;;) {
      if (at >= this.end) return this.#stop('cut', text);
      const label = bytes[at] ?? 0;
      if (label === 0) {
        this.at = behind < 0 ? at + 1 : behind;
        return text === '' ? '.' : text;
      }
      if (label >= 0xc0) {
        if (at + 2 > this.end) return this.#stop('cut', text);
        if (behind < 0) behind = at + 2;
        at = this.start + (((label & 0x3f) << 8) | (bytes[at + 1] ?? 0));
        if (at >= lowest || ++jumps > MOST_JUMPS) return this.#stop('malformed', text);
        lowest = at;
        continue;
      }
      length += label + 1;
      if (label > 63 || length > LONGEST_NAME) return this.#stop('malformed', text);
      if (text !== '') text += '.';
      text += escapeBytes(bytes, at + 1, Math.min(at + 1 + label, this.end), true);
      at += 1 + label;
    }
  }

  #stop(why: 'cut' | 'malformed', text: string): string {
    this.stopped = why;
    return text + MISSING;
  }
}
