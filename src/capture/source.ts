// The seam between the session and the engines that packets come from.
import type { RecordSink } from '../savefile/sink.ts';

/** Counters since the source was opened; exact beyond 2^32. */
export interface SourceStatistics {
  /** Packets that passed the kernel's filter, those it then had no room for included. */
  readonly received: number;
  /** Packets lost because the ring was full. */
  readonly dropped: number;
  /** How often the ring was found full. */
  readonly queueFreezes: number;
  /** Packets that the network card lost, where the driver says so and the interface is promiscuous. */
  readonly ifDropped: number;
  /** Packets that a filter outside the kernel left out. */
  readonly filtered: number;
  /** Packets accepted that no sink was offered yet. */
  readonly unread: number;
}

/** A time in which no packet could come. */
export interface Absence {
  readonly device: string;
  /** The interface was not up, or not there. */
  readonly reason: 'down' | 'removed';
  /** When it began, in milliseconds since 1970. */
  readonly fromMs: number;
}

/** `empty`: nothing is left. `more`: it only let the event loop have its turn. `held`: the sink takes nothing at present. */
export type Drained = 'empty' | 'more' | 'held';

export interface PacketSource {
  /**
   * Waits until there may be records, `timeoutMs` is over, or the event loop has something to do; then looks after the
   * interface. @throws CaptureError when no packet will ever come again
   */
  wait(timeoutMs: number): void;
  /** Looks after the interface without waiting. Only here and in `wait()` does `away` change. @throws CaptureError as there */
  look(): void;
  /** The interface is away; undefined while it is there. */
  readonly away: Absence | undefined;
  /**
   * Hands what there is to the sink, but no more than this share of what fits between kernel and program, so that signals
   * and timers get their turn however fast packets come; default all of it.
   */
  drain(sink: RecordSink, share?: number): Drained;
  /** Three quarters of the room between kernel and program are taken. */
  readonly crowded: boolean;
  /** No further packet is accepted; those accepted before can still be drained. */
  refuse(): void;
  statistics(): SourceStatistics;
  close(): void;
}
