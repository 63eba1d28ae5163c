// What a capture says about itself on stderr: tcpdump's lines, and a status line on a terminal.
import type { SessionStatistics } from '../capture/session.ts';

/** tcpdump's three lines, then every further term of the balance that is not zero. */
export function statisticsLines(statistics: SessionStatistics): string[] {
  const { written, received, dropped, noSpace, filtered, ifDropped, unread, late, queueFreezes } = statistics;
  const lines = [
    `${packets(written)} captured`,
    `${packets(received)} received by filter`,
    `${packets(dropped)} dropped by kernel`,
  ];
  if (noSpace > 0) lines.push(`${packets(noSpace)} lost for lack of room`);
  if (filtered > 0) lines.push(`${packets(filtered)} left out by the filter outside the kernel`);
  if (ifDropped > 0) lines.push(`${packets(ifDropped)} dropped by interface`);
  if (unread > 0) lines.push(`${packets(unread)} not read`);
  if (late > 0) lines.push(`${packets(late)} written late, into the next interval's file`);
  const unexplained = received - (written + dropped + noSpace + filtered + unread);
  if (unexplained !== 0) lines.push(`${packets(unexplained)} unaccounted for: a bug, please report it`);
  if (queueFreezes > 0) lines.push(`ring found full ${queueFreezes} ${queueFreezes === 1 ? 'time' : 'times'}`);
  return lines;
}

function packets(count: number): string {
  return `${count} ${count === 1 ? 'packet' : 'packets'}`;
}

/**
 * One line with every term of the balance, zeros too: of the interval since `previous`, `seconds` ago, and of the whole
 * capture. In both, received = written + dropped + no space + filtered + unread; a capture that catches up with its ring has
 * fewer packets unread at an interval's end than at its start, a negative number.
 */
export function reportLine(now: SessionStatistics, previous: SessionStatistics | undefined, seconds: number): string {
  const terms = (name: keyof SessionStatistics): number => now[name] - (previous?.[name] ?? 0);
  return `${Math.round(seconds * 10) / 10}s: ${balance(terms)}; total: ${balance((name) => now[name])}`;
}

function balance(term: (name: keyof SessionStatistics) => number): string {
  return TERMS.map(([name, words]) => `${term(name)} ${words}`).join(', ');
}

const TERMS: readonly (readonly [keyof SessionStatistics, string])[] = [
  ['received', 'received'],
  ['written', 'written'],
  ['dropped', 'dropped'],
  ['noSpace', 'no space'],
  ['filtered', 'filtered'],
  ['unread', 'unread'],
  ['late', 'late'],
  ['ifDropped', 'dropped by interface'],
  ['queueFreezes', 'queue freezes'],
];

/**
 * One line: packets, rate, drops, file and, if it is said when the file ends, the time left. `previous` is the line before, of
 * `seconds` ago.
 */
export function statusLine(
  now: SessionStatistics,
  previous: SessionStatistics,
  seconds: number,
  file: string,
  dueMs: number = Number.POSITIVE_INFINITY,
): string {
  const rate = Math.round((now.written - previous.written) / seconds);
  const parts = [packets(now.written), `${rate}/s`, `${now.dropped} dropped`, file];
  if (Number.isFinite(dueMs)) parts.push(`next in ${clockText(Math.max(0, Math.round((dueMs - Date.now()) / 1000)))}`);
  return parts.join(', ');
}

function clockText(seconds: number): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  return `${hours > 0 ? `${hours}:` : ''}${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}
