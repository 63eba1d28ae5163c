// The system's libpcap as this program uses it, under its C names: the compiler of filters, and the expert on devices,
// link types and error texts. No packet goes through what is bound here; how the libpcap engine captures is in
// libpcap-live.ts. Loaded on first use, so that --help and usage errors need no libpcap. Wrappers throw a `PcapError` where
// C returns an error; what is allocated here is freed here. Called by filter/, cli/devices and capture/libpcap.
//
// Bound neither here nor there, from <pcap/pcap.h> 1.10: pcap_init pcap_lookupdev pcap_can_set_rfmon
// pcap_get_tstamp_precision pcap_open_live pcap_open_dead pcap_open_dead_with_tstamp_precision
// pcap_open_offline(_with_tstamp_precision) pcap_fopen_offline_with_tstamp_precision pcap_loop pcap_next pcap_next_ex
// pcap_breakloop pcap_setdirection pcap_getnonblock pcap_inject pcap_sendpacket pcap_lookupnet pcap_perror pcap_strerror
// pcap_compile_nopcap pcap_offline_filter pcap_datalink_ext pcap_is_swapped pcap_major_version pcap_minor_version
// pcap_bufsize pcap_file pcap_dump_open(_append) pcap_dump_file pcap_dump_ftell(64) pcap_dump_flush bpf_dump bpf_validate
// bpf_filter, and everything of pcap_open (remote capture).
import koffi, { type LibraryHandle } from 'koffi';
import { CaptureError, PcapError } from '../errors.ts';
import type { FILE } from './libc.ts';

/** A `pcap_t *`. */
export type pcap_t = bigint;

/** Debian's soname, the other distributions', and the name that only a -dev package has. */
const NAMES = ['libpcap.so.0.8', 'libpcap.so.1', 'libpcap.so'];
const PCAP_ERRBUF_SIZE = 256;

/** The first of the libraries that the system has. @throws CaptureError ERR_LIBPCAP */
export function loadLibpcap(names: readonly string[] = NAMES): LibraryHandle {
  let cause: unknown;
  for (const name of names) {
    try {
      return koffi.load(name);
    } catch (error) {
      cause = error;
    }
  }
  throw new CaptureError('ERR_LIBPCAP', 'libpcap not found: apt install libpcap0.8, or dnf install libpcap', { cause });
}

function bind(library: LibraryHandle) {
  return {
    create: library.func('void *pcap_create(const char *source, char *errbuf)'),
    fopen_offline: library.func('void *pcap_fopen_offline(void *fp, char *errbuf)'),
    set_snaplen: library.func('int pcap_set_snaplen(void *p, int snaplen)'),
    set_promisc: library.func('int pcap_set_promisc(void *p, int promisc)'),
    set_rfmon: library.func('int pcap_set_rfmon(void *p, int rfmon)'),
    set_timeout: library.func('int pcap_set_timeout(void *p, int to_ms)'),
    set_buffer_size: library.func('int pcap_set_buffer_size(void *p, int buffer_size)'),
    activate: library.func('int pcap_activate(void *p)'),
    snapshot: library.func('int pcap_snapshot(void *p)'),
    fileno: library.func('int pcap_fileno(void *p)'),
    geterr: library.func('const char *pcap_geterr(void *p)'),
    statustostr: library.func('const char *pcap_statustostr(int error)'),
    close: library.func('void pcap_close(void *p)'),
    datalink: library.func('int pcap_datalink(void *p)'),
    set_datalink: library.func('int pcap_set_datalink(void *p, int dlt)'),
    list_datalinks: library.func('int pcap_list_datalinks(void *p, _Out_ void **dlt_buf)'),
    free_datalinks: library.func('void pcap_free_datalinks(void *dlt_list)'),
    datalink_name_to_val: library.func('int pcap_datalink_name_to_val(const char *name)'),
    datalink_val_to_name: library.func('const char *pcap_datalink_val_to_name(int dlt)'),
    datalink_val_to_description: library.func('const char *pcap_datalink_val_to_description(int dlt)'),
    list_tstamp_types: library.func('int pcap_list_tstamp_types(void *p, _Out_ void **tstamp_types)'),
    free_tstamp_types: library.func('void pcap_free_tstamp_types(void *tstamp_types)'),
    tstamp_type_name_to_val: library.func('int pcap_tstamp_type_name_to_val(const char *name)'),
    tstamp_type_val_to_name: library.func('const char *pcap_tstamp_type_val_to_name(int type)'),
    tstamp_type_val_to_description: library.func('const char *pcap_tstamp_type_val_to_description(int type)'),
    compile: library.func('int pcap_compile(void *p, void *fp, const char *str, int optimize, uint32_t netmask)'),
    setfilter: library.func('int pcap_setfilter(void *p, void *fp)'),
    freecode: library.func('void pcap_freecode(void *fp)'),
    bpf_image: library.func('const char *bpf_image(const void *insn, int n)'),
    findalldevs: library.func('int pcap_findalldevs(_Out_ void **alldevs, char *errbuf)'),
    freealldevs: library.func('void pcap_freealldevs(void *alldevs)'),
    lib_version: library.func('const char *pcap_lib_version()'),
  };
}

let loaded: LibraryHandle | undefined;
let bound: ReturnType<typeof bind> | undefined;

/** The system's libpcap, loaded once. @throws CaptureError ERR_LIBPCAP */
export function libpcapLibrary(): LibraryHandle {
  loaded ??= loadLibpcap();
  return loaded;
}

function libpcap(): ReturnType<typeof bind> {
  bound ??= bind(libpcapLibrary());
  return bound;
}

const ERRORS: Readonly<Record<number, string>> = {
  [-1]: 'PCAP_ERROR',
  [-2]: 'PCAP_ERROR_BREAK',
  [-3]: 'PCAP_ERROR_NOT_ACTIVATED',
  [-4]: 'PCAP_ERROR_ACTIVATED',
  [-5]: 'PCAP_ERROR_NO_SUCH_DEVICE',
  [-6]: 'PCAP_ERROR_RFMON_NOTSUP',
  [-7]: 'PCAP_ERROR_NOT_RFMON',
  [-8]: 'PCAP_ERROR_PERM_DENIED',
  [-9]: 'PCAP_ERROR_IFACE_NOT_UP',
  [-10]: 'PCAP_ERROR_CANTSET_TSTAMP_TYPE',
  [-11]: 'PCAP_ERROR_PROMISC_PERM_DENIED',
  [-12]: 'PCAP_ERROR_TSTAMP_PRECISION_NOTSUP',
  [-13]: 'PCAP_ERROR_CAPTURE_NOTSUP',
};

/** `status` as tcpdump words it; libpcap's text behind it where that says more. */
function statusText(p: pcap_t, status: number, source: string): string {
  const text: string = libpcap().statustostr(status);
  const detail = pcap_geterr(p);
  switch (ERRORS[status]) {
    case 'PCAP_ERROR':
      return detail;
    case 'PCAP_ERROR_NO_SUCH_DEVICE':
      return `${source}: ${text}; -D lists them`;
    case 'PCAP_ERROR_PERM_DENIED':
    case 'PCAP_ERROR_PROMISC_PERM_DENIED':
      return `${source}: ${text}${detail === '' ? '' : ` (${detail})`}; run as root or give the program CAP_NET_RAW`;
    default:
      return `${source}: ${text}`;
  }
}

/** `source`: the device, or the function. @throws PcapError when `status` is one of failure */
export function check(p: pcap_t, status: number, source: string): void {
  if (status < 0) throw new PcapError(ERRORS[status] ?? 'PCAP_ERROR', statusText(p, status, source));
}

function errbuf(): Uint8Array {
  return new Uint8Array(PCAP_ERRBUF_SIZE);
}

function errorOf(buffer: Uint8Array): PcapError {
  return new PcapError('PCAP_ERROR', koffi.decode.string(buffer));
}

/** The handle must be closed with `pcap_close`. */
export function pcap_create(source: string): pcap_t {
  const error = errbuf();
  const p: pcap_t | null = libpcap().create(source, error);
  if (p === null) throw errorOf(error);
  return p;
}

/** A handle on the savefile that `fp` reads. `pcap_close` closes both; when this throws, `fp` stays open. */
export function pcap_fopen_offline(fp: FILE): pcap_t {
  const error = errbuf();
  const p: pcap_t | null = libpcap().fopen_offline(fp, error);
  if (p === null) throw errorOf(error);
  return p;
}

export function pcap_set_snaplen(p: pcap_t, snaplen: number): void {
  check(p, libpcap().set_snaplen(p, snaplen), 'pcap_set_snaplen');
}

export function pcap_set_promisc(p: pcap_t, promisc: number): void {
  check(p, libpcap().set_promisc(p, promisc), 'pcap_set_promisc');
}

/** Monitor mode, for the time of the capture. */
export function pcap_set_rfmon(p: pcap_t, rfmon: number): void {
  check(p, libpcap().set_rfmon(p, rfmon), 'pcap_set_rfmon');
}

export function pcap_set_timeout(p: pcap_t, to_ms: number): void {
  check(p, libpcap().set_timeout(p, to_ms), 'pcap_set_timeout');
}

export function pcap_set_buffer_size(p: pcap_t, buffer_size: number): void {
  check(p, libpcap().set_buffer_size(p, buffer_size), 'pcap_set_buffer_size');
}

const PCAP_WARNING = 1;

/** Opens `source`, the name that the handle was created with. Returns libpcap's warning, if it has one. */
export function pcap_activate(p: pcap_t, source: string): string | undefined {
  const status: number = libpcap().activate(p);
  check(p, status, source);
  if (status === 0) return undefined;
  const detail = pcap_geterr(p);
  if (status === PCAP_WARNING) return detail;
  return `${source}: ${libpcap().statustostr(status)}${detail === '' ? '' : ` (${detail})`}`;
}

/** The snaplen in force, which libpcap raises where a cooked header would not fit. */
export function pcap_snapshot(p: pcap_t): number {
  return libpcap().snapshot(p);
}

export function pcap_fileno(p: pcap_t): number {
  return libpcap().fileno(p);
}

export function pcap_geterr(p: pcap_t): string {
  return libpcap().geterr(p);
}

export function pcap_close(p: pcap_t): void {
  libpcap().close(p);
}

export function pcap_datalink(p: pcap_t): number {
  return libpcap().datalink(p);
}

export function pcap_set_datalink(p: pcap_t, dlt: number): void {
  check(p, libpcap().set_datalink(p, dlt), 'pcap_set_datalink');
}

export function pcap_list_datalinks(p: pcap_t): number[] {
  const list: [bigint | null] = [null];
  const count: number = libpcap().list_datalinks(p, list);
  check(p, count, 'pcap_list_datalinks');
  const dlts: number[] = Array.from(koffi.decode(list[0], 'int', count));
  libpcap().free_datalinks(list[0]);
  return dlts;
}

export function pcap_datalink_name_to_val(name: string): number | undefined {
  const dlt: number = libpcap().datalink_name_to_val(name);
  return dlt < 0 ? undefined : dlt;
}

export function pcap_datalink_val_to_name(dlt: number): string | undefined {
  return libpcap().datalink_val_to_name(dlt) ?? undefined;
}

export function pcap_datalink_val_to_description(dlt: number): string | undefined {
  return libpcap().datalink_val_to_description(dlt) ?? undefined;
}

export interface TimestampType {
  readonly name: string;
  readonly description: string | undefined;
}

/** libpcap knows a type of this name, which a device may have or not. */
export function isTimestampType(name: string): boolean {
  return libpcap().tstamp_type_name_to_val(name) >= 0;
}

/** `pcap_list_tstamp_types` of a handle on this device, by their names. */
export function timestampTypes(device: string): TimestampType[] {
  const p = pcap_create(device);
  try {
    const list: [bigint | null] = [null];
    const count: number = libpcap().list_tstamp_types(p, list);
    check(p, count, 'pcap_list_tstamp_types');
    const types: number[] = count === 0 ? [] : Array.from(koffi.decode(list[0], 'int', count));
    libpcap().free_tstamp_types(list[0]);
    return types.map((type) => ({
      name: libpcap().tstamp_type_val_to_name(type) ?? `${type}`,
      description: libpcap().tstamp_type_val_to_description(type) ?? undefined,
    }));
  } finally {
    pcap_close(p);
  }
}

/** A `struct bpf_program *` (unsigned int bf_len; struct bpf_insn *bf_insns). */
export interface bpf_program {
  readonly struct: Uint8Array;
  readonly bf_len: number;
}

/** A program of ours; the instructions must live as long as it is in use. */
export function bpf_program(instructions: Uint8Array): bpf_program {
  const struct = new Uint8Array(16);
  const view = new DataView(struct.buffer);
  const bf_len = instructions.byteLength / SIZEOF_BPF_INSN;
  view.setUint32(0, bf_len, true);
  view.setBigUint64(8, koffi.address(instructions), true);
  return { struct, bf_len };
}

const SIZEOF_BPF_INSN = 8;

/** To be freed with `pcap_freecode`. */
export function pcap_compile(p: pcap_t, expression: string, netmask: number): bpf_program {
  const struct = new Uint8Array(16);
  const optimize = 1;
  check(p, libpcap().compile(p, struct, expression, optimize, netmask), 'pcap_compile');
  return { struct, bf_len: new DataView(struct.buffer).getUint32(0, true) };
}

/** Its instructions, `struct bpf_insn` after `struct bpf_insn`: a copy, good after `pcap_freecode`. */
export function bpf_insns(program: bpf_program): Uint8Array {
  const address = new DataView(program.struct.buffer).getBigUint64(8, true);
  return new Uint8Array(koffi.view(address, program.bf_len * SIZEOF_BPF_INSN)).slice();
}

export function pcap_setfilter(p: pcap_t, program: bpf_program): void {
  check(p, libpcap().setfilter(p, program.struct), 'pcap_setfilter');
}

export function pcap_freecode(program: bpf_program): void {
  libpcap().freecode(program.struct);
}

/** One instruction in words; `n` is its number in the program. */
export function bpf_image(instruction: Uint8Array, n: number): string {
  return libpcap().bpf_image(instruction, n);
}

export const PCAP_IF_LOOPBACK = 0x1;
export const PCAP_IF_UP = 0x2;
export const PCAP_IF_RUNNING = 0x4;
export const PCAP_IF_WIRELESS = 0x8;
export const PCAP_IF_CONNECTION_STATUS = 0x30;
export const PCAP_IF_CONNECTION_STATUS_UNKNOWN = 0x00;
export const PCAP_IF_CONNECTION_STATUS_CONNECTED = 0x10;
export const PCAP_IF_CONNECTION_STATUS_DISCONNECTED = 0x20;

export interface pcap_if {
  readonly name: string;
  readonly description: string | undefined;
  /** PCAP_IF_ bits. */
  readonly flags: number;
}

const pcap_if = koffi.struct({
  next: 'void *',
  name: 'const char *',
  description: 'const char *',
  addresses: 'void *',
  flags: 'uint32_t',
});

/** All devices that the caller can open, in libpcap's order. */
export function pcap_findalldevs(): pcap_if[] {
  const error = errbuf();
  const first: [bigint | null] = [null];
  if (libpcap().findalldevs(first, error) < 0) throw errorOf(error);
  const devices: pcap_if[] = [];
  for (let at = first[0]; at !== null; ) {
    const { next, name, description, flags } = koffi.decode(at, pcap_if);
    devices.push({ name, description: description ?? undefined, flags });
    at = next;
  }
  libpcap().freealldevs(first[0]);
  return devices;
}

/** Such as `libpcap version 1.10.3 (with TPACKET_V3)`. */
export function pcap_lib_version(): string {
  return libpcap().lib_version();
}
