// A packet source without a kernel: plays a script against a clock that runs as fast as it is told to, hands packets over
// as the ring does (spans within the limits, cut() for what is beyond them, a refused span offered again), and knows of
// each packet what became of it.
import type { CaptureSession } from '../../src/capture/session.ts';
import type { Drained, PacketSource, SourceStatistics } from '../../src/capture/source.ts';
import type { Output } from '../../src/savefile/output.ts';
import { LATE_NSEC, type Limits, type RecordSink, type RecordSpan } from '../../src/savefile/sink.ts';

/** What happens outside the program, one after the other. */
export type Step =
  /** So many packets, the next one so much later; `lateMs`: stamped so long ago, by another processor. */
  | { readonly packets: number; readonly everyMs: number; readonly lateMs: number }
  /** Nothing, for so long. */
  | { readonly passMs: number }
  /** The wall clock is set. */
  | { readonly setByMs: number }
  /** For about so many milliseconds of real time the loop turns and nothing comes: what goes on in the background gets on. */
  | { readonly breath: number }
  | { readonly rotate: true }
  | { readonly act: () => void };

/** Stands in for Date.now() and performance.now() from `install` to `remove`. */
export class ScriptedClock {
  #wallMs: number;
  #elapsedMs = 0;
  readonly #dateNow = Date.now;

  constructor(wallMs: number) {
    this.#wallMs = wallMs;
  }

  get wallMs(): number {
    return this.#wallMs;
  }

  pass(ms: number): void {
    this.#wallMs += ms;
    this.#elapsedMs += ms;
  }

  set(byMs: number): void {
    this.#wallMs += byMs;
  }

  install(): void {
    Date.now = () => Math.floor(this.#wallMs);
    performance.now = () => this.#elapsedMs;
  }

  remove(): void {
    Date.now = this.#dateNow;
    Reflect.deleteProperty(performance, 'now'); // the prototype has the real one
  }
}

interface Packet {
  readonly sec: number;
  readonly nsec: number;
  readonly record: Buffer;
}

/** Packets in a block of the ring, blocks in a ring. */
const BLOCK_PACKETS = 16;
const BLOCKS = 8;
/** A packet takes the source so long to be refused. */
const REFUSAL_MS = 20;

export class ScriptedSource implements PacketSource {
  /** The records that are in savefiles, by what the output says, in order. */
  readonly written: Buffer[] = [];
  readonly away = undefined;
  readonly #clock: ScriptedClock;
  readonly #steps: Step[];
  readonly #random: () => number;
  /** After so many refusals in a row the ring counts as crowded. */
  readonly #patience: number;
  readonly #queue: Packet[] = [];
  #received = 0;
  /** Packets left of the block that is being drained. */
  #left = 0;
  /** What the sink is not done with, and how many of its records are counted. */
  #span: RecordSpan | undefined;
  #ended = 0;
  #refusals = 0;
  #breath = 0;
  #output: Output | undefined;
  #session: CaptureSession | undefined;

  constructor(clock: ScriptedClock, steps: readonly Step[], random: () => number) {
    this.#clock = clock;
    this.#steps = [...steps];
    this.#random = random;
    this.#patience = 2 + Math.floor(random() * 6);
  }

  /** `session` is stopped when the script is over. */
  begin(output: Output, session: CaptureSession): void {
    this.#output = output;
    this.#session = session;
  }

  get crowded(): boolean {
    return this.#refusals >= this.#patience;
  }

  refuse(): void {}

  look(): void {}

  close(): void {}

  statistics(): SourceStatistics {
    const offered = this.#span === undefined ? 0 : this.#span.records - this.#ended;
    const unread = this.#queue.length - offered;
    return { received: this.#received, dropped: 0, queueFreezes: 0, ifDropped: 0, filtered: 0, unread };
  }

  wait(timeoutMs: number): void {
    const [step] = this.#steps;
    if (step === undefined) {
      this.#session?.stop();
      return;
    }
    if ('passMs' in step) {
      const ms = Math.min(step.passMs, Math.max(1, timeoutMs));
      this.#clock.pass(ms);
      if (ms < step.passMs) this.#steps[0] = { passMs: step.passMs - ms };
      else this.#steps.shift();
      return;
    }
    this.#steps.shift();
    if ('packets' in step)
      for (let n = 0; n < step.packets; n++) this.#receive(step.everyMs, n === 0 ? step.lateMs : 0);
    if ('setByMs' in step) this.#clock.set(step.setByMs);
    if ('breath' in step) this.#breath = step.breath;
    if ('rotate' in step) this.#session?.rotate();
    if ('act' in step) step.act();
  }

  drain(sink: RecordSink, share = 1): Drained {
    if (this.#breath > 0) {
      this.#breath--;
      return 'held';
    }
    for (let turns = Math.ceil(BLOCKS * share); turns > 0; turns--) {
      if (this.#left === 0) this.#left = Math.min(BLOCK_PACKETS, this.#queue.length);
      if (this.#left === 0) return 'empty';
      if (!this.#drainBlock(sink)) {
        this.#clock.pass(REFUSAL_MS);
        this.#refusals++;
        // The clock may be set at any time, also while the output takes nothing.
        const [step] = this.#steps;
        if (step !== undefined && 'setByMs' in step) this.wait(0);
        return 'held';
      }
      this.#refusals = 0;
    }
    return 'more';
  }

  #receive(everyMs: number, lateMs: number): void {
    this.#clock.pass(everyMs);
    const usec = Math.floor((this.#clock.wallMs - lateMs) * 1000);
    const packet = Buffer.alloc(20 + Math.floor(this.#random() * 76), this.#received);
    packet.writeUInt32LE(this.#received, 0);
    const record = Buffer.alloc(16 + packet.length);
    record.writeUInt32LE(Math.floor(usec / 1e6), 0);
    record.writeUInt32LE(usec % 1e6, 4);
    record.writeUInt32LE(packet.length, 8);
    record.writeUInt32LE(packet.length + 1, 12);
    packet.copy(record, 16);
    this.#queue.push({ sec: Math.floor(usec / 1e6), nsec: (usec % 1e6) * 1000, record });
    this.#received++;
  }

  /** As RingSource: false when the sink takes no more at present. */
  #drainBlock(sink: RecordSink): boolean {
    if (this.#span !== undefined && !this.#offer(this.#span, () => sink.resume())) return false;
    let wasCut = false;
    while (this.#left > 0) {
      const span = this.#compact(sink.limits);
      if (span.records === 0) {
        if (wasCut) throw new Error('a file was opened that the record does not fit');
        wasCut = sink.cut(this.#queue[0]?.sec ?? 0);
        if (!wasCut) return false;
        continue;
      }
      wasCut = false;
      if (!this.#offer(span, () => sink.take(span))) return false;
    }
    return true;
  }

  /** What the output counts is what happened to the first packets of the queue. */
  #offer(span: RecordSpan, offer: () => boolean): boolean {
    const output = this.#output;
    if (output === undefined) throw new Error('begin() comes first');
    const { written, noSpace } = output;
    const done = offer();
    const arrived = this.#queue.splice(0, output.written - written);
    const lost = this.#queue.splice(0, output.noSpace - noSpace);
    for (const { record } of arrived) this.written.push(record);
    this.#left -= arrived.length + lost.length;
    this.#ended += arrived.length + lost.length;
    this.#span = done ? undefined : span;
    if (!done) return false;
    if (this.#ended !== span.records) throw new Error(`took ${span.records} records and counted ${this.#ended}`);
    this.#ended = 0;
    span.bytes.fill(0xff); // goes back to the kernel
    return done;
  }

  #compact({ startSec, endSec, records, bytes }: Readonly<Limits>): RecordSpan {
    const packets: Packet[] = [];
    let size = 0;
    for (const packet of this.#queue.slice(0, Math.min(this.#left, records))) {
      const late = packet.sec < startSec;
      if (packet.sec >= endSec || size + packet.record.length > bytes) break;
      if (late && (packet.sec < startSec - 1 || packet.nsec < 1e9 - LATE_NSEC)) break;
      packets.push(packet);
      size += packet.record.length;
    }
    const [first, last] = [packets[0], packets.at(-1)];
    return {
      bytes: Buffer.concat(packets.map(({ record }) => record)),
      records: packets.length,
      late: packets.filter(({ sec }) => sec < startSec).length,
      firstSec: first?.sec ?? 0,
      firstNsec: first?.nsec ?? 0,
      lastSec: last?.sec ?? 0,
      lastNsec: last?.nsec ?? 0,
    };
  }
}
