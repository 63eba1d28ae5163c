// How far a capture has come, on stderr, in place: a status line on a terminal, or what tcpdump says with -v. Each returns
// what ends it. And the status of a service, for its manager.
import type { CaptureSession, SessionOutput } from '../capture/session.ts';
import type { PacketSource } from '../capture/source.ts';
import { statusLine } from './statistics.ts';

const EVERY_MS = 1000;

/** `live`: stderr is a terminal, and the line is wanted. */
export function startStatus(live: boolean, session: CaptureSession, output: SessionOutput): () => void {
  if (!live) return () => {};
  let previous = session.statistics();
  return every(() => {
    const now = session.statistics();
    process.stderr.write(`\r\x1b[K${statusLine(now, previous, 1, output.name, output.dueMs)}`);
    previous = now;
  });
}

/** `Got 16`, and on the same line the next number when there is another. */
export function startCount(session: CaptureSession): () => void {
  let said: number | undefined;
  return every(() => {
    const { written } = session.statistics();
    if (written !== said) process.stderr.write(`Got ${written}\r`);
    said = written;
  });
}

/** Returns what says it, one line: numbers since the start, the rate since it was last asked. */
export function serviceStatus(session: CaptureSession, source: PacketSource, output: SessionOutput): () => string {
  let previous = session.statistics();
  let previousMs = performance.now();
  return () => {
    const now = session.statistics();
    const nowMs = performance.now();
    const line = statusLine(now, previous, Math.max(1, nowMs - previousMs) / 1000, output.name);
    [previous, previousMs] = [now, nowMs];
    const { away } = source;
    const waits = away === undefined ? '' : `, ${away.device} is ${away.reason}`;
    return `${line}${waits}${output.stuck ? ', storage fails' : ''}`;
  };
}

function every(action: () => void): () => void {
  const timer = setInterval(action, EVERY_MS);
  return () => clearInterval(timer);
}
