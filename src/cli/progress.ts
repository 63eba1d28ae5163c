// How far a capture has come, on stderr, in place: a status line on a terminal, or what tcpdump says with -v. Each returns
// what ends it.
import type { CaptureSession, SessionOutput } from '../capture/session.ts';
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

function every(action: () => void): () => void {
  const timer = setInterval(action, EVERY_MS);
  return () => clearInterval(timer);
}
