// DNS over TCP (RFC 1035, 4.2.2; RFC 7766): messages, each behind its length, one after the other in a connection. The index
// feeds it the segments of port 53, each direction as a stream of its own. Where the end of a message was not kept, its length
// says where the next one begins; behind a missing segment nothing does, and the stream is left alone. Memory is bounded.
import { type DnsMessage, readDns } from './dns.ts';
import { LONGEST_HEAD, StreamHead } from './stream-head.ts';

const MOST_STREAMS = 1024;
const PREFIX_LENGTH = 2;
const LONGEST_MESSAGE = PREFIX_LENGTH + 65535;

/** Called with a message, the stream it was in, and the tag of the segment that told it. */
export type FoundMessage = (stream: number, tag: number, message: DnsMessage) => void;

interface Stream {
  tag: number;
  /** The sequence number at which the next message begins. */
  base: number;
  /** What is there of it, and perhaps of those behind it. */
  head: StreamHead;
  /** Where the next message begins can't be known, or it isn't DNS. */
  lost: boolean;
}

export class DnsStreams {
  readonly #found: FoundMessage;
  /** The oldest first. */
  readonly #streams = new Map<number, Stream>();

  constructor(found: FoundMessage) {
    this.#found = found;
  }

  /**
   * A segment with a payload, of which [from, to) was kept; on the wire it had `onWire` bytes. `stream` is a number that no
   * other direction of a connection has; its first segment is taken to begin with a message.
   */
  feed(
    stream: number,
    tag: number,
    sequence: number,
    bytes: Uint8Array,
    from: number,
    to: number,
    onWire: number,
  ): void {
    let state = this.#streams.get(stream);
    let offset = state === undefined ? 0 : (sequence - state.base) | 0;
    if (state === undefined || offset < -LONGEST_MESSAGE || offset > LONGEST_HEAD) {
      // The first, or the ports are used again.
      if (state !== undefined) this.#giveUp(stream, state);
      offset = 0;
      state = { tag, base: sequence, head: new StreamHead(), lost: false };
      this.#streams.set(stream, state);
      this.#makeRoom();
    }
    // Before the base lies what was told already, or the rest of it.
    if (state.lost || offset + to - from <= 0) return;
    state.tag = tag;
    state.head.put(Math.max(offset, 0), bytes, from - Math.min(offset, 0), to);
    this.#tell(stream, state, to - from < onWire);
  }

  /** Tells what is there of messages that aren't whole: there are no more segments. */
  finish(): void {
    for (const [stream, state] of this.#streams) this.#giveUp(stream, state);
  }

  /** Tells the messages that are whole; `cut`: the one behind them, too, as it never will be. */
  #tell(stream: number, state: Stream, cut: boolean): void {
    const { bytes, length } = state.head;
    let at = 0;
    while (at + PREFIX_LENGTH <= length && !state.lost) {
      const start = at + PREFIX_LENGTH;
      const end = start + (((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0));
      if (end > length && !cut && length < LONGEST_HEAD) break;
      const message = readDns(bytes, start, Math.min(end, length));
      if (message !== undefined) this.#found(stream, state.tag, message);
      else state.lost = end <= length || length - start >= 12;
      at = end;
    }
    if (at === 0 && !state.lost) return;
    const rest = new StreamHead();
    if (at < length && !state.lost) rest.put(0, bytes, at, length);
    state.head = rest;
    state.base = (state.base + at) >>> 0;
  }

  #makeRoom(): void {
    for (const [stream, state] of this.#streams) {
      if (this.#streams.size <= MOST_STREAMS) return;
      this.#giveUp(stream, state);
    }
  }

  #giveUp(stream: number, state: Stream): void {
    this.#streams.delete(stream);
    if (!state.lost) this.#tell(stream, state, true);
  }
}
