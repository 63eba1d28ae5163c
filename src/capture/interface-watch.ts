// Whether a capture's interface is there: notices that it has gone, and binds the socket to the next one of its name.
// Called by the sources, before and behind each wait.
//
//   present --ENETDOWN--> away, reason `down`     the kernel binds the socket again when the interface comes up
//                            |
//                            v the name stands for no interface, or for another one
//                         away, reason `removed`  the name is looked for; nothing is let in meanwhile
//                            |
//   present <----bind(2)-----+
//
// ENETDOWN comes once, when the interface goes down, be it to be removed or not; of all the rest nobody tells the socket
// (native-notes/interface-removal.md). So from then on it is looked at now and then. The ring stays as it is all the time:
// what the interface had brought is read from it, and what the next one brings comes behind.
import { CaptureError, SyscallError } from '../errors.ts';
import { readNetDevice } from '../native/netdevice.ts';
import type { PacketSocket } from './packet-socket.ts';
import type { Absence } from './source.ts';

export interface InterfaceWatchOptions {
  /** An interface name, or `any`, which never goes away. */
  readonly device: string;
  /** Fail when the interface is removed, as tcpdump does, instead of waiting for the next one of its name. */
  readonly exitOnDown: boolean;
  /** What a user should know, one line. */
  readonly notice: (text: string) => void;
}

type Socket = Pick<PacketSocket, 'hatype' | 'boundTo' | 'bind' | 'admit' | 'release'>;

/** Three system calls of a few microseconds each time. */
const LOOK_EVERY_MS = 100;
/** What binding fails with when the interface has gone or gone down again since it was looked at. */
const NOT_THERE: ReadonlySet<string> = new Set(['ENODEV', 'ENXIO', 'ENETDOWN']);

export class InterfaceWatch {
  /** Undefined while the interface is there. */
  away: Absence | undefined;
  readonly #options: InterfaceWatchOptions;
  readonly #socket: Socket;
  /** Of the first interface: filter and savefile are made for frames of this kind. */
  readonly #hatype: number;
  #ended = false;
  /** By the monotonic clock: since when it is away, when to look next. */
  #awayMs = 0;
  #lookMs = 0;
  /** What the user was last told about the interface that is away. */
  #told = '';

  constructor(options: InterfaceWatchOptions, socket: Socket) {
    this.#options = options;
    this.#socket = socket;
    this.#hatype = socket.hatype;
  }

  /** In how many milliseconds `look()` wants to be called; Infinity while there is nothing to look for. */
  get dueInMs(): number {
    if (this.away === undefined || this.#ended) return Number.POSITIVE_INFINITY;
    return Math.max(0, Math.ceil(this.#lookMs - performance.now()));
  }

  /** What the socket has reported. @throws SyscallError when it is not that the interface went down */
  failed(error: SyscallError): void {
    if (error.code !== 'ENETDOWN' || this.#options.device === 'any') throw error;
    if (this.#ended) return;
    const now = performance.now();
    this.#lookMs = now + LOOK_EVERY_MS; // by then it is removed, if that is why it went down
    if (this.away !== undefined) return; // it had come up again, between two looks
    this.away = { device: this.#options.device, reason: 'down', fromMs: Date.now() };
    this.#awayMs = now;
  }

  /** Looks, if it is time. True when the socket is bound to another interface now. @throws CaptureError with `exitOnDown` */
  look(): boolean {
    if (this.away === undefined || this.dueInMs > 0) return false;
    this.#lookMs = performance.now() + LOOK_EVERY_MS;
    try {
      return this.away.reason === 'down' ? this.#lookAtOurs(this.away) : this.#lookForNext();
    } catch (cause) {
      if (!(cause instanceof SyscallError)) throw cause;
      if (!NOT_THERE.has(cause.code)) this.#tell(`${cause.message}, still waiting for the interface`);
      return false;
    }
  }

  /** The capture ends: the ring is left as it is. */
  end(): void {
    this.#ended = true;
  }

  #lookAtOurs(away: Absence): false {
    const found = readNetDevice(this.#options.device);
    if (found?.ifindex === this.#socket.boundTo().ifindex) {
      this.#tell('the interface went down');
      if (found.up) this.#back();
      return false;
    }
    this.away = { ...away, reason: 'removed' };
    if (this.#options.exitOnDown) throw gone(this.#options.device);
    this.#tell('the interface disappeared, waiting for it');
    this.#socket.release();
    return false;
  }

  #lookForNext(): boolean {
    const found = readNetDevice(this.#options.device);
    if (!found?.up) return false;
    if (found.hatype !== this.#hatype) {
      const kinds = `ARPHRD ${found.hatype} instead of ${this.#hatype}`;
      this.#tell(`the interface has another link type (${kinds}), waiting for one as before`);
      return false;
    }
    this.#socket.bind(found.ifindex);
    if (this.#socket.hatype !== this.#hatype) return false; // exchanged since: the next look will tell
    this.#socket.admit();
    this.#back();
    return true;
  }

  #back(): void {
    this.#tell(`back after ${((performance.now() - this.#awayMs) / 1000).toFixed(1)} s`);
    this.away = undefined;
    this.#told = '';
  }

  /** Once, until there is something else to tell. */
  #tell(what: string): void {
    if (what === this.#told) return;
    this.#told = what;
    this.#options.notice(`${this.#options.device}: ${what}`);
  }
}

export function gone(device: string): CaptureError {
  return new CaptureError('ERR_INTERFACE_GONE', `${device}: the interface disappeared`);
}
