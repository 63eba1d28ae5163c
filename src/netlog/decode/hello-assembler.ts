// Puts ClientHellos together from TCP segments and QUIC Initials, whatever else they are mixed with. The index feeds it the
// packets of a flow's client that look like one, and those of the flows it waits for; it answers each flow at most once per
// hello. Anyone can send such packets: memory is bounded for each flow and in all (the oldest flow is given up), work for each
// packet. A packet of no interest costs a look at its first bytes and, while any flow waits, one look into a Map.
import { type ClientHello, readClientHello, UNSEEN_HELLO } from './client-hello.ts';
import {
  clientKeys,
  findInitials,
  type Initial,
  type InitialKeys,
  looksLikeInitial,
  openInitial,
  walkFrames,
} from './quic.ts';
import { LONGEST_HEAD, StreamHead } from './stream-head.ts';
import { HEADER_LENGTH, looksLikeHello, readTlsHello } from './tls.ts';

const MOST_WAITING = 4096;
const MOST_BYTES = 16 * 2 ** 20;
const MOST_PACKETS = 64;
const MOST_ANSWERED = 65536;

/** Called with a flow's hello, and the tag that its first packet came with. A hello that was given up is `cut`. */
export type FoundHello = (flow: number, tag: number, hello: ClientHello) => void;

interface Waiting {
  readonly tag: number;
  /** TCP: the sequence number of the stream's first byte. */
  readonly base: number;
  readonly head: StreamHead;
  packets: number;
  /** QUIC: the keys of the connection. */
  keys: InitialKeys | undefined;
  /** QUIC: bytes of an Initial were not kept. */
  cut: boolean;
}

export class HelloAssembler {
  readonly #found: FoundHello;
  /** By flow, the oldest first. */
  readonly #waiting = new Map<number, Waiting>();
  /** By flow that was answered, where its hello began: packets are repeated, and a QUIC client sends further Initials. */
  readonly #answered = new Map<number, number>();
  #bytes = 0;

  constructor(found: FoundHello) {
    this.#found = found;
  }

  /** Flows that wait for more. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Bytes that the waiting flows hold. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * A TCP segment with a payload, from a client or from whoever may be one: `sequence` is its sequence number, [from, to) what
   * was kept of its payload, `onWire` the payload's length. `flow` is a number that no other flow has; `tag` is the caller's.
   */
  feedTcp(
    flow: number,
    tag: number,
    sequence: number,
    bytes: Uint8Array,
    from: number,
    to: number,
    onWire: number,
  ): void {
    let waiting = this.#waiting.size > 0 ? this.#waiting.get(flow) : undefined;
    const cut = to - from < onWire;
    // The first bytes of a hello may come alone; but where the rest was not kept they could be those of another message.
    const begins = looksLikeHello(bytes, from, to) && !(cut && to - from <= HEADER_LENGTH);
    if (waiting === undefined && !begins) return;
    let offset = waiting === undefined ? 0 : (sequence - waiting.base) >>> 0;
    if (waiting !== undefined && offset >= LONGEST_HEAD) {
      if (!begins) return;
      // The ports are used again, or it says hello once more.
      this.#giveUp(flow, waiting);
      waiting = undefined;
      offset = 0;
    }
    if (waiting === undefined) {
      // Most hellos are in one segment, or their rest was not kept: nothing has to be held.
      if (this.#answered.get(flow) === sequence) return;
      const hello = readTlsHello(bytes, from, to);
      if (hello === undefined) return;
      if (cut || !hello.cut) {
        this.#remember(flow, sequence);
        this.#found(flow, tag, hello);
        return;
      }
      waiting = this.#wait(flow, tag, sequence);
    }
    this.#put(waiting, offset, bytes, from, to);
    waiting.packets++;
    const hello = readTlsHello(waiting.head.bytes, 0, waiting.head.length);
    if (hello === undefined || !hello.cut || cut || waiting.packets === MOST_PACKETS) {
      this.#answer(flow, waiting, hello);
    } else {
      this.#makeRoom();
    }
  }

  /** A UDP datagram of which [from, to) was kept, from a client. */
  feedQuic(flow: number, tag: number, bytes: Uint8Array, from: number, to: number): void {
    if (!looksLikeInitial(bytes, from, to) || this.#answered.has(flow)) return;
    let waiting = this.#waiting.get(flow);
    for (const initial of findInitials(bytes, from, to)) {
      const opened = open(bytes, initial, to, waiting?.keys);
      if (opened === undefined) continue;
      const { frames, keys } = opened;
      waiting ??= this.#wait(flow, tag, 0);
      waiting.keys = keys;
      waiting.cut ||= initial.end > to;
      const { head } = waiting;
      const before = head.capacity;
      walkFrames(frames, (offset, start, end) => head.put(offset, frames, start, end));
      this.#bytes += head.capacity - before;
    }
    if (waiting === undefined) return;
    waiting.packets++;
    const { head } = waiting;
    const hello = readClientHello(head.bytes, 0, head.length);
    const known = hello !== undefined && (!hello.cut || (waiting.cut && hello.name !== undefined));
    if (known || (head.length > 0 && hello === undefined) || waiting.packets === MOST_PACKETS) {
      this.#answer(flow, waiting, hello);
    } else {
      this.#makeRoom();
    }
  }

  /** Gives up all that still waits: there are no more packets. */
  finish(): void {
    for (const [flow, waiting] of this.#waiting) this.#giveUp(flow, waiting);
  }

  #wait(flow: number, tag: number, base: number): Waiting {
    const waiting = { tag, base, head: new StreamHead(), packets: 0, keys: undefined, cut: false };
    this.#waiting.set(flow, waiting);
    return waiting;
  }

  #put(waiting: Waiting, offset: number, bytes: Uint8Array, from: number, to: number): void {
    const before = waiting.head.capacity;
    waiting.head.put(offset, bytes, from, to);
    this.#bytes += waiting.head.capacity - before;
  }

  #makeRoom(): void {
    for (const [flow, waiting] of this.#waiting) {
      if (this.#waiting.size <= MOST_WAITING && this.#bytes <= MOST_BYTES) return;
      this.#giveUp(flow, waiting);
    }
  }

  #giveUp(flow: number, waiting: Waiting): void {
    const { head, keys } = waiting;
    const read = keys === undefined ? readTlsHello : readClientHello;
    this.#answer(flow, waiting, read(head.bytes, 0, head.length) ?? UNSEEN_HELLO);
  }

  /** Lets go of a flow; `hello` undefined: it turned out to be none. */
  #answer(flow: number, waiting: Waiting, hello: ClientHello | undefined): void {
    this.#waiting.delete(flow);
    this.#bytes -= waiting.head.capacity;
    this.#remember(flow, waiting.base);
    if (hello !== undefined) this.#found(flow, waiting.tag, hello);
  }

  #remember(flow: number, base: number): void {
    this.#answered.set(flow, base);
    if (this.#answered.size <= MOST_ANSWERED) return;
    for (const oldest of this.#answered.keys()) {
      this.#answered.delete(oldest);
      return;
    }
  }
}

interface Opened {
  readonly frames: Uint8Array;
  readonly keys: InitialKeys;
}

/**
 * Opens an Initial with the connection's keys; else with those of the connection ID it is sent to, which hold for a client's
 * first Initial, and for the first after a Retry. Later ones go to the ID that the server chose, under the first one's keys.
 */
function open(bytes: Uint8Array, initial: Initial, to: number, known: InitialKeys | undefined): Opened | undefined {
  const frames = known === undefined ? undefined : genuine(openInitial(bytes, initial, to, known));
  if (known !== undefined && frames !== undefined) return { frames, keys: known };
  const keys = clientKeys(initial.version, bytes.subarray(initial.idFrom, initial.idTo));
  const first = genuine(openInitial(bytes, initial, to, keys));
  return first === undefined ? undefined : { frames: first, keys };
}

/** Frames, or undefined where they are none: what a tag that was not kept would have said. */
function genuine(frames: Uint8Array | undefined): Uint8Array | undefined {
  return frames !== undefined && walkFrames(frames, () => {}) ? frames : undefined;
}
