// Local time as libc sees it: <time.h> localtime_r, gmtime_r and strftime, so that the rules of TZ and /etc/localtime are
// libc's and nobody else's. JavaScript's Date and Intl know no POSIX TZ string and no offset with seconds.
// Called by capture/options.ts, which hands a Zone to rotation; all calls are synchronous and share one `struct tm`.
import { CaptureError } from '../errors.ts';
import { libc, syscallError } from './libc.ts';

/** Wall-clock time. Times are whole seconds since 1970, UTC. */
export interface Zone {
  readonly utc: boolean;
  /** Seconds east of UTC that hold at `sec`. About 1 µs. */
  offsetAt(sec: number): number;
  /** strftime(3) of `sec` in the C locale. @throws CaptureError when nothing comes out, or more than 4095 bytes */
  format(pattern: string, sec: number): string;
}

/** struct tm of glibc on 64-bit machines, <bits/types/struct_tm.h>: nine ints, then these. */
export const tm = {
  tm_gmtoff: 40, // long
  tm_zone: 48, // const char *, memory of libc that stays valid until the next tzset
  sizeof: 56,
} as const;

const tzsetFn = libc.func('void tzset()');
const localtime_rFn = libc.func('void *localtime_r(const void *time, void *tm)');
const gmtime_rFn = libc.func('void *gmtime_r(const void *time, void *tm)');
const strftimeFn = libc.func('size_t strftime(void *text, size_t size, const char *format, const void *tm)');

const time = new BigInt64Array(1);
const broken = new Uint8Array(tm.sizeof);
const fields = new DataView(broken.buffer);
const text = new Uint8Array(4096);
const utf8 = new TextDecoder();

class LibcZone implements Zone {
  readonly utc: boolean;

  constructor(utc: boolean) {
    this.utc = utc;
  }

  offsetAt(sec: number): number {
    this.#breakDown(sec);
    return Number(fields.getBigInt64(tm.tm_gmtoff, true));
  }

  format(pattern: string, sec: number): string {
    this.#breakDown(sec);
    // %s by us: strftime asks mktime, which takes the fields for local time even when they are UTC, and which can't
    // tell the two passes of an hour apart where only the offset changes and not tm_isdst.
    const own = pattern.replace(/%(.)/gs, (conversion, letter) => (letter === 's' ? String(sec) : conversion));
    const length: number = Number(strftimeFn(text, text.length, own, broken));
    if (length === 0) throw new CaptureError('ERR_STRFTIME', `strftime '${pattern}' gives no text or too much`);
    return utf8.decode(text.subarray(0, length));
  }

  #breakDown(sec: number): void {
    time[0] = BigInt(sec);
    const done: unknown = (this.utc ? gmtime_rFn : localtime_rFn)(time, broken);
    if (done === null) throw syscallError(this.utc ? 'gmtime_r' : 'localtime_r');
  }
}

/** The zone of TZ, else of /etc/localtime, as they are now: localtime_r, unlike localtime, does not look again. */
export function localZone(): Zone {
  tzsetFn();
  return new LibcZone(false);
}

export function utcZone(): Zone {
  return new LibcZone(true);
}
