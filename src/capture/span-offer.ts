// How a source hands its records to a sink, span after span, within the sink's limits; the same for all engines.
import type { Limits, RecordSink, RecordSpan } from '../savefile/sink.ts';

/** Packets in memory that become spans of records, one span after the other. */
export interface SpanWalk extends RecordSpan {
  /** More than 0 while there are records that no span has had yet. */
  readonly left: number;
  /** The second of the next of them. */
  readonly nextSec: number;
  /** Makes the span of the next records within the limits; `records` is 0 when the very next one is beyond them. */
  compact(limits: Readonly<Limits>): void;
}

export class SpanOffer {
  /** Records that a sink was given, whether it is done with them or not. */
  offered = 0;
  #held = false;

  /** The sink still needs the memory of the last span, of which it has not taken all. */
  get held(): boolean {
    return this.#held;
  }

  /** Hands over all that is left. False when the sink takes no more at present; call again, with the walk as it is. */
  all(walk: SpanWalk, sink: RecordSink): boolean {
    if (this.#held) {
      if (!sink.resume()) return false;
      this.#held = false;
    }
    let wasCut = false;
    while (walk.left > 0) {
      walk.compact(sink.limits);
      if (walk.records === 0) {
        if (walk.left === 0) break; // what was left was not wanted
        if (wasCut) throw new Error('unreachable: a file was opened that the record does not fit');
        wasCut = sink.cut(walk.nextSec);
        if (!wasCut) return false;
        continue;
      }
      wasCut = false;
      this.offered += walk.records;
      this.#held = !sink.take(walk);
      if (this.#held) return false;
    }
    return true;
  }
}
