// A journal's records with all their fields, as `journalctl -o json` gives them, one a line, and `-o export`, a field a line
// and an empty one behind each. They say when the packet came more exactly than a stamp does:
//
//   __REALTIME_TIMESTAMP    when journald took it, which may be seconds later for lines of the boot
//   less (__MONOTONIC_TIMESTAMP - _SOURCE_MONOTONIC_TIMESTAMP)    how long it lay in the kernel's buffer
import type { Stamped } from './stamp.ts';

type Fields = ReadonlyMap<string, string>;

const WANTED: ReadonlySet<string> = new Set([
  'MESSAGE',
  '__REALTIME_TIMESTAMP',
  '__MONOTONIC_TIMESTAMP',
  '_SOURCE_MONOTONIC_TIMESTAMP',
]);

/** A line of `-o json`; undefined when it is none. */
export function readJsonRecord(text: string): Stamped | undefined {
  let record: unknown;
  try {
    record = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof record !== 'object' || record === null) return undefined;
  const fields = new Map<string, string>();
  for (const [name, value] of Object.entries(record)) {
    if (!WANTED.has(name)) continue;
    if (typeof value === 'string') fields.set(name, value);
    // What is no UTF-8 is an array of its bytes.
    else if (Array.isArray(value))
      fields.set(name, Buffer.from(value.map((byte) => (typeof byte === 'number' ? byte : 0x3f))).toString('latin1'));
  }
  return stampOf(fields);
}

/** Takes the lines of `-o export`. Fields in its binary form are passed over: a packet log's are text. */
export class ExportReader {
  readonly #fields: Map<string, string> = new Map();

  /** The record that ends with `text`, an empty line; undefined within one. */
  add(text: string): Stamped | undefined {
    if (text === '') {
      const stamped = stampOf(this.#fields);
      this.#fields.clear();
      return stamped;
    }
    const equals = text.indexOf('=');
    const name = text.slice(0, Math.max(equals, 0));
    if (WANTED.has(name)) this.#fields.set(name, text.slice(equals + 1));
    return undefined;
  }
}

/** Whether a log that begins with this line is of `-o export`. */
export function beginsExport(text: string): boolean {
  return text.startsWith('__CURSOR=');
}

function stampOf(fields: Fields): Stamped | undefined {
  const message = fields.get('MESSAGE');
  if (message === undefined) return undefined;
  const [taken, since, source] = ['__REALTIME_TIMESTAMP', '__MONOTONIC_TIMESTAMP', '_SOURCE_MONOTONIC_TIMESTAMP'].map(
    (name) => readMicros(fields.get(name)),
  );
  const late = since === undefined || source === undefined ? 0 : Math.max(since - source, 0);
  return { timeUs: taken === undefined ? undefined : taken - late, message };
}

function readMicros(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,16}$/.test(text) ? Number(text) : undefined;
}
