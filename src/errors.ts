// The errors that leave this program. There are few classes, one for each thing the caller can do about it; the CLI
// prints their message as one line. A bug throws a plain `Error('unreachable: …')` instead.

/** Base of all expected failures. `code` is stable, the message is for a person. */
export class CaptureError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** The call must be mended: an option's value is not allowed. The message names option, value and what is allowed. */
export class OptionError extends CaptureError {
  readonly option: string;

  constructor(option: string, value: string, allowed: string, options?: ErrorOptions) {
    // An empty value would otherwise be invisible in the message.
    super('ERR_OPTION', `${option} ${value === '' ? "''" : value}: ${allowed}`, options);
    this.option = option;
  }
}

const HINTS: Readonly<Record<string, string>> = {
  EPERM: 'run as root or give the program CAP_NET_RAW',
  EACCES: 'check owner and mode',
  ENODEV: 'no such network interface; -D lists them',
  ENXIO: 'no such network interface; -D lists them',
  ENETDOWN: 'that interface is not up',
  ENOMEM: 'ask for less with --ring-memory',
  ENOSPC: 'no space left on device',
};

/** libc's words for what open(2) and read(2) of a file fail with: this is how tcpdump and most programs say it. */
const WORDS: Readonly<Record<string, string>> = {
  EACCES: 'Permission denied',
  EBUSY: 'Device or resource busy',
  EDQUOT: 'Disk quota exceeded',
  EEXIST: 'File exists',
  EFBIG: 'File too large',
  EINVAL: 'Invalid argument',
  EIO: 'Input/output error',
  EISDIR: 'Is a directory',
  ELOOP: 'Too many levels of symbolic links',
  EMFILE: 'Too many open files',
  ENAMETOOLONG: 'File name too long',
  ENFILE: 'Too many open files in system',
  ENODEV: 'No such device',
  ENOENT: 'No such file or directory',
  ENOMEM: 'Cannot allocate memory',
  ENOSPC: 'No space left on device',
  ENOTDIR: 'Not a directory',
  ENXIO: 'No such device or address',
  EPERM: 'Operation not permitted',
  EROFS: 'Read-only file system',
  ESTALE: 'Stale file handle',
  ETXTBSY: 'Text file busy',
};

/** Those that are about sockets and interfaces. */
const NETWORK_HINTS: ReadonlySet<string> = new Set(['EPERM', 'ENODEV', 'ENXIO', 'ENETDOWN', 'ENOMEM']);

/**
 * The system said no. Same fields as Node's own system errors (`code` such as `ENOSPC`, `errno` positive as in C,
 * `syscall`, `path`). The message is tcpdump's where a file can't be opened, and has a hint for the failures that a user can mend.
 */
export class SyscallError extends CaptureError {
  readonly errno: number;
  readonly syscall: string;
  readonly path: string | undefined;

  constructor(code: string, errno: number, syscall: string, path?: string, options?: ErrorOptions) {
    super(code, describe(code, syscall, path), options);
    this.errno = errno;
    this.syscall = syscall;
    this.path = path;
  }

  /**
   * Turns an exception of `node:fs` into a `SyscallError`; anything else is a bug and comes back as it is. `file`: what the
   * failed call was about, where the exception does not say it, as with a FileHandle.
   */
  static from(cause: unknown, file?: string): unknown {
    if (!(cause instanceof Error) || cause instanceof CaptureError) return cause;
    const { code, errno, syscall, path } = cause as NodeJS.ErrnoException;
    if (code === undefined || syscall === undefined) return cause;
    return new SyscallError(code, Math.abs(errno ?? 0), syscall, path ?? file, { cause });
  }
}

function describe(code: string, syscall: string, path: string | undefined): string {
  const words = WORDS[code];
  if (path !== undefined && words !== undefined) {
    if (syscall === 'open') return `${path}: ${words}`;
    if (syscall === 'read') return `read ${path}: ${words}`;
  }
  // With a path it is a file, and no network interface.
  const hint = path !== undefined && NETWORK_HINTS.has(code) ? undefined : HINTS[code];
  return `${syscall}${path === undefined ? '' : ` ${path}`}: ${code}${hint === undefined ? '' : ` (${hint})`}`;
}

/** Runs calls of `node:fs`: what they throw is thrown as `SyscallError`. */
export function systemErrors<T>(action: () => T): T {
  try {
    return action();
  } catch (cause) {
    throw SyscallError.from(cause);
  }
}

/** libpcap said no; the message is its text, word for word. `code` is the name of the PCAP_ERROR constant. */
export class PcapError extends CaptureError {}

/** A file or kernel memory breaks its format: where, what was expected, what was found. */
export class FormatError extends CaptureError {
  readonly offset: number;

  constructor(where: string, offset: number, expected: string, found: string | number) {
    super('ERR_FORMAT', `${where} at offset ${offset}: expected ${expected}, found ${found}`);
    this.offset = offset;
  }
}

/** A savefile is damaged, or none, from this offset on; the text is libpcap's where it has one. */
export class SavefileError extends CaptureError {
  readonly file: string;
  /** In the file, or in what it is decompressed to. */
  readonly offset: number;
  /** What is there is right, and more should be. */
  readonly truncated: boolean;

  constructor(file: string, offset: number, text: string) {
    super('ERR_SAVEFILE', `${file}: ${text} (at offset ${offset})`);
    this.file = file;
    this.offset = offset;
    this.truncated = text.startsWith('truncated ');
  }
}
