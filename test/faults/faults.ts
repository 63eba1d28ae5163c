// The faults of fault.c from TypeScript: which calls there are, which of them can fail how, and the library itself, which
// is preloaded into the process that uses it. driver.ts is the one that does.
import koffi from 'koffi';

/** In the order of `enum call` in fault.c. */
export const CALLS = [
  'open',
  'create',
  'write',
  'writev',
  'pwrite',
  'ftruncate',
  'fallocate',
  'fsync',
  'fdatasync',
  'rename',
  'link',
  'unlink',
  'mkdir',
  'close',
] as const;

/** `create` is an open with O_CREAT, `open` any other; `unlink` is also remove and unlinkat, `pwrite` also pwritev. */
export type Call = (typeof CALLS)[number];

const WRITES: readonly Call[] = ['write', 'writev', 'pwrite'];
const SYNCS: readonly Call[] = ['fsync', 'fdatasync'];
const NAMES: readonly Call[] = ['rename', 'link', 'unlink', 'mkdir'];

/**
 * Which calls can say so, by their man pages; close only where the file system hands data over late (NFS). EINTR of close
 * is none: libuv takes it for success. EROFS comes of a file system that went read-only after an error.
 */
const CAN_SAY: Readonly<Record<string, readonly Call[]>> = {
  EINTR: ['open', 'create', ...WRITES, 'ftruncate', 'fallocate', ...SYNCS],
  EAGAIN: WRITES,
  ENOSPC: ['create', ...WRITES, 'fallocate', ...SYNCS, 'rename', 'link', 'mkdir', 'close'],
  EDQUOT: ['create', ...WRITES, 'fallocate', ...SYNCS, 'rename', 'link', 'mkdir', 'close'],
  EROFS: ['create', ...WRITES, 'ftruncate', 'fallocate', ...SYNCS, ...NAMES],
  EMFILE: ['open', 'create'],
  ENOMEM: ['open', 'create', ...WRITES, ...NAMES],
  EOPNOTSUPP: ['fallocate'],
  EIO: CALLS,
};

export interface Fault {
  readonly name: string;
  /** First half of a write arrives, and the next calls fail. */
  readonly half: boolean;
  /** Undefined: none fails. */
  readonly code: string | undefined;
  /** So many calls in a row fail; Infinity: all, until `heal`. */
  readonly times: number;
}

function fault(name: string, half: boolean, code: string | undefined, times: number): Fault {
  return { name, half, code, times };
}

/**
 * Every way to fail. A disk that fills takes half of a write first; after `times` calls there is room again. With EIO from
 * there on, nothing that the process does has any effect any more: what it leaves is what a crash or a power cut leaves.
 */
export const FAULTS: readonly Fault[] = [
  fault('short write', true, undefined, 0),
  ...['EINTR', 'EAGAIN', 'ENOSPC', 'EDQUOT', 'EIO', 'EMFILE', 'ENOMEM', 'EOPNOTSUPP'].map((code) =>
    fault(code, false, code, 1),
  ),
  ...['EINTR', 'EAGAIN', 'ENOSPC', 'EROFS', 'EIO'].map((code) => fault(`${code} five times`, false, code, 5)),
  ...['EINTR', 'EAGAIN', 'ENOSPC', 'EDQUOT', 'EIO'].map((code) => fault(`short write, ${code}`, true, code, 1)),
  ...['ENOSPC', 'EROFS', 'EIO'].map((code) => fault(`short write, ${code} five times`, true, code, 5)),
  ...['ENOSPC', 'EROFS', 'EIO'].map((code) => fault(`${code} from there on`, false, code, Number.POSITIVE_INFINITY)),
  ...['ENOSPC', 'EIO'].map((code) => fault(`short write, ${code} from there on`, true, code, Number.POSITIVE_INFINITY)),
];

/** Of `calls`, those at which the fault can begin or go on. */
export function possible({ half, code }: Fault, calls: readonly Call[] = CALLS): readonly Call[] {
  if (half && !calls.some((call) => WRITES.includes(call))) return [];
  const able = code === undefined ? WRITES : (CAN_SAY[code] ?? []);
  return calls.filter((call) => able.includes(call));
}

/** How many calls a run went through, and how many of them failed or were short. */
export interface Met {
  readonly calls: Readonly<Record<Call, number>>;
  readonly hits: Readonly<Record<Call, number>>;
}

/** As many calls as fault.c remembers. */
const LOG_LENGTH = 32768;

/** A call as fault.c logs it. */
export interface Event {
  readonly call: Call;
  /** Without directory, and the new name of what was renamed; empty for the directory itself. */
  readonly name: string;
  readonly to: string;
  /** Of a write: the text at its start. Of a create: `exclusive` when it was. */
  readonly detail: string;
  /** Undefined when it worked; `half` for half of a write. */
  readonly failure: string | undefined;
}

const EVENT = /^(\S+) (\S*)(?: \(deleted\))? \d+ (.*?)(?: -> (.*))?$/;

export class Faults {
  readonly #arm: (
    prefix: string,
    graveyard: string,
    mask: number,
    nth: number,
    half: number,
    errno: number,
    times: number,
  ) => void;
  readonly #spare: (spare: number) => number;
  readonly #enable: (enable: number) => number;
  readonly #calls: (call: number) => number;
  readonly #hits: (call: number) => number;
  readonly #logged: () => number;
  readonly #log: (index: number) => string;

  /** `library` is fault.c compiled, by the path under which it was preloaded. */
  constructor(library: string) {
    if (process.env['LD_PRELOAD'] !== library) throw new Error(`${library} is not preloaded`);
    const handle = koffi.load(library);
    this.#arm = handle.func(
      'void fault_arm(const char *directory, const char *graveyard, uint32_t mask, uint64_t n, int half, int errno, uint64_t times)',
    );
    this.#spare = handle.func('int fault_spare(int spare)');
    this.#enable = handle.func('int fault_enable(int enable)');
    this.#calls = handle.func('uint64_t fault_calls(int call)');
    this.#hits = handle.func('uint64_t fault_hits(int call)');
    this.#logged = handle.func('uint64_t fault_logged()');
    this.#log = handle.func('const char *fault_log(uint64_t index)');
  }

  /**
   * Counts calls on `directory` and what is in it, until `disarm`; with a fault, the `nth` of those among `only` that can
   * fail so does. Complete savefiles that are deleted are kept in `graveyard`, under names with a number before them.
   */
  arm(directory: string, graveyard: string, nth: number, fault?: Fault, only: readonly Call[] = CALLS): void {
    const able = fault === undefined ? [] : possible(fault, only);
    const mask = able.reduce((bits, call) => bits | (1 << CALLS.indexOf(call)), 0);
    const errno = fault?.code === undefined ? 0 : koffi.os.errno[fault.code];
    if (errno === undefined) throw new Error(`unreachable: ${fault?.code} has no number`);
    const times = Math.min(fault?.times ?? 0, Number.MAX_SAFE_INTEGER);
    this.#arm(directory, graveyard, mask, nth, fault?.half === true ? 1 : 0, errno, times);
  }

  /** From now on no call fails; they still count. */
  heal(): void {
    this.#spare(1);
  }

  /** Runs `action` with its calls counted and none of them failing: what another process does, say. */
  spare<T>(action: () => T): T {
    const before = this.#spare(1);
    try {
      return action();
    } finally {
      this.#spare(before);
    }
  }

  disarm(): Met {
    this.#enable(0);
    return this.met();
  }

  /** Since `arm`, so far. */
  met(): Met {
    return { calls: count(this.#calls), hits: count(this.#hits) };
  }

  /** All calls since `arm`, in the order in which they began. */
  events(): Event[] {
    if (this.#logged() > LOG_LENGTH) throw new Error(`${this.#logged()} calls are more than fault.c remembers`);
    return this.#lines().map((line) => {
      const [, call = '', path = '', text = '', failure] = EVENT.exec(line) ?? [];
      const detail = call === 'rename' ? '' : text;
      return { call: call as Call, name: path.slice(1), to: call === 'rename' ? text.slice(1) : '', detail, failure };
    });
  }

  #lines(): string[] {
    const lines: string[] = [];
    const end = this.#logged();
    for (let index = Math.max(0, end - LOG_LENGTH); index < end; index++) lines.push(this.#log(index));
    return lines;
  }

  /** The calls since `arm` around those that failed, one a line: name, path, bytes or length, and how it failed. */
  log(around: number): string[] {
    const lines = this.#lines();
    const failed = lines.map((line) => line.includes(' -> '));
    return lines.slice(Math.max(0, failed.indexOf(true) - around), failed.lastIndexOf(true) + 1 + around);
  }

  /**
   * Runs `look` with the faults off and uncounted, so that a test can see what is on disk at this moment. Calls of other
   * threads go uncounted as well: not while something goes on in the background.
   */
  aside<T>(look: () => T): T {
    const before = this.#enable(0);
    try {
      return look();
    } finally {
      this.#enable(before);
    }
  }
}

function count(of: (call: number) => number): Record<Call, number> {
  const counts: Partial<Record<Call, number>> = {};
  for (const [index, call] of CALLS.entries()) counts[call] = of(index);
  return counts as Record<Call, number>;
}
