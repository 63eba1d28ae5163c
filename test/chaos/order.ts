// What the guest shall do, as one word of the kernel's command line: CHAOS=..., which becomes init's environment.
// Written by machine.ts, read by guest.ts.

export interface Order {
  /** Of the program. */
  readonly options: readonly string[];
  /** Number of the first packet. */
  readonly first: number;
  /** Packets a second. */
  readonly rate: number;
  /** The clock is set by `steps`, in seconds, so long after the start, again after that and so on; stops as long after. */
  readonly stepEverySec: number;
  /** Empty: goes on until the power is cut. */
  readonly steps: readonly number[];
}

/** Without a blank or a quote. */
export function writeOrder(order: Order): string {
  return encodeURIComponent(JSON.stringify(order));
}

export function readOrder(text = ''): Order {
  return JSON.parse(decodeURIComponent(text));
}
