// glibc's system calls as this program uses them, under their C names and with their C constants. Each wrapper throws
// a `SyscallError` where C returns -1, so that no caller has to look at errno. Struct layouts are in if_packet.ts.
// Nothing here keeps state.
import koffi, { type LibraryHandle } from 'koffi';
import { SyscallError } from '../errors.ts';

export const libc: LibraryHandle = koffi.load('libc.so.6');

const codes = new Map(Object.entries(koffi.os.errno).map(([name, value]) => [value, name]));

export function errorName(errno: number): string {
  return codes.get(errno) ?? `E${errno}`;
}

/** The error of the C call that has just returned -1. Call it before anything else can change errno. */
export function syscallError(syscall: string, path?: string): SyscallError {
  const errno = koffi.errno();
  return new SyscallError(errorName(errno), errno, syscall, path);
}

// <asm-generic/socket.h>, <linux/socket.h>, <linux/if_ether.h>
export const AF_UNIX = 1;
export const AF_PACKET = 17;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_CLOEXEC = 0o2000000;
export const SOL_SOCKET = 1;
export const SO_ERROR = 4;
export const SO_ATTACH_FILTER = 26;
export const SO_DOMAIN = 39;
/** Same number as SO_ATTACH_FILTER: set attaches, get reads the program back. Its length counts instructions. */
export const SO_GET_FILTER = 26;
export const ETH_P_ALL = 3;

const socketFn = libc.func('int socket(int domain, int type, int protocol)');
const setsockoptFn = libc.func('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)');
const getsockoptFn = libc.func('int getsockopt(int fd, int level, int name, void *value, _Inout_ uint32_t *length)');
const bindFn = libc.func('int bind(int fd, const void *address, uint32_t length)');
const getsocknameFn = libc.func('int getsockname(int fd, void *address, _Inout_ uint32_t *length)');
// Variadic in C; on Linux a pointer is passed all the same, on both of our architectures.
const ioctlFn = libc.func('int ioctl(int fd, unsigned long request, void *argument)');
const if_nametoindexFn = libc.func('unsigned int if_nametoindex(const char *name)');
const closeFn = libc.func('int close(int fd)');
const mmapFn = libc.func('void *mmap(void *address, size_t length, int prot, int flags, int fd, int64_t offset)');
const munmapFn = libc.func('int munmap(void *address, size_t length)');
const fallocateFn = libc.func('int fallocate(int fd, int mode, int64_t offset, int64_t length)');
const fcntlFn = libc.func('int fcntl(int fd, int command, int argument)');
const flockFn = libc.func('int flock(int fd, int operation)');
const fmemopenFn = libc.func('void *fmemopen(void *buffer, size_t size, const char *mode)');
const fcloseFn = libc.func('int fclose(void *stream)');
const pollFn = libc.func('int poll(void *fds, unsigned long count, int timeout)');

export function socket(domain: number, type: number, protocol: number): number {
  const fd: number = socketFn(domain, type, protocol);
  if (fd < 0) throw syscallError('socket');
  return fd;
}

export function setsockopt(fd: number, level: number, name: number, value: Uint8Array, what: string): void {
  if (setsockoptFn(fd, level, name, value, value.byteLength) < 0) throw syscallError(`setsockopt ${what}`);
}

/** Fills `value` and returns the length the kernel gives back; `length` is what it is told (default: bytes of `value`). */
export function getsockopt(
  fd: number,
  level: number,
  name: number,
  value: Uint8Array | null,
  what: string,
  length: number = value === null ? 0 : value.byteLength,
): number {
  const inout = [length];
  if (getsockoptFn(fd, level, name, value, inout) < 0) throw syscallError(`getsockopt ${what}`);
  return inout[0] ?? 0;
}

/** Whether the descriptor, which may be -1, is an AF_PACKET socket. */
export function isPacketSocket(fd: number): boolean {
  const domain = new Uint8Array(4);
  const length = [domain.byteLength];
  if (getsockoptFn(fd, SOL_SOCKET, SO_DOMAIN, domain, length) < 0) return false; // no socket at all
  return new DataView(domain.buffer).getInt32(0, true) === AF_PACKET;
}

/** struct sock_fprog of <linux/filter.h> for `struct sock_filter` after `struct sock_filter`, which must outlive it. */
export function sock_fprog(instructions: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(16); // unsigned short len; struct sock_filter *filter
  const view = new DataView(bytes.buffer);
  view.setUint16(0, instructions.byteLength / 8, true);
  view.setBigUint64(8, koffi.address(instructions), true);
  return bytes;
}

/** Attaches classic BPF instructions, `struct sock_filter` after `struct sock_filter` (8 bytes each). */
export function attachFilter(fd: number, instructions: Uint8Array): void {
  setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, sock_fprog(instructions), 'SO_ATTACH_FILTER');
}

export function bind(fd: number, address: Uint8Array): void {
  if (bindFn(fd, address, address.byteLength) < 0) throw syscallError('bind');
}

/** Fills `address` with what the socket is bound to at present. */
export function getsockname(fd: number, address: Uint8Array): void {
  if (getsocknameFn(fd, address, [address.byteLength]) < 0) throw syscallError('getsockname');
}

/** A request about a network interface, to be answered in `argument`; false when there is no such interface. */
export function ioctl(fd: number, request: number, argument: Uint8Array, what: string): boolean {
  if (ioctlFn(fd, request, argument) === 0) return true;
  const error = syscallError(`ioctl ${what}`);
  if (error.code === 'ENODEV') return false;
  throw error;
}

/** The interface's number, undefined when there is none of that name. */
export function if_nametoindex(name: string): number | undefined {
  const index: number = if_nametoindexFn(name);
  if (index !== 0) return index;
  const error = syscallError('if_nametoindex', name);
  if (error.code === 'ENODEV') return undefined;
  throw error;
}

export function close(fd: number): void {
  if (closeFn(fd) < 0) throw syscallError('close');
}

/** A shared, writable mapping of `fd` from its start; it lasts until `unmap`. */
export interface Mapping {
  readonly memory: ArrayBuffer;
  /** After this call, touching `memory` may be a segmentation fault: drop every view first. */
  unmap(): void;
}

const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MAP_PRIVATE = 2;
const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x20;
const MAP_FAILED = 2n ** 64n - 1n;

function mmap(address: bigint | null, length: number, flags: number, fd: number): bigint {
  const mapped: bigint = mmapFn(address, length, PROT_READ_WRITE, flags, fd, 0);
  if (mapped === MAP_FAILED) throw syscallError('mmap');
  return mapped;
}

/**
 * In memory of its own or, if `place` is given, instead of what is there: that must begin with a page, have whole pages of
 * nobody else's for all of `length`, and be empty memory again after `unmap`, since it belongs to whoever made it.
 */
export function mmapShared(fd: number, length: number, place?: ArrayBuffer): Mapping {
  if (place === undefined) {
    const address = mmap(null, length, MAP_SHARED, fd);
    return {
      memory: koffi.view(address, length),
      unmap(): void {
        if (munmapFn(address, length) < 0) throw syscallError('munmap');
      },
    };
  }
  const address: bigint = koffi.address(new Uint8Array(place));
  mmap(address, length, MAP_SHARED | MAP_FIXED, fd);
  return {
    memory: place,
    unmap(): void {
      mmap(address, length, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1);
    },
  };
}

const FALLOC_FL_KEEP_SIZE = 1;

/** Gives the file disk space up to `offset + length`; what is beyond its end does not count as its size. */
export function fallocate(fd: number, offset: number, length: number): void {
  if (fallocateFn(fd, FALLOC_FL_KEEP_SIZE, offset, length) < 0) throw syscallError('fallocate');
}

const F_GETFL = 3;
const F_SETFL = 4;
const O_NONBLOCK = 0o4000;

/** From now on calls on this descriptor, and on all that share its open file, fail with EAGAIN where they would wait. */
export function setNonBlocking(fd: number): void {
  const flags: number = fcntlFn(fd, F_GETFL, 0);
  if (flags < 0 || fcntlFn(fd, F_SETFL, flags | O_NONBLOCK) < 0) throw syscallError('fcntl');
}

const LOCK_EX_NB = 6;

/** Takes the file's lock for as long as the descriptor is open; false when another process has it. flock(2) */
export function tryLock(fd: number): boolean {
  if (flockFn(fd, LOCK_EX_NB) === 0) return true;
  const error = syscallError('flock');
  if (error.code === 'EAGAIN' || error.code === 'EWOULDBLOCK') return false;
  throw error;
}

/** A `FILE *`. */
export type FILE = bigint;

/**
 * A stream that reads `bytes`, which must not change while it is read from, or writes them. They must live as long as it
 * does. To be closed with `fclose`.
 */
export function fmemopen(bytes: Uint8Array, mode: 'r' | 'w' = 'r'): FILE {
  const stream: FILE | null = fmemopenFn(bytes, bytes.byteLength, mode);
  if (stream === null) throw syscallError('fmemopen');
  return stream;
}

export function fclose(stream: FILE): void {
  if (fcloseFn(stream) !== 0) throw syscallError('fclose');
}

export const POLLIN = 1;
export const POLLOUT = 4;
export const POLLERR = 8;

/**
 * poll(2) on a descriptor and, beside it, on one that only ends the wait: returns the events of the first, 0 when the
 * second was ready, the time is up or a signal came (EINTR), so that the event loop can turn. Allocates nothing.
 */
export class Poll {
  readonly #pollfds = new Uint8Array(16);
  readonly #fields = new DataView(this.#pollfds.buffer);

  constructor(fd: number, events: number, wakeFd: number) {
    this.#fields.setInt32(0, fd, true);
    this.#fields.setInt16(4, events, true);
    this.#fields.setInt32(8, wakeFd, true);
    this.#fields.setInt16(12, POLLIN, true);
  }

  wait(timeoutMs: number): number {
    const ready: number = pollFn(this.#pollfds, 2, timeoutMs);
    if (ready > 0) return this.#fields.getInt16(6, true);
    if (ready < 0 && koffi.errno() !== koffi.os.errno['EINTR']) throw syscallError('poll');
    return 0;
  }
}
