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
}

/** `empty`: nothing is left. `more`: it only let the event loop have its turn. `held`: the sink takes nothing at present. */
export type Drained = 'empty' | 'more' | 'held';

export interface PacketSource {
  /** Waits until there may be records, `timeoutMs` is over, or a signal came. */
  wait(timeoutMs: number): void;
  /** Hands what there is to the sink and returns after a bounded number of packets. */
  drain(sink: RecordSink): Drained;
  /** No further packet is accepted; those accepted before can still be drained. */
  refuse(): void;
  /** How many accepted packets have not been drained yet. */
  pending(): number;
  statistics(): SourceStatistics;
  close(): void;
}
