// One expression on a handle: libpcap compiles it and loads it into the handle's socket, and the kernel gives back what it
// runs there. Called by compile.ts, which chains such programs and has the kernel try the whole here.
import { CaptureError, PcapError, SyscallError } from '../errors.ts';
import * as libc from '../native/libc.ts';
import * as pcap from '../native/libpcap.ts';
import { BPF_MAXINSNS, Program } from './program.ts';

/** One instruction, BPF_RET | BPF_K with k not 0. */
export const KEEP_ALL: Program = new Program(Uint8Array.of(0x06, 0, 0, 0, 1, 0, 0, 0));

/** Only `ip broadcast` asks for it; tcpdump passes none, so that it means 0.0.0.0 and 255.255.255.255. */
const NETMASK = 0;

/** Whether the handle is an AF_PACKET socket, which runs programs. */
export function hasSocket(p: pcap.pcap_t): boolean {
  return libc.isPacketSocket(pcap.pcap_fileno(p));
}

/** As the kernel runs it; where there is no socket, as libpcap compiled it. @throws CaptureError ERR_FILTER */
export function loadedProgram(p: pcap.pcap_t, expression: string): Program {
  const compiled = compile(p, expression);
  try {
    // Beyond it libpcap filters in user space, with a warning on stderr.
    if (hasSocket(p)) checkLength(compiled.bf_len);
    const loaded = load(p, compiled);
    if (loaded === undefined) throw refused(`libpcap would run ${quote(expression)} in user space`);
    return loaded;
  } finally {
    pcap.pcap_freecode(compiled);
  }
}

/** `loadedProgram`. @throws CaptureError ERR_FILTER that begins with `option` */
export function namedProgram(p: pcap.pcap_t, expression: string, option: string): Program {
  try {
    return loadedProgram(p, expression);
  } catch (cause) {
    if (!(cause instanceof CaptureError && cause.code === 'ERR_FILTER')) throw cause;
    throw new CaptureError('ERR_FILTER', `${option}: ${cause.message}`, { cause });
  }
}

/**
 * As `loadedProgram`, undefined when the kernel does not run it; and as libpcap would run it then, who says why on stderr.
 * @throws CaptureError ERR_FILTER
 */
export function loadedOrCompiled(
  p: pcap.pcap_t,
  expression: string,
): { readonly loaded: Program | undefined; readonly compiled: Program } {
  const compiled = compile(p, expression);
  try {
    return { loaded: load(p, compiled), compiled: new Program(pcap.bpf_insns(compiled)) };
  } finally {
    pcap.pcap_freecode(compiled);
  }
}

function compile(p: pcap.pcap_t, expression: string): pcap.bpf_program {
  try {
    return pcap.pcap_compile(p, expression, NETMASK);
  } catch (cause) {
    throw cause instanceof PcapError ? new CaptureError('ERR_FILTER', cause.message, { cause }) : cause;
  }
}

/** Undefined when libpcap has taken the program off the socket again, to run it itself. */
function load(p: pcap.pcap_t, compiled: pcap.bpf_program): Program | undefined {
  if (!hasSocket(p)) return new Program(pcap.bpf_insns(compiled));
  try {
    pcap.pcap_setfilter(p, compiled);
  } catch (cause) {
    throw cause instanceof PcapError ? refused(cause.message, cause) : cause;
  }
  const program = readBack(pcap.pcap_fileno(p));
  return program.length === 0 ? undefined : program;
}

/** The length that SO_GET_FILTER takes and returns counts instructions. */
function readBack(fd: number): Program {
  const length = libc.getsockopt(fd, libc.SOL_SOCKET, libc.SO_GET_FILTER, null, 'SO_GET_FILTER');
  const bytes = new Uint8Array(length * 8);
  libc.getsockopt(fd, libc.SOL_SOCKET, libc.SO_GET_FILTER, bytes, 'SO_GET_FILTER', length);
  return new Program(bytes);
}

/**
 * The same program, tried by the kernel: the capture's own socket must not be the first to learn that it is refused.
 * @throws CaptureError ERR_FILTER
 */
export function attached(p: pcap.pcap_t, program: Program): Program {
  if (!hasSocket(p)) return program;
  checkLength(program.length);
  const fd = pcap.pcap_fileno(p);
  libc.attachFilter(fd, KEEP_ALL.bytes); // else the kernel counts the memory of what the handle has loaded, too
  try {
    libc.attachFilter(fd, program.bytes);
    return program;
  } catch (cause) {
    if (!(cause instanceof SyscallError)) throw cause;
    const text =
      cause.code === 'ENOMEM' ? `${program.length} instructions are more than net.core.optmem_max allows` : cause.code;
    throw refused(text, cause);
  }
}

function checkLength(length: number): void {
  if (length > BPF_MAXINSNS) throw refused(tooLong(length));
}

export function tooLong(length: number): string {
  return `it has ${length} instructions, the most is ${BPF_MAXINSNS}`;
}

function refused(why: string, cause?: unknown): CaptureError {
  return new CaptureError('ERR_FILTER', `the kernel can't run this filter: ${why}`, { cause });
}

function quote(text: string): string {
  return text.length <= 80 ? `'${text}'` : `'${text.slice(0, 77)}...'`;
}
