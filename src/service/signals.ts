// The signals of a capture service. Handlers run on the event loop between two waits, never inside a write.
import { closeSync, openSync } from 'node:fs';

export interface SignalActions {
  readonly stop: () => void;
  readonly rotate: () => void;
  readonly report: () => void;
}

/**
 * SIGINT and SIGTERM stop, SIGUSR1 reports, SIGHUP rotates. A SIGHUP because the terminal went away stops as well: nobody
 * is left to look at the capture. Returns what takes the handlers away again.
 */
export function onSignals(actions: SignalActions): () => void {
  const hadTerminal = hasControllingTerminal();
  const handlers = {
    SIGINT: actions.stop,
    SIGTERM: actions.stop,
    SIGUSR1: actions.report,
    // tcpdump writes out what it has collected. Here nothing waits to be written.
    SIGUSR2: () => {},
    SIGHUP: () => (hadTerminal && !hasControllingTerminal() ? actions.stop() : actions.rotate()),
  };
  for (const [signal, handler] of Object.entries(handlers)) process.on(signal, handler);
  return () => {
    for (const [signal, handler] of Object.entries(handlers)) process.off(signal, handler);
  };
}

/** Opening /dev/tty fails with ENXIO when there is none. */
function hasControllingTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}
