// What stands before the kernel's words in a line of a log: the time in each of journalctl's output modes of one line, of
// dmesg, of /dev/kmsg and of a syslog file, then mostly `host kernel:`. Records of `-o json` and `-o export` are in record.ts.
// Who reads a log that has no year, or no zone, or counts from the machine's boot, has to say what is missing.

/** What the stamps of a log leave open. */
export interface Surroundings {
  /** `2026-11-24`: the year of a time without one is that which brings it nearest to this day. Default: today. */
  readonly day?: string;
  /** When the machine was booted, in microseconds since 1970: without it such times are not known. */
  readonly bootUs?: number;
}

export interface Stamped {
  /** Microseconds since 1970; undefined when the line does not say it. */
  readonly timeUs: number | undefined;
  /** What the kernel said. */
  readonly message: string;
}

const FRACTION = '(?:[.,](?<fraction>\\d{1,9}))?';
const CLOCK = `(?<hour>\\d{2}):(?<minute>\\d{2}):(?<second>\\d{2})${FRACTION}`;
const DATE = '(?<year>\\d{4})-(?<month>\\d{2})-(?<dayOfMonth>\\d{2})';
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const WEEKDAY = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)';
const NAMED = `(?<name>${MONTHS.join('|')}) {1,2}(?<dayOfMonth>\\d{1,2})`;
/** short-iso has +0000, from systemd 255 on +00:00. */
const OFFSET = '(?<zone>Z|[+-]\\d{2}:?\\d{2})';
/** short-full has an abbreviation where the zone has one. */
const ABBREVIATION = '(?: (?<zone>[A-Z]{2,5}|[+-]\\d{2}(?::?\\d{2})?))?';
const STAMPS = [
  `${DATE}T${CLOCK}${OFFSET}`, // short-iso, short-iso-precise, dmesg --time-format=iso, syslog
  `${WEEKDAY} ${DATE} ${CLOCK}${ABBREVIATION}`, // short-full, with-unit
  `(?<unix>\\d{9,11})${FRACTION}`, // short-unix
  `${NAMED} ${CLOCK}`, // short, short-precise
  `\\[${WEEKDAY} ${NAMED} ${CLOCK} (?<year>\\d{4})\\]`, // dmesg --ctime
  `(?:<\\d{1,3}>)?\\[ *(?<boot>\\d{1,10})${FRACTION}(?: [ <>\\d.]{0,40})?\\]`, // short-monotonic, short-delta, dmesg
].map((form) => new RegExp(`^${form} `));
const KMSG = /^\d{1,4},\d{1,20},(?<micros>\d{1,16}),[^;]{0,99};/;
/** Host and identifier, which dmesg does not have; `unknown` has what a process wrote to /dev/kmsg. Behind them syslog puts
 * the kernel's own time. */
const SAYS = /^(?:\S{1,255} )?(?:kernel|unknown)(?:\[\d{1,10}\])?: (?:\[ *\d{1,10}\.\d{6}\] )?/;

/** Undefined where a line has none of these forms. */
export function readStamp(text: string, surroundings: Surroundings = {}): Stamped | undefined {
  const kmsg = KMSG.exec(text);
  if (kmsg !== null) {
    const timeUs = sinceBoot(Number(kmsg.groups?.['micros']), surroundings);
    return { timeUs, message: text.slice(kmsg[0].length) };
  }
  for (const form of STAMPS) {
    const found = form.exec(text);
    if (found === null) continue;
    const rest = text.slice(found[0].length);
    return { timeUs: timeOf(found.groups ?? {}, surroundings), message: rest.replace(SAYS, '') };
  }
  return undefined;
}

type Groups = Readonly<Record<string, string | undefined>>;

function timeOf(groups: Groups, surroundings: Surroundings): number | undefined {
  const micros = Number((groups['fraction'] ?? '').padEnd(6, '0').slice(0, 6));
  if (groups['unix'] !== undefined) return Number(groups['unix']) * 1e6 + micros;
  if (groups['boot'] !== undefined) return sinceBoot(Number(groups['boot']) * 1e6 + micros, surroundings);
  const { name, year, zone } = groups;
  const month = name === undefined ? Number(groups['month']) - 1 : MONTHS.indexOf(name);
  const day = Number(groups['dayOfMonth']);
  const clock = [Number(groups['hour']), Number(groups['minute']), Number(groups['second'])] as const;
  const ms =
    year === undefined
      ? nearest(surroundings.day, (candidate) => instant(candidate, month, day, clock, zone))
      : instant(Number(year), month, day, clock, zone);
  return ms === undefined ? undefined : ms * 1000 + micros;
}

function sinceBoot(micros: number, { bootUs }: Surroundings): number | undefined {
  return bootUs === undefined ? undefined : bootUs + micros;
}

/** In milliseconds; in the zone of who reads where the line says none, or one that only its machine knows. */
function instant(
  year: number,
  month: number,
  day: number,
  [hour, minute, second]: readonly [number, number, number],
  zone: string | undefined,
): number | undefined {
  // The 31st of February is none; 60 is a leap second's.
  if (month < 0 || month > 11 || day < 1 || new Date(Date.UTC(year, month, day)).getUTCMonth() !== month)
    return undefined;
  if (hour > 23 || minute > 59 || second > 60) return undefined;
  const east = offsetOf(zone);
  if (east === undefined) return new Date(year, month, day, hour, minute, second).getTime();
  return Date.UTC(year, month, day, hour, minute, second) - east * 60_000;
}

/** In minutes. */
function offsetOf(zone: string | undefined): number | undefined {
  if (zone === 'Z' || zone === 'UTC' || zone === 'GMT') return 0;
  const [, sign, hours, minutes] = /^([+-])(\d{2}):?(\d{2})?$/.exec(zone ?? '') ?? [];
  if (sign === undefined) return undefined;
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes ?? 0));
}

function nearest(day: string | undefined, at: (year: number) => number | undefined): number | undefined {
  const about = day === undefined ? Date.now() : Date.parse(`${day}T12:00:00Z`);
  const year = new Date(about).getUTCFullYear();
  const times = [year - 1, year, year + 1].flatMap((candidate) => at(candidate) ?? []);
  return times.sort((a, b) => Math.abs(a - about) - Math.abs(b - about))[0];
}
