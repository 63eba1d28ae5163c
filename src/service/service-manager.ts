// What systemd, or whatever else has started us, is told of a capture: that it is ready, how it gets on, that its loop comes
// round (the watchdog), that it ends. The protocol is sd_notify(3)'s and sd_watchdog_enabled(3)'s: lines in a datagram to
// the socket that NOTIFY_SOCKET names. Called by cli/live-capture.ts; nothing here throws, waits or ends a capture.
import { SyscallError } from '../errors.ts';
import { UnixDatagram, unixAddress } from '../native/unix-datagram.ts';

/** Of how a capture gets on, at the most; what has not changed is not told. */
const STATUS_MS = 10_000;
/** The part of the watchdog's time after which it is told again. Twice that and a second is still in time, from 3 s on. */
const WATCHDOG_SHARE = 1 / 4;
const READY = 'READY=1';
const STOPPING = 'STOPPING=1';
const ONCE: ReadonlySet<string> = new Set([READY, STOPPING]);

export class ServiceManager {
  readonly #socket: UnixDatagram;
  readonly #notice: (text: string) => void;
  /** It wants to hear from us again and again, or ends us. */
  readonly watched: boolean;
  readonly #everyMs: number;
  /** By the monotonic clock: when to tell next. */
  #dueMs = 0;
  /** As the manager has it. */
  #status = '';
  /** What is told only once, and could not be told yet. */
  #untold: string[] = [];
  /** Why the last message did not get through. */
  #failure: string | undefined;

  private constructor(socket: UnixDatagram, watchdogMs: number | undefined, notice: (text: string) => void) {
    this.#socket = socket;
    this.#notice = notice;
    this.watched = watchdogMs !== undefined;
    this.#everyMs = Math.min(STATUS_MS, (watchdogMs ?? Number.POSITIVE_INFINITY) * WATCHDOG_SHARE);
  }

  /**
   * Undefined where nobody wants to be told. Takes the variables out of the environment: programs that we start are not the
   * service. `notice`: called with one line when telling fails.
   */
  static fromEnvironment(
    notice: (text: string) => void,
    env: Record<string, string | undefined> = process.env,
  ): ServiceManager | undefined {
    const { NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID } = env;
    for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete env[name];
    if (NOTIFY_SOCKET === undefined || NOTIFY_SOCKET === '') return undefined;
    const address = unixAddress(NOTIFY_SOCKET);
    if (address === undefined) {
      notice(`NOTIFY_SOCKET ${NOTIFY_SOCKET}: expected a path or @name, the service manager is told nothing`);
      return undefined;
    }
    const meant = WATCHDOG_PID === undefined || WATCHDOG_PID === String(process.pid);
    const usec = meant ? Number(WATCHDOG_USEC) : 0;
    try {
      return new ServiceManager(new UnixDatagram(address), usec > 0 ? usec / 1000 : undefined, notice);
    } catch (cause) {
      if (!(cause instanceof SyscallError)) throw cause;
      notice(`NOTIFY_SOCKET ${NOTIFY_SOCKET}: ${cause.message}`);
      return undefined;
    }
  }

  /** The start is over. Once more, it only changes the status. */
  ready(status: string): void {
    this.#status = status;
    this.#tell(READY, `STATUS=${status}`);
  }

  /**
   * To be called about once a second, as long as the capture gets on. The manager hears of it a few times in the watchdog's
   * time, and of its status, one line, every 10 seconds at most.
   */
  alive(status: () => string): void {
    const nowMs = performance.now();
    if (nowMs < this.#dueMs) return;
    this.#dueMs = nowMs + this.#everyMs;
    const text = status();
    const lines = this.watched ? ['WATCHDOG=1'] : [];
    if (text !== this.#status) lines.push(`STATUS=${text}`);
    this.#status = text;
    this.#tell(...lines);
  }

  /** Nothing more is captured; completing the last files may take a while. */
  stopping(): void {
    this.#tell(STOPPING, 'STATUS=stopping');
  }

  #tell(...lines: string[]): void {
    const message = [...this.#untold, ...lines];
    if (message.length === 0) return;
    const failure = this.#socket.send(message.join('\n'));
    if (failure === undefined) this.#untold = [];
    else {
      this.#untold = message.filter((line) => ONCE.has(line));
      this.#status = ''; // it is not what the manager has
      if (failure !== this.#failure) this.#notice(`NOTIFY_SOCKET: sendto: ${failure}`);
    }
    this.#failure = failure;
  }
}
