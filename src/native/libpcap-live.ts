// libpcap's capturing: what libpcap.ts binds for filters and devices is not here. Of interest is how packets come over:
// `pcap_dispatch` is given libpcap's own `pcap_dump` as its callback, and that writes into a stdio stream whose buffer is
// memory of ours. So one call brings thousands of finished savefile records, and no packet calls JavaScript
// (native-notes/libpcap-engine.md). Called by capture/libpcap; loaded by nothing else, so that other engines start without.
import koffi from 'koffi';
import { CaptureError, PcapError } from '../errors.ts';
import { type FILE, fclose, fmemopen, libc } from './libc.ts';
import { check, libpcapLibrary, pcap_geterr, type pcap_t } from './libpcap.ts';

const library = libpcapLibrary();
const pcap_set_immediate_modeFn = library.func('int pcap_set_immediate_mode(void *p, int immediate)');
const pcap_set_tstamp_typeFn = library.func('int pcap_set_tstamp_type(void *p, int type)');
const pcap_tstamp_type_name_to_valFn = library.func('int pcap_tstamp_type_name_to_val(const char *name)');
const pcap_set_tstamp_precisionFn = library.func('int pcap_set_tstamp_precision(void *p, int precision)');
const pcap_set_protocol_linuxFn = library.func('int pcap_set_protocol_linux(void *p, int protocol)');
const pcap_setnonblockFn = library.func('int pcap_setnonblock(void *p, int nonblock, char *errbuf)');
const pcap_statsFn = library.func('int pcap_stats(void *p, void *stats)');
const pcap_get_selectable_fdFn = library.func('int pcap_get_selectable_fd(void *p)');
const pcap_get_required_select_timeoutFn = library.func('const void *pcap_get_required_select_timeout(void *p)');
const pcap_dispatchFn = library.func('int pcap_dispatch(void *p, int count, void *callback, void *user)');
const pcap_dump_fopenFn = library.func('void *pcap_dump_fopen(void *p, void *file)');
const pcap_dump_closeFn = library.func('void pcap_dump_close(void *dumper)');
const pcap_dump: bigint = library.symbol('pcap_dump', 'void *');

const setvbufFn = libc.func('int setvbuf(void *stream, void *buffer, int mode, size_t size)');
const ferrorFn = libc.func('int ferror(void *stream)');
// <stdio_ext.h>
const fpendingFn = libc.func('size_t __fpending(void *stream)');
const fpurgeFn = libc.func('void __fpurge(void *stream)');

const PCAP_ERRBUF_SIZE = 256;
const PCAP_ERROR = -1;
const _IOFBF = 0;

export const PCAP_TSTAMP_PRECISION_NANO = 1;

export function pcap_set_immediate_mode(p: pcap_t, immediate: number): void {
  check(p, pcap_set_immediate_modeFn(p, immediate), 'pcap_set_immediate_mode');
}

/** `name` as pcap-tstamp(7) has it. @throws PcapError when the device does not stamp that way, or nothing does */
export function setTimestampType(p: pcap_t, name: string, source: string): void {
  const type: number = pcap_tstamp_type_name_to_valFn(name);
  const status: number = type < 0 ? type : pcap_set_tstamp_typeFn(p, type);
  // A warning (PCAP_WARNING_TSTAMP_TYPE_NOTSUP) means that it would stamp in another way.
  if (status !== 0)
    throw new PcapError('PCAP_ERROR_CANTSET_TSTAMP_TYPE', `${source}: timestamps of type ${name} are not supported`);
}

export function pcap_set_tstamp_precision(p: pcap_t, precision: number): void {
  check(p, pcap_set_tstamp_precisionFn(p, precision), 'pcap_set_tstamp_precision');
}

export function pcap_set_protocol_linux(p: pcap_t, protocol: number): void {
  check(p, pcap_set_protocol_linuxFn(p, protocol), 'pcap_set_protocol_linux');
}

export function pcap_setnonblock(p: pcap_t, nonblock: number): void {
  const errbuf = new Uint8Array(PCAP_ERRBUF_SIZE);
  if (pcap_setnonblockFn(p, nonblock, errbuf) < 0) throw new PcapError('PCAP_ERROR', koffi.decode.string(errbuf));
}

/** struct pcap_stat of <pcap/pcap.h>: counters of 32 bits, which wrap. */
export const pcap_stat = {
  ps_recv: 0, // u_int
  ps_drop: 4, // u_int
  ps_ifdrop: 8, // u_int
  sizeof: 12,
} as const;

export function pcap_stats(p: pcap_t, stats: Uint8Array): void {
  check(p, pcap_statsFn(p, stats), 'pcap_stats');
}

/** -1: there is none, and it takes timed looks to see a packet. */
export function pcap_get_selectable_fd(p: pcap_t): number {
  return pcap_get_selectable_fdFn(p);
}

/** In milliseconds, undefined where the descriptor tells of everything. */
export function pcap_get_required_select_timeout(p: pcap_t): number | undefined {
  const timeval: bigint | null = pcap_get_required_select_timeoutFn(p);
  if (timeval === null) return undefined;
  const [sec, usec]: (number | bigint)[] = Array.from(koffi.decode(timeval, 'long', 2)); // struct timeval
  return Math.max(1, Number(sec) * 1000 + Number(usec) / 1000);
}

/**
 * A `pcap_dumper_t` that writes into memory of ours. The buffer of its stream is `memory`, the stream behind it takes
 * nothing: what does not fit is an error, and never lost without a word.
 */
export class Dumper {
  readonly #p: pcap_t;
  readonly #memory: Uint8Array;
  /** All that the stream takes beyond its buffer. */
  readonly #behind = new Uint8Array(new ArrayBuffer(1));
  readonly #stream: FILE;
  /** The file header that libpcap has written for this handle. */
  readonly fileHeader: Uint8Array;

  /** The handle must be active, with its final link type. */
  constructor(p: pcap_t, memory: Uint8Array) {
    this.#p = p;
    this.#memory = memory;
    const stream = fmemopen(this.#behind, 'w');
    setvbufFn(stream, memory, _IOFBF, memory.length);
    if (pcap_dump_fopenFn(p, stream) === null) {
      fclose(stream);
      throw new PcapError('PCAP_ERROR', pcap_geterr(p));
    }
    this.#stream = stream;
    this.fileHeader = memory.slice(0, this.#written());
  }

  /**
   * How many bytes there are at the start of the memory. The stream forgets them: libc flushes at exit what it still has, and
   * the memory may be gone by then.
   */
  #written(): number {
    const bytes = Number(fpendingFn(this.#stream));
    fpurgeFn(this.#stream);
    return bytes;
  }

  /**
   * Has at most `count` packets written to the start of the memory, as savefile records, over what was there before, and
   * returns how many bytes they take; 0 when no packet waits. @throws PcapError with libpcap's text
   */
  dispatch(count: number): number {
    const packets: number = pcap_dispatchFn(this.#p, count, pcap_dump, this.#stream);
    const bytes = this.#written();
    if (ferrorFn(this.#stream) !== 0) {
      const size = this.#memory.length;
      throw new CaptureError('ERR_SNAPLEN', `a packet is longer than the snaplen, ${size} bytes do not hold it`);
    }
    // With packets before it, an error waits for the next call.
    if (packets === PCAP_ERROR && bytes === 0) throw new PcapError('PCAP_ERROR', pcap_geterr(this.#p));
    return bytes;
  }

  close(): void {
    pcap_dump_closeFn(this.#stream);
  }
}
