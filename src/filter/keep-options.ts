// What can be asked for of how much is kept of a packet. The program that does it is kept-bytes.ts and sample-flows.ts; this
// is apart from it for whoever only looks at options.

/** The most that `KeepOptions.sampleFlows` may be. */
export const MAX_SAMPLE_FLOWS = 1_000_000;

/** `--snaplen-for EXPR=BYTES` */
export interface SnaplenClass {
  readonly expression: string;
  /** As for --snaplen. */
  readonly bytes: number;
}

export interface KeepOptions {
  /**
   * Bytes of a packet to keep where nothing else is said, 1 to 262144, a cooked header of 16 or 20 bytes included. Default
   * 262144.
   */
  readonly snaplen: number;
  /** Bytes to keep of packets that match an expression; the first match holds. Default none. */
  readonly snaplenFor?: readonly SnaplenClass[] | undefined;
  /** Keep DNS, TLS handshakes and QUIC Initials far enough for their names. Default false. */
  readonly keepNames?: boolean | undefined;
  /** Of other packets keep the headers, up to `snaplen`, and no payload. Default false. */
  readonly headersOnly?: boolean | undefined;
  /** Keep one flow of so many, both directions, 1 to 1,000,000. Default all. */
  readonly sampleFlows?: number | undefined;
}

/** Those of the options that were given, as the user names them: first those that look for a packet's network header. */
export function keepOptionsGiven(options: KeepOptions): { readonly headers: string[]; readonly all: string[] } {
  const headers = [
    ...(options.sampleFlows === undefined ? [] : ['--sample-flows']),
    ...(options.keepNames ? ['--keep-names'] : []),
    ...(options.headersOnly ? ['--headers-only'] : []),
  ];
  return { headers, all: [...headers, ...((options.snaplenFor ?? []).length > 0 ? ['--snaplen-for'] : [])] };
}
